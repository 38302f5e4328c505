"""Proofs: claims about the running service, shown by experiment; `make prove` runs all, ops/evidence keeps results."""
