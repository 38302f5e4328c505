"""A reranker in both shapes of `/rerank`: it scores shared stems, and a text that holds LIKED above all."""

import asyncio
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.fakes import embedding

LIKED = "the reranker likes this"
MODEL = "fake-reranker"


async def rerank(request: Request) -> Response:
    """Answer as Cohere and Jina do, or as TEI where it is asked as TEI; faults come from the vendor's plan."""
    state: Any = request.app.state.vendor
    asked = orjson.loads(await request.body())
    _, _, fault = state.take(orjson.dumps({"model": MODEL, **asked}))
    await asyncio.sleep(state.wait_s() + (fault.seconds if fault.kind == "hang" else 0.0))
    if fault.status:
        return JSONResponse({"message": "no"}, fault.status)
    if fault.kind == "malformed":
        return JSONResponse({"results": [{"nothing": 1}]})
    texts = asked.get("texts") or asked["documents"]
    scored = sorted(((_score(asked["query"], text), place) for place, text in enumerate(texts)), reverse=True)
    if "texts" in asked:
        return JSONResponse([{"index": place, "score": score} for score, place in scored])
    results = [{"index": place, "relevance_score": score} for score, place in scored[: asked["top_n"]]]
    tokens = sum(len(text) // 4 for text in (asked["query"], *texts))
    return JSONResponse({"model": asked["model"], "results": results, "usage": {"total_tokens": tokens}})


def _score(question: str, text: str) -> float:
    if LIKED in text:
        return 0.98
    cosine = sum(a * b for a, b in zip(embedding.vector(question), embedding.vector(text), strict=True))
    return round(max(0.0, min(0.9, cosine)), 4)
