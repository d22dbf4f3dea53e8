"""The database: tables, sessions, the step journal, the transition log, the checkpointer."""

from persistence import lease
from persistence.background import DatabaseBackground
from persistence.base import utc_now
from persistence.context import DatabaseContextStore
from persistence.creation import create_execution, insert_squad, insert_task, keep_terms
from persistence.database import Database
from persistence.effects import Done, Effects, Handover, Record, mark_started, store_effects, unmark_started
from persistence.forks import copy_execution
from persistence.gates import ask_otherwise, claim_gate, lead_gates_to, withdraw_gates, withdraw_gates_about
from persistence.hops import settled
from persistence.intents import Intent, begin_intent, end_intent, load_doubts, note_failed_intent
from persistence.memory import DatabaseStore
from persistence.messages import DatabaseMessageStore
from persistence.model_calls import ModelUsage, context_journal, keep_answer, load_answers, load_usage
from persistence.moves import Move, MovedOn, apply_move, guard
from persistence.past_tasks import DatabasePastTasks
from persistence.prune import free_bytes, held_bytes, open_executions, prunable_threads, prune_threads
from persistence.records import (
    Assigned,
    Dossier,
    Facts,
    TransitionLog,
    load_assignments,
    load_dossier,
    load_execution,
    load_facts,
    load_gates,
    load_log,
    load_logs,
    load_move,
    load_progress,
    load_record,
    load_shared,
    load_transition,
    load_transitions,
)
from persistence.requests import add_request, close_request, load_request, next_request, requests_waiting
from persistence.services import SquadService, TaskExecutionService, TaskService, as_uuid, squad_of, task_of
from persistence.threads import copy_on_thread, execution_on_thread, started_under
from persistence.unit import after_commit, database_of, fresh, is_idle, on_session, unit
from persistence.work import EarlierWork, load_earlier_work, load_present_work, load_work
from persistence.workload import Elsewhere, Given, load_workload

__all__ = [
    "Assigned",
    "Database",
    "DatabaseBackground",
    "DatabaseContextStore",
    "DatabaseMessageStore",
    "DatabasePastTasks",
    "DatabaseStore",
    "Done",
    "Dossier",
    "EarlierWork",
    "Effects",
    "Elsewhere",
    "Facts",
    "Given",
    "Handover",
    "Intent",
    "ModelUsage",
    "Move",
    "MovedOn",
    "Record",
    "SquadService",
    "TaskExecutionService",
    "TaskService",
    "TransitionLog",
    "add_request",
    "after_commit",
    "apply_move",
    "as_uuid",
    "ask_otherwise",
    "begin_intent",
    "claim_gate",
    "close_request",
    "context_journal",
    "copy_execution",
    "copy_on_thread",
    "create_execution",
    "database_of",
    "end_intent",
    "execution_on_thread",
    "free_bytes",
    "fresh",
    "guard",
    "held_bytes",
    "insert_squad",
    "insert_task",
    "is_idle",
    "keep_answer",
    "keep_terms",
    "lead_gates_to",
    "lease",
    "load_answers",
    "load_assignments",
    "load_dossier",
    "load_doubts",
    "load_earlier_work",
    "load_execution",
    "load_facts",
    "load_gates",
    "load_log",
    "load_logs",
    "load_move",
    "load_present_work",
    "load_progress",
    "load_record",
    "load_request",
    "load_shared",
    "load_transition",
    "load_transitions",
    "load_usage",
    "load_work",
    "load_workload",
    "mark_started",
    "next_request",
    "note_failed_intent",
    "on_session",
    "open_executions",
    "prunable_threads",
    "prune_threads",
    "requests_waiting",
    "settled",
    "squad_of",
    "started_under",
    "store_effects",
    "task_of",
    "unit",
    "unmark_started",
    "utc_now",
    "withdraw_gates",
    "withdraw_gates_about",
]
