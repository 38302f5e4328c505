"""The platform: it admits, screens, answers, checks and records every turn of every use case."""
