"""A turn that searches with the rights of the asker."""
