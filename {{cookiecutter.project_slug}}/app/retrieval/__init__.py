"""Finding the passages that a person may read: bytes to chunks, chunks to vectors, questions to passages."""
