"""Mirrors app/evaluation."""
