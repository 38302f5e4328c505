"""A turn without retrieval."""
