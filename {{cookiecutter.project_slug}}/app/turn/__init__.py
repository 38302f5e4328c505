"""The turn: the one list of steps that every question takes, whichever door it came through."""
