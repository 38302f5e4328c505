"""Use cases of the proofs: an answer from documents, one with nothing below its model, and a structured decision."""
