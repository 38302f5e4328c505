"""Letters sorted into a schema: a model, another, fixed rules."""
