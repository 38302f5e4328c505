"""Drills: parts of the running service are broken on purpose, and what follows is measured."""
