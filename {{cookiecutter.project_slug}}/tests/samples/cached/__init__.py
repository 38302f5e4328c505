"""Answers from documents, given again to who may read the same."""
