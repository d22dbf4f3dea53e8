"""The vocabulary of the project, and the rules for who does what and when. Pure: standard library and pydantic."""

from enum import StrEnum

from pydantic import BaseModel

from delegation.board import Board
from delegation.board_status import board_status
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
    WorkspaceError,
)
from delegation.gate import ALLOWED_DECISIONS, Answer, Decision, Gate, GateKind, GateStatus, NewGate
from delegation.json_values import json_object, validated
from delegation.mentions import files_in
from delegation.message import Message, MessageType
from delegation.message_contents import check_message
from delegation.outcome import CodeChange, Deliverable, Outcome, OutcomeStatus, TestReport, TestResult, TestRun
from delegation.plan import (
    Approval,
    Assignment,
    Cancelled,
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
    work_digest,
)
from delegation.plan_changes import (
    AddSubtask,
    CancelSubtask,
    ChangedPlan,
    MemberAvailable,
    MemberUnavailable,
    PlanChange,
    Reassign,
    ReviseEstimate,
    change_plan,
)
from delegation.plan_check import check_plan
from delegation.policies import OrderPolicy
from delegation.reasons import Alternative, Candidate, Explanation, Report, Weights
from delegation.recollection import Background, DoneWork, PastTask
from delegation.replan import Change, Progress, Replan, Running, replan
from delegation.review import ChangeStats, Finding, FindingCheck, Review, ReviewRequest, ReviewVerdict
from delegation.schedule import schedule
from delegation.similar_words import ranked, strings_in, words_of
from delegation.simulation import SimulationResult, Worked, simulate
from delegation.squad import STAND_INS, Role, Squad, SquadMember
from delegation.standup import (
    BoardBlocker,
    BoardStatus,
    Doing,
    MemberStatus,
    Risk,
    Standup,
    StandupAction,
    Velocity,
)
from delegation.task import PRIORITY_WEIGHT, Priority, Task

__all__ = [
    "ALLOWED_DECISIONS",
    "PRIORITY_WEIGHT",
    "STAND_INS",
    "ActionTimeout",
    "AddSubtask",
    "AgentFailed",
    "Alternative",
    "Answer",
    "Approval",
    "Assignment",
    "Background",
    "Board",
    "BoardBlocker",
    "BoardStatus",
    "BudgetSpent",
    "CancelSubtask",
    "Cancelled",
    "Candidate",
    "Change",
    "ChangeStats",
    "ChangedPlan",
    "CodeChange",
    "ConfigurationError",
    "Criterion",
    "DatabaseError",
    "DatabaseLocked",
    "Decision",
    "DefinitionChanged",
    "DelegationEngine",
    "Deliverable",
    "Doing",
    "DoneWork",
    "EffectInDoubt",
    "ExecutionBusy",
    "ExecutionExists",
    "Explanation",
    "Finding",
    "FindingCheck",
    "Gate",
    "GateError",
    "GateKind",
    "GateStatus",
    "HandsRefused",
    "InputError",
    "InvalidTransition",
    "MemberAvailable",
    "MemberStatus",
    "MemberUnavailable",
    "Message",
    "MessageType",
    "NewGate",
    "NewerDatabase",
    "NotFound",
    "OrderPolicy",
    "Outcome",
    "OutcomeStatus",
    "PastTask",
    "Plan",
    "PlanChange",
    "PlanError",
    "Priority",
    "Progress",
    "Reassign",
    "Replan",
    "Report",
    "Requirements",
    "Review",
    "ReviewRequest",
    "ReviewVerdict",
    "ReviseEstimate",
    "Risk",
    "Role",
    "Running",
    "Schedule",
    "SimulationResult",
    "Squad",
    "SquadError",
    "SquadMember",
    "StaleTransition",
    "Standup",
    "StandupAction",
    "Subtask",
    "SubtaskKind",
    "Task",
    "TaskType",
    "TestCase",
    "TestReport",
    "TestResult",
    "TestRun",
    "Unassigned",
    "Velocity",
    "Weights",
    "Worked",
    "WorkspaceError",
    "board_status",
    "change_plan",
    "check_message",
    "check_plan",
    "digest_of",
    "files_in",
    "fits",
    "json_object",
    "ranked",
    "replan",
    "schedule",
    "shortfall",
    "simulate",
    "strings_in",
    "validated",
    "vocabulary",
    "why_unassigned",
    "words_of",
    "work_digest",
]


def vocabulary() -> list[type]:
    """Return every model and enumeration that this package exports: the types that stored states may hold."""
    exported = (globals()[name] for name in __all__)
    return [one for one in exported if isinstance(one, type) and issubclass(one, BaseModel | StrEnum)]
