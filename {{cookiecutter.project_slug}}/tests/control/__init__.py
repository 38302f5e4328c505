"""Mirrors app/control."""
