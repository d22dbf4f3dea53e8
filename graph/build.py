"""The state graph, built from the lifecycle's map in a loop: nobody draws an edge by hand."""

import os
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from typing import Any

from langchain_core.embeddings import Embeddings
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime

from agents import OwnAgent
from delegation import InvalidTransition, Role
from graph.acting import Act, run_step
from graph.blocked import wait_for_a_human
from graph.board import build_board_graph
from graph.brains import Model
from graph.context import RunSettings, settings_from
from graph.ending import end_execution
from graph.engine import WorkflowEngine
from graph.fingerprint import Migration, fingerprint_of
from graph.lifecycle import FINAL_STATES, VALID_TRANSITIONS, WorkflowState, is_legal, legal_moves
from graph.nodes import ACTS
from graph.services import Services
from graph.starting import start_execution
from graph.state import SquadInput, SquadState, SquadSummary
from persistence import Database

__all__ = ["assemble", "build_graph"]

SquadGraph = CompiledStateGraph[Any, RunSettings, Any, Any]


def build_graph(
    checkpointer: BaseCheckpointSaver[Any] | None = None,
    *,
    database: Database | None = None,
    workflow_engine: WorkflowEngine | None = None,
    agents: Mapping[Role, OwnAgent] | None = None,
    url: str | None = None,
    migrations: Iterable[Migration] = (),
    embeddings: Embeddings | None = None,
    model: Model | None = None,
) -> SquadGraph:
    """Build and compile the graph; nothing is opened before its first node runs.

    Args:
        checkpointer: where threads are kept; the database's own where one is given, and a server's under a server.
        database: an open database; without one, ``url`` is opened at the first node.
        workflow_engine: an engine with registered actions.
        agents: agents of your own by role; a compiled graph or other Runnable will do.
        migrations: named ways by which an execution may go on that began under another definition.
        embeddings: find a squad's similar past tasks by what they mean, besides their words; any of LangChain's.
        model: the brain of runs whose context chooses none; see :class:`TaskOrchestrator`.
        url: a URL or a path; None is ``SQUAD_DATABASE_URL``, else the embedded default in ``.squad/``.
    """
    if database is None and url is None:  # read when the graph is built: a node never looks at the environment
        url = os.environ.get("SQUAD_DATABASE_URL", "").strip() or None
    services = Services(
        database=database,
        url=url,
        engine=workflow_engine,
        agents=agents,
        migrations=migrations,
        embeddings=embeddings,
        model=model,
    )
    services.defaults = services.brains.chosen
    services.brains.check(settings_from(services.defaults))
    if checkpointer is None and database is not None:
        checkpointer = database.checkpointer
    return assemble(services, checkpointer)


def assemble(services: Services, checkpointer: BaseCheckpointSaver[Any] | None) -> SquadGraph:
    """Build the graph around parts that somebody else put together."""
    builder = StateGraph(SquadState, context_schema=RunSettings, input_schema=SquadInput, output_schema=SquadSummary)
    for state, targets in VALID_TRANSITIONS.items():
        builder.add_node(state.value, _node_of(state, services))
        if targets:
            names = [target.value for target in targets]
            builder.add_conditional_edges(state.value, partial(_route, state), names)
        else:
            builder.add_edge(state.value, END)
    builder.add_edge(START, WorkflowState.PENDING.value)
    graph = builder.compile(checkpointer=checkpointer, name="squad")
    services.fingerprint = cache(partial(fingerprint_of, graph, services.brains.foreign))
    return graph


async def _route(state: WorkflowState, values: SquadState) -> str:
    """Follow the step's decision, which is the thread's ``status`` now; the map has the last word.

    Asynchronous, as are all routes here: LangGraph would run a plain function in a thread.
    """
    target = values["status"]
    if not is_legal(state, target):
        raise InvalidTransition(state.value, target, map(str, legal_moves(state)))
    return target


def _node_of(state: WorkflowState, services: Services) -> Any:
    if state == WorkflowState.IN_PROGRESS:
        return build_board_graph(services)
    if state == WorkflowState.PENDING:
        return _named(state, partial(start_execution, services))
    if state == WorkflowState.BLOCKED:
        return _named(state, partial(wait_for_a_human, services))
    if state in FINAL_STATES:
        return _named(state, partial(end_execution, services))
    return _step_node(state, services, ACTS[state])


def _step_node(state: WorkflowState, services: Services, act: Act) -> Any:
    async def node(values: SquadState, config: RunnableConfig, runtime: Runtime[RunSettings]) -> dict[str, Any]:
        return await run_step(services, state, act, values, config, runtime)

    return _named(state, node)


def _named(state: WorkflowState, call: Callable[..., Any]) -> Any:
    """Return the call as a function of its own with real annotations, named for the state, as LangGraph reads them."""

    async def node(values: SquadState, config: RunnableConfig, runtime: Runtime[RunSettings]) -> dict[str, Any]:
        result: dict[str, Any] = await call(values, config, runtime)
        return result

    node.__name__ = node.__qualname__ = state.value
    return node
