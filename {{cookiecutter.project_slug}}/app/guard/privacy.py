"""By which rules personal data is masked: this process' engine, the people it knows, a use case's contract."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from app.domain.contract import Privacy as Policy
from app.domain.identity import Principal
from app.domain.masking import KINDS, Masks, Met, Recogniser, Rules
from app.guard.names import Known
from app.guard.patterns import PATTERNS
from app.guard.pii import veiled
from app.guard.presidio import Presidio

WITHOUT_MODEL = "personal data is masked by patterns and by the names that are known: unknown names pass"
WITH_MODEL = "personal data is masked by patterns, and names by the model {model}: no model finds all of them"
# Wiring refuses any other.
ENGINES = ("patterns", "presidio")


@dataclass(slots=True)
class Privacy:
    """What masks personal data in this process; `model` names what finds unknown names, "" where nothing does.

    `people` are those whom the service knows; `know` replaces them.
    """

    engine: tuple[Recogniser, ...] = (PATTERNS,)
    model: str = ""
    people: Known = field(default_factory=Known)

    @property
    def note(self) -> str:
        """Say what is masked and what is not."""
        return WITH_MODEL.format(model=self.model) if self.model else WITHOUT_MODEL

    def know(self, names: Iterable[str]) -> None:
        """Take these people for those whom the service knows."""
        self.people = Known(names)

    async def veil(self, texts: Sequence[str]) -> list[str]:
        """Mask each text for itself, for models of others that only compare texts."""
        return await veiled(texts, Rules((*self.engine, self.people)))

    def masks(
        self, policy: Policy, who: Principal, *, known: Mapping[str, str] | None = None, names: Iterable[str] = ()
    ) -> Masks:
        """Give a turn's map: what is `known` of its session, and `names` that this turn brings; the asker's too."""
        own = Known((who.name, _as_name(who.user_id), *names), parts=True)
        recognisers = (*self.engine, *(each for each in (own, self.people) if each))
        before = dict(known or {})
        return Masks(before, rules=self._rules(policy, recognisers), met=Met(before=before))

    def _rules(self, policy: Policy, recognisers: tuple[Recogniser, ...]) -> Rules:
        by_kind = {kind: policy.of(kind) for kind in KINDS}
        has_way = policy.third_parties == "allow" or (
            policy.third_parties == "refuse_without_model" and bool(self.model)
        )
        return Rules(
            recognisers,
            allowed=frozenset(kind for kind, what in by_kind.items() if what == "allow"),
            refused=frozenset(kind for kind, what in by_kind.items() if what == "refuse"),
            third_parties=has_way,
            own_unmasked=policy.own_models == "allow",
        )


def _as_name(user_id: str) -> str:
    # Most directories make logins of names: sam.reyes.
    return user_id.replace(".", " ").replace("_", " ") if not any(map(str.isdigit, user_id)) else ""


def engine(name: str, model: str = "") -> Privacy:
    """Build what the settings ask for. Raises CannotStart where it is not installed.

    Presidio adds to our own patterns, it does not replace them: they know numbers, names and secrets that it does not.
    """
    if name == "patterns":
        return Privacy()
    return Privacy((PATTERNS, Presidio(model)), model)
