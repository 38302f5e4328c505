"""The one place that knows which models turn texts into vectors: for documents, for questions, for cached answers."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any

from app.errors import CannotStart
from app.guard.pii import PLAIN, veiled
from app.llm.catalog import FILE, Catalog, EmbeddingChoice, Tokens, ref_of
from app.llm.embeddings import Embeddings, Veil
from app.llm.providers import Vendor
from app.retrieval.embed import Embedder, LexicalEmbedder
from app.retrieval.spaces import Spaces
from app.settings import Settings
from app.store.db import Database
from app.store.turnstile import Turnstile
from app.work.embedding import Embedding
from app.work.outbox import Relay


class Embedders:
    """The embedding model of config/models.toml (`chosen`), and those of older spaces, each as it was chosen then."""

    def __init__(self, models: Catalog, settings: Settings, turnstile: Turnstile, veil: Veil | None = None) -> None:
        self._models, self._settings, self._turnstile, self._veil = models, settings, turnstile, veil or _veil
        self._lexical = LexicalEmbedder()
        self._older: dict[str, Embeddings] = {}
        self.chosen = embeddings_of(models, settings, turnstile, self._veil)

    @property
    def wanted(self) -> Embedder | None:
        """Give the embedder that the configuration asks for; None where it names a model that cannot be called."""
        return self.chosen or (None if self._models.embeddings.model else self._lexical)

    @property
    def maker(self) -> dict[str, Any]:
        """Give what a space keeps of the configuration, so that its model can be called when this is another's."""
        choice = self._models.embeddings
        if not choice.model:
            return {}
        vendor = reached(choice, self._settings)
        # The address of a server of your own belongs to the model; OpenAI's is the same for all of them.
        own = {"base_url": vendor.base_url} if vendor and vendor.provider == "openai_compatible" else {}
        return choice.model_dump(mode="json", exclude_defaults=True) | own

    @property
    def bounds(self) -> dict[str, Any]:
        """Give how fast a change of model may be, and how dear by itself."""
        choice = self._models.embeddings
        return {"texts_per_s": choice.texts_per_s, "most_usd": choice.most_usd}

    def price(self, tokens: int) -> Decimal | None:
        """Give what so many tokens cost at the chosen model, in US dollars; None where no price is known."""
        choice = self._models.embeddings
        if not choice.model:
            return Decimal(0)
        return self._models.price(ref_of(choice.model, at_home="openai"), Tokens(tokens, 0))[0]

    def of(self, name: str, maker: Mapping[str, Any]) -> Embedder | None:
        """Give the embedder of a space; None where its model cannot be called from here."""
        if not maker:
            return self._lexical
        if self.chosen is not None and self.chosen.name == name:
            return self.chosen
        if name not in self._older:
            choice = EmbeddingChoice.model_validate(maker)
            vendor = reached(choice, self._settings)
            if vendor is None:
                return None
            self._older[name] = Embeddings(choice, vendor, self._models, turnstile=self._turnstile, veil=self._veil)
        return self._older[name]

    async def aclose(self) -> None:
        """Close every connection."""
        for each in (self.chosen, *self._older.values()):
            if each is not None:
                with suppress(OSError):
                    await each.aclose()


def reached(choice: EmbeddingChoice, settings: Settings) -> Vendor | None:
    """Give the vendor of a chosen model; None where no model is chosen, or its vendor has no key or address."""
    if not choice.model:
        return None
    ref = ref_of(choice.model, at_home="openai")
    if ref.provider == "openai":
        key, url = settings.openai_api_key.get_secret_value(), settings.openai_base_url
        return Vendor(ref.provider, key, url) if key else None
    key, url = settings.openai_compatible_api_key.get_secret_value(), settings.openai_compatible_base_url
    address = choice.base_url or url
    return Vendor(ref.provider, key, address) if address else None


def needed(choice: EmbeddingChoice) -> str:
    """Name the setting without which the chosen model cannot be called."""
    return "OPENAI_API_KEY" if choice.model.startswith("openai:") else "OPENAI_COMPATIBLE_BASE_URL"


async def _veil(texts: Sequence[str]) -> list[str]:
    return await veiled(texts, PLAIN)


def embeddings_of(
    models: Catalog, settings: Settings, turnstile: Turnstile | None = None, veil: Veil = _veil
) -> Embeddings | None:
    """Give the embedding model of config/models.toml; None where none is named, or its vendor cannot be reached."""
    vendor = reached(models.embeddings, settings)
    return Embeddings(models.embeddings, vendor, models, turnstile=turnstile, veil=veil) if vendor else None


def ensure_reached(models: Catalog, settings: Settings) -> None:
    """Refuse to start when a model is named that cannot be called. Raises CannotStart."""
    choice = models.embeddings
    if choice.model and reached(choice, settings) is None:
        raise CannotStart(
            f"- {FILE}: embeddings.model is {choice.model!r}: set {needed(choice)} for it, or name no model"
        )


def filling(
    database: Database, ingest_database: Database, spaces: Spaces, embedders: Embedders, relay: Relay
) -> Embedding:
    """Build what makes and fills the spaces."""
    return Embedding(database, ingest_database, spaces, embedders, relay, **embedders.bounds)
