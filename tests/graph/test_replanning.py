"""Plans that change while they are worked: members come and go, subtasks come, go and take longer."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from scripted import ScriptedAgent, all_roles, done

from agents import Brief, rule_based_agents
from delegation import (
    InputError,
    MessageType,
    Outcome,
    OutcomeStatus,
    Plan,
    PlanError,
    Role,
    Squad,
    SquadMember,
    Subtask,
    SubtaskKind,
    Task,
    replan,
)
from graph import Request, RunSettings, TaskOrchestrator, build_graph
from graph.drive import Drive
from persistence import load_assignments, load_execution, load_logs, load_transitions, load_workload, utc_now

CRITERION = "It works"
TASK = Task(title="Implement user login", acceptance_criteria=[CRITERION])
SQUAD = Squad(
    members=[
        SquadMember(id="pm", name="pm", role=Role.PROJECT_MANAGER),
        SquadMember(id="lead", name="lead", role=Role.TECH_LEAD),
        SquadMember(id="ada", name="ada", role=Role.BACKEND_DEVELOPER),
        SquadMember(id="bob", name="bob", role=Role.BACKEND_DEVELOPER),
        SquadMember(id="fay", name="fay", role=Role.FRONTEND_DEVELOPER),
        SquadMember(id="tim", name="tim", role=Role.TESTER),
    ]
)


def subtask(name: str, *depends_on: str, role: Role = Role.BACKEND_DEVELOPER, effort: float = 4.0) -> Subtask:
    kind = SubtaskKind.TEST if role == Role.TESTER else SubtaskKind.IMPLEMENTATION
    made = {"id": name, "title": f"The {name}", "role": role, "effort": effort, "kind": kind}
    return Subtask(**made, depends_on=list(depends_on), criteria=[CRITERION])


PLAN = [
    subtask("model"),
    subtask("api", "model"),
    subtask("mail", "model"),
    subtask("page", "api", role=Role.FRONTEND_DEVELOPER),
    subtask("check", "page", "mail", role=Role.TESTER, effort=2.0),
]


class Manager(ScriptedAgent):
    """A project manager whose plan is always the same."""

    def __init__(self, script: Any, plan: list[Subtask]) -> None:
        super().__init__(Role.PROJECT_MANAGER, script)
        self.plan, self.rules = plan, rule_based_agents()[Role.PROJECT_MANAGER]

    async def break_down(self, task: Any, requirements: Any) -> Plan:
        return Plan(subtasks=self.plan)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rules, name)


class TechLead:
    """A tech lead who estimates nothing anew."""

    def __init__(self, script: Any) -> None:
        self.role, self.work, self.rules = Role.TECH_LEAD, script, rule_based_agents()[Role.TECH_LEAD]

    async def estimate(self, plan: Plan, requirements: Any) -> Plan:
        return plan

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rules, name)


class World:
    """An execution, its agents, and what they were asked."""

    def __init__(self, database: Any, plan: list[Subtask], squad: Squad) -> None:
        self.database, self.plan, self.squad = database, plan, squad
        self.began: list[tuple[str, str]] = []
        self.briefs: list[Brief] = []
        self.waits: dict[str, asyncio.Event] = {}
        self.begun: dict[str, asyncio.Event] = {}
        self.asks: set[str] = set()

    async def work(self, brief: Brief) -> Outcome:
        name = brief.subtask.id
        self.briefs.append(brief)
        self.began.append((name, brief.member.id))
        if name in self.begun:
            self.begun[name].set()
        if name in self.waits:
            await self.waits[name].wait()
        if name in self.asks and not brief.answers:
            return Outcome(status=OutcomeStatus.BLOCKED, question="Which one?")
        return done(brief)

    def hold(self, name: str) -> asyncio.Event:
        """Have work on a subtask wait; returns the event of its beginning."""
        self.waits[name] = asyncio.Event()
        self.begun[name] = asyncio.Event()
        return self.begun[name]

    def orchestrator(self, **settings: Any) -> TaskOrchestrator:
        return TaskOrchestrator(database=self.database, agents=self.agents(), settings=RunSettings(**settings))

    def agents(self) -> dict[Role, Any]:
        lead, manager = TechLead(self.work), Manager(self.work, self.plan)
        return all_roles(self.work) | {Role.PROJECT_MANAGER: manager, Role.TECH_LEAD: lead}

    async def start(self, store: Any, task: Task = TASK, **settings: Any) -> "World":
        self.o = self.orchestrator(**settings)
        stored = await store(self.database, task=task, squad=self.squad)
        async with self.database.session() as db:
            self.id = await self.o.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
        return self

    async def run(self) -> dict[str, Any]:
        async with asyncio.timeout(30):
            return await self.o.run(self.id)

    async def call(self, method: Any, **arguments: Any) -> Any:
        async with self.database.session() as db:
            return await method(db=db, execution_id=self.id, **arguments)

    async def said(self, method: Any, **arguments: Any) -> str:
        """Call a method, and wait for what comes of it."""
        found = await self.call(method, **arguments)
        if isinstance(found, Request):
            async with asyncio.timeout(20):
                return str(await found.wait())
        return str(found)

    async def owners(self) -> dict[str, str]:
        given = await self.database.read(lambda c: load_assignments(c, self.id))
        return {name: one.member_id for name, one in given.items()}

    async def logged(self) -> list[str]:
        return [
            one.text for one in await self.database.read(lambda c: load_logs(c, self.id)) if one.event == "replanned"
        ]

    async def messages(self, kind: MessageType) -> list[Any]:
        told = await self.o.message_bus.get_messages(execution_id=str(self.id))
        return [one for one in told if one.type == kind]


@pytest.fixture
def world(database: Any, store: Any) -> Any:
    async def make(plan: list[Subtask] = PLAN, squad: Squad = SQUAD, **settings: Any) -> World:
        return await World(database, plan, squad).start(store, **settings)

    return make


def statuses(summary: dict[str, Any]) -> dict[str, str]:
    return {one["id"]: one["status"] for one in summary["subtasks"]}


# While somebody drives


async def test_a_member_that_drops_out_at_work_is_ended_and_somebody_else_begins_anew(world):
    one = await world()
    begun = one.hold("model")
    running = asyncio.create_task(one.run())
    await begun.wait()
    [(_, who)] = one.began
    text = await one.said(one.o.member_unavailable, member_id=who, reason="ill")
    assert f"{who} is not available (ill)" in text
    one.waits["model"].set()
    summary = await running
    assert summary["status"] == "completed"
    [first, other] = [by for name, by in one.began if name == "model"]
    assert (first, who in {by for name, by in one.began[1:]}) == (who, False)
    assert who not in {row["member"] for row in summary["subtasks"]}
    [lost] = [m for m in await one.messages(MessageType.STATUS_UPDATE) if m.recipient == who and "model" in m.content]
    assert other in lost.content
    assert [m for m in await one.messages(MessageType.TASK_ASSIGNMENT) if m.recipient == other and "model" in m.content]
    [line] = await one.logged()
    assert "of hands" in line


async def test_what_others_run_goes_on_while_the_rest_changes(world):
    one = await world([subtask("model"), subtask("api"), subtask("mail", "api"), *PLAN[3:]])
    first, second = one.hold("model"), one.hold("api")
    running = asyncio.create_task(one.run())
    await first.wait()
    await second.wait()
    by = dict(one.began)
    await one.said(one.o.member_unavailable, member_id=by["api"])
    for event in one.waits.values():
        event.set()
    summary = await running
    assert summary["status"] == "completed"
    assert [who for name, who in one.began if name == "model"] == [by["model"]]
    [first, other] = [who for name, who in one.began if name == "api"]
    assert first == by["api"] != other


async def test_a_cancelled_subtask_ends_at_once_and_nothing_waits_for_it(world):
    one = await world()
    begun = one.hold("mail")
    running = asyncio.create_task(one.run())
    await begun.wait()
    text = await one.said(one.o.cancel_subtask, subtask_id="mail", reason="not wanted")
    assert "mail is cancelled (not wanted)" in text
    summary = await running  # nobody lets the held work go
    assert summary["status"] == "completed"
    assert statuses(summary) == dict.fromkeys(["model", "api", "page", "check"], "done") | {"mail": "cancelled"}
    check = next(brief for brief in one.briefs if brief.subtask.id == "check")
    assert check.subtask.depends_on == ["page", "model"]
    assert "mail" not in {subtask.id for subtask in check.plan.subtasks}
    async with one.database.session() as db:
        progress = await one.o.monitor_progress(db=db, execution_id=one.id)
    assert (progress["subtasks_done"], progress["subtasks_total"]) == (4, 4)


async def test_whoever_worked_what_was_cancelled_goes_on_with_other_work(world):
    plan = [subtask("model"), subtask("api", "model"), subtask("mail", "model"), *PLAN[3:]]
    one = await world(plan, Squad(members=[m for m in SQUAD.members if m.id != "bob"]))
    begun = one.hold("api")
    running = asyncio.create_task(one.run())
    await begun.wait()
    await one.said(one.o.cancel_subtask, subtask_id="api")
    summary = await running
    assert summary["status"] == "completed"
    assert statuses(summary)["api"] == "cancelled"
    assert statuses(summary)["mail"] == "done"


async def test_an_added_subtask_is_worked_and_those_that_need_it_wait(world):
    one = await world()
    begun = one.hold("model")
    running = asyncio.create_task(one.run())
    await begun.wait()
    new = subtask("docs", "model", role=Role.FRONTEND_DEVELOPER)
    text = await one.said(one.o.add_subtask, subtask=new, needed_by=["check"])
    assert "docs is new: The docs" in text
    one.waits["model"].set()
    summary = await running
    assert summary["status"] == "completed"
    assert statuses(summary)["docs"] == "done"
    order = [name for name, _ in one.began]
    assert order.index("model") < order.index("docs") < order.index("check")
    check = next(brief for brief in one.briefs if brief.subtask.id == "check")
    assert set(check.inputs) == {"page", "mail", "docs"}


async def test_work_that_is_added_for_somebody_who_has_left_the_board_is_worked_in_another_opening(world):
    one = await world([subtask("model"), subtask("check", "model", role=Role.TESTER)])
    begun = one.hold("check")
    running = asyncio.create_task(one.run())
    await begun.wait()
    new = subtask("page", "model", role=Role.FRONTEND_DEVELOPER)
    await one.said(one.o.add_subtask, subtask=new)
    one.waits["check"].set()
    summary = await running
    assert summary["status"] == "completed"
    assert ("page", "fay") in one.began


async def test_an_estimate_that_was_wrong_moves_the_rest_to_others(world):
    names = [f"m{n}" for n in range(4)]
    many = [subtask(name, "a", effort=1.0) for name in names]
    plan = [subtask("model"), subtask("a", effort=1.0), *many, subtask("end", *names, role=Role.TESTER, effort=20.0)]
    one = await world(plan)
    first, second = one.hold("model"), one.hold("a")
    running = asyncio.create_task(one.run())
    await first.wait()
    await second.wait()
    who = dict(one.began)["model"]
    text = await one.said(one.o.revise_estimate, subtask_id="model", hours=40)
    assert "model takes 40 h and not 4 h" in text
    owners = await one.owners()
    assert {owners[name] for name in names}.isdisjoint({who})
    for event in one.waits.values():
        event.set()
    summary = await running
    assert next(row for row in summary["subtasks"] if row["id"] == "model")["effort"] == 40


async def test_a_new_plan_for_the_rest_keeps_the_tasks_deadline_in_sight(world, monkeypatch):
    seen: list[dict[str, float | None]] = []

    def spied(subtasks: list[Subtask], *given: Any, **options: Any) -> Any:
        seen.append({subtask.id: subtask.deadline for subtask in subtasks})
        return replan(subtasks, *given, **options)

    monkeypatch.setattr("graph.rest.replan", spied)
    due = utc_now() + timedelta(hours=20, seconds=30)
    one = await world(task=TASK.model_copy(update={"deadline": due}))
    await parked(one)
    text = await one.said(one.o.revise_estimate, subtask_id="check", hours=1)
    assert "after the deadline" not in text
    assert (seen[-1]["mail"], seen[-1]["check"]) == (19, 20)
    text = await one.said(one.o.revise_estimate, subtask_id="check", hours=30)
    assert "done after 34 h, 14 h after the deadline: mail and check are late" in text
    assert text == (await one.logged())[-1]


async def test_work_at_hand_that_takes_longer_loads_its_member_for_other_executions(world, store):
    one = await world()
    begun = one.hold("model")
    running = asyncio.create_task(one.run())
    await begun.wait()
    [(_, who)] = one.began
    await one.said(one.o.revise_estimate, subtask_id="model", hours=90)
    stored = await store(one.database, task="Another")
    row = await one.database.read(lambda c: load_execution(c, one.id))
    async with one.database.session() as db:
        another = await one.o.execute_task(db=db, task=stored.task, squad_id=row.squad_id)
    [load] = await one.database.read(lambda c: load_workload(c, another))
    assert max(given.finish - given.start for given in load.given if given.member_id == who) == 90
    one.waits["model"].set()
    assert (await running)["status"] == "completed"


async def test_work_that_overruns_its_estimate_by_half_is_noticed(world, monkeypatch):
    one = await world([subtask("model", effort=0.00001), *PLAN[1:]])
    begun = one.hold("model")
    running = asyncio.create_task(one.run())
    await begun.wait()

    replanned, store = asyncio.Event(), Drive.learn

    def learn(drive: Drive, *changed: Any) -> None:
        store(drive, *changed)
        replanned.set()

    monkeypatch.setattr(Drive, "learn", learn)
    async with asyncio.timeout(20):
        await replanned.wait()
    one.waits["model"].set()
    summary = await running
    assert summary["status"] == "completed"
    line = (await one.logged())[0]
    assert "model takes" in line
    assert "behind the estimate by half" in line


async def test_a_subtask_may_be_given_to_somebody_else_also_while_it_is_worked(world):
    one = await world()
    begun = one.hold("model")
    running = asyncio.create_task(one.run())
    await begun.wait()
    [(_, who)] = one.began
    other = {"ada": "bob", "bob": "ada"}[who]
    await one.said(one.o.reassign, subtask_id="model", member_id=other, reason="knows it")
    one.waits["model"].set()
    summary = await running
    assert summary["status"] == "completed"
    assert [by for name, by in one.began if name == "model"] == [who, other]


async def test_changes_one_after_another_and_several_at_once_are_all_made(world):
    one = await world()
    begun = one.hold("model")
    running = asyncio.create_task(one.run())
    await begun.wait()
    asked = [
        await one.call(one.o.add_subtask, subtask=subtask("docs", "api"), needed_by=["check"]),
        await one.call(one.o.cancel_subtask, subtask_id="mail"),
        await one.call(one.o.cancel_subtask, subtask_id="mail"),
        await one.call(one.o.revise_estimate, subtask_id="docs", hours=7),
    ]
    assert all(isinstance(request, Request) for request in asked)
    told = await asyncio.gather(*(request.wait() for request in asked), return_exceptions=True)
    one.waits["model"].set()
    summary = await running
    assert [type(found) for found in told] == [str, str, PlanError, str]
    assert "cancelled already" in str(told[2])
    assert statuses(summary) == dict.fromkeys(["model", "api", "page", "check", "docs"], "done") | {"mail": "cancelled"}


async def test_a_refused_change_ends_nothing(world):
    one = await world()
    begun = one.hold("model")
    running = asyncio.create_task(one.run())
    await begun.wait()
    with pytest.raises(PlanError, match="the plan has no subtasks"):
        await one.said(one.o.replan, changes=[{"kind": "cancel_subtask", "subtask_id": one_.id} for one_ in PLAN])
    one.waits["model"].set()
    assert (await running)["status"] == "completed"
    assert [name for name, _ in one.began].count("model") == 1


async def test_what_cannot_be_done_has_the_rest_scheduled_anew(world):
    one = await world()
    one.asks = {"mail"}
    begun = one.hold("api")
    running = asyncio.create_task(one.run())
    await begun.wait()
    one.waits["api"].set()
    summary = await running
    assert summary["status"] == "blocked"
    assert statuses(summary)["page"] == "done"
    [gate] = summary["gates"]
    await one.o.answer(one.id, gate["id"], text="This one")
    assert (await one.run())["status"] == "completed"


async def test_without_anybody_who_could_do_it_a_human_is_asked_and_told_the_nearest_miss(world):
    one = await world()
    begun = one.hold("model")
    running = asyncio.create_task(one.run())
    await begun.wait()
    await one.said(one.o.member_unavailable, member_id="tim")
    await one.said(one.o.member_unavailable, member_id="lead")
    one.waits["model"].set()
    summary = await running
    assert summary["status"] == "blocked"
    [gate] = summary["gates"]
    assert gate["subtask_id"] == "check"
    assert "nobody else may do it: needs the role tester; the closest is" in gate["question"]
    await one.said(one.o.member_available, member_id="tim")
    await one.o.answer(one.id, gate["id"], text="Tim is back")
    assert (await one.run())["status"] == "completed"


async def test_when_everybody_has_dropped_out_a_human_is_asked_and_all_may_come_back(world):
    one = await world()
    begun = one.hold("model")
    running = asyncio.create_task(one.run())
    await begun.wait()
    everybody = [member.id for member in SQUAD.members]
    gone = [{"kind": "member_unavailable", "member_id": member_id} for member_id in everybody]
    await one.said(one.o.replan, changes=gone, reason="a holiday")
    summary = await running
    assert summary["status"] == "blocked"
    assert "there are no members" in summary["gates"][0]["question"]
    back = [{"kind": "member_available", "member_id": member_id} for member_id in everybody]
    await one.said(one.o.replan, changes=back)
    one.waits["model"].set()
    for gate in summary["gates"]:
        await one.o.answer(one.id, gate["id"], text="Back at work")
    assert (await one.run())["status"] == "completed"


async def test_a_client_of_the_bare_graph_sees_changes_too(world):
    one = await world()
    begun = one.hold("model")
    stream = build_graph(database=one.database, agents=one.agents())
    config: Any = {"configurable": {"thread_id": "bare"}}
    running = asyncio.create_task(stream.ainvoke({"task": TASK, "squad": SQUAD}, config))
    await begun.wait()
    one.id = one.briefs[0].execution_id
    await one.said(one.o.cancel_subtask, subtask_id="mail")
    one.waits["model"].set()
    async with asyncio.timeout(20):
        found = await running
    assert found["status"] == "completed"
    assert statuses(found)["mail"] == "cancelled"
    assert "mail" not in dict(one.began)


# On a parked execution


async def parked(one: World, at: str = "mail") -> dict[str, Any]:
    """Run until a member has a question."""
    one.asks = {at}
    summary = await one.run()
    assert summary["status"] == "blocked"
    return summary


async def test_a_blocked_execution_takes_changes_at_once_and_goes_on_with_them(world):
    one = await world()
    summary = await parked(one, "api")
    await one.said(one.o.add_subtask, subtask=subtask("docs", "api"), needed_by=["page"])
    await one.said(one.o.member_unavailable, member_id="ada")
    assert "ada" not in {who for name, who in (await one.owners()).items() if name in {"api", "docs"}}
    await one.o.answer(one.id, summary["gates"][0]["id"], text="This one")
    one.asks = set()
    after = await one.run()
    assert after["status"] == "completed"
    assert statuses(after)["docs"] == "done"
    page = next(brief for brief in one.briefs if brief.subtask.id == "page")
    assert set(page.inputs) == {"api", "docs"}


async def test_a_question_about_what_is_cancelled_is_withdrawn_and_the_execution_goes_on(world):
    one = await world()
    await parked(one)
    await one.said(one.o.cancel_subtask, subtask_id="mail")
    summary = await one.o.get_execution_summary(one.id)
    assert summary["status"] == "in_progress"
    assert [gate["status"] for gate in summary["gates"]] == ["withdrawn"]
    assert (await one.run())["status"] == "completed"


async def test_work_that_is_added_under_review_goes_back_to_the_board(world):
    one = await world()
    for state, by in (("reviewing", one.o.transition_to_review), ("testing", one.o.transition_to_testing)):
        one = await world()
        summary = await parked(one)
        await one.o.answer(one.id, summary["gates"][0]["id"], text="This one", next_state=state)
        assert by
        await one.said(one.o.add_subtask, subtask=subtask("docs", "model"))
        found = await one.o.get_execution_summary(one.id)
        assert (found["transitions"][-1]["from_state"], found["status"]) == (state, "in_progress")
        assert (await one.run())["status"] == "completed"
        assert "docs" in dict(one.began)


async def test_work_that_is_added_while_a_human_is_asked_under_review_is_done_first(world):
    one = await world()
    summary = await parked(one)
    await one.o.answer(one.id, summary["gates"][0]["id"], text="This one", next_state="reviewing")
    gate = await one.call(one.o.handle_blocker, blocker_description="Is it right?")
    await one.said(one.o.add_subtask, subtask=subtask("docs", "model"))
    await one.o.answer(one.id, gate.id, text="Yes")
    assert (await one.o.get_execution_summary(one.id))["status"] == "in_progress"
    assert (await one.run())["status"] == "completed"


async def test_a_plan_that_was_approved_stays_approved_when_callers_change_it(world):
    one = await world(approval="human")
    summary = await one.run()
    [gate] = summary["gates"]
    with pytest.raises(PlanError, match="waits for a human's approval") as refused:
        await one.said(one.o.cancel_subtask, subtask_id="mail")
    assert "decision edit" in refused.value.hint
    await one.o.answer(one.id, gate["id"], decision="approve")
    await one.said(one.o.cancel_subtask, subtask_id="mail")
    assert (await one.run())["status"] == "completed"


async def test_a_human_approves_the_assignments_as_they_are_once_a_member_has_dropped_out(world):
    one = await world(approval="human")
    [gate] = (await one.run())["gates"]
    gone = next(who for name, who in (await one.owners()).items() if name == "model")
    await one.said(one.o.member_unavailable, member_id=gone)
    owners = await one.owners()
    assert gone not in owners.values()
    assert await one.messages(MessageType.TASK_ASSIGNMENT) == []
    [asked] = (await one.o.get_execution_summary(one.id))["gates"]
    assert asked["id"] == gate["id"]
    assert {each["subtask_id"]: each["member_id"] for each in asked["metadata"]["assignments"]} == owners
    assert f"model The model: {owners['model']}" in asked["details"]
    await one.o.answer(one.id, gate["id"], decision="approve")
    told = await one.messages(MessageType.TASK_ASSIGNMENT)
    assert {each.metadata["subtask_id"]: each.recipient for each in told} == owners
    assert (await one.run())["status"] == "completed"


async def test_before_there_is_a_plan_only_members_come_and_go(world):
    one = await world()
    with pytest.raises(PlanError, match="no plan yet"):
        await one.said(one.o.cancel_subtask, subtask_id="mail")
    await one.said(one.o.member_unavailable, member_id="ada")
    assert (await one.run())["status"] == "completed"
    assert "ada" not in {who for _, who in one.began}


@pytest.mark.parametrize(
    ("method", "given", "says", "hint"),
    [
        ("member_unavailable", {"member_id": "adda"}, "no member 'adda'", "did you mean 'ada'?"),
        ("member_available", {"member_id": "ada"}, "has not dropped out", "nobody has"),
        ("cancel_subtask", {"subtask_id": "mial"}, "no subtask 'mial'", "did you mean 'mail'?"),
        ("cancel_subtask", {"subtask_id": "model"}, "is done already", "add another one"),
        ("revise_estimate", {"subtask_id": "zzz", "hours": 1}, "no subtask 'zzz'", "its subtasks are model, api"),
        ("add_subtask", {"subtask": subtask("mail")}, "'mail' is taken", "an id of its own"),
        ("add_subtask", {"subtask": subtask("docs", "docs")}, "circle", "out"),
        ("add_subtask", {"subtask": subtask("docs", "nothing")}, "'nothing', which is not in the plan", "add it"),
        ("reassign", {"subtask_id": "mail", "member_id": "tim"}, "cannot do 'mail': is a tester", "another one"),
    ],
)
async def test_what_cannot_be_changed_is_refused_by_name_and_changes_nothing(world, method, given, says, hint):
    one = await world()
    await parked(one)
    before = await one.database.read(lambda c: tuple(load_execution(c, one.id)))
    with pytest.raises(PlanError, match=says) as refused:
        await one.said(getattr(one.o, method), **given)
    assert hint in refused.value.hint
    assert await one.database.read(lambda c: tuple(load_execution(c, one.id))) == before


async def test_a_change_that_is_none_is_named_by_its_field(world):
    one = await world()
    away = {"kind": "member_unavailable", "member_id": "ada"}
    revised = {"kind": "revise_estimate", "subtask_id": "model", "hours": -1}
    with pytest.raises(InputError, match=r"^replan\.changes\.1\.revise_estimate\.hours cannot be used"):
        await one.said(one.o.replan, changes=[away, revised])


async def test_nothing_changes_in_an_execution_that_has_ended(world):
    one = await world()
    assert (await one.run())["status"] == "completed"
    with pytest.raises(PlanError, match="has ended"):
        await one.said(one.o.member_unavailable, member_id="ada")


# The log, forks, the thread


async def test_the_next_transition_tells_the_thread_and_forks_see_the_plan_as_it_was(world):
    one = await world()
    summary = await parked(one)
    blocked = len(summary["transitions"])
    await one.said(one.o.cancel_subtask, subtask_id="mail")
    left = blocked + 1
    old, new = [await one.o.fork(one.id, seq) for seq in (blocked, left)]
    plans = []
    for key in (old, new):
        row = await one.database.read(lambda c, key=key: load_execution(c, key))
        plans.append([subtask["id"] for subtask in row.plan["subtasks"]])
    assert ("mail" in plans[0], "mail" in plans[1]) == (True, False)
    moves = await one.database.read(lambda c: load_transitions(c, one.id))
    assert [subtask["id"] for subtask in moves[-1].delta["plan"]["subtasks"]] == ["model", "api", "page", "check"]
    assert (await one.run())["status"] == "completed"
    found = await one.database.checkpointer.aget_tuple({"configurable": {"thread_id": str(one.id)}})
    kept = found.checkpoint["channel_values"]["plan"]
    assert [subtask["id"] for subtask in kept["subtasks"]] == ["model", "api", "page", "check"]


async def test_a_change_without_a_transition_after_it_is_still_in_the_next_drive(world):
    """In progress and parked: the thread holds the plan before, the row the one that holds."""
    one = await world()
    begun = one.hold("model")
    running = asyncio.create_task(one.run())
    await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await one.said(one.o.replan, changes=[{"kind": "cancel_subtask", "subtask_id": "mail"}], reason="less")
    await one.said(one.o.add_subtask, subtask=subtask("docs", "model"), needed_by=["check"])
    one.waits["model"].set()
    summary = await one.run()
    assert summary["status"] == "completed"
    assert "mail" not in dict(one.began)
    assert "docs" in dict(one.began)
    moves = await one.database.read(lambda c: load_transitions(c, one.id))
    [told] = [move.seq for move in moves if move.from_state == "in_progress" and "plan" in move.delta]
    assert told
