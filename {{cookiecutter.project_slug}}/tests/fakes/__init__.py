"""Stand-ins for what is outside this repository, used at its edge only."""
