"""The user's repository: read for what it holds, and written nowhere but in objects and references of our own."""

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from agents.workspace.git import Git, bare_environment, git_program, run_git
from delegation import ConfigurationError, WorkspaceError

__all__ = ["RefChange", "Repository"]

_HINT = "--workspace names the folder of a git repository that has a commit"

RefChange = tuple[str, str, str | None]
"""A reference, the commit that it shall be at, and the one that it must be at before; None is where none is to be."""


@dataclass(frozen=True)
class Repository:
    """A repository that somebody works in, found once and known by its folders from then on."""

    top: Path
    git_dir: Path
    common: Path
    """Where its objects and references are: another folder than ``git_dir`` in a linked worktree."""
    objects: Path
    object_format: str

    @classmethod
    async def open(cls, folder: str | Path) -> "Repository":
        """Find the repository of a folder.

        Raises:
            ConfigurationError: the folder is not there, is in no repository, or the repository has no commit.
        """
        await check_version()
        path = await asyncio.to_thread(lambda: Path(folder).expanduser().absolute())
        if not await asyncio.to_thread(path.is_dir):
            raise ConfigurationError(f"the workspace {path} is no folder", hint=_HINT)
        found = await _asked(path, "--absolute-git-dir", "--show-object-format")
        if found is None:
            raise ConfigurationError(f"the workspace {path} is not in a git repository", hint=_HINT)
        git_dir, object_format = found
        common, objects = await _asked(path, "--git-common-dir", "--git-path", "objects") or ("", "")
        top = await _asked(path, "--show-toplevel")
        repository = cls(
            Path(top[0]) if top else path,
            Path(git_dir),
            (path / common).resolve(),
            (path / objects).resolve(),
            object_format,
        )
        await repository.head()
        if await repository.commit_at("refs/heads/squad"):
            raise ConfigurationError(
                f"{repository.top} has a branch named squad, so none can be named squad/…", hint="rename that branch"
            )
        return repository

    @property
    def refs(self) -> Git:
        """Git on the repository itself; for references alone."""
        return Git(self.git_dir)

    async def head(self) -> str:
        """Return the commit that the repository stands at.

        Raises:
            ConfigurationError: there is none yet.
        """
        if found := await self.commit_at("HEAD"):
            return found
        raise ConfigurationError(f"the workspace {self.top} has no commit yet", hint=_HINT)

    async def commit_at(self, ref: str) -> str | None:
        """Return the commit that a reference is at, or None."""
        status, out, _ = await self.refs.attempt("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}", "--")
        return out.split()[0] if status == 0 else None

    async def refs_under(self, prefix: str) -> dict[str, str]:
        """Return the references whose names begin so, with the objects that they are at."""
        out = await self.refs("for-each-ref", "--format=%(refname) %(objectname)", prefix)
        return dict(line.split(" ", 1) for line in out.splitlines())

    async def change(self, changes: Iterable[RefChange]) -> bool:
        """Change references, all of them or none; tells whether each was where it had to be before."""
        lines = [f"update {ref} {new} {old or '0' * len(new)}\n" for ref, new, old in changes]
        status, _, err = await self.refs.attempt("update-ref", "--no-deref", "--stdin", given="".join(lines))
        if status and not _was_elsewhere(err):
            raise WorkspaceError(
                f"references of {self.top} cannot be changed: {' '.join(err.split())[:300]}",
                hint="a *.lock file that a crash has left there is in the way until it is deleted",
            )
        return status == 0

    async def forget(self, refs: Iterable[str]) -> None:
        """Delete references, wherever they are."""
        if lines := "".join(f"delete {ref}\n" for ref in refs):
            await self.refs("update-ref", "--no-deref", "--stdin", given=lines)


_OLDEST = (2, 38)
"""The first git that merges without a working copy."""

_checked: set[str] = set()


async def check_version() -> None:
    """Check, once in a process, that git is new enough.

    Raises:
        ConfigurationError: it is not, or is not there.
    """
    program = git_program()
    if program in _checked:
        return
    _, out, _ = await run_git(["version"], Path.cwd(), bare_environment(), b"", 60)
    found = re.search(r"(\d+)\.(\d+)", out)
    if found is None or (int(found[1]), int(found[2])) < _OLDEST:
        raise ConfigurationError(f"{out.strip() or 'git'} is too old to work with", hint="git 2.38 or newer is needed")
    _checked.add(program)


async def _asked(folder: Path, *questions: str) -> list[str] | None:
    status, out, _ = await run_git(["rev-parse", *questions], folder, bare_environment(), b"", 60)
    return out.splitlines() if status == 0 else None


def _was_elsewhere(err: str) -> bool:
    """Tell whether a change failed because a reference was not where it had to be."""
    return any(words in err for words in ("but expected", "reference already exists", "unable to resolve reference"))
