"""Who may, whether, and how much: identity, switches, limits."""
