"""Answers that were kept before a process was killed are not asked for again by the next one."""

import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from thinking import Brain

from delegation import Squad, Task
from graph import TaskOrchestrator
from persistence import Database, SquadService, TaskService

PROGRAM = Path(__file__).with_name("model_run.py")
CALLS = 12
"""How many calls the script takes to the end."""


def run(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(PROGRAM), *map(str, words)], capture_output=True, text=True, check=False, timeout=100
    )


@pytest.mark.slow
@pytest.mark.parametrize("call", [2, 5, 7, 9, 12])
async def test_kept_answers_outlive_a_kill(call: int, migrated: Path, tmp_path: Path) -> None:
    file, record = tmp_path / "squad.db", tmp_path / "record"
    shutil.copy(migrated, file)
    async with await Database.open(str(file)) as database, database.session() as db:
        squad = await SquadService.create_squad(db, Squad.default())
        task = await TaskService.create_task(db, Task(title="Implement login", acceptance_criteria=["One can log in"]))
        first = TaskOrchestrator(database=database, model=Brain())  # of another class: the process brings its own
        execution_id = await first.execute_task(db=db, task=task, squad_id=squad.id)
    killed = run(file, execution_id, record, call)
    assert killed.returncode == -signal.SIGKILL
    resumed = run(file, execution_id, record)
    # every answer is in the database once: what had been kept was given again, and so was not asked and kept once more
    assert resumed.stdout.split() == ["completed", str(CALLS)], resumed.stderr
    asked = Counter(record.read_text(encoding="utf-8").split())
    # the call that was killed, and one of a member beside it at most, are made again
    assert CALLS < asked.total() <= CALLS + 2
    assert asked["Analysis"] <= 2
