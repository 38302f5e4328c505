"""The lexical embedder: stable, of length 1, near for shared words."""

import numpy as np

from app.retrieval.embed import DIMENSIONS, LexicalEmbedder
from app.retrieval.words import stems, subject

EMBEDDER = LexicalEmbedder()


async def test_vectors_have_length_one_and_empty_texts_none() -> None:
    vectors = await EMBEDDER.embed(["annual leave", "", "the of and"])
    assert vectors.shape == (3, DIMENSIONS)
    assert np.allclose(np.linalg.norm(vectors, axis=1), [1, 0, 0])


async def test_vectors_are_the_same_in_every_process_and_batch() -> None:
    (alone,) = await EMBEDDER.embed(["calibration"])
    together = await EMBEDDER.embed(["calibration"] * 20)
    assert np.array_equal(together[7], alone)
    # Stored vectors are compared with vectors of later releases: another number here needs another name.
    assert EMBEDDER.name == "lexical-1"
    assert (int(np.argmax(np.abs(alone))), round(float(alone[325]), 3)) == (325, 0.881)


async def test_shared_stems_and_misspelt_words_are_nearer_than_others() -> None:
    question, same, typo, other = await EMBEDDER.embed(
        ["policies on travelling", "the travel policy", "travling polcies", "pH buffers expire in spring"]
    )
    assert question @ same > question @ typo > question @ other


def test_stems_join_forms_of_a_word() -> None:
    assert stems("The policies' buyers") == stems("policy buyer")


def test_subject_leaves_out_what_only_asks_and_keeps_part_numbers() -> None:
    assert subject("How much does the TW-450 cost, please?") == "TW-450 cost,"
    assert subject("What is it?") == "What is it?"
