"""OpenAI's embeddings, which many other servers speak too: their requests and answers."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.llm.chat import Fields, count
from app.llm.faults import UnexpectedModelBehavior

PATH = "/embeddings"


@dataclass(frozen=True, slots=True)
class Embedded:
    """What came back: a vector for each text, in order, and the tokens that were read."""

    embeddings: Sequence[NDArray[np.float32]]
    input_tokens: int


def body(model: str, texts: Sequence[str], *, dimensions: int | None) -> Fields:
    """Give the request; vectors are asked for as bytes, which is a quarter of their length in digits."""
    made: Fields = {"model": model, "input": list(texts), "encoding_format": "base64"}
    return {**made, "dimensions": dimensions} if dimensions else made


def read(answer: Any) -> Embedded:
    """Read an answer; servers that know no bytes send numbers. Raises UnexpectedModelBehavior."""
    try:
        placed = sorted(answer["data"], key=lambda each: each["index"])
        vectors = [_vector(each["embedding"]) for each in placed]
    except (TypeError, KeyError, ValueError) as error:
        raise UnexpectedModelBehavior("no vectors in the answer") from error
    return Embedded(vectors, count(answer, "usage", "prompt_tokens"))


def _vector(written: Any) -> NDArray[np.float32]:
    if isinstance(written, str):
        return np.frombuffer(base64.b64decode(written, validate=True), dtype="<f4")
    return np.asarray(written, dtype=np.float32)
