"""Runs the whole service on one machine: embedded engines, the parts, and the supervisor that keeps them together."""
