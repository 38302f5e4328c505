"""The tests: they mirror app/, use real PostgreSQL and Redis, and fake nothing but the model vendor."""
