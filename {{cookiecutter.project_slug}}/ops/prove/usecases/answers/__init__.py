"""Answers from documents: a model, another, the documents' own sentences; with a cache that looks for meaning."""
