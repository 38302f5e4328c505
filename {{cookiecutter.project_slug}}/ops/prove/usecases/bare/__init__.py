"""The same with nothing below the model."""
