"""Bring the database to the newest revision of both branches, or write the next revision of the product's."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

ROOT = Path(__file__).parents[2]
# Any constant: it makes two migrating processes take turns.
LOCK = 7_214_201


def migrate(url: str, *, new: str = "") -> None:
    """Apply every outstanding revision, one process at a time; with `new`, write an empty product revision instead."""
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        connection.execute(text(f"SELECT pg_advisory_lock({LOCK})"))
        connection.rollback()
        config = _config()
        config.attributes["connection"] = connection
        if new:
            _write_revision(config, new)
        else:
            command.upgrade(config, "heads")
    engine.dispose()


def heads() -> frozenset[str]:
    """Give the newest revisions that the code knows."""
    return frozenset(ScriptDirectory.from_config(_config()).get_heads())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    config.set_main_option("path_separator", "os")
    config.set_main_option("version_locations", f"{ROOT}/migrations/platform:{ROOT}/migrations/product")
    return config


def _write_revision(config: Config, message: str) -> None:
    has_product = any((ROOT / "migrations/product").glob("*.py"))
    where = {"head": "product@head"} if has_product else {"head": "base", "branch_label": "product"}
    command.revision(
        config,
        message,
        version_path=str(ROOT / "migrations/product"),
        depends_on=None if has_product else "platform_0001",
        **where,  # type: ignore[arg-type]
    )
