"""Clean the text, refuse instructions aimed at the model, mask personal data."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from app.domain.masking import Masks
from app.domain.turn import Message, Turn
from app.errors import BadInput, OtherLanguage, quoted
from app.guard.canary import canary_of
from app.guard.input import clean, visible
from app.guard.pii import masked
from app.guard.privacy import Privacy
from app.llm.gateway import Gateway
from app.retrieval.language import language_of
from app.turn.suspicion import Suspicion, remembered

# So few words tell a language, where it is told at all.
LEAST_WORDS = 12
# The longest name of a person that a field may hold.
NAME_CHARS = 100


@dataclass(frozen=True, slots=True)
class Screen:
    """What leaves this step may be shown to a model. `secret_key` makes the canary; without one there is none."""

    privacy: Privacy = field(default_factory=Privacy)
    gateway: Gateway | None = None
    secret_key: str = ""

    async def __call__(self, turn: Turn) -> Turn:
        """Give the turn with `question` cleaned, `screened` masked, and history masked alike."""
        allowed = turn.usecase.contract.input
        most = turn.usecase.contract.access.most_chars(turn.principal, allowed.max_chars)
        question, written = clean(turn.question, max_chars=most), turn.question
        self._fields(turn)
        self._language(question, allowed.languages)
        said = remembered(turn)
        known = self._masks(turn)
        (screened, *told), masks = await masked((question, *(visible(each.text) for each in said)), known)
        history = tuple(Message(each.role, text) for each, text in zip(said, told, strict=True))
        fields = await self._named(turn, masks)
        turn = turn.with_(question=question, screened=screened, masks=masks, history=history, fields=fields)
        turn = turn.with_(canary=self._canary())
        # A queued item may quote an attack (a customer's ticket): it is data there, marked off in the prompt.
        if turn.usecase.contract.risk.mode == "auto":
            await Suspicion(self.gateway).ensure(turn, written)
        return turn

    def _masks(self, turn: Turn) -> Masks:
        policy = turn.usecase.contract.privacy
        names = [turn.fields[name] for name in policy.name_fields if name in turn.fields]
        return self.privacy.masks(policy, turn.principal, known=turn.masks, names=names)

    async def _named(self, turn: Turn, masks: Masks) -> dict[str, str]:
        """Mask the fields that hold names; all others hold what the contract lists."""
        named = [name for name in turn.usecase.contract.privacy.name_fields if name in turn.fields]
        texts, grown = await masked([turn.fields[name] for name in named], masks)
        masks.update(grown)
        return {**turn.fields, **dict(zip(named, texts, strict=True))}

    def _canary(self) -> str:
        return canary_of(self.secret_key, datetime.now(UTC).date()) if self.secret_key else ""

    def _language(self, question: str, languages: tuple[str, ...]) -> None:
        spoken = language_of([question], least_words=LEAST_WORDS) if languages else ""
        if spoken and spoken not in languages:
            allowed = ", ".join(languages)
            raise OtherLanguage(
                f"`question` is in {spoken}; allowed: {allowed}.",
                errors=[{"field": "question", "wrong": spoken, "allowed": allowed}],
            )

    def _fields(self, turn: Turn) -> None:
        names = turn.usecase.contract.privacy.name_fields
        known = turn.usecase.contract.input.fields
        faults = [
            {
                "field": f"fields.{name}",
                "wrong": quoted(value),
                "allowed": ", ".join(known.get(name, ())) or f"one of {[*known, *names]}",
            }
            for name, value in turn.fields.items()
            if value not in known.get(name, ()) and not (name in names and 0 < len(value) <= NAME_CHARS)
        ]
        if faults:
            raise BadInput(
                "Some fields are not acceptable: " + ", ".join(fault["field"] for fault in faults), errors=faults
            )
