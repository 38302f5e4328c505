"""Models and what stands in for them: one prompt goes down a ladder of rungs until one answers."""
