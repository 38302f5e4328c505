"""The cache of answers: built from the settings, refused where a contract asks for what is not there."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from app.domain.usecase import UseCase
from app.errors import CannotStart
from app.llm.catalog import FILE, Catalog, ref_of
from app.llm.embeddings import Embeddings
from app.llm.gateway import Gateway
from app.llm.providers import Vendor
from app.settings import Settings
from app.store.cache import Answers
from app.store.db import Database
from app.store.shared import Shared
from app.turn.recall import Recall, Remember

CURE = f'name one in {FILE}, such as: [embeddings] model = "openai:text-embedding-3-small"'


@dataclass(frozen=True, slots=True)
class Recalling:
    """What recalls and remembers answers."""

    answers: Answers
    embeddings: Embeddings | None

    def recall(self, database: Database, gateway: Gateway) -> Recall:
        """Give the step that looks for an answer."""
        return Recall(self.answers, database, gateway, self.embeddings)

    def remember(self, database: Database) -> Remember:
        """Give the step that keeps one."""
        return Remember(self.answers, database)

    def warm(self) -> None:
        """Import the package of the embedding model's vendor."""
        if self.embeddings:
            self.embeddings.warm()

    async def close(self) -> None:
        """Let go of tasks and connections."""
        await self.answers.close()
        if self.embeddings:
            with suppress(OSError):
                await self.embeddings.aclose()


def recalling(
    shared: Shared, models: Catalog, settings: Settings, *, gateway: Gateway, cases: Mapping[str, UseCase]
) -> Recalling:
    """Build it. Raises CannotStart with file, key and cure for each contract whose semantic cache cannot work."""
    embeddings = embeddings_of(models, settings)
    # Without a model there is no answer to keep: a laptop starts with the contract of production.
    asked = [case for case in cases.values() if case.contract.cache.semantic and gateway.has_model(case)]
    if faults := [fault for case in asked for fault in _faults(case, models, embeddings)]:
        raise CannotStart("\n".join(faults))
    return Recalling(Answers(shared), embeddings)


def embeddings_of(models: Catalog, settings: Settings) -> Embeddings | None:
    """Give the embedding model of config/models.toml; None where none is named, or its vendor cannot be reached."""
    if not models.embeddings.model:
        return None
    ref = ref_of(models.embeddings.model, at_home="openai")
    if ref.provider == "openai":
        reached = key = settings.openai_api_key.get_secret_value()
        url = settings.openai_base_url
    else:
        key, reached = settings.openai_compatible_api_key.get_secret_value(), settings.openai_compatible_base_url
        url = reached
    return Embeddings(ref, Vendor(ref.provider, key, url), models) if reached else None


def _faults(case: UseCase, models: Catalog, embeddings: Embeddings | None) -> Iterator[str]:
    cache, path = case.contract.cache, case.folder / "contract.toml"
    if not cache.fresh_s:
        yield f"- {path}: cache.semantic: nothing is given again while cache.fresh_s is 0; set it, or semantic = false"
    if cache.threshold is None:
        yield f"- {path}: cache.threshold: missing; `app cache {case.name}` measures it on the evaluation set"
    if not models.embeddings.model:
        yield f"- {path}: cache.semantic: there is no embedding model; {CURE}"
    elif embeddings is None:
        needed = "OPENAI_API_KEY" if models.embeddings.model.startswith("openai:") else "OPENAI_COMPATIBLE_BASE_URL"
        yield f"- {path}: cache.semantic: {FILE}, embeddings.model is {models.embeddings.model!r}; set {needed} for it"
