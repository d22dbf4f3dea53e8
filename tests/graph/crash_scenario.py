"""The runs that the crash matrix kills: a squad of scripted members, two tasks, and what is left of a run at its end.

Every agent is a function of what it is handed, so a run that is resumed in another process asks and gets the same.
Each call of an agent is written to a file before it is answered, in one write, so that a kill does not lose it.
"""

import asyncio
import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripted import done
from sqlalchemy import Connection, select

from agents import Brief
from agents.rules import rule_based_agents
from delegation import (
    Approval,
    BoardStatus,
    Finding,
    Message,
    MessageType,
    Outcome,
    OutcomeStatus,
    Plan,
    Requirements,
    Review,
    Role,
    Schedule,
    Squad,
    SquadMember,
    Standup,
    Subtask,
    Task,
    TestCase,
    TestReport,
    TestResult,
)
from persistence.base import as_dict, table
from persistence.tables import (
    AssignmentRow,
    ExecutionRow,
    GateRow,
    LogRow,
    MessageRow,
    OutcomeRow,
    RequestRow,
    TransitionRow,
)

__all__ = ["ADDED", "AT", "SQUAD", "TASKS", "Ledger", "account", "agents", "committed"]

AT: ContextVar[str] = ContextVar("crash_step", default="nowhere")
"""The step whose act is running, ``state@seq``: agents that judge are not told, and the ledger wants to know."""

SQUAD = Squad(
    name="crash matrix",
    members=[
        SquadMember(id="manager", name="Manager", role=Role.PROJECT_MANAGER),
        SquadMember(id="lead", name="Lead", role=Role.TECH_LEAD),
        SquadMember(id="back-1", name="Back one", role=Role.BACKEND_DEVELOPER),
        SquadMember(id="back-2", name="Back two", role=Role.BACKEND_DEVELOPER),
        SquadMember(id="front", name="Front", role=Role.FRONTEND_DEVELOPER),
        SquadMember(id="tester", name="Tester", role=Role.TESTER),
    ],
)

CRITERION = "A wrong password is refused"
TASKS = {
    "completes": Task(title="Implement user login", acceptance_criteria=[CRITERION]),
    "fails": Task(title="Implement user login that cannot be done", acceptance_criteria=[CRITERION]),
}


def _subtask(name: str, role: Role, *depends_on: str) -> Subtask:
    return Subtask(id=name, title=f"The {name}", role=role, depends_on=list(depends_on), criteria=[CRITERION])


PLANS = {
    "completes": [
        _subtask("model", Role.BACKEND_DEVELOPER),
        _subtask("form", Role.FRONTEND_DEVELOPER),  # blocked with a question first
        _subtask("page", Role.FRONTEND_DEVELOPER, "model"),
        _subtask("route", Role.BACKEND_DEVELOPER, "model"),  # refused once, and handed over
        _subtask("check", Role.TESTER, "form", "page", "route"),
    ],
    "fails": [
        _subtask("model", Role.BACKEND_DEVELOPER),
        _subtask("page", Role.FRONTEND_DEVELOPER, "model"),  # cannot be done
        _subtask("check", Role.TESTER, "page"),
    ],
}
ADDED = _subtask("notes", Role.FRONTEND_DEVELOPER, "form")
"""What a caller adds to the plan while the question about the form waits."""
SENT_BACK = "model"
"""What the first review sends back."""


@dataclass
class Ledger:
    """The calls of agents over all the processes of one run, in a file; a line is one write.

    ``pace_s`` is the longest time that a piece of work takes; how long it is depends on the subtask alone.
    """

    file: Path
    pace_s: float = 0.0

    def add(self, **line: Any) -> None:
        """Append a line."""
        number = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(number, json.dumps(line).encode() + b"\n")
        finally:
            os.close(number)

    def lines(self) -> list[dict[str, Any]]:
        """Return what was written so far."""
        return [json.loads(line) for line in self.file.read_text().splitlines()] if self.file.exists() else []

    def calls(self) -> Counter[str]:
        """Return how often each call was made."""
        return Counter(line["call"] for line in self.lines() if "call" in line)

    def note_in_flight(self, committed: set[str]) -> None:
        """Note how often each call was made whose step had not been committed when the last process was killed."""
        known = self.calls()
        self.add(in_flight={call: times for call, times in known.items() if call.split(": ")[0] not in committed})

    def excused(self) -> Counter[str]:
        """Return how many calls of each kind were lost with a process that had not committed what came of them."""
        excused: Counter[str] = Counter()
        for line in self.lines():
            excused |= Counter(line.get("in_flight", {}))
        return excused


@dataclass
class Agent:
    """One role's agent: it works by the scenario, and makes the judgements of whichever role it has."""

    role: Role
    ledger: Ledger
    rules: Any = field(init=False)

    def __post_init__(self) -> None:
        self.rules = rule_based_agents()[self.role]

    async def work(self, brief: Brief) -> Outcome:
        step = f"{brief.subtask.id}/{brief.attempt}"
        self.ledger.add(call=f"{step}: work by {brief.member.id}")
        share = hashlib.sha256(step.encode()).digest()[0] / 255
        await asyncio.sleep(self.ledger.pace_s * share)
        return _outcome(brief)

    def _judges(self, what: str) -> None:
        self.ledger.add(call=f"{AT.get()}: {what}")


class Manager(Agent):
    """The project manager."""

    async def analyze(self, task: Task) -> Requirements:
        self._judges("analyze")
        found: Requirements = await self.rules.analyze(task)
        return found

    async def break_down(self, task: Task, requirements: Requirements) -> Plan:
        self._judges("break_down")
        return Plan(subtasks=PLANS[next(name for name, one in TASKS.items() if one.title == task.title)])

    async def approve(self, proposal: Schedule, plan: Plan, members: Sequence[SquadMember]) -> Approval:
        self._judges("approve")
        return Approval(approved=True, schedule=proposal)

    async def standup(
        self, plan: Plan, outcomes: Mapping[str, Outcome], *, board: BoardStatus | None = None
    ) -> Standup:
        if board is None or not board.because:  # those amid a round hang on the clock
            self._judges("standup")
        return Standup(summary=", ".join(sorted(f"{name} {one.status.value}" for name, one in outcomes.items())))


class Lead(Agent):
    """The tech lead, who sends one subtask back."""

    async def assess(self, task: Task, requirements: Requirements) -> Requirements:
        self._judges("assess")
        return requirements

    async def estimate(self, plan: Plan, requirements: Requirements) -> Plan:
        self._judges("estimate")
        return plan

    async def review(self, plan: Plan, requirements: Requirements, outcomes: Mapping[str, Outcome]) -> Review:
        self._judges("review")
        if outcomes[SENT_BACK].note != "try 1":
            return Review(approved=True)
        return Review(approved=False, findings=[Finding(subtask_id=SENT_BACK, message="Again, please")])


class Tester(Agent):
    """The tester."""

    async def plan_tests(self, plan: Plan, requirements: Requirements) -> Plan:
        self._judges("plan_tests")
        ids = [subtask.id for subtask in plan.subtasks]
        case = TestCase(id="T1", criterion=CRITERION, then="it is refused", subtask_ids=ids)
        return plan.model_copy(update={"test_cases": [case]})

    async def execute(self, plan: Plan, outcomes: Mapping[str, Outcome]) -> TestReport:
        self._judges("execute")
        result = TestResult(case_id="T1", criterion=CRITERION, passed=True, evidence="seen")
        return TestReport(passed=True, results=[result])


def agents(ledger: Ledger) -> dict[Role, Agent]:
    """Return the squad's agents, all of which write to that ledger."""
    kinds = {Role.PROJECT_MANAGER: Manager, Role.TECH_LEAD: Lead, Role.TESTER: Tester}
    return {role: kinds.get(role, Agent)(role, ledger) for role in Role}


def _outcome(brief: Brief) -> Outcome:
    name, attempt = brief.subtask.id, brief.attempt
    if brief.task.title == TASKS["fails"].title and name == "page":
        return Outcome(status=OutcomeStatus.FAILED, note="there is no page")
    if name == "form" and not brief.answers:
        return Outcome(status=OutcomeStatus.BLOCKED, question="Which hash?")
    if name == "route" and attempt == 1:
        return Outcome(status=OutcomeStatus.REFUSED, note="not today")
    said = Message(sender=brief.member.id, type=MessageType.STATUS_UPDATE, content=f"{name} written, try {attempt}")
    return done(brief).model_copy(update={"note": f"try {attempt}", "messages": [said]})


def committed(connection: Connection) -> set[str]:
    """Return the steps that are stored, by the names under which the ledger has their calls."""
    moves = connection.execute(select(TransitionRow.from_state, TransitionRow.seq))
    work = connection.execute(select(OutcomeRow.subtask_id, OutcomeRow.turn))
    return {f"{one.from_state}@{one.seq - 1}" for one in moves} | {f"{one.subtask_id}/{one.turn}" for one in work}


_PLAIN = (
    (re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r'"(?:elapsed|pace)": (?:null|[\d.]+)'), "<hours>"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.\d]*(?:Z|[+-]\d\d:\d\d)?"), "<time>"),
)
_KEPT = {
    "executions": (ExecutionRow, ("status", "seq", "result", "error_message", "plan", "requirements", "lease_owner")),
    "transitions": (TransitionRow, ("seq", "from_state", "to_state", "reason", "metadata", "delta")),
    "outcomes": (OutcomeRow, ("subtask_id", "turn", "round", "member_id", "status", "note", "deliverable")),
    "messages": (MessageRow, ("sender", "recipient", "type", "content", "metadata")),
    "logs": (LogRow, ("event", "text", "data")),
    "assignments": (AssignmentRow, ("subtask_id", "turn", "member_id", "start", "finish", "reason")),
    "gates": (GateRow, ("position", "kind", "question", "details", "origin_state", "subtask_id", "status", "answer")),
    "requests": (RequestRow, ("kind", "status")),
}


def account(connection: Connection) -> dict[str, list[str]]:
    """Return what a run left in each table, ids and times aside, each row as one line.

    Standups amid a round are left out: whether work takes long enough for one hangs on the clock.
    """
    left = {}
    for name, (model, columns) in _KEPT.items():
        rows = [as_dict(row) for row in connection.execute(select(table(model)))]
        rows = [one for one in rows if not (one.get("metadata") or {}).get("status", {}).get("because")]
        left[name] = sorted(_plain([row[column] for column in columns]) for row in rows)
    return left


def _plain(values: list[Any]) -> str:
    text = json.dumps(values, sort_keys=True, default=str)
    for pattern, name in _PLAIN:
        text = pattern.sub(name, text)
    return text
