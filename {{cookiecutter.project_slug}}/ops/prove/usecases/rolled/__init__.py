"""A use case whose candidates are slow, wrong, dear, or as good as what is there."""
