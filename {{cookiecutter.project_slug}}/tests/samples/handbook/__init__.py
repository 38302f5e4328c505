"""Answers from five documents with different readers."""
