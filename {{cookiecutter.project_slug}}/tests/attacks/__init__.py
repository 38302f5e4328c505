"""Attempts to get at what one may not read: each must get nothing, and each must be able to fail."""
