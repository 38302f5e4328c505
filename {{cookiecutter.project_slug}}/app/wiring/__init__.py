"""Builds everything once, from the settings; the only place below the doors that knows how the rooms fit together."""
