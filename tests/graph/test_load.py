"""Several open executions of one squad in one database: each is planned around the others."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from scripted import all_roles, done
from sqlalchemy import text

from delegation import Outcome, OutcomeStatus, Role, Squad, SquadMember, Task
from graph import RunSettings, TaskOrchestrator
from graph.hours import away_at, hours_between, members_at
from persistence import Facts, load_assignments, utc_now

HUMAN = RunSettings(approval="human")
ROLES = (Role.PROJECT_MANAGER, Role.TECH_LEAD, Role.TESTER, Role.FRONTEND_DEVELOPER)
TASK = Task(title="Add an endpoint GET /health", acceptance_criteria=["It returns 200"])


def squad_with(*backend: SquadMember) -> Squad:
    rest = [SquadMember(id=role.value, name=role.value, role=role) for role in ROLES if role is not Role.TECH_LEAD]
    return Squad(members=[*rest, *backend])


def developer(id_: str, **fields: Any) -> SquadMember:
    return SquadMember(id=id_, name=id_, role=Role.BACKEND_DEVELOPER, **fields)


async def planned(database, store, squad_id: UUID, task: Task = TASK) -> tuple[TaskOrchestrator, UUID]:
    """Have the task planned and parked, waiting for a human's approval."""
    orchestrator = TaskOrchestrator(database=database, settings=HUMAN)
    stored = await store(database, task=task)
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=squad_id)
    assert (await orchestrator.run(execution_id))["status"] == "blocked"
    return orchestrator, execution_id


async def assigned(database, execution_id: UUID) -> dict[str, Any]:
    return await database.read(lambda connection: load_assignments(connection, execution_id))


def spans(assignments: dict[str, Any], member_id: str) -> list[tuple[float, float]]:
    return sorted((one.start, one.finish) for one in assignments.values() if one.member_id == member_id)


async def test_a_second_execution_avoids_the_member_whom_the_first_one_loads(database, store):
    squad = (await store(database, squad=squad_with(developer("ada"), developer("bob")))).squad
    _, first = await planned(database, store, squad.id)
    _, second = await planned(database, store, squad.id)
    mine, others = await assigned(database, first), await assigned(database, second)
    assert mine["S1"].member_id == "ada"
    assert others["S1"].member_id == "bob"
    assert others["S1"].start == 0


async def test_many_open_executions_hold_no_member_beyond_its_capacity(database, store):
    squad = (await store(database, squad=squad_with(developer("ada"), developer("bob", capacity=2)))).squad
    taken: dict[str, list[tuple[float, float]]] = {one.id: [] for one in squad.members}
    for number in range(6):
        _, key = await planned(
            database, store, squad.id, TASK.model_copy(update={"title": f"Add GET /health/{number}"})
        )
        given = await assigned(database, key)
        for who, work in taken.items():
            work.extend(spans(given, who))
    assert sum(map(len, taken.values())) >= 12
    capacity = {one.id: one.capacity for one in squad.members}
    for who, work in taken.items():
        for start, _ in work:
            assert sum(begin <= start < end for begin, end in work) <= capacity[who]


async def test_who_comes_after_an_execution_that_ended_or_was_left_for_long_is_not_held_up(database, store):
    squad = (await store(database, squad=squad_with(developer("ada")))).squad
    _, first = await planned(database, store, squad.id)
    until = max(finish for _, finish in spans(await assigned(database, first), "ada"))
    orchestrator, second = await planned(database, store, squad.id)
    assert min(spans(await assigned(database, second), "ada"))[0] == until
    async with database.session() as db:
        await orchestrator.cancel(db=db, execution_id=second)
    long_ago = {"at": (utc_now() - timedelta(days=9)).replace(tzinfo=None), "id": first.hex}
    await database.write(
        lambda connection: connection.execute(
            text("UPDATE assignments SET at = :at WHERE execution_id = :id"), long_ago
        )
    )
    _, third = await planned(database, store, squad.id)
    assert min(spans(await assigned(database, third), "ada"))[0] == 0


async def test_a_member_at_work_for_another_execution_is_taken_for_what_is_left(database, store):
    squad = (await store(database, squad=squad_with(developer("ada"), developer("bob")))).squad
    second: list[dict[str, Any]] = []

    async def work(brief):
        if brief.subtask.id == "S1" and not second:
            _, key = await planned(database, store, squad.id)
            second.append(await assigned(database, key))
        return done(brief)

    stored = await store(database, task=TASK)
    orchestrator = TaskOrchestrator(database=database, agents=all_roles(work))
    async with database.session() as db:
        first = await orchestrator.execute_task(db=db, task=stored.task, squad_id=squad.id)
    summary = await orchestrator.run(first)
    assert summary["status"] == "completed"
    assert (await assigned(database, first))["S1"].member_id == "ada"
    assert second[0]["S1"].member_id == "bob"


async def test_what_is_refused_goes_to_somebody_who_is_there(database, store):
    async def refuses_once(brief):
        if brief.subtask.id == "S1" and brief.member.id == "ada":
            return Outcome(status=OutcomeStatus.REFUSED, note="not mine")
        return done(brief)

    lead = SquadMember(id="lead", name="lead", role=Role.TECH_LEAD)
    squad = squad_with(developer("ada"), developer("bob", leave=[(0, 9)]), lead)
    stored = await store(database, task=TASK, squad=squad)
    orchestrator = TaskOrchestrator(database=database, agents=all_roles(refuses_once))
    async with database.session() as db:
        key = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
    summary = await orchestrator.run(key)
    assert summary["status"] == "completed"
    assert {one["id"]: one["member"] for one in summary["subtasks"]}["S1"] == "lead"


def test_who_is_away_comes_back():
    now = utc_now()
    squad = squad_with(developer("ada", available_from=3), developer("bob", leave=[(2, 5)]))

    def away(hours: float) -> set[str]:
        return away_at(Facts(UUID(int=1), UUID(int=2), TASK, squad, now - timedelta(hours=hours)), now)

    assert [away(hours) for hours in (0, 2, 3, 5)] == [{"ada"}, {"ada", "bob"}, {"bob"}, set()]


def test_members_hours_count_from_when_the_squad_was_stored():
    now = utc_now()
    squad = squad_with(developer("ada", available_from=3, leave=[(5, 7)]), developer("bob"))

    def seen(hours: float) -> SquadMember:
        facts = Facts(UUID(int=1), UUID(int=2), TASK, squad, now - timedelta(hours=hours))
        return next(one for one in members_at(facts, now) if one.id == "ada")

    assert (seen(0).available_from, seen(0).leave) == (3, ((5, 7),))
    assert (seen(2).available_from, seen(2).leave) == (1, ((3, 5),))
    assert (seen(8).available_from, seen(8).leave) == (0, ((-3, -1),))
    assert seen(-1) == seen(0)


def test_hours_are_counted_in_whole_minutes():
    now = utc_now()
    assert hours_between(now, now + timedelta(seconds=59)) == 0
    assert hours_between(now, now + timedelta(minutes=90, seconds=3)) == 1.5
    assert hours_between(now, now - timedelta(minutes=30)) == -0.5
