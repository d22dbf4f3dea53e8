"""What each command does: it reads the task or the id, works on one open database, and returns the reply."""

import asyncio
import os
from argparse import Namespace
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from delegation import ConfigurationError, DatabaseError, DefinitionChanged, ExecutionBusy, InputError, Task
from graph.brains import Brains
from graph.cli_agents import agents_at
from graph.cli_changes import changes_of
from graph.cli_driving import AT_REST, Desk, drive, summary_reply
from graph.cli_models import model_settings
from graph.cli_output import Reply, screen, show_log, show_pruned, show_rows
from graph.cli_signals import Interrupted, Interrupts
from graph.cli_storing import store_execution, store_task
from graph.cli_watching import database_of_environment, sinks_of_environment, tell_sinks, watch
from graph.cli_workspace import typed_workspace
from graph.context import RunSettings, settings_from
from graph.fingerprint import BUILT_IN
from graph.intake_plan import read_plan
from graph.intake_text import clean
from graph.lifecycle import FINAL_STATES, WorkflowState, legal_moves, progress_of
from graph.orchestrator import TaskOrchestrator
from graph.requests import Request
from graph.summary import transition_json
from persistence import Database, TaskExecutionService, as_uuid, load_execution, load_transitions

__all__ = ["perform"]


def perform(args: Namespace, task: Task | None, interrupts: Interrupts) -> Reply:
    """Do what was typed and return the reply.

    Ids are checked before the database is opened. ``task`` is a new one to run.

    Raises:
        SquadError: it was refused.
        Interrupted: a signal came, and the running step was ended and saved.
    """
    command = _COMMANDS[args.command]
    for name, what in (("execution", "an execution"), ("gate", "a gate"), ("task", "a task")):
        if getattr(args, name, None) is not None:
            setattr(args, name, as_uuid(getattr(args, name), what))
    own = agents_at(getattr(args, "agents", None))
    Brains(own).check(_settings(args))  # a model that cannot be had is told before a database is made
    reply = asyncio.run(_at_a_desk(args, partial(_orchestrator, args, own), command, task, interrupts))
    if args.command in _ASKING and os.environ.get("SQUAD_NOTIFY", "").strip():
        return replace(reply, afterwards=partial(tell_sinks, args, interrupts))
    return reply


async def _at_a_desk(
    args: Namespace, orchestrate: "_Orchestrate", command: "_Command", task: Task | None, interrupts: Interrupts
) -> Reply:
    desk: Desk | None = None
    console, settings = screen(), _settings(args)
    grace_s = settings.drain_grace_s if "grace" in args else None
    interrupts.watch(lambda line: console.print(f"squad: {line}", soft_wrap=True, markup=False), grace_s)
    try:
        async with await _open(args) as database:
            desk = Desk(args, database, orchestrate(database, settings), console)
            return await command(desk, task)
    except asyncio.CancelledError:
        if not interrupts.has_come:
            raise
        raise _interrupted(args, desk) from None


def _settings(args: Namespace) -> RunSettings:
    """Return the settings that a command drives with: what was typed, and the defaults."""
    typed = {"approval": getattr(args, "approval", None), "drain_grace_s": getattr(args, "grace", None)}
    typed |= typed_workspace(args)
    return settings_from({name: value for name, value in typed.items() if value is not None} | model_settings(args))


def _orchestrator(
    args: Namespace, own: Mapping[Any, Any] | None, database: Database, settings: RunSettings
) -> TaskOrchestrator:
    migration = BUILT_IN.get(getattr(args, "migrate", None) or "")
    return TaskOrchestrator(
        database=database,
        settings=settings,
        agents=own,
        migrations=[migration] if migration else [],
        notify=sinks_of_environment() if args.command == "watch" else None,
    )


async def _open(args: Namespace) -> Database:
    try:
        return await Database.open(args.db or database_of_environment())
    except OSError as error:  # the default's folder cannot be made
        raise DatabaseError(f".squad: {error.strerror or error}", hint="name another database with --db") from None


def _interrupted(args: Namespace, desk: Desk | None) -> Interrupted:
    if desk is not None and desk.execution_id is not None:
        message = f"stopped by a signal; execution {desk.execution_id} is saved and can be resumed"
        return Interrupted(message, desk.resume_command(), code="drained")
    if args.command in {"block", "answer", "replan", "cancel"}:
        return Interrupted("stopped by a signal", f"squad status {args.execution} shows whether it was done")
    return Interrupted()


async def _run(desk: Desk, task: Task | None) -> Reply:
    """Make an execution of a new or a stored task, and drive it."""
    making = asyncio.ensure_future(_make(desk, task))
    try:
        desk.execution_id = await asyncio.shield(making)
    except asyncio.CancelledError:
        desk.execution_id = await making  # it may have been stored already, and then it must be named
        raise
    desk.say(f"execution {desk.execution_id}")
    if folder := desk.orchestrator.settings.workspace:
        desk.say(f"it works in {folder}, on the branch squad/{desk.execution_id}")
    desk.say(f"to go on after an interruption: {desk.resume_command()}")
    return await drive(desk, desk.execution_id)


async def _make(desk: Desk, task: Task | None) -> UUID:
    async with desk.database.session() as db:
        if task is None:
            return await store_execution(db, desk.orchestrator, desk.args.task)
        return await store_task(db, desk.orchestrator, task)


async def _resume(desk: Desk, _task: Task | None) -> Reply:
    """Go on with an execution, unless it has ended."""
    summary = await desk.summary(desk.args.execution)
    if summary["status"] in FINAL_STATES:
        return summary_reply(summary)
    desk.execution_id = desk.args.execution
    return await drive(desk, desk.args.execution, summary)


async def _status(desk: Desk, _task: Task | None) -> Reply:
    """Show an execution's summary."""
    return summary_reply(await desk.summary(desk.args.execution), 0)


async def _list(desk: Desk, _task: Task | None) -> Reply:
    """List the executions."""
    async with desk.database.session() as db:
        found = await TaskExecutionService.list_task_executions(db)
    rows = [
        {
            "execution_id": str(execution.id),
            "task": task.title,
            "status": execution.status,
            "progress_percentage": progress_of(execution.status, execution.origin_state),
            "created_at": execution.started_at.isoformat(),
        }
        for execution, task in found
    ]
    return Reply(rows, partial(show_rows, rows))


async def _log(desk: Desk, _task: Task | None) -> Reply:
    """List an execution's transitions."""
    key = desk.args.execution

    def load(connection: Any) -> list[dict[str, Any]]:
        load_execution(connection, key)
        return [transition_json(one) for one in load_transitions(connection, key)]

    transitions = await desk.database.read(load)
    return Reply(transitions, partial(show_log, transitions))


async def _answer(desk: Desk, _task: Task | None) -> Reply:
    """Answer a gate, and go on unless more questions are open."""
    args = desk.args
    _check_state(args.next_state)
    text = clean(args.text).strip() if args.text else None
    plan = await asyncio.to_thread(read_plan, args.plan) if args.plan else None
    done = await desk.orchestrator.answer(
        args.execution, args.gate, decision=args.decision, text=text, next_state=args.next_state, plan=plan
    )
    if isinstance(done, Request):
        await done.wait()
    summary = await desk.summary(args.execution)
    if args.no_run or summary["status"] in AT_REST:
        return summary_reply(summary)
    desk.execution_id = args.execution
    try:
        return await drive(desk, args.execution, summary)
    except ExecutionBusy as busy:
        desk.say(f"squad: answered; {busy.message} and goes on there")
        return summary_reply(await desk.summary(args.execution))
    except (DefinitionChanged, ConfigurationError):
        desk.say("squad: the answer is stored, and counts; but it cannot go on in this way")
        raise


async def _block(desk: Desk, _task: Task | None) -> Reply:
    """Stop an execution with a question."""
    args = desk.args
    question = clean(args.text).strip()
    if not question:
        raise InputError("the question to the human is empty", hint='squad block ID "Which API is meant?"')
    metadata = {"severity": clean(args.severity).strip()} if args.severity else {}
    default = clean(args.default).strip() if args.default is not None else None
    async with desk.database.session() as db:
        done = await desk.orchestrator.handle_blocker(
            db=db,
            execution_id=args.execution,
            blocker_description=question,
            blocker_metadata=metadata,
            remind_at=args.remind_in,
            deadline=args.deadline_in,
            default_answer=default,
        )
    return await _intervened(desk, done)


async def _replan(desk: Desk, _task: Task | None) -> Reply:
    """Change plan and squad of an execution."""
    args = desk.args
    changes, reason = await asyncio.to_thread(changes_of, args), clean(args.reason).strip()
    async with desk.database.session() as db:
        done = await desk.orchestrator.replan(db=db, execution_id=args.execution, changes=changes, reason=reason)
    if isinstance(done, Request):
        desk.say("squad: it is being worked on; waiting for the driver to do as asked")
        done = await done.wait()
    desk.say(f"squad: {done}")
    return summary_reply(await desk.summary(args.execution), 0)


async def _cancel(desk: Desk, _task: Task | None) -> Reply:
    """End an execution that nobody wants any more."""
    async with desk.database.session() as db:
        done = await desk.orchestrator.cancel(
            db=db, execution_id=desk.args.execution, reason="by hand, on the command line"
        )
    return await _intervened(desk, done)


async def _watch(desk: Desk, _task: Task | None) -> Reply:
    """Serve what is due."""
    return await watch(desk)


async def _intervened(desk: Desk, done: object) -> Reply:
    if isinstance(done, Request):
        desk.say("squad: it is being worked on; waiting for the driver to do as asked")
        await done.wait()
    return summary_reply(await desk.summary(desk.args.execution), 0)


def _check_state(name: str | None) -> None:
    """Refuse a next state that is no state at all; one that may not follow is the lifecycle's to refuse."""
    if name is not None and name not in set(WorkflowState):
        legal = ", ".join(legal_moves(WorkflowState.BLOCKED))
        raise InputError(f"{name!r} is not a state", hint=f"an answer may go on to {legal}")


_Command = Callable[[Desk, Task | None], Awaitable[Reply]]
_Orchestrate = Callable[[Database, RunSettings], TaskOrchestrator]


async def _prune(desk: Desk, _task: Task | None) -> Reply:
    """Delete what executions that ended long ago no longer need."""
    older_than = timedelta(seconds=desk.args.older_than)
    pruned = await desk.orchestrator.prune(older_than, dry_run=desk.args.dry_run)
    found = {"pruned": pruned.executions, "freed_bytes": pruned.freed_bytes, "dry_run": pruned.dry_run}
    return Reply(found, partial(show_pruned, found))


_COMMANDS: dict[str, _Command] = {
    "run": _run,
    "resume": _resume,
    "status": _status,
    "list": _list,
    "log": _log,
    "answer": _answer,
    "block": _block,
    "replan": _replan,
    "cancel": _cancel,
    "watch": _watch,
    "prune": _prune,
}

_ASKING = {"run", "resume", "answer", "block"}
"""The commands after which a human may be needed."""
