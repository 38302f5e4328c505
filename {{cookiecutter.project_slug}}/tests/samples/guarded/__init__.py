"""A use case that is asked in two languages, and whose screen asks a model where it is not sure itself."""
