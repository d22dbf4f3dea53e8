"""Every error of the project, one tree, so that a caller can catch at the level that it cares about.

    SquadError
    ├── InputError            a task, file or answer that cannot be read (also a ValueError)
    ├── PlanError             subtasks or members that no plan can hold (also a ValueError)
    ├── InvalidTransition     a move that the lifecycle does not allow (also a ValueError)
    │   └── StaleTransition   the execution is no longer where the caller believed it to be
    ├── ExecutionExists       the task has an open execution already
    ├── ExecutionBusy         another driver holds the execution
    ├── DefinitionChanged     the execution began under another graph, or with other agents
    ├── AgentFailed           an agent's judgement raised, was late, or was none, tries included
    ├── EffectInDoubt         an outside effect was begun, and nobody knows whether it happened
    ├── BudgetSpent           the execution has no tokens or money left for another call of a model
    ├── HandsRefused          a member's tool does nothing: a path outside, no unique match, running not allowed
    ├── WorkspaceError        the repository that is worked in cannot be read or written
    ├── NotFound              no such row (also a LookupError)
    ├── GateError             an answer that a gate does not take (also a ValueError)
    ├── ActionTimeout         a registered state action took too long (also a TimeoutError)
    ├── ConfigurationError    a setting that cannot work: model, checkpointer, durability
    └── DatabaseError         the database cannot be used
        ├── DatabaseLocked    another process held the write lock for too long
        └── NewerDatabase     written by a newer version of this project

Each carries a stable ``code`` for programs and, where there is something to do, a ``hint`` for people.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar
from uuid import UUID

__all__ = [
    "ActionTimeout",
    "AgentFailed",
    "BudgetSpent",
    "ConfigurationError",
    "DatabaseError",
    "DatabaseLocked",
    "DefinitionChanged",
    "EffectInDoubt",
    "ExecutionBusy",
    "ExecutionExists",
    "GateError",
    "HandsRefused",
    "InputError",
    "InvalidTransition",
    "NewerDatabase",
    "NotFound",
    "PlanError",
    "SquadError",
    "StaleTransition",
    "WorkspaceError",
]


class SquadError(Exception):
    """Root of the project's errors: ``str(error)`` is one line that says what is wrong and where."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InputError(SquadError, ValueError):
    """A task's text, a file or an argument that cannot be used as it is."""

    code = "bad_input"


class PlanError(SquadError, ValueError):
    """A set of subtasks or members that contradicts itself: a cycle, an unknown or a repeated id."""

    code = "bad_plan"


class InvalidTransition(SquadError, ValueError):
    """A move that the map does not hold. ``legal`` lists the states that would have been allowed."""

    code = "invalid_transition"

    def __init__(self, from_state: str, to_state: str, legal: Iterable[str]) -> None:
        self.from_state, self.to_state, self.legal = from_state, to_state, sorted(legal)
        allowed = ", ".join(self.legal) or "none, the state is final"
        super().__init__(
            f"an execution cannot go from {from_state!r} to {to_state!r}; legal moves: {allowed}",
            hint="choose one of the legal moves" if self.legal else "start a new execution of the task",
        )


class StaleTransition(InvalidTransition):
    """The stored state is not the one that the caller started from; nothing was changed."""

    code = "stale_transition"

    def __init__(self, expected: str, actual: str, to_state: str, legal: Iterable[str]) -> None:
        super().__init__(expected, to_state, legal)
        self.actual = actual
        self.message = (
            f"the execution is in {actual!r}, not in {expected!r}, so it was not moved to {to_state!r}; "
            f"legal moves from {actual!r}: {', '.join(self.legal) or 'none, the state is final'}"
        )
        self.args = (self.message,)
        self.hint = "read the execution again and decide anew"


class ExecutionExists(SquadError):
    """One open execution per task: ``execution_id`` is the one that is open."""

    code = "execution_exists"

    def __init__(self, execution_id: UUID) -> None:
        self.execution_id = execution_id
        super().__init__(
            f"the task has an open execution already: {execution_id}",
            hint=f"squad resume {execution_id}",
        )


class ExecutionBusy(SquadError):
    """Another driver holds the execution's lease, or its thread is open and got new input.

    ``until`` is when the lease of a driver on another host runs out, unless that driver lives and renews it.
    """

    code = "execution_busy"

    def __init__(self, message: str, *, hint: str | None = None, until: datetime | None = None) -> None:
        super().__init__(message, hint=hint)
        self.until = until


class DefinitionChanged(SquadError):
    """The execution began under another graph, or with other agents, than it is to go on under."""

    code = "definition_changed"


class AgentFailed(SquadError):
    """An agent's judgement raised, was late, or was not what it should be, whatever tries it had."""

    code = "agent_failed"


class EffectInDoubt(SquadError):
    """An outside effect was begun before, and nothing says whether it happened: a human has to look.

    An agent lets it pass; the workflow makes a question of it.
    """

    code = "effect_in_doubt"

    def __init__(self, name: str, error: str | None = None) -> None:
        self.name, self.error = name, error
        told = f" ({error})" if error else ""
        super().__init__(f"the effect {name!r} was begun, and nothing says whether it happened{told}")


class BudgetSpent(SquadError):
    """The execution has used up what it may spend on models; an agent lets it pass, and a human may top it up.

    ``unit`` is tokens or money; ``allowed`` is what it may take by now, and ``limit`` what it might at the beginning.
    """

    code = "budget_spent"

    def __init__(self, unit: str, taken: float, allowed: float, limit: float) -> None:
        self.unit, self.taken, self.allowed, self.limit = unit, taken, allowed, limit
        super().__init__(f"the models have taken {taken:,.10g} of {allowed:,.10g} {unit}")


class HandsRefused(SquadError):
    """A member's tool does nothing, and says why; whoever asked may ask otherwise."""

    code = "hands_refused"


class WorkspaceError(SquadError):
    """The repository that is worked in cannot be read or written as it has to be."""

    code = "workspace"


class NotFound(SquadError, LookupError):
    """There is no row with that id."""

    code = "not_found"


class GateError(SquadError, ValueError):
    """The gate is unknown, closed, another execution's, or does not take that answer."""

    code = "gate_error"


class ActionTimeout(SquadError, TimeoutError):
    """A registered state action did not end in time; the move that it belongs to was rolled back."""

    code = "action_timeout"


class ConfigurationError(SquadError):
    """A setting that cannot work as given."""

    code = "configuration"


class DatabaseError(SquadError):
    """The database cannot be opened, read or written."""

    code = "database"


class DatabaseLocked(DatabaseError):
    """The write lock was not to be had within the waiting time."""

    code = "database_locked"


class NewerDatabase(DatabaseError):
    """The database's schema is newer than this version of the project knows."""

    code = "newer_database"
