"""The orchestrator: what callers start, watch, stop, answer and steer executions with."""

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from langchain_core.embeddings import Embeddings
from langgraph.store.base import BaseStore
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncSession

from agents import ContextManager, MessageBus, OwnAgent
from delegation import ConfigurationError, Role
from graph.brains import Model
from graph.budget import told_spending
from graph.build import assemble
from graph.context import RunSettings, chosen_settings, settings_from
from graph.driver import Driver
from graph.engine import Planned, WorkflowEngine
from graph.fingerprint import Migration
from graph.forks import fork_execution
from graph.lifecycle import DESCRIPTIONS, FINAL_STATES, WorkflowState, as_state, progress_of
from graph.notify import Notifier
from graph.pruning import Pruned, prune
from graph.services import Services
from graph.sinks import Sinks
from graph.site import check_site
from graph.steering import Steering
from graph.stream import EventStream
from graph.summary import summary_of
from graph.watch import Served, Watch
from persistence import (
    Database,
    Move,
    as_uuid,
    create_execution,
    database_of,
    load_dossier,
    load_progress,
)

__all__ = ["TaskOrchestrator"]


class TaskOrchestrator(Steering):
    """Conducts executions: one object for any number of them, on one database.

    Args:
        message_bus: where transitions, assignments and questions are broadcast; a new one where it is left out.
        context_manager: what members remember; a new one where it is left out.
        database: an open database; without one, that of the first ``db`` that a method is given.
        workflow_engine: an engine with registered actions.
        agents: agents of your own by role; a compiled graph or other Runnable will do.
        model: the brain behind the roles: ``rules``, a name such as ``openai:gpt-5``, any LangChain chat model, or
            these by role. Left out, it is what an execution has had so far, and the rules for a new one. An execution
            that was given a model as an object can only go on where it is given one again.
        settings: what runs may choose; see :class:`RunSettings`. An execution keeps them for later runs, and one that
            a later run chooses replaces the one that was kept.
        migrations: named ways by which an execution may go on that began under another definition.
        notify: who is told of questions to a human: URLs of Apprise's by a name; see :class:`Sinks`. Nothing of that
            holds up an execution.
        embeddings: find a squad's similar past tasks by what they mean, besides their words; any of LangChain's.

    A method that takes ``db`` does its own statements in a savepoint and commits at success. On a parked execution
    the intervening ones act at once. While a driver runs, they leave a durable request and return a
    :class:`Request`, whose ``wait()`` gives the outcome.
    """

    def __init__(
        self,
        message_bus: MessageBus | None = None,
        context_manager: ContextManager | None = None,
        *,
        database: Database | None = None,
        workflow_engine: WorkflowEngine | None = None,
        agents: Mapping[Role, OwnAgent] | None = None,
        model: Model | None = None,
        settings: RunSettings | None = None,
        migrations: Iterable[Migration] = (),
        notify: Mapping[str, str] | Sinks | None = None,
        embeddings: Embeddings | None = None,
    ) -> None:
        self.message_bus = message_bus or MessageBus()
        if context_manager and embeddings:
            raise ConfigurationError(
                "embeddings are given twice", hint="ContextManager(embeddings=…), or TaskOrchestrator(embeddings=…)"
            )
        self.context_manager = context_manager or ContextManager(embeddings=embeddings)
        self.workflow_engine = workflow_engine or WorkflowEngine()
        self._services = Services(
            engine=self.workflow_engine,
            agents=agents,
            bus=self.message_bus,
            context=self.context_manager,
            migrations=migrations,
            model=model,
        )
        brains = self._services.brains
        self.settings = settings_from((settings or RunSettings()).model_dump(exclude_unset=True) | brains.chosen)
        brains.check(self.settings)
        self._driver: Driver | None = None
        self._sinks = Sinks.of(notify)
        self._notifier: Notifier | None = None
        if database:
            self._use(database)

    async def execute_task(self, *, db: AsyncSession, task: Any, squad_id: UUID | str) -> UUID:
        """Make an execution of a stored task, move it to analyzing, and return its id; nothing is started.

        Raises:
            ExecutionExists: the task has an open execution; the error holds its id.
            NotFound: the task or the squad is not there.
            ConfigurationError: the settings' workspace cannot be worked in.
        """
        self._use(database_of(db))
        await check_site(self.settings)
        execution_id = uuid4()
        task_id, squad = as_uuid(task, "a task"), as_uuid(squad_id, "a squad")

        def make(connection: Connection) -> Planned:
            create_execution(
                connection,
                execution_id=execution_id,
                task_id=task_id,
                squad_id=squad,
                thread_id=str(execution_id),
                settings=chosen_settings(self.settings),
            )
            move = Move(
                execution_id=execution_id,
                from_state=WorkflowState.PENDING,
                to_state=WorkflowState.ANALYZING,
                reason="received",
            )
            return Planned(execution_id, move)

        await self.workflow_engine.perform_on(db, make)
        return execution_id

    async def run(self, execution_id: UUID | str) -> dict[str, Any]:
        """Drive the execution until it ends or needs a human, and return its summary.

        Raises:
            ExecutionBusy: somebody else drives it.
            NotFound: there is no such execution.
        """
        return await self._ready().run(as_uuid(execution_id, "an execution"), self.settings)

    def stream(self, execution_id: UUID | str) -> EventStream:
        """Drive the execution and yield what happens; leaving the loop drains the running step. Raises as ``run``."""
        return self._ready().stream(as_uuid(execution_id, "an execution"), self.settings)

    async def monitor_progress(self, *, db: AsyncSession, execution_id: UUID | str) -> dict[str, Any]:
        """Return where the execution stands."""
        found = await self._read(db, load_progress, execution_id)
        row = found["execution"]
        told = {
            "execution_id": row.id,
            "current_state": row.status,
            "state_description": DESCRIPTIONS[as_state(row.status)],
            "progress_percentage": progress_of(row.status, row.origin_state),
            "is_blocked": row.status == WorkflowState.BLOCKED,
            "is_terminal": row.status in FINAL_STATES,
            "message_count": found["message_count"],
            "last_standup": found["last_standup"],
            "started_at": row.started_at,
            "error_message": row.error_message,
            "subtasks_done": found["subtasks_done"],
            "subtasks_total": found["subtasks_total"],
        }
        return told | told_spending(found["usage"], row.settings)

    async def get_execution_summary(
        self, execution_id: UUID | str, *, db: AsyncSession | None = None
    ) -> dict[str, Any]:
        """Return everything about the execution, as JSON values."""
        return summary_of(await self._read(db, load_dossier, execution_id))

    async def watch(
        self,
        *,
        once: bool = False,
        drive: bool = True,
        interval_s: float = 5.0,
        tell: Callable[[Served], object] | None = None,
    ) -> Served:
        """Serve reminders, deadlines, default answers and notifications of the whole database, each once.

        It runs until it is cancelled, and then drains what it drives; any number may watch at the same time. With
        ``once`` it serves what is due now, waits for what is driven on by that, and returns what it served.

        Args:
            once: look once.
            drive: drive executions on that a default answer lets go on.
            interval_s: the longest time between two looks, in seconds.
            tell: is called with what each look served, if that was anything.
        """
        watch = Watch(
            self._ready().database,
            self.workflow_engine,
            self._as_it_was_begun,
            notifier=self._notifier,
            drive=drive,
            interval_s=interval_s,
        )
        if once:
            return await watch.once()
        await watch.forever(tell)
        return Served()

    def _as_it_was_begun(self, execution_id: UUID) -> EventStream:
        """Drive an execution that may be anybody's: under the settings that it has, not under this orchestrator's."""
        return self._ready().stream(execution_id, RunSettings(drain_grace_s=self.settings.drain_grace_s))

    async def fork(self, execution_id: UUID | str, seq: int, *, db: AsyncSession | None = None) -> UUID:
        """Make an execution of its own from where this one stood after transition ``seq``, and return its id.

        It has a thread of its own and a copy of the task; the original stays as it is.
        """
        database = database_of(db) if db is not None else self._ready().database
        return await fork_execution(database, as_uuid(execution_id, "an execution"), seq)

    async def prune(self, older_than: timedelta, *, dry_run: bool = False) -> Pruned:
        """Delete checkpoints and journal of executions that ended longer ago than that; see :func:`prune`."""
        return await prune(self._ready().database, older_than, dry_run=dry_run)

    def memory(self, squad_id: UUID | str) -> BaseStore:
        """Return what a squad remembers: one of LangGraph's stores, which holds nothing of any other squad's."""
        self._ready()
        return self.context_manager.memory(as_uuid(squad_id, "a squad"))

    @property
    def _database(self) -> Database:
        return self._ready().database

    def _use(self, database: Database) -> None:
        if self._driver and self._driver.database is not database and not self._driver.database.is_closed:
            raise ConfigurationError(
                f"this orchestrator works on {self._driver.database.name}, and the session is of {database.name}",
                hint="make an orchestrator for each database",
            )
        if self._driver is None or self._driver.database is not database:
            self._services.use(database)
            self._driver = Driver(self._services, assemble(self._services, database.checkpointer), database)
            if self._sinks:
                self._notifier = Notifier(self._sinks, database)
                self.workflow_engine.add_listener(self._notifier.hear)

    def _ready(self) -> Driver:
        if self._driver is None:
            raise ConfigurationError("the orchestrator has no database yet", hint="TaskOrchestrator(database=database)")
        return self._driver
