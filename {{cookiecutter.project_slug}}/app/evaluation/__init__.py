"""Measures quality, and proves readiness."""
