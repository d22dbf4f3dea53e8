"""The application: the lifecycle, the state graph, the orchestrator and the command line.

A public name is loaded when it is first asked for, since LangGraph takes a second or two to load: `squad --help`, or a
complaint about a file that is not there, must not wait for it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from delegation import (
        ExecutionBusy,
        ExecutionExists,
        GateError,
        InvalidTransition,
        NotFound,
        SquadError,
        StaleTransition,
    )
    from graph.build import build_graph
    from graph.context import Price, RunSettings
    from graph.engine import WorkflowEngine
    from graph.events import Event
    from graph.fingerprint import Migration
    from graph.lifecycle import VALID_TRANSITIONS, WorkflowState
    from graph.orchestrator import TaskOrchestrator
    from graph.requests import Request
    from graph.sinks import Sinks
    from graph.watch import Served

__all__ = [
    "VALID_TRANSITIONS",
    "Event",
    "ExecutionBusy",
    "ExecutionExists",
    "GateError",
    "InvalidTransition",
    "Migration",
    "NotFound",
    "Price",
    "Request",
    "RunSettings",
    "Served",
    "Sinks",
    "SquadError",
    "StaleTransition",
    "TaskOrchestrator",
    "WorkflowEngine",
    "WorkflowState",
    "build_graph",
]

_HOMES = {
    "VALID_TRANSITIONS": "graph.lifecycle",
    "Event": "graph.events",
    "Migration": "graph.fingerprint",
    "Price": "graph.context",
    "Request": "graph.requests",
    "RunSettings": "graph.context",
    "Served": "graph.watch",
    "Sinks": "graph.sinks",
    "TaskOrchestrator": "graph.orchestrator",
    "WorkflowEngine": "graph.engine",
    "WorkflowState": "graph.lifecycle",
    "build_graph": "graph.build",
}
"""Where a name lives, if not in ``delegation``."""


def __getattr__(name: str) -> Any:
    """Load a public name from its module."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES.get(name, "delegation")), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
