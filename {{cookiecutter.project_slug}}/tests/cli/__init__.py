"""Mirrors app/cli."""
