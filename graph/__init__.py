"""The application: the lifecycle, the state graph, the orchestrator and the command line."""

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
from graph.context import RunSettings
from graph.engine import WorkflowEngine
from graph.events import Event
from graph.lifecycle import VALID_TRANSITIONS, WorkflowState
from graph.orchestrator import TaskOrchestrator
from graph.requests import Request

__all__ = [
    "VALID_TRANSITIONS",
    "Event",
    "ExecutionBusy",
    "ExecutionExists",
    "GateError",
    "InvalidTransition",
    "NotFound",
    "Request",
    "RunSettings",
    "SquadError",
    "StaleTransition",
    "TaskOrchestrator",
    "WorkflowEngine",
    "WorkflowState",
    "build_graph",
]
