"""Support tickets get a category, an urgency and a first reply; a person approves."""
