"""What tests share: open databases, stored tasks and squads, and a guard that nothing leaves this machine."""

import asyncio
import ipaddress
import os
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import settings

from delegation import Squad, Task
from graph import TaskOrchestrator
from persistence import Database, SquadService, TaskService

# Said before anything else is imported by a test, and inherited by the processes that tests start: no tracing, and no
# database but the test's own.
for name in ("LANGSMITH_TRACING", "LANGSMITH_TRACING_V2", "LANGCHAIN_TRACING", "LANGCHAIN_TRACING_V2"):
    os.environ[name] = "false"
OF_THE_USER = ("LANGSMITH_API_KEY", "LANGCHAIN_API_KEY", "OPENAI_API_KEY", "OPENAI_API_BASE", "OPENAI_BASE_URL")
for name in (*OF_THE_USER, "SQUAD_DATABASE_URL", "SQUAD_NOTIFY"):
    os.environ.pop(name, None)

# How long an example takes depends on what else the machine does.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


class Stored(NamedTuple):
    """A task and a squad in the database: anything with an ``id`` will do as a ``task=``."""

    task: Any
    squad: Any


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file, closed: to migrate it took ten times as long as a copy of it takes."""
    file = tmp_path_factory.mktemp("migrated") / "squad.db"

    async def make() -> None:
        async with await Database.open(str(file)):
            pass

    asyncio.run(make())
    assert [one.name for one in file.parent.iterdir()] == [file.name]  # the log was written back: the file is whole
    return file


@pytest.fixture
async def database(migrated: Path, tmp_path: Path) -> AsyncIterator[Database]:
    """A database on a file of its own."""
    async with await Database.open(str(shutil.copy(migrated, tmp_path / "squad.db"))) as opened:
        yield opened


@pytest.fixture
async def memory_database() -> AsyncIterator[Database]:
    """A database that goes away with the test."""
    async with await Database.open("sqlite+aiosqlite:///:memory:") as opened:
        yield opened


@pytest.fixture
def orchestrator(database: Database) -> TaskOrchestrator:
    """An orchestrator on ``database``."""
    return TaskOrchestrator(database=database)


@pytest.fixture
def store() -> Callable[..., Awaitable[Stored]]:
    """``await store(database, task=…, squad=…)`` stores a task, or its title, and a squad: the default one."""

    async def stored(
        database: Database, task: Task | str = "Implement user login", squad: Squad | None = None
    ) -> Stored:
        task = Task(title=task) if isinstance(task, str) else task
        async with database.session() as db:
            return Stored(
                await TaskService.create_task(db, task), await SquadService.create_squad(db, squad or Squad.default())
            )

    return stored


@pytest.fixture(autouse=True)
def _stays_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every connection beyond the loopback addresses, and every look-up of another host."""
    connect, connect_ex, getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def checked(host: object) -> None:
        if not _is_local(host):
            pytest.fail(f"a test reached for {host!r}, which is not on this machine")

    def guarded(call: Callable[..., Any]) -> Callable[..., Any]:
        def connecting(self: socket.socket, address: Any) -> Any:
            if self.family in {socket.AF_INET, socket.AF_INET6}:
                checked(address[0])
            return call(self, address)

        return connecting

    def looking_up(host: Any, *args: Any, **options: Any) -> Any:
        checked(host)
        return getaddrinfo(host, *args, **options)

    monkeypatch.setattr(socket.socket, "connect", guarded(connect))
    monkeypatch.setattr(socket.socket, "connect_ex", guarded(connect_ex))
    monkeypatch.setattr(socket, "getaddrinfo", looking_up)


def _is_local(host: object) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    if name in {None, "", "localhost"}:
        return True
    try:
        return ipaddress.ip_address(str(name)).is_loopback
    except ValueError:
        return False
