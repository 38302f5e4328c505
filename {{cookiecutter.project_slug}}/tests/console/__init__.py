"""The pages, over the real application."""
