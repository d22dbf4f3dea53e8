"""How a workspace begins: its branch and base, a git directory of our own, and a folder that nobody else looks into.

All of it is safe to be done again, also after a crash in its midst.
"""

import asyncio
import shutil
from pathlib import Path

from agents.workspace.git import Git
from agents.workspace.repository import Repository
from delegation import WorkspaceError

__all__ = ["REPOSITORY", "begun", "make_private", "own_git_dir"]

EXCLUDED = (
    "__pycache__/",
    "*.py[cod]",
    ".coverage",
    ".hypothesis/",
    ".mypy_cache/",
    ".pytest_cache/",
    ".ruff_cache/",
    ".tox/",
    ".venv/",
    "node_modules/",
)
"""What programs leave behind and no member means to commit, where the repository itself does not say so."""

REPOSITORY = "repository"
"""The file in an execution's folder that says whose it is, for whoever clears up."""


async def begun(repository: Repository, execution: str, from_commit: str | None) -> str:
    """Make the execution's branch, and return its base, which is kept under a reference of its own.

    Raises:
        WorkspaceError: a branch of that name is there, and is somebody else's.
    """
    branch, kept = f"refs/heads/squad/{execution}", f"refs/squad/{execution}/base"
    base = await repository.head()
    first = from_commit and await repository.commit_at(from_commit)
    if first:
        status, out, _ = await repository.refs.attempt("merge-base", base, first)
        base = out.strip() if status == 0 else first
    if await repository.change([(kept, base, None), (branch, first or base, None)]):
        return base
    if found := await repository.commit_at(kept):  # another process was quicker
        return found
    raise WorkspaceError(
        f"{repository.top} has a branch squad/{execution} that was not made by this execution",
        hint="delete or rename that branch",
    )


async def own_git_dir(git: Git, repository: Repository) -> None:
    """Make the git directory that commands run on; one that a crash has left half made is made whole."""
    if not (git.git_dir / "HEAD").exists():
        await asyncio.to_thread(git.git_dir.mkdir, mode=0o700, parents=True, exist_ok=True)
        await git("init", "--quiet", "--bare", "--template=", f"--object-format={repository.object_format}")
    status, shared, _ = await repository.refs.attempt("config", "--get", "core.sharedRepository")
    if status == 0:  # others write to the same objects, and have to be able to go on doing so
        await git("config", "core.sharedRepository", shared.strip())
    await asyncio.to_thread(_configure, git.git_dir, repository.common)


def _configure(git_dir: Path, common: Path) -> None:
    (git_dir / "info").mkdir(exist_ok=True)
    (git_dir / "info" / "exclude").write_text("".join(f"{one}\n" for one in EXCLUDED))
    shallow = common / "shallow"
    if shallow.is_file():  # a clone without its whole history says so in a file beside it
        shutil.copyfile(shallow, git_dir / "shallow")


def make_private(folder: Path, repository: Repository) -> None:
    """Make the folder of an execution, which nobody else may look into.

    Raises:
        WorkspaceError: it cannot be made.
    """
    try:
        folder.parent.mkdir(mode=0o700, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        for name in ("copies", "indexes"):
            (folder / name).mkdir(mode=0o700, exist_ok=True)
        (folder / REPOSITORY).write_text(str(repository.git_dir))
    except OSError as error:
        raise WorkspaceError(f"the folder for working copies cannot be made: {folder}: {error.strerror}") from error
