"""Alembic's entry: two branches, platform (the template's) and product (yours), in one history."""

from alembic import context
from sqlalchemy import Connection

from app.store.tables import metadata

connection: Connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
