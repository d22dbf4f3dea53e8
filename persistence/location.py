"""Where the database is: URLs and paths as people give them, checked before anything is opened."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from delegation import DatabaseError, InputError

__all__ = ["Location", "default_database", "resolve", "shown"]

DEFAULT_FOLDER = Path(".squad")
_EXAMPLE = "give a path, or sqlite+aiosqlite:///path/to/file.db"


def default_database() -> str:
    """Return the path of the embedded default, ``.squad/squad.db``, and make its folder: private, ignored by git."""
    DEFAULT_FOLDER.mkdir(mode=0o700, exist_ok=True)
    ignore = DEFAULT_FOLDER / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n")
    return str(DEFAULT_FOLDER / "squad.db")


@dataclass(frozen=True)
class Location:
    """A database's place: the URL of its file, and the folder to delete at the end where it is a private one."""

    url: URL
    temporary: Path | None = None

    @property
    def name(self) -> str:
        """The place for people and logs, any password masked."""
        return shown(self.url) if self.temporary is None else "the database in memory"


def resolve(where: str) -> Location:
    """Turn an SQLAlchemy URL or a path into a place with a file behind it.

    ``:memory:`` becomes a private temporary file, since steps, callers and checkpointer each have a connection.

    Raises:
        InputError: it is no URL that can be used.
        DatabaseError: the folder that should hold the file is not there.
    """
    try:
        url = make_url(where) if "://" in where else URL.create("sqlite", database=where)
    except (ArgumentError, ValueError) as error:
        raise InputError("the database's URL cannot be read", hint=_EXAMPLE) from error
    if url.get_backend_name() != "sqlite":
        raise InputError(f"{shown(url)}: only SQLite is supported so far", hint=_EXAMPLE)
    if url.query:
        raise InputError(f"{shown(url)}: the part after the question mark is not supported", hint=_EXAMPLE)
    if url.host or url.username or url.password:
        raise InputError(f"{shown(url)}: three slashes come before the path of a file", hint=_EXAMPLE)
    if "\0" in str(url.database):
        raise InputError("a path with a null character cannot be read", hint=_EXAMPLE)
    url = url.set(drivername="sqlite+aiosqlite")
    if url.database in {None, "", ":memory:"}:
        folder = Path(tempfile.mkdtemp(prefix="squad-"))
        return Location(url.set(database=str(folder / "memory.db")), temporary=folder)
    file = Path(str(url.database)).expanduser().absolute()
    if not file.parent.is_dir():
        raise DatabaseError(f"{file}: the folder is not there", hint="make it first, or name another with --db")
    if file.is_dir():
        raise DatabaseError(f"{file} is a folder, not a file", hint="name a file in it")
    return Location(url.set(database=str(file)))


def shown(url: URL) -> str:
    """Return the URL for people and logs, any password masked."""
    return url.render_as_string(hide_password=True)
