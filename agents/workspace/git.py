"""One way to run git: argument lists, no shell, and nothing of what a repository or a user has configured to be run.

Work is done in a git directory of our own, whose configuration is the one written here. A repository's filters, hooks,
diff and merge drivers, file system monitor and transports are thus not switched off one by one: git never reads the
file that names them. Only references are read and written in the repository itself, where hooks are all that could run.
"""

import asyncio
import os
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from delegation import ConfigurationError, WorkspaceError

__all__ = ["LONGEST_OUTPUT", "Git", "as_text", "bare_environment", "git_program", "run_git"]

LIMIT_S = 300.0
"""How long one call of git may take, in seconds: a check-out of a large repository takes some."""

LONGEST_OUTPUT = 4_000_000
"""How much is read of an output that is as large as somebody's files make it, in bytes."""

_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "core.attributesFile=/dev/null",
    "core.autocrlf=false",
    "core.pager=cat",
    "core.quotePath=false",
    "core.protectHFS=true",
    "core.protectNTFS=true",
    "core.logAllRefUpdates=false",
    "commit.gpgSign=false",
    "diff.ignoreSubmodules=all",
    "gc.auto=0",
    "maintenance.auto=false",
    "protocol.allow=never",
    "safe.directory=*",  # whose files they are is no danger here, since nothing that they name is run
    "submodule.recurse=false",
)

_ENVIRONMENT = {
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_ASKPASS": "false",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_EDITOR": "false",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_SSH_COMMAND": "false",
    "GIT_TERMINAL_PROMPT": "0",
    "HOME": os.devnull,
    "LC_ALL": "C",
    "XDG_CONFIG_HOME": os.devnull,
}


@cache
def git_program() -> str:
    """Return the path of git, looked for once.

    Raises:
        ConfigurationError: there is none.
    """
    if found := shutil.which("git"):
        return found
    raise ConfigurationError("git is not installed", hint="a workspace is a git repository: install git")


@dataclass(frozen=True)
class Git:
    """Git on one git directory.

    Args:
        git_dir: whose references and configuration count.
        work_tree: the working copy, where there is one; commands run in it.
        variables: more of git's variables, such as an index of one's own.
    """

    git_dir: Path
    work_tree: Path | None = None
    variables: Mapping[str, str] = field(default_factory=dict)

    async def __call__(
        self,
        *arguments: str,
        given: str | bytes = b"",
        variables: Mapping[str, str] = {},
        most: int | None = None,
    ) -> str:
        """Run a command, and return what it printed; for ``most``, see ``attempt``.

        Raises:
            WorkspaceError: it failed; the error tells what git said.
        """
        status, out, err = await self.attempt(*arguments, given=given, variables=variables, most=most)
        if status:
            raise WorkspaceError(_told(arguments, status, err))
        return out

    async def attempt(
        self,
        *arguments: str,
        given: str | bytes = b"",
        variables: Mapping[str, str] = {},
        limit_s: float = LIMIT_S,
        most: int | None = None,
    ) -> tuple[int, str, str]:
        """Run a command that may fail; returns its exit status and what it printed, on either stream.

        One that prints more than ``most`` bytes is ended there, and has not failed by that.
        """
        where = {"GIT_DIR": str(self.git_dir)} | ({"GIT_WORK_TREE": str(self.work_tree)} if self.work_tree else {})
        environment = {"PATH": os.defpath, **_ENVIRONMENT, **where, **self.variables, **variables}
        cwd = self.work_tree or self.git_dir
        return await run_git(arguments, cwd, environment, given, limit_s, most)

    async def beginning(self, *arguments: str) -> str:
        """Run a command, and return the beginning of what it printed; see :data:`LONGEST_OUTPUT`.

        Raises:
            WorkspaceError: it failed.
        """
        return await self(*arguments, most=LONGEST_OUTPUT)

    async def line(self, *arguments: str) -> str:
        """Run a command that prints one line, and return that."""
        return (await self(*arguments)).strip()


async def run_git(
    arguments: Sequence[str],
    cwd: Path,
    environment: Mapping[str, str],
    given: str | bytes,
    limit_s: float,
    most: int | None = None,
) -> tuple[int, str, str]:
    """Run git once; a call that is cancelled or takes too long is killed."""
    options = [option for setting in _SETTINGS for option in ("-c", setting)]
    try:
        process = await asyncio.create_subprocess_exec(
            git_program(),
            *options,
            *arguments,
            cwd=cwd,
            env=dict(environment),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C is the caller's, and must not end git amid a write
        )
    except OSError as error:
        raise WorkspaceError(f"git cannot be run in {cwd}: {error.strerror or error}") from error
    data = given.encode("utf-8", "surrogateescape") if isinstance(given, str) else given
    try:
        async with asyncio.timeout(limit_s):
            out, err = await (process.communicate(data) if most is None else _up_to(process, most))
    except TimeoutError:
        raise WorkspaceError(f"git {arguments[0]} took longer than {limit_s:g} s") from None
    finally:
        if process.returncode is None:
            await _ended(process)
    status = 0 if most is not None and len(out) >= most else process.returncode
    assert status is not None
    return status, out.decode("utf-8", "surrogateescape"), err.decode("utf-8", "replace")


async def _up_to(process: asyncio.subprocess.Process, most: int) -> tuple[bytes, bytes]:
    """Read what a call prints, and end it where that is too much."""
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdin.close()
    said = asyncio.create_task(process.stderr.read())
    try:
        out = bytearray()
        while len(out) < most and (piece := await process.stdout.read(1 << 16)):
            out += piece
        if len(out) >= most:
            process.terminate()
            while await process.stdout.read(1 << 16):
                pass  # what was on its way
        await process.wait()
        return bytes(out[:most]), await said
    finally:
        said.cancel()


async def _ended(process: asyncio.subprocess.Process) -> None:
    """End a call that nobody waits for any more; asked first, git takes its lock files along."""
    process.terminate()
    try:
        async with asyncio.timeout(5):
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def as_text(printed: str) -> str:
    """Return what git printed as a text that can be stored: a file or a message may be in any encoding."""
    return printed.encode("utf-8", "replace").decode()


def bare_environment(variables: Mapping[str, str] = {}) -> dict[str, str]:
    """Return the environment for a call that has to find its repository first."""
    return {"PATH": os.defpath, **_ENVIRONMENT, **variables}


def _told(arguments: Collection[str], status: int, err: str) -> str:
    said = " ".join(err.split())[:500] or "it said nothing"
    return f"git {next(iter(arguments))} failed with status {status}: {said}"
