"""The cache of answers: built from the settings, refused where a contract asks for what is not there."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app.domain.usecase import UseCase
from app.errors import CannotStart
from app.llm.catalog import FILE, Catalog
from app.llm.embeddings import Embeddings
from app.llm.gateway import Gateway
from app.store.cache import Answers
from app.store.db import Database
from app.store.shared import Shared
from app.turn.recall import Recall, Remember
from app.wiring.embedding import needed

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

    async def close(self) -> None:
        """Let go of tasks."""
        await self.answers.close()


def recalling(
    shared: Shared,
    models: Catalog,
    embeddings: Embeddings | None,
    *,
    gateway: Gateway,
    cases: Mapping[str, UseCase],
) -> Recalling:
    """Build it. Raises CannotStart with file, key and cure for each contract whose semantic cache cannot work."""
    # Without a model there is no answer to keep: a laptop starts with the contract of production.
    asked = [case for case in cases.values() if case.contract.cache.semantic and gateway.has_model(case)]
    if faults := [fault for case in asked for fault in _faults(case, models, embeddings)]:
        raise CannotStart("\n".join(faults))
    return Recalling(Answers(shared), embeddings)


def _faults(case: UseCase, models: Catalog, embeddings: Embeddings | None) -> Iterator[str]:
    cache, path = case.contract.cache, case.folder / "contract.toml"
    if not cache.fresh_s:
        yield f"- {path}: cache.semantic: nothing is given again while cache.fresh_s is 0; set it, or semantic = false"
    if cache.threshold is None:
        yield f"- {path}: cache.threshold: missing; `app cache {case.name}` measures it on the evaluation set"
    if not models.embeddings.model:
        yield f"- {path}: cache.semantic: there is no embedding model; {CURE}"
    elif embeddings is None:
        key = needed(models.embeddings)
        yield f"- {path}: cache.semantic: {FILE}, embeddings.model is {models.embeddings.model!r}; set {key} for it"
