"""The HTTP door: parse, call one thing, present. One file per noun."""
