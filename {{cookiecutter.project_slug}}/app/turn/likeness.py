"""When two turns may share one answer: what must be the same, and which turns share nothing."""

import hashlib
import json
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from app.domain.outcome import Outcome
from app.domain.rollout import CURRENT
from app.domain.turn import Channel, Turn

# Evaluations measure, shadows compare: both need an answer of their own.
CHANNELS: tuple[Channel, ...] = ("api", "openai", "job")
_TRAILING = " .?!…。？！"
# Another number here makes every answer of an older release unfindable.
_FORMAT = 2


@dataclass(frozen=True, slots=True)
class Place:
    """Where an answer stands in the cache: `key` names all that decides it, `scope` all of that but the question.

    `day` is the day on which it is true, or "" where it does not depend on the date.
    """

    key: str
    scope: str
    day: str


def may_share(turn: Turn) -> bool:
    """Say whether this turn may give or get a shared answer: nothing in it is anybody's own, and no tool may act."""
    usecase = turn.usecase
    is_own = bool(turn.masks or turn.history)
    return turn.channel in CHANNELS and usecase.contract.risk.mode == "auto" and not (usecase.tools or is_own)


def is_worth_keeping(turn: Turn) -> bool:
    """Say whether a finished turn's answer may be given again: from a model, unobjected, without personal data."""
    draft = turn.draft
    return (
        turn.outcome is Outcome.ANSWERED_MODEL
        and draft is not None
        and draft.outcome is Outcome.ANSWERED_MODEL
        # What a flag said holds for one person, and until somebody changes it.
        and not (draft.actions or turn.findings or turn.error or turn.tape.tools or turn.tape.flags)
        and may_share(turn)
    )


def place_of(turn: Turn, *, policy: str, sight: str) -> Place:
    """Name the answer's place; `policy` is what decides an answer, `sight` what the asker may read."""
    usecase = turn.usecase
    scope = _hash(
        _FORMAT,
        usecase.name,
        policy,
        _code_of(usecase.folder),
        sight,
        sorted(turn.fields.items()),
        # A candidate's answers are its own; who gets the current one shares with those before the rollout.
        "" if turn.arm == CURRENT else turn.arm,
        # People whom the routes send to different models do not share.
        [bool(set(rule.groups) & set(turn.principal.groups)) for rule in usecase.contract.routes if rule.groups],
        # A workflow knows who asks: what it says may be meant for one person.
        turn.principal.user_id if usecase.workflow else "",
    )
    return Place(key=_hash(scope, normal(turn.question)), scope=scope, day=day_of(turn))


def day_of(turn: Turn) -> str:
    """Give the day on which the turn's answer is true, or "" where an answer does not depend on the date."""
    usecase = turn.usecase
    knows_today = any("today" in prompt.inputs for prompt in usecase.prompts.values())
    is_dated = knows_today or usecase.contract.retrieval.enabled or usecase.workflow
    return turn.started_at.date().isoformat() if is_dated else ""


def normal(question: str) -> str:
    """Give the question without what does not change its meaning: case, spacing, and the mark at its end."""
    folded = unicodedata.normalize("NFKC", question).casefold()
    return " ".join(folded.split()).rstrip(_TRAILING) or folded


@lru_cache(maxsize=1000)
def _code_of(folder: Path) -> str:
    """Hash the files beside the contract, and the contract: any of them may decide what is answered."""
    files = sorted(path for path in folder.iterdir() if path.suffix in (".py", ".toml"))
    return _hash(*(f"{path.name}\n{path.read_text(encoding='utf-8')}" for path in files))


def _hash(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()[:40]
