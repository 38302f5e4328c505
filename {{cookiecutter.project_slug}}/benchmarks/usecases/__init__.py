"""The two use cases that are measured: one without retrieval, one with."""
