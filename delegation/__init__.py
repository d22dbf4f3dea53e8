"""The vocabulary of the project, and the rules for who does what and when. Pure: standard library and pydantic."""

from enum import StrEnum

from pydantic import BaseModel

from delegation.board import Board
from delegation.eligibility import fits, shortfall, why_unassigned
from delegation.engine import DelegationEngine
from delegation.errors import (
    ActionTimeout,
    AgentFailed,
    BudgetSpent,
    ConfigurationError,
    DatabaseError,
    DatabaseLocked,
    DefinitionChanged,
    EffectInDoubt,
    ExecutionBusy,
    ExecutionExists,
    GateError,
    HandsRefused,
    InputError,
    InvalidTransition,
    NewerDatabase,
    NotFound,
    PlanError,
    SquadError,
    StaleTransition,
)
from delegation.gate import ALLOWED_DECISIONS, Answer, Decision, Gate, GateKind, GateStatus, NewGate
from delegation.json_values import json_object, validated
from delegation.message import Message, MessageType
from delegation.outcome import (
    Deliverable,
    Finding,
    Outcome,
    OutcomeStatus,
    Review,
    Standup,
    TestReport,
    TestResult,
)
from delegation.plan import (
    Approval,
    Assignment,
    Criterion,
    Plan,
    Requirements,
    Schedule,
    Subtask,
    SubtaskKind,
    TaskType,
    TestCase,
    Unassigned,
    digest_of,
)
from delegation.plan_check import check_plan
from delegation.policies import OrderPolicy
from delegation.reasons import Alternative, Candidate, Explanation, Report, Weights
from delegation.replan import Change, Progress, Replan, Running, replan
from delegation.schedule import schedule
from delegation.simulation import SimulationResult, Worked, simulate
from delegation.squad import STAND_INS, Role, Squad, SquadMember
from delegation.task import PRIORITY_WEIGHT, Priority, Task

__all__ = [
    "ALLOWED_DECISIONS",
    "PRIORITY_WEIGHT",
    "STAND_INS",
    "ActionTimeout",
    "AgentFailed",
    "Alternative",
    "Answer",
    "Approval",
    "Assignment",
    "Board",
    "BudgetSpent",
    "Candidate",
    "Change",
    "ConfigurationError",
    "Criterion",
    "DatabaseError",
    "DatabaseLocked",
    "Decision",
    "DefinitionChanged",
    "DelegationEngine",
    "Deliverable",
    "EffectInDoubt",
    "ExecutionBusy",
    "ExecutionExists",
    "Explanation",
    "Finding",
    "Gate",
    "GateError",
    "GateKind",
    "GateStatus",
    "HandsRefused",
    "InputError",
    "InvalidTransition",
    "Message",
    "MessageType",
    "NewGate",
    "NewerDatabase",
    "NotFound",
    "OrderPolicy",
    "Outcome",
    "OutcomeStatus",
    "Plan",
    "PlanError",
    "Priority",
    "Progress",
    "Replan",
    "Report",
    "Requirements",
    "Review",
    "Role",
    "Running",
    "Schedule",
    "SimulationResult",
    "Squad",
    "SquadError",
    "SquadMember",
    "StaleTransition",
    "Standup",
    "Subtask",
    "SubtaskKind",
    "Task",
    "TaskType",
    "TestCase",
    "TestReport",
    "TestResult",
    "Unassigned",
    "Weights",
    "Worked",
    "check_plan",
    "digest_of",
    "fits",
    "json_object",
    "replan",
    "schedule",
    "shortfall",
    "simulate",
    "validated",
    "vocabulary",
    "why_unassigned",
]


def vocabulary() -> list[type]:
    """Return every model and enumeration that this package exports: the types that stored states may hold."""
    exported = (globals()[name] for name in __all__)
    return [one for one in exported if isinstance(one, type) and issubclass(one, BaseModel | StrEnum)]
