"""The repository that an execution is worked in, where it has one: opened once in a drive, cleared up at the end."""

import asyncio
import shlex
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from agents.workspace import Confined, Copy, CopyHands, Limits, Mark, Repository, Workspace, touched_tests
from delegation import ConfigurationError, Finding
from graph.context import RunSettings
from graph.step import Step
from persistence import Database, Effects, load_present_work, open_executions

__all__ = ["Kept", "Site", "check_site", "leave_site", "site_of", "sweep_sites"]


Kept = Callable[[str, str], Awaitable[str]]
"""Keeps what a run gave back under a key, and returns what was kept under it at first."""


@dataclass(frozen=True)
class Site:
    """An execution's workspace, and how programs are run in it; ``confined`` is None where none is to be run."""

    workspace: Workspace
    confined: Confined | None
    settings: RunSettings

    @property
    def limits(self) -> Limits:
        """The limits of each run."""
        return Limits(time_s=self.settings.run_timeout_s, memory=self.settings.run_memory_mb << 20)

    @property
    def test_command(self) -> list[str] | None:
        """The words of the project's test command."""
        return shlex.split(self.settings.test_command) if self.settings.test_command else None

    def working(self, mark: Mark, attempt: int, kept: Kept) -> CopyHands:
        """Return hands for a subtask, in a working copy of its own; ``kept`` is where its runs are kept."""

        async def made() -> Copy:
            return await self.workspace.begin(mark, attempt)

        return CopyHands(self.workspace, made, confined=self._allowed, limits=self.limits, kept=kept)

    def judging(self, name: str, kept: Kept) -> CopyHands:
        """Return hands for a judgement: they read the branch as it is, and write nothing."""

        async def made() -> Copy:
            return await self.workspace.copy(name, await self.workspace.head())

        return CopyHands(
            self.workspace,
            made,
            confined=self._allowed,
            limits=self.limits,
            writes=False,
            whole=True,
            kept=kept,
        )

    async def touched_tests(self) -> dict[str, str]:
        """Return the tests that were there before and that the branch changes or deletes."""
        workspace = self.workspace
        return touched_tests(await workspace.kinds_between(workspace.base, await workspace.head()))

    async def addressed(self, findings: Sequence[Finding]) -> list[Finding]:
        """Return the findings, each that names a file with the subtask whose member wrote the place."""
        found = []
        for finding in findings:
            writers = await self.workspace.writers_of(finding.file, finding.line) if finding.file else []
            named = [one.mark.subtask for one in writers if one.mark is not None]
            is_known = not named or finding.subtask_id in named
            found.append(finding if is_known else finding.model_copy(update={"subtask_id": named[0]}))
        return found

    @property
    def _allowed(self) -> Confined | None:
        return self.confined if self.settings.allow_run else None


async def check_site(settings: RunSettings) -> None:
    """Check that a run's workspace can be worked in, before anything of the run is stored.

    Raises:
        ConfigurationError: it is no repository with a commit, or something is to be run without one.
    """
    if settings.workspace is not None:
        await Repository.open(settings.workspace)
    elif settings.test_command or settings.allow_run:
        what = "a test command" if settings.test_command else "running programs"
        raise ConfigurationError(f"{what} needs a workspace to run in", hint="name a repository with --workspace DIR")


async def site_of(step: Step) -> Site | None:
    """Return the site of the step's execution; None where it works in no repository.

    Raises:
        ConfigurationError: the repository is not there any more.
        WorkspaceError: the execution's branch is gone.
    """
    drive = step.drive
    if drive.settings.workspace is None:
        return None
    if drive.site is None or (drive.site.done() and (drive.site.cancelled() or drive.site.exception())):
        drive.site = asyncio.ensure_future(_open(step))
    site: Site = await asyncio.shield(drive.site)
    return site


async def _open(step: Step) -> Site:
    settings, execution_id = step.settings, step.execution_id
    assert settings.workspace is not None
    await sweep_sites(step.database)
    repository = await Repository.open(settings.workspace)
    start = await _work_before(step)
    folder = step.database.worktrees / str(execution_id)
    workspace = await Workspace.open(repository, str(execution_id), folder, from_commit=start)
    runs = settings.allow_run or settings.test_command
    confined = await Confined.best(settings.run_reads or ()) if runs else None
    effects = Effects()
    told = f"; programs are {confined.containment.told()}" if confined else "; no programs are run"
    text = f"branch {workspace.branch} of {repository.top}, from {workspace.base[:12]}{told}"
    containment = confined.containment.value if confined else None
    effects.log("workspace", text, branch=workspace.branch, base=workspace.base, containment=containment)
    await step.store(effects)
    return Site(workspace, confined, settings)


async def _work_before(step: Step) -> str | None:
    """Return the newest commit of a fork's original: its work counts, so the fork's branch goes on from it."""
    if (await step.row()).forked_from is None:
        return None
    work = await step.database.read(lambda connection: load_present_work(connection, step.execution_id))
    changes = [made.change.commit for done in work if (made := done.outcome.deliverable) and made.change]
    return changes[-1] if changes else None


async def leave_site(database: Database, execution_id: UUID) -> None:
    """Delete the working copies of an execution that has ended; its branch stays."""
    folder = database.worktrees / str(execution_id)
    if await asyncio.to_thread(folder.is_dir):
        await Workspace.sweep(folder, str(execution_id))


async def sweep_sites(database: Database, *, dry_run: bool = False) -> Sequence[UUID]:
    """Delete the working copies of executions that have ended without clearing up; returns which they were."""
    folders = await asyncio.to_thread(_folders, database.worktrees)
    if not folders:
        return []
    still_open = await database.read(open_executions)
    ended = [one for one in folders if one not in still_open]
    for execution_id in ended if not dry_run else ():
        await leave_site(database, execution_id)
    return ended


def _folders(root: Path) -> list[UUID]:
    found = []
    for folder in root.iterdir() if root.is_dir() else ():
        try:
            found.append(UUID(folder.name))
        except ValueError:
            continue
    return found
