"""All SQL and Redis: the only room that knows a database."""
