"""One execution's workspace: a branch in the user's repository, and working copies outside of its checkout.

Git runs on a git directory of our own, which holds no reference and borrows the repository's objects. Each working copy
has an index of its own, so members work at the same time and no copy knows of another.
"""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from agents.workspace.beginning import REPOSITORY, begun, make_private, own_git_dir
from agents.workspace.commits import FORMAT, Author, Commit, Mark, message_of, parse_log, same, shown, slug
from agents.workspace.git import Git, as_text
from agents.workspace.paths import parts_of, remove_tree, without_repositories
from agents.workspace.repository import Repository
from delegation import CodeChange, ConfigurationError, HandsRefused, WorkspaceError

__all__ = ["Conflict", "Copy", "Workspace"]

TRIES = 20
"""How often a change is brought onto a branch that others move at the same time."""


@dataclass(frozen=True)
class Copy:
    """A working copy: a folder of files, as they were at ``base`` when it was made."""

    folder: Path
    base: str
    git: Git


@dataclass(frozen=True)
class Conflict:
    """Why a change could not be brought onto the branch: the files, and whose commits changed them meanwhile."""

    files: list[str]
    members: list[str]
    head: str
    own_diff: str

    def __str__(self) -> str:
        by = ", ".join(self.members) or "somebody else"
        return f"the change conflicts with what {by} committed meanwhile in {', '.join(self.files)}"


@dataclass
class Workspace:
    """The branch of one execution, its base, and the folder that its working copies are in."""

    repository: Repository
    execution: str
    folder: Path
    base: str
    git: Git
    _landing: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def branch(self) -> str:
        """The branch's name."""
        return f"squad/{self.execution}"

    @classmethod
    async def open(
        cls, repository: Repository, execution: str, folder: Path, *, from_commit: str | None = None
    ) -> "Workspace":
        """Find the execution's branch, or make it from where the repository stands now; safe to be done again.

        Args:
            repository: the user's.
            execution: the execution's id.
            folder: where working copies are to be; it is made, and nobody else may look into it.
            from_commit: where a branch begins that goes on from another execution's work.

        Raises:
            WorkspaceError: the branch is gone or was there before, or the folder cannot be made.
        """
        branch, kept = f"refs/heads/squad/{execution}", f"refs/squad/{execution}/base"
        base = await repository.commit_at(kept) or await begun(repository, execution, from_commit)
        if await repository.commit_at(branch) is None:
            raise WorkspaceError(
                f"the branch squad/{execution} of {repository.top} is gone, and with it what was committed there",
                hint=f"make it again where it was; it began at {base[:12]}: git branch squad/{execution} COMMIT",
            )
        await asyncio.to_thread(make_private, folder, repository)
        git = Git(folder / "git", variables={"GIT_OBJECT_DIRECTORY": str(repository.objects)})
        await own_git_dir(git, repository)
        return cls(repository, execution, folder, base, git)

    @staticmethod
    async def sweep(folder: Path, execution: str) -> None:
        """Delete what an execution that has ended left in its folder, and the references that it needed."""
        named = folder / REPOSITORY
        if await asyncio.to_thread(named.is_file):
            try:
                repository = await Repository.open(await asyncio.to_thread(named.read_text))
                await repository.forget(await repository.refs_under(f"refs/squad/{execution}/"))
            except (ConfigurationError, WorkspaceError):
                pass  # the repository is not there any more, or not to be written: then nothing in it is in the way
        await asyncio.to_thread(remove_tree, folder)

    async def head(self) -> str:
        """Return the commit that the branch is at.

        Raises:
            WorkspaceError: it is gone.
        """
        if found := await self.repository.commit_at(f"refs/heads/{self.branch}"):
            return found
        raise WorkspaceError(f"the branch {self.branch} of {self.repository.top} is gone")

    async def begin(self, mark: Mark, attempt: int = 0) -> Copy:
        """Return a clean working copy for a subtask: from the same commit however often it is begun again.

        Kept answers of a model are to lead to the same edits after a crash, so the commit is kept under a reference
        until the execution ends, whatever has come onto the branch since.
        """
        name = f"{slug(mark.subtask)}-{mark.turn}-{attempt}"
        ref = f"refs/squad/{self.execution}/begun/{name}"
        base = await self.repository.commit_at(ref)
        if base is None:
            base = await self.head()
            if not await self.repository.change([(ref, base, None)]):
                base = await self.repository.commit_at(ref) or base
        return await self.copy(name, base)

    async def copy(self, name: str, commit: str) -> Copy:
        """Return a clean working copy of a commit; what was there under that name is deleted."""
        folder, index = self.folder / "copies" / name, self.folder / "indexes" / name
        await asyncio.to_thread(_fresh, folder, index)
        git = Git(self.git.git_dir, folder, {**self.git.variables, "GIT_INDEX_FILE": str(index)})
        await git("read-tree", "--reset", "-u", commit)
        return Copy(folder, commit, git)

    async def discard(self, copy: Copy) -> None:
        """Delete a working copy."""
        await asyncio.to_thread(_remove, copy.folder, self.folder / "indexes" / copy.folder.name)

    async def diff(self, copy: Copy) -> str:
        """Return what a working copy changes, as a unified diff; of one that is very long, the beginning."""
        await self._staged(copy)
        return await copy.git.beginning("diff", *_PLAINLY, "--cached", copy.base)

    async def branch_diff(self) -> str:
        """Return what the branch changes since its base, as a unified diff; of one that is very long, the beginning."""
        return await self.git.beginning("diff", *_PLAINLY, self.base, await self.head())

    async def land(self, copy: Copy, mark: Mark, title: str, author: Author) -> Commit | Conflict | None:
        """Commit what a working copy changes onto the branch, once.

        Returns:
            The commit, be it one of an earlier try; None where nothing was changed; or the conflict with what others
            have committed since the copy was made.
        """
        async with self._landing:
            if found := await self.landed(mark):
                return found
            tree = await self._staged(copy)
            if tree == await self._tree(copy.base):
                return None
            message = message_of(mark, title, author)
            own = await self._commit(tree, copy.base, message, author)
            for _ in range(TRIES):
                head = await self.head()
                placed = await self._placed(own, tree, copy, head, message, author)
                if not isinstance(placed, str):
                    return placed
                if await self.repository.change([(f"refs/heads/{self.branch}", placed, head)]):
                    return await self.landed(mark)
        raise WorkspaceError(f"the branch {self.branch} is moved by somebody else all the time")

    async def landed(self, mark: Mark) -> Commit | None:
        """Return the commit of that mark, if it is on the branch."""
        return next((one for one in await self.commits() if same(one.mark, mark)), None)

    async def commits(self) -> list[Commit]:
        """Return the commits on the branch since its base, oldest first; those of other people too."""
        span = f"{self.base}..{await self.head()}"
        out = await self.git("log", f"--format={FORMAT}", "--reverse", "--topo-order", span)
        return parse_log(out)

    async def change_of(self, commit: Commit) -> CodeChange:
        """Return what a commit on the branch changed, against the one before it."""
        return await self.change_between(commit.parents[0], commit.id)

    async def change_between(self, before: str, after: str) -> CodeChange:
        """Return what lies between two commits, in figures."""
        out = await self.git("diff", "--numstat", "-z", *_PLAINLY, before, after)
        rows = [row.split("\t", 2) for row in out.split("\0") if row]
        return CodeChange(
            commit=after,
            files=[shown(path) for _, _, path in rows],
            insertions=sum(int(added) for added, _, _ in rows if added.isdecimal()),
            deletions=sum(int(removed) for _, removed, _ in rows if removed.isdecimal()),
        )

    async def kinds_between(self, before: str, after: str) -> list[tuple[str, str]]:
        """Return the files that differ between two commits, each with A, M, D or T; a renamed one is a D and an A."""
        out = await self.git("diff", "--name-status", "-z", *_PLAINLY, before, after)
        parts = out.split("\0")
        return [(shown(path), kind[0]) for kind, path in zip(parts[::2], parts[1::2], strict=False)]

    async def authors(self) -> set[str]:
        """Return the ids of the members who have committed on the branch."""
        return {one.member_id for one in await self.commits() if one.member_id is not None}

    async def writers_of(self, path: str, line: int | None = None) -> list[Commit]:
        """Return the commits on the branch that a file is by, newest first; with a line, the one that this line is by.

        None are returned for what was there before, or is not there, or cannot be: whoever names it may be mistaken.
        """
        try:
            path = "/".join(parts_of(path)) or "."
        except HandsRefused:
            return []
        span = f"{self.base}..{await self.head()}"
        if line is None:
            return parse_log(await self.git("log", f"--format={FORMAT}", span, "--", path))
        where = f"-L{line},{line}"
        status, out, _ = await self.git.attempt("blame", "--porcelain", "--no-textconv", where, span, "--", path)
        blamed = out.split(" ", 1)[0] if status == 0 else ""
        return [one for one in await self.commits() if one.id == blamed]

    async def remove(self) -> None:
        """Delete the working copies, and the references that they needed; branch and commits stay."""
        await self.sweep(self.folder, self.execution)

    async def _staged(self, copy: Copy) -> str:
        """Put all that a working copy holds into its index, and return the tree of that."""
        # git looks into a repository in the copy, and runs what its configuration names
        await asyncio.to_thread(without_repositories, copy.folder)
        await copy.git("add", "--all", "--", ".")
        return await copy.git.line("write-tree")

    async def _tree(self, commit: str) -> str:
        return await self.git.line("rev-parse", f"{commit}^{{tree}}")

    async def _commit(self, tree: str, parent: str, message: str, author: Author) -> str:
        out = await self.git("commit-tree", tree, "-p", parent, "-F", "-", given=message, variables=author.variables)
        return out.strip()

    async def _placed(
        self, own: str, tree: str, copy: Copy, head: str, message: str, author: Author
    ) -> str | Conflict | None:
        """Return the change as a commit that follows the branch's head; None where the head holds all of it."""
        if head == copy.base:
            return own
        status, out, err = await self.git.attempt("merge-tree", "--write-tree", "--name-only", "-z", head, own)
        if status not in {0, 1}:
            raise WorkspaceError(f"git merge-tree failed with status {status}: {' '.join(err.split())[:300]}")
        merged, *rest = out.split("\0")
        if status == 0:
            merged = merged.strip()
            return None if merged == await self._tree(head) else await self._commit(merged, head, message, author)
        files = sorted(set(rest[: rest.index("")]))
        return await self._conflict(copy, tree, head, files)

    async def _conflict(self, copy: Copy, tree: str, head: str, files: list[str]) -> Conflict:
        since = parse_log(await self.git("log", f"--format={FORMAT}", f"{copy.base}..{head}", "--", *files))
        members = dict.fromkeys(one.member_id or one.author for one in since)
        own = await self.git.beginning("diff", *_PLAINLY, copy.base, tree, "--", *files)
        return Conflict([shown(file) for file in files], list(members), head, as_text(own))


_PLAINLY = ("--no-ext-diff", "--no-textconv", "--no-color", "--no-renames", "--ignore-submodules=all")


def _fresh(folder: Path, index: Path) -> None:
    _remove(folder, index)
    folder.mkdir(mode=0o700)


def _remove(folder: Path, index: Path) -> None:
    for leftover in (index, index.with_name(f"{index.name}.lock")):
        leftover.unlink(missing_ok=True)
    remove_tree(folder)
