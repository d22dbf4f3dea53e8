"""Bringing a database to this version's schema, once, however many processes open it at the same time."""

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, inspect, text

from delegation import NewerDatabase
from persistence.migrations import HEAD

__all__ = ["current_revision", "migrate"]


def current_revision(connection: Connection) -> str | None:
    """Return the revision that the database is at; None where it holds nothing of ours yet."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return revision


def migrate(connection: Connection, name: str) -> None:
    """Upgrade the database inside the connection's transaction, which holds the write lock.

    Raises:
        NewerDatabase: the database is at a revision that this version does not know.
    """
    # read again under the lock: another process may have migrated while this one waited for it
    revision = current_revision(connection)
    if revision == HEAD:
        return
    # Alembic takes a third of a second to import, and an up-to-date database never needs it
    from alembic import command  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = alembic_config()
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if revision is not None and revision not in known:
        raise NewerDatabase(
            f"{name}: the database's schema is at revision {revision!r}, newer than this version knows ({HEAD!r})",
            hint="upgrade the project, or name another database with --db",
        )
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def alembic_config() -> Any:
    """Return Alembic's configuration, made here so that no file of it has to be found."""
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
