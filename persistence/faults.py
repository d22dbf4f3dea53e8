"""What a database driver's error means to a person: one place that turns it into the project's own."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DatabaseError as DriverError
from sqlalchemy.exc import StatementError

from delegation import DatabaseError, DatabaseLocked, InputError

__all__ = ["is_locked", "translated"]

_MEANINGS = (
    ("readonly", "the database is read-only", "make the file and its folder writable, or name another with --db"),
    ("read-only", "the database is read-only", "make the file and its folder writable, or name another with --db"),
    ("is full", "the disk or the database is full; nothing of this step was stored", "free some space, then resume"),
    ("unable to open", "the database file cannot be opened", "check that its folder exists and may be written to"),
    ("not a database", "the file is not an SQLite database", "name another file with --db"),
    ("malformed", "the database file is damaged", "restore it from a copy"),
    ("disk i/o error", "the disk reported an error", "check the disk, then resume"),
)


def is_locked(error: BaseException) -> bool:
    """Tell whether the error means that somebody else holds the database's lock."""
    return "is locked" in _said(error)


def _said(error: BaseException) -> str:
    """Return the driver's own words, without the statement and its values, which may say anything."""
    return str(getattr(error, "orig", error)).lower()


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Raise the project's error, which names ``where``, for a driver's error about the database as a whole.

    A value that no column can hold is bad input. Other errors about single statements (a constraint, say) pass
    through: only their caller knows what they mean.
    """
    try:
        yield
    except (DriverError, sqlite3.DatabaseError) as error:
        text = _said(error)
        if is_locked(error):
            raise DatabaseLocked(
                f"{where}: another process holds the database's write lock and did not let go in time",
                hint="end the other writer, or try again",
            ) from error
        for sign, meaning, hint in _MEANINGS:
            if sign in text:
                raise DatabaseError(f"{where}: {meaning}", hint=hint) from error
        raise
    except (StatementError, UnicodeEncodeError) as error:
        cause = getattr(error, "orig", error)
        if isinstance(cause, TypeError | ValueError):
            raise InputError(f"a value cannot be stored: {cause}", hint="give text and JSON values") from error
        raise
