"""What the tests of the database share: an execution in it, and another process that gets in the way."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, text

from delegation import Squad, Task
from persistence import Database, create_execution, insert_squad, insert_task


@dataclass(frozen=True)
class Ids:
    """A stored execution."""

    id: UUID
    task_id: UUID
    squad_id: UUID


def stored_execution(connection: Connection, status: str = "pending", title: str = "Add a login") -> Ids:
    """Store a task, a squad and an execution in that state."""
    ids = Ids(uuid4(), uuid4(), uuid4())
    insert_task(connection, ids.task_id, Task(title=title))
    insert_squad(connection, ids.squad_id, Squad.default())
    create_execution(connection, execution_id=ids.id, task_id=ids.task_id, squad_id=ids.squad_id, thread_id=str(ids.id))
    connection.execute(
        text("UPDATE executions SET status = :status WHERE id = :id"), {"status": status, "id": ids.id.hex}
    )
    return ids


@pytest.fixture
def new_execution() -> Callable[..., Ids]:
    """``new_execution(connection, status=…, title=…)`` stores one inside a transaction."""
    return stored_execution


@pytest.fixture
async def execution(database: Database) -> Ids:
    """An execution in pending."""
    return await database.write(stored_execution)


@pytest.fixture
def process() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """``process(program, *arguments)`` starts Python; whatever still runs at the end is killed."""
    with ExitStack() as stack:

        def start(program: str, *arguments: object) -> subprocess.Popen[str]:
            command = [sys.executable, "-c", program, *map(str, arguments)]
            root = Path(__file__).resolve().parents[2]
            pipe = subprocess.PIPE
            started = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=root)
            stack.enter_context(started)
            stack.callback(started.kill)
            return started

        yield start
