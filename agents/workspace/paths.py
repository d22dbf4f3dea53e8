"""Paths that somebody names who is not trusted: every one stays inside its folder, also while others change it.

A path is walked part by part, each part opened in the folder before it and never through a link. So what was checked
is what is used: there is no moment in between in which a name could come to mean something else.
"""

import os
import shutil
import stat
import subprocess
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

from delegation import HandsRefused, WorkspaceError

__all__ = ["Entry", "Inside", "is_git", "parts_of", "remove_tree", "without_repositories"]

LONGEST_PATH = 1024
LONGEST_NAME = 200
DEEPEST = 40

_HINT = "paths are relative to the repository's top, such as src/app.py"

Entry = tuple[str, str]
"""A name in a folder, and what it is: file, folder, link or special."""


def is_git(name: str) -> bool:
    """Tell whether a name is git's own on any file system: by case, invisible characters, short names, streams."""
    seen = "".join(char for char in unicodedata.normalize("NFKC", name) if unicodedata.category(char) != "Cf")
    base = seen.casefold().split(":", 1)[0].rstrip(". ")
    return base in {".git", "git~1"}


def parts_of(path: str) -> list[str]:
    """Return the parts of a path that somebody named; none of them is the folder itself.

    Raises:
        HandsRefused: the path cannot be inside, is git's own, or is none that a file can have.
    """
    if not isinstance(path, str):
        raise HandsRefused("a path is a text", hint=_HINT)
    shown = ascii(path[:80])
    if "\0" in path or any(unicodedata.category(char) in {"Cc", "Cs"} for char in path):
        raise HandsRefused(f"the path {shown} holds characters that no path here may hold", hint=_HINT)
    if path.startswith(("/", "~")):
        raise HandsRefused(f"the path {shown} is not relative to the repository's top", hint=_HINT)
    parts = [part for part in path.split("/") if part not in {"", "."}]
    if ".." in parts:
        raise HandsRefused(f"the path {shown} leads upwards", hint=_HINT)
    if any(is_git(part) for part in parts):
        raise HandsRefused(f"the path {shown} is git's own", hint="what is changed is committed when the work is done")
    too_long = len(os.fsencode(path)) > LONGEST_PATH or any(len(os.fsencode(one)) > LONGEST_NAME for one in parts)
    if too_long or len(parts) > DEEPEST:
        raise HandsRefused(f"the path {shown}… is too long", hint=_HINT)
    return parts


class Inside:
    """The files in one folder, by relative paths that cannot lead out of it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @contextmanager
    def folder(self, parts: list[str], *, make: bool = False) -> Iterator[int]:
        """Open a folder inside, making those on the way where asked to; yields its descriptor."""
        here = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for at, part in enumerate(parts):
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(part, 0o755, dir_fd=here)
                further = _open_folder(part, here, "/".join(parts[: at + 1]))
                os.close(here)
                here = further
            yield here
        finally:
            os.close(here)

    def read(self, path: str, limit: int) -> bytes:
        """Return what a file holds.

        Raises:
            HandsRefused: it is not there, is no plain file, or holds more than ``limit`` bytes.
        """
        parts = _file_parts(path)
        with self.folder(parts[:-1]) as folder:
            found = _look(folder, parts[-1], path)
            if found is None:
                raise HandsRefused(f"there is no file {path!r}", hint="list shows what is there")
            # no waiting for the other end of a pipe, should one have come in its place
            with _opened(folder, parts[-1], path) as file:
                size = os.fstat(file).st_size
                if size > limit:
                    raise HandsRefused(f"{path!r} is too large: {size:,} bytes", hint=f"the limit is {limit:,} bytes")
                return _whole(file, limit)

    def write(self, path: str, content: bytes) -> bool:
        """Make or replace a file, in one piece; tells whether it is new.

        Raises:
            HandsRefused: the path cannot be a plain file's.
        """
        parts = _file_parts(path)
        with self.folder(parts[:-1], make=True) as folder:
            before = _look(folder, parts[-1], path)
            mode = stat.S_IMODE(before.st_mode) & 0o755 if before else 0o644
            # a file of its own that takes the name over: an old one may have other names outside of here
            name = f".squad-{token_hex(8)}"
            file = os.open(
                name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder
            )
            try:
                with os.fdopen(file, "wb") as stream:
                    stream.write(content)
                    os.fchmod(file, mode | 0o600)
                os.rename(name, parts[-1], src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                with suppress(OSError):
                    os.unlink(name, dir_fd=folder)
                raise
        return before is None

    def entries(self, parts: list[str]) -> list[Entry]:
        """Return what is in a folder, by name; git's own is left out."""
        with self.folder(parts) as folder, os.scandir(folder) as found:
            return sorted((one.name, _kind(one)) for one in found if not is_git(one.name))

    def kind(self, parts: list[str]) -> str | None:
        """Return what a path is: file, folder, link or special; None where there is nothing."""
        if not parts:
            return "folder"
        try:
            with self.folder(parts[:-1]) as folder:
                return _kind_of(os.stat(parts[-1], dir_fd=folder, follow_symlinks=False).st_mode)
        except FileNotFoundError:
            return None


def _file_parts(path: str) -> list[str]:
    parts = parts_of(path)
    if not parts or path.endswith("/"):
        raise HandsRefused(f"{path!r} is no file's path", hint=_HINT)
    return parts


def _open_folder(part: str, within: int, so_far: str) -> int:
    try:
        return os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=within)
    except FileNotFoundError:
        raise HandsRefused(f"there is no folder {so_far!r}", hint="list shows what is there") from None
    except OSError:  # a link or a file
        raise HandsRefused(f"{so_far!r} is no folder, or a link, which is not followed", hint=_HINT) from None


def _look(folder: int, name: str, path: str) -> os.stat_result | None:
    """Return what is known of a file, or None; anything but a plain file is refused before it is opened."""
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HandsRefused(f"{path!r} cannot be read: {error.strerror}") from None
    if stat.S_ISLNK(found.st_mode):
        target = os.readlink(name, dir_fd=folder)
        raise HandsRefused(f"{path!r} is a link to {target[:200]!r}, and links are not followed", hint=_HINT)
    if not stat.S_ISREG(found.st_mode):
        raise HandsRefused(f"{path!r} is a {_kind_of(found.st_mode)}, not a plain file", hint=_HINT)
    return found


@contextmanager
def _opened(folder: int, name: str, path: str) -> Iterator[int]:
    try:
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, dir_fd=folder)
    except OSError as error:
        raise HandsRefused(f"{path!r} cannot be read: {error.strerror}") from None
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):  # it has just become something else
            raise HandsRefused(f"{path!r} is not a plain file", hint=_HINT)
        yield file
    finally:
        os.close(file)


def _whole(file: int, limit: int) -> bytes:
    pieces, left = [], limit + 1
    while left > 0 and (piece := os.read(file, min(left, 1 << 20))):
        pieces.append(piece)
        left -= len(piece)
    if left <= 0:
        raise HandsRefused("the file grows while it is read, beyond the limit")
    return b"".join(pieces)


def _kind(entry: "os.DirEntry[str]") -> str:
    return _kind_of(entry.stat(follow_symlinks=False).st_mode)


def _kind_of(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "link"
    return "folder" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else "special file"


def without_repositories(root: Path) -> None:
    """Delete whatever is named as git's own in a working copy: nobody but a program that was run can have put it there.

    Folders that such a program has closed are opened, since git would stumble over them.

    Raises:
        WorkspaceError: a folder cannot be looked into, and git is not to be let in there either.
    """
    try:
        for folder, folders, files in _opened_walk(root):
            for name in [one for one in folders if is_git(one)]:
                folders.remove(name)
                remove_tree(Path(folder, name))
            for name in [one for one in files if is_git(one)]:
                Path(folder, name).unlink(missing_ok=True)
    except (OSError, RecursionError) as error:
        raise WorkspaceError(f"the working copy holds a folder that cannot be looked into: {error}") from None


def remove_tree(path: Path) -> None:
    """Delete a folder, or a link to one, whatever a program has made of its rights and however deep it is."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    try:
        for _ in _opened_walk(path):
            pass
        shutil.rmtree(path)
    except (OSError, RecursionError):
        # it may be deeper than any path can be long
        subprocess.run(["rm", "-rf", "--", str(path)], check=False, stdin=subprocess.DEVNULL, capture_output=True)  # noqa: S603, S607


def _opened_walk(root: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """Walk a tree from its top, opening each folder to its owner before it is looked into; links are files here."""

    def failed(error: OSError) -> None:
        raise error

    root.chmod(0o700)
    for folder, folders, files in os.walk(root, onerror=failed):
        links = [name for name in folders if Path(folder, name).is_symlink()]
        for name in links:
            folders.remove(name)
        yield folder, folders, [*files, *links]
        for name in folders:
            Path(folder, name).chmod(stat.S_IMODE(Path(folder, name).lstat().st_mode) | 0o700)
