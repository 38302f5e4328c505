"""The reranker of config/models.toml, where one is named."""

from app.errors import CannotStart
from app.llm.catalog import FILE, Catalog
from app.llm.embeddings import Veil
from app.llm.reranking import Reranker, Server
from app.settings import Settings
from app.store.turnstile import Turnstile


def reranker(models: Catalog, settings: Settings, turnstile: Turnstile, veil: Veil) -> Reranker | None:
    """Build it; None where no model is named. Raises CannotStart when nobody says where it is."""
    choice = models.rerank
    if not choice.model:
        return None
    if not settings.rerank_base_url:
        raise CannotStart(
            f"- {FILE}: rerank.model is {choice.model!r}, but nobody says where it is: set RERANK_BASE_URL to the"
            " address of its server, up to /rerank, or take the model out"
        )
    server = Server(settings.rerank_base_url, settings.rerank_api_key.get_secret_value())
    return Reranker(choice, server, models, turnstile=turnstile, veil=veil)
