"""A task with its requirements, plan, squad and schedule, for tests of judgements about them."""

from uuid import UUID

from agents import Brief
from delegation import (
    Criterion,
    DelegationEngine,
    Deliverable,
    Outcome,
    OutcomeStatus,
    Plan,
    Requirements,
    Role,
    Schedule,
    Squad,
    Subtask,
    SubtaskKind,
    Task,
    TaskType,
    TestCase,
)

LOGIN, LIMIT = "A user can log in with e-mail and password", "Five failed attempts lock the account"
TASK = Task(title="Implement user login", description="We need a login.", acceptance_criteria=[LOGIN, LIMIT])
REQUIREMENTS = Requirements(
    type=TaskType.API_ENDPOINT,
    complexity=4,
    areas=["backend"],
    criteria=[Criterion(text=LOGIN, source="stated"), Criterion(text=LIMIT, source="stated")],
    open_questions=["Which hash?"],
)
SUBTASKS = [
    Subtask(id="S1", title="Endpoint", role=Role.BACKEND_DEVELOPER, criteria=[LOGIN, LIMIT]),
    Subtask(id="S2", title="Page", role=Role.FRONTEND_DEVELOPER, criteria=[LOGIN]),
    Subtask(id="S3", title="Tests", role=Role.TESTER, kind=SubtaskKind.TEST, depends_on=["S1", "S2"]),
]
PLAN = Plan(
    subtasks=SUBTASKS,
    test_cases=[
        TestCase(id="T1", criterion=LOGIN, then="they are logged in", subtask_ids=["S1", "S2"]),
        TestCase(id="T2", criterion=LIMIT, then="the sixth is refused", subtask_ids=["S1"]),
    ],
)
MEMBERS = Squad.default().members


def schedule() -> Schedule:
    """Return a proposal that the rules approve."""
    return DelegationEngine().assign(PLAN, MEMBERS)


def delivered(*criteria: str, body: str = "def login(): ...") -> Outcome:
    """Return the outcome of work that takes these up."""
    deliverable = Deliverable(kind="implementation", title="Work", body=body, criteria=list(criteria))
    return Outcome(status=OutcomeStatus.DONE, note="done", deliverable=deliverable)


def outcomes() -> dict[str, Outcome]:
    """Return a round in which everything was delivered."""
    return {"S1": delivered(LOGIN, LIMIT), "S2": delivered(LOGIN), "S3": delivered(LOGIN, LIMIT, body="T1, T2")}


def brief(subtask_id: str = "S1", task: Task = TASK) -> Brief:
    """Return what a member is handed for one of the subtasks."""
    subtask = PLAN.subtask(subtask_id)
    member = next(one for one in MEMBERS if one.role == subtask.role)
    return Brief(
        execution_id=UUID(int=1), task=task, requirements=REQUIREMENTS, plan=PLAN, subtask=subtask, member=member
    )
