"""Sorts letters; a person approves."""
