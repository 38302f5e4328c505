"""A service that random companies use, and eyes on everything that leaves it: prompts, answers, lists, stories."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, LiteralString
from uuid import UUID, uuid4

import psycopg

from app.control import directory as listing
from app.control.people import People
from app.control.roles import Roles
from app.domain.access import Access
from app.domain.identity import Permission, Principal
from app.domain.turn import IdempotencyKey, Turn
from app.store import directory, documents
from app.store.documents import Content, Facts, Piece
from app.turn.admit import replayed
from app.turn.response import response
from app.turn.story import conversation, told_to
from app.wiring.service import Service
from ops.prove.worlds import PEOPLE, TOPICS, Company, Step

USECASE = "answers"
# The secret of a document: in its title, its text and its path, and in nothing else.
MARK = re.compile(r"zq[a-j]{8}")
LOOK_EVERY = 3
LOCKS = ("both locks", "row-level security alone", "the filter alone")
_NO_FILTER: LiteralString = """
ALTER FUNCTION visible_acls(text[], integer, text[]) RENAME TO kept_for_row_level_security;
CREATE FUNCTION visible_acls(names text[], cleared integer, areas text[]) RETURNS integer[] LANGUAGE sql STABLE
    AS $$ SELECT coalesce(array_agg(id), '{}') FROM acls $$;
CREATE OR REPLACE FUNCTION my_acls() RETURNS integer[] LANGUAGE sql STABLE AS $$
    SELECT kept_for_row_level_security(current_readers(),
        coalesce(nullif(current_setting('app.clearance', true), ''), '0')::integer,
        string_to_array(nullif(current_setting('app.regions', true), ''), E'\\x1f'))
$$;
"""
_NO_SECURITY: LiteralString = """
DO $$ DECLARE guarded regclass; BEGIN
    FOR guarded IN SELECT oid FROM pg_class WHERE relrowsecurity LOOP
        EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', guarded);
    END LOOP;
END $$;
"""


def take_away(database_url: str, locks: str) -> None:
    """Take one lock off a database, on purpose; only of a database that is thrown away."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        if locks == LOCKS[1]:
            connection.execute(_NO_FILTER)
        if locks == LOCKS[2]:
            connection.execute(_NO_SECURITY)


@dataclass
class Harbour:
    """One service; `prompts` gives what its models were sent since it was asked last."""

    service: Service
    prompts: Callable[[], Iterable[Any]]
    locks: str = LOCKS[0]
    seen: Counter[str] = field(default_factory=Counter)
    leaks: list[str] = field(default_factory=list)
    _worlds: int = 0
    _sessions: dict[str, UUID] = field(default_factory=dict)
    _last: dict[str, Turn] = field(default_factory=dict)

    async def open(self, company: Company) -> None:
        """Begin anew: nobody listed, and the company's documents in place of the last one's."""
        self._worlds += 1
        self._sessions.clear()
        self._last.clear()
        async with self.service.ingest_database.work() as work:
            for table in ("directory_people", "directory_groups"):
                await work.sql(f"DELETE FROM {table}")  # noqa: S608 - two constants
            known = await documents.of_source(work, USECASE, "world")
            await documents.remove(work, [document.id for document in known.values()])
            await directory.keep_levels(work, company.rules.levels)
            for place, access in company.shelf.items():
                await self._put(work, place, access)
        self._people = People(Roles.read(company.rules.as_toml()), self.service.database, has_directory=True)

    async def _put(self, work: Any, place: int, access: Access) -> None:
        topic, mark = TOPICS[place], self.mark(place)
        facts = Facts(USECASE, "world", f"{mark}.md", f"{topic} {mark}", access, "text/markdown")
        text = f"The {topic} at the harbour are looked after by the office {mark}. More is said about {topic} there."
        await documents.save(work, self._id(place), facts, Content(mark, (Piece("", None, text, False),)))

    def mark(self, place: int) -> str:
        """Give the secret of a document of this world."""
        return "zq" + "".join("abcdefghij"[int(digit)] for digit in f"{self._worlds * 10 + place:08d}")

    def _id(self, place: int) -> UUID:
        return documents.document_id(USECASE, "world", f"{self.mark(place)}.md")

    async def take(self, company: Company, step: Step) -> None:
        """Do one step, and note whatever somebody saw that they may not read."""
        self.seen[step.what] += 1
        if step.what in ("ask", "again"):
            await self._question(company, step)
        elif step.what == "access" and step.access:
            company.shelf[step.place] = step.access
            async with self.service.ingest_database.work() as work:
                await self._put(work, step.place, step.access)
        elif step.what == "remove":
            company.shelf.pop(step.place, None)
            async with self.service.ingest_database.work() as work:
                await documents.remove(work, [self._id(step.place)])
        elif step.what == "rules" and step.rules:
            company.rules = step.rules
            self._people = replace(self._people, roles=Roles.read(step.rules.as_toml()))
            async with self.service.ingest_database.work() as work:
                await directory.keep_levels(work, step.rules.levels)
        elif step.listed:
            company.hear(step.listed)
            found = listing.read(step.listed.as_json())
            async with self.service.ingest_database.work() as work:
                await directory.replace(work, parents=found.parents, people=found.people, hash_=uuid4().hex)

    async def _question(self, company: Company, step: Step) -> None:
        who = await self._people.principal(step.person, groups=company.tokens[step.person])
        may = {self.mark(place) for place in company.readable(step.person)}
        if step.what == "again" and (last := self._last.get(step.person)):
            stored = await replayed(self.service.database, replace(last, id=uuid4(), principal=who))
            self._check(company, step, "a repeated request", stored, may)
            return
        turn = self._turn(who, step)
        await replayed(self.service.database, turn)
        turn = await self.service.pipeline.run(turn)
        if not turn.error:
            self._sessions[step.person] = turn.session_id or uuid4()
            self._last[step.person] = turn
        self.seen[turn.outcome.value if turn.outcome else "none"] += 1
        self._check(company, step, "a response", response(turn), may)
        self._check(company, step, "a passage", [str(passage) for passage in turn.passages], may)
        if turn.tape.calls:
            self._check(company, step, "a prompt", list(self.prompts()), may)
        if turn.session_id and step.follows and not turn.error:
            said = await conversation(who, self.service.database, turn.session_id)
            self._check(company, step, "a conversation", said[1], may)
        # The same statements each time: now and then is often enough for what costs as much as the question.
        if self.seen["ask"] % LOOK_EVERY == 0:
            await self._listed(company, step, who, may)
            await self._told(company, step, turn)

    def _turn(self, who: Principal, step: Step) -> Turn:
        return Turn(
            usecase=self.service.usecases[USECASE],
            principal=who,
            question=step.question.format(topic=TOPICS[step.place]),
            session_id=self._sessions.get(who.user_id) if step.follows else None,
            idempotency=IdempotencyKey(uuid4().hex, "the same"),
        )

    async def _listed(self, company: Company, step: Step, who: Principal, may: set[str]) -> None:
        """Compare the list of documents with the reference: no more, and no fewer."""
        async with self.service.database.work(claims=who.claims) as work:
            listed = await documents.visible(work, claims=who.claims, usecase=USECASE)
            bare = await work.sql("SELECT title FROM documents WHERE usecase = :usecase", usecase=USECASE)
            found = {mark for document in listed for mark in MARK.findall(document.facts.title)}
            plain = {mark for title in bare.scalars() for mark in MARK.findall(title)}
        if found != may or (self.locks != LOCKS[2] and plain != may):
            self._leak(company, step, "the list of documents", found ^ may | plain ^ may)

    async def _told(self, company: Company, step: Step, turn: Turn) -> None:
        """Have somebody else, who may read every turn, look at this one."""
        other = PEOPLE[(PEOPLE.index(step.person) + 1 + self.seen["ask"] % (len(PEOPLE) - 1)) % len(PEOPLE)]
        who = await self._people.principal(other, groups=company.tokens[other])
        who = replace(who, permissions=frozenset(Permission))
        may = {self.mark(place) for place in company.readable(other)}
        told = await told_to(who, self.service.database, turn.id, usecases=self.service.usecases)
        self._check(company, step, f"the story, told to {other}", told, may)

    def _check(self, company: Company, step: Step, where: str, shown: Any, may: set[str]) -> None:
        self.seen[f"looked at: {where.partition(',')[0]}"] += 1
        quoted = set(MARK.findall(json.dumps(shown, default=str)))
        self.seen[f"quoted in: {where.partition(',')[0]}"] += bool(quoted)
        if quoted - may:
            self._leak(company, step, where, quoted - may)

    def _leak(self, company: Company, step: Step, where: str, marks: set[str]) -> None:
        places = [place for place in range(len(TOPICS)) if self.mark(place) in marks]
        shelf = {place: company.shelf.get(place) for place in places}
        self.leaks.append(
            f"{self.locks}: {step.person} sees in {where} what stands in {shelf}; {company.groups(step.person)}"
        )
