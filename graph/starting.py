"""The graph's first node: it makes the execution's row, or finds out that this run must not make one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime
from sqlalchemy import Connection, Row

from delegation import ExecutionBusy, Squad, Task, validated
from graph.checkpoints import check_durability, forked_from_checkpoints, has_gone_beyond, root_checkpoint_id
from graph.context import RunSettings, chosen_settings, settings_from
from graph.engine import Planned
from graph.intake import parse_task
from graph.lifecycle import FINAL_STATES, WorkflowState
from graph.services import Services
from graph.site import check_site
from graph.state import FRESH, SquadState
from graph.step import Step
from persistence import (
    Database,
    Effects,
    Move,
    create_execution,
    execution_on_thread,
    insert_squad,
    insert_task,
    load_execution,
    load_facts,
    load_move,
    load_transitions,
    started_under,
)

__all__ = ["start_execution"]


async def start_execution(
    services: Services, state: SquadState, config: RunnableConfig, runtime: Runtime[RunSettings]
) -> dict[str, Any]:
    """Make the execution of the task that the run was given, in the transaction that moves it to analyzing.

    Raises:
        InputError: the input holds no task that can be used.
        ExecutionBusy: the thread's execution is still open; new input is for ended ones.
    """
    check_durability(config, runtime)
    # a setting that cannot work is refused before anything is made
    await check_site(settings_from(chosen_settings(runtime.context)))
    database = await services.database()
    info = runtime.execution_info
    assert info is not None  # every node has one
    task_id, thread_id = info.task_id, str(info.thread_id)

    def look(connection: Connection) -> _Before | None:
        made = load_move(connection, task_id)
        row = load_execution(connection, made.execution_id) if made else execution_on_thread(connection, thread_id)
        if row is None:
            return None
        log, facts = load_transitions(connection, row.id), load_facts(connection, row)
        return _Before(row, log, facts.task, made=made is not None)

    before = await database.read(look)
    root = root_checkpoint_id(config, runtime)
    if before is not None:
        if await _is_this_step(before, state, config, root):
            return _update(before.row.id, before.row.task_id)
        _check_ended(before.row)
    behind = await forked_from_checkpoints(config, root)
    if before is not None and before.made:
        behind.append(str(root))  # the very checkpoint was gone back to
    return await _create(services, database, state, runtime, root, behind)


@dataclass(frozen=True)
class _Before:
    """What is known of an execution that was made on the thread before, perhaps by this very step."""

    row: Row[Any]
    log: Sequence[Row[Any]]
    task: Task
    made: bool
    """Whether it was made under this step's id."""


async def _is_this_step(before: _Before, state: SquadState, config: RunnableConfig, root: str | None) -> bool:
    """Tell whether this step made the execution, and its checkpoint, or what came after it, was lost."""
    row, first = before.row, before.log[0] if before.log else None
    if first is None or row.pruned_at is not None:
        return False
    if not before.made and (not first.checkpoint_id or task_from(state.get("task")) != before.task):
        return False
    return not await has_gone_beyond(config, root, row.id, 0, before.log)


def _check_ended(row: Row[Any]) -> None:
    if row.status not in FINAL_STATES:
        raise ExecutionBusy(
            f"this thread's execution {row.id} is still open, in {row.status!r}; new input is for a new thread",
            hint=f"squad resume {row.id}; it also mends a thread whose newest checkpoint is a fork that was refused",
        )


async def _create(
    services: Services,
    database: Database,
    state: SquadState,
    runtime: Runtime[RunSettings],
    root: str | None,
    behind: list[str],
) -> dict[str, Any]:
    """Make the execution; ``behind`` are the checkpoints that its own was forked from, where it was."""
    task, squad = task_from(state.get("task")), squad_from(state.get("squad"))
    info = runtime.execution_info
    assert info is not None  # every node has one
    execution_id, stored_task_id, squad_id = uuid4(), uuid4(), uuid4()
    move = Move(
        execution_id=execution_id,
        from_state=WorkflowState.PENDING,
        to_state=WorkflowState.ANALYZING,
        reason="received",
        task_id=info.task_id,
        checkpoint_id=root,
    )
    effects = Effects()

    def make(connection: Connection) -> Planned:
        # looked for again under the write lock: another run may have started on the thread meanwhile
        there = execution_on_thread(connection, str(info.thread_id))
        if there is not None:
            _check_ended(there)
        origin = started_under(connection, str(info.thread_id), behind) if behind else None
        insert_task(connection, stored_task_id, task)
        insert_squad(connection, squad_id, squad)
        create_execution(
            connection,
            execution_id=execution_id,
            task_id=stored_task_id,
            squad_id=squad_id,
            thread_id=str(info.thread_id),
            settings=chosen_settings(runtime.context),
            forked_from=origin.id if origin else None,
        )
        return Planned(execution_id, move, effects)

    await services.engine.perform(database, make, enters=move.to_state)
    await _tell(services, database, execution_id, state, runtime, move, effects)
    return _update(execution_id, stored_task_id)


async def _tell(
    services: Services,
    database: Database,
    execution_id: UUID,
    state: SquadState,
    runtime: Runtime[RunSettings],
    move: Move,
    effects: Effects,
) -> None:
    drive = await services.drive_of(database, execution_id, runtime)
    task_id, checkpoint_id = str(move.task_id), move.checkpoint_id
    step = Step(services, database, drive, WorkflowState.PENDING, state, task_id, checkpoint_id, runtime)
    await step.tell_all(move, effects, 1)


def _update(execution_id: UUID, task_id: UUID) -> dict[str, Any]:
    made = {"execution_id": str(execution_id), "task": {"id": str(task_id)}, "squad": None}
    return FRESH | made | {"status": WorkflowState.ANALYZING.value, "seq": 1}


def task_from(given: Any) -> Task:
    """Return the task that a run's input holds: a task, its fields, or its text."""
    if isinstance(given, Task):
        return given
    if isinstance(given, str):
        return parse_task(given, source="the task")
    return validated(Task, given, "the input's task", 'give {"task": {"title": "…"}}, or its text')


def squad_from(given: Any) -> Squad:
    """Return the squad that a run's input holds, or the default one."""
    if given is None:
        return Squad.default()
    return validated(Squad, given, "the input's squad", "leave it out for one member a role")
