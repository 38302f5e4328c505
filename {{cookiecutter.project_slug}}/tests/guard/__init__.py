"""Mirrors app/guard."""
