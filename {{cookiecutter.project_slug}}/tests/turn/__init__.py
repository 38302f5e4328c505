"""Mirrors app/turn."""
