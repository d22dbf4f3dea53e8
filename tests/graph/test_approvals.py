"""A plan approved by nobody, by the project manager, or by a human: approve, edit, reject with feedback."""

import json
from collections import Counter
from typing import Any
from uuid import UUID

import pytest
from langgraph.types import Command
from scripted import all_roles, does_it
from sqlalchemy import Connection

from agents import rule_based_agents
from delegation import DelegationEngine, MessageType, Plan, Role, Task, TestCase
from graph import GateError, RunSettings, TaskOrchestrator, build_graph
from graph.cli import main
from persistence import keep_terms, load_execution

CRITERION = "A wrong password is refused"
TASK = Task(title="Implement user login", description="An API and a login form.", acceptance_criteria=[CRITERION])
HUMAN = RunSettings(approval="human")
CONFIG: Any = {"configurable": {"thread_id": "a thread"}}


async def waiting(database, store, **options: Any) -> tuple[TaskOrchestrator, dict[str, Any]]:
    orchestrator = TaskOrchestrator(database=database, settings=options.pop("settings", HUMAN), **options)
    stored = await store(database, task=TASK)
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
    return orchestrator, await orchestrator.run(execution_id)


def the_gate(summary: dict[str, Any]) -> dict[str, Any]:
    (gate,) = [one for one in summary["gates"] if one["status"] == "open"]
    assert (gate["kind"], gate["allowed"]) == ("approval", ["approve", "edit", "reject"])
    return gate


async def test_a_human_approves_the_plan_and_its_assignments_once(database, store):
    agents = all_roles(does_it)
    orchestrator, summary = await waiting(database, store, agents=agents)
    gate = the_gate(summary)
    assert (summary["status"], gate["origin_state"]) == ("blocked", "delegated")
    assert [one["id"] for one in gate["metadata"]["plan"]["subtasks"]] == [one["id"] for one in summary["subtasks"]]
    assert all(one["member"] for one in summary["subtasks"])
    assert all(one["title"] in gate["details"] for one in summary["subtasks"])
    assert not any(agent.briefs for agent in agents.values())
    await orchestrator.answer(summary["execution_id"], gate["id"], decision="approve", answered_by="ana")
    summary = await orchestrator.run(summary["execution_id"])
    assert (summary["status"], len(summary["gates"])) == ("completed", 1)
    assert [move["to_state"] for move in summary["transitions"]][3:5] == ["blocked", "in_progress"]
    assert Counter(brief.subtask.id for agent in agents.values() for brief in agent.briefs) == dict.fromkeys(
        (one["id"] for one in summary["subtasks"]), 1
    )


@pytest.mark.parametrize(("approval", "asked"), [("none", 0), ("pm", 1)])
async def test_the_project_manager_is_asked_unless_nobody_is(database, store, approval, asked):
    calls = []
    rules: Any = rule_based_agents()[Role.PROJECT_MANAGER]

    class Manager:
        role = Role.PROJECT_MANAGER

        def __getattr__(self, name: str) -> Any:
            return getattr(rules, name)

        async def approve(self, *given):
            calls.append("approve")
            return await rules.approve(*given)

    settings = RunSettings(approval=approval)
    _, summary = await waiting(database, store, agents={Role.PROJECT_MANAGER: Manager()}, settings=settings)
    assert (summary["status"], len(calls)) == ("completed", asked)


async def test_a_rejection_goes_back_to_planning_with_its_feedback(database, store):
    orchestrator, summary = await waiting(database, store)
    gate = the_gate(summary)
    areas = {one["title"].split(":")[0] for one in summary["subtasks"]}
    assert areas == {"Back end", "Front end", "Documentation", "Test plan"}
    feedback = "There is no front end here, but it takes a database table for the users."
    await orchestrator.answer(summary["execution_id"], gate["id"], decision="reject", text=feedback)
    summary = await orchestrator.run(summary["execution_id"])
    again = the_gate(summary)
    assert [move["to_state"] for move in summary["transitions"]][3:] == ["blocked", "planning", "delegated", "blocked"]
    assert {one["title"].split(":")[0] for one in summary["subtasks"]} == {
        "Back end",
        "Data model",
        "Documentation",
        "Test plan",
    }
    row = await row_of(database, summary)
    assert row.requirements["feedback"] == [feedback]
    await orchestrator.answer(summary["execution_id"], again["id"], decision="approve")
    assert (await orchestrator.run(summary["execution_id"]))["status"] == "completed"


async def row_of(database, summary) -> Any:
    key = UUID(summary["execution_id"])
    return await database.read(lambda connection: load_execution(connection, key))


def edited(gate: dict[str, Any]) -> dict[str, Any]:
    """Return the gate's plan with its subtasks made one after another, and one more."""
    plan = json.loads(json.dumps(gate["metadata"]["plan"]))
    plan["subtasks"].append(plan["subtasks"][0] | {"id": "X1", "title": "Rate limits", "depends_on": ["S1"]})
    return plan


async def test_an_edit_carries_a_plan_which_is_worked_without_another_question(database, store):
    agents = all_roles(does_it)
    orchestrator, summary = await waiting(database, store, agents=agents)
    gate = the_gate(summary)
    plan = edited(gate) | {"test_cases": []}
    await orchestrator.answer(summary["execution_id"], gate["id"], decision="edit", plan=Plan.model_validate(plan))
    summary = await orchestrator.run(summary["execution_id"])
    assert (summary["status"], len(summary["gates"])) == ("completed", 1)
    assert [move["to_state"] for move in summary["transitions"]][3:6] == ["blocked", "delegated", "in_progress"]
    assert "X1" in {one["id"] for one in summary["subtasks"] if one["status"] == "done"}
    assert (await row_of(database, summary)).plan["test_cases"]  # planned for the plan that came without


async def test_a_client_edits_in_the_shape_of_human_in_the_loop(database):
    graph = build_graph(database=database)
    output = await graph.ainvoke({"task": TASK.model_dump()}, CONFIG, context={"approval": "human"})
    request = output["__interrupt__"][0].value["action_requests"][0]
    assert request["name"] == "approval"
    args = request["args"] | {"metadata": {"plan": edited(request["args"])}}
    decision = {"type": "edit", "edited_action": {"name": "approval", "args": args}}
    output = await graph.ainvoke(Command(resume={"decisions": [decision]}), CONFIG)  # the choice is kept
    assert output["status"] == "completed"
    assert "X1" in {one["id"] for one in output["subtasks"]}


def without(plan: dict[str, Any], *names: str) -> dict[str, Any]:
    return plan | {"subtasks": [one for one in plan["subtasks"] if one["id"] not in names]}


BAD_PLANS = [
    (lambda _: {"subtasks": []}, "no subtasks"),
    (lambda plan: plan | {"subtasks": [plan["subtasks"][0] | {"role": "wizard"}]}, "role"),
    (lambda plan: plan | {"subtasks": [*plan["subtasks"], plan["subtasks"][0]]}, "given twice"),
    (lambda plan: plan | {"subtasks": [plan["subtasks"][0] | {"depends_on": ["S1"]}]}, "circle"),
    (lambda plan: plan | {"subtasks": [plan["subtasks"][0] | {"depends_on": ["S99"]}]}, "not in the plan"),
    (lambda plan: plan | {"subtasks": [plan["subtasks"][0] | {"effort": -1}]}, "effort"),
    (lambda plan: {"subtasks": [one | {"criteria": []} for one in plan["subtasks"]]}, CRITERION),
    (lambda plan: plan | {"subtasks": [plan["subtasks"][0] | {"criteria": [CRITERION, "of its own"]}]}, "of its own"),
    (lambda plan: plan | {"test_cases": [plan["test_cases"][0] | {"subtask_ids": ["S99"]}]}, "S99"),
    (lambda _: None, "needs a plan"),
]


@pytest.mark.parametrize(("spoil", "says"), BAD_PLANS, ids=[says for _, says in BAD_PLANS])
async def test_a_plan_that_cannot_be_worked_is_refused_and_the_gate_is_as_it_was(database, store, spoil, says):
    orchestrator, summary = await waiting(database, store)
    gate = the_gate(summary)
    with pytest.raises(GateError, match=says):
        await orchestrator.answer(
            summary["execution_id"], gate["id"], decision="edit", plan=spoil(gate["metadata"]["plan"])
        )
    assert the_gate(await orchestrator.get_execution_summary(summary["execution_id"])) == gate
    await orchestrator.answer(summary["execution_id"], gate["id"], decision="approve")
    assert (await orchestrator.run(summary["execution_id"]))["status"] == "completed"


@pytest.mark.parametrize("bare", [False, True])
async def test_nobody_is_told_to_take_anything_before_it_is_approved(database, store, bare):
    async def told(execution_id) -> list[str]:
        messages = await orchestrator.message_bus.get_conversation(execution_id)
        return [str(one.recipient) for one in messages if one.type == MessageType.TASK_ASSIGNMENT]

    if bare:
        graph, orchestrator = build_graph(database=database), TaskOrchestrator(database=database)
        output = await graph.ainvoke({"task": TASK.model_dump()}, CONFIG, context={"approval": "human"})
        key = UUID(output["execution_id"])
        assert await told(key) == []
        await graph.ainvoke(Command(resume={"decisions": [{"type": "approve"}]}), CONFIG)
    else:
        orchestrator, summary = await waiting(database, store)
        key = UUID(summary["execution_id"])
        assert await told(key) == []
        await orchestrator.answer(key, the_gate(summary)["id"], decision="approve", answered_by="ana")
    summary = await orchestrator.get_execution_summary(key)
    assert sorted(await told(key)) == sorted(one["member"] for one in summary["subtasks"])


async def test_an_edited_plan_that_tests_too_little_gets_the_tests_that_it_lacks(database, store):
    orchestrator, summary = await waiting(database, store)
    plan = edited(the_gate(summary))
    plan["test_cases"] = [one | {"criterion": "something else"} for one in plan["test_cases"]]
    await orchestrator.answer(summary["execution_id"], the_gate(summary)["id"], decision="edit", plan=plan)
    summary = await orchestrator.run(summary["execution_id"])
    assert [move["to_state"] for move in summary["transitions"]][-3:] == ["reviewing", "testing", "completed"]


async def test_a_plan_that_a_client_changed_in_the_thread_is_the_one_that_is_approved(database):
    graph = build_graph(database=database)
    given = {"task": TASK.model_dump()}
    await graph.ainvoke(given, CONFIG, context={"approval": "human"}, interrupt_before=["delegated"])
    snapshot = await graph.aget_state(CONFIG)
    plan = snapshot.values["plan"]
    plan["subtasks"][0]["title"] = "As the client has it"
    await graph.aupdate_state(CONFIG, {"plan": plan}, as_node="planning")
    await graph.ainvoke(None, CONFIG)
    output = await graph.ainvoke(Command(resume={"decisions": [{"type": "approve"}]}), CONFIG)
    assert output["status"] == "completed"
    assert output["subtasks"][0]["title"] == "As the client has it"


@pytest.mark.parametrize("next_state", ["delegated", "in_progress", "reviewing", "testing"])
async def test_a_plan_that_is_rejected_is_not_worked(database, store, next_state):
    orchestrator, summary = await waiting(database, store)
    gate = the_gate(summary)
    with pytest.raises(GateError, match="rejected"):
        await orchestrator.answer(summary["execution_id"], gate["id"], decision="reject", next_state=next_state)
    assert the_gate(await orchestrator.get_execution_summary(summary["execution_id"])) == gate


@pytest.mark.parametrize("next_state", ["planning", "in_progress", "testing"])
async def test_a_plan_that_is_edited_is_delegated_first(database, store, next_state):
    orchestrator, summary = await waiting(database, store)
    gate = the_gate(summary)
    answer = {"decision": "edit", "plan": edited(gate), "next_state": next_state}
    with pytest.raises(GateError, match="delegated first"):
        await orchestrator.answer(summary["execution_id"], gate["id"], **answer)


async def test_nobody_signs_as_the_deadline(database, store):
    orchestrator, summary = await waiting(database, store)
    with pytest.raises(GateError, match="nobody's name"):
        await orchestrator.answer(
            summary["execution_id"], the_gate(summary)["id"], decision="approve", answered_by="deadline"
        )


async def test_whoever_watches_drives_on_under_the_executions_own_settings(database, store):
    settings = RunSettings(approval="human", gate_deadline_s=0.05, gate_default="go_on")
    orchestrator, summary = await waiting(database, store, settings=settings)
    gate = the_gate(summary)
    await orchestrator.answer(summary["execution_id"], gate["id"], decision="reject", text="Again.")
    async with database.session() as db:
        await orchestrator.handle_blocker(
            db=db, execution_id=summary["execution_id"], blocker_description="?", deadline=0.05, default_answer="yes"
        )
    other = TaskOrchestrator(database=database, settings=RunSettings(approval="none", max_reworks=7))
    while not (await other.watch(once=True)).driven:
        pass
    summary = await other.get_execution_summary(summary["execution_id"])
    assert [one["kind"] for one in summary["gates"]] == ["approval", "blocker", "approval"]
    assert (await row_of(database, summary)).settings["approval"] == "human"


async def test_a_setting_that_only_another_version_knows_is_left_out(database, store, caplog):
    orchestrator, summary = await waiting(database, store)
    key = UUID(summary["execution_id"])
    kept = {"approval": "human", "mood": "sunny"}
    await database.write(lambda connection: keep_terms(connection, key, {"settings": kept}))
    assert the_gate(await orchestrator.run(key))
    assert "mood" in caplog.text


@pytest.mark.parametrize(
    ("feedback", "areas"),
    [
        ("The front end must not store passwords", {"Back end", "Front end"}),
        ("The back end estimate is not realistic", {"Back end", "Front end"}),
        ("Both back end and front end are needed but no infrastructure", {"Back end", "Front end"}),
        ("Please drop the front end", {"Back end"}),
        ("No front end, no infrastructure, but a data model in the database", {"Back end", "Data model"}),
    ],
)
def test_feedback_is_about_the_areas_that_it_names(feedback, areas):
    engine = DelegationEngine()
    requirements = engine.analyze_task_requirements(TASK).model_copy(update={"feedback": [feedback]})
    plan = engine.break_down_task(TASK, requirements)
    assert {one.title.split(":")[0] for one in plan.subtasks} - {"Documentation", "Test plan"} == areas


async def test_an_answer_to_a_plan_that_has_changed_since_is_refused(database, store):
    orchestrator, summary = await waiting(database, store)
    gate, key = the_gate(summary), UUID(summary["execution_id"])

    def change(connection: Connection) -> None:
        plan = load_execution(connection, key).plan
        keep_terms(connection, key, {"plan": plan | {"test_cases": []}})

    await database.write(change)
    for wrong in ({"decision": "approve"}, {"decision": "edit", "plan": edited(gate)}):
        with pytest.raises(GateError, match="plan has changed"):
            await orchestrator.answer(key, gate["id"], **wrong)
    await orchestrator.answer(key, gate["id"], decision="reject", text="Show me the plan as it is.")
    summary = await orchestrator.run(key)
    assert the_gate(summary)["id"] != gate["id"]


@pytest.mark.parametrize(
    ("decision", "text", "leads_to"),
    [("approve", None, "in_progress"), ("reject", "Smaller subtasks.", "planning")],
)
async def test_another_question_that_is_open_does_not_drown_the_word_on_the_plan(
    database, store, decision, text, leads_to
):
    orchestrator, summary = await waiting(database, store)
    gate = the_gate(summary)
    async with database.session() as db:
        blocker = await orchestrator.handle_blocker(
            db=db, execution_id=summary["execution_id"], blocker_description="Which hash?"
        )
    await orchestrator.answer(summary["execution_id"], gate["id"], decision=decision, text=text)
    state = await orchestrator.answer(summary["execution_id"], blocker.id, text="argon2id")
    assert state == leads_to


async def test_moved_by_hand_past_the_question_a_plan_is_asked_about_before_the_board_opens(database, store):
    agents = all_roles(does_it)
    orchestrator, summary = await waiting(database, store, agents=agents)
    key, first = summary["execution_id"], the_gate(summary)
    async with database.session() as db:
        move = {"from_state": "blocked", "to_state": "in_progress"}
        await orchestrator.workflow_engine.transition_state(db=db, execution_id=key, **move)
    summary = await orchestrator.run(key)
    again = the_gate(summary)
    assert (again["id"] != first["id"], again["origin_state"]) == (True, "in_progress")
    assert again["metadata"]["plan"] == first["metadata"]["plan"]
    assert not any(agent.briefs for agent in agents.values())
    await orchestrator.answer(key, again["id"], decision="approve")
    summary = await orchestrator.run(key)
    assert (summary["status"], len(summary["gates"])) == ("completed", 2)


@pytest.mark.parametrize("next_state", ["in_progress", "reviewing"])
async def test_an_answer_that_skips_planning_skips_no_approval(database, store, next_state):
    agents = all_roles(does_it)
    orchestrator = TaskOrchestrator(database=database, settings=HUMAN, agents=agents)
    stored = await store(database, task=TASK)
    async with database.session() as db:
        key = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
        blocker = await orchestrator.handle_blocker(db=db, execution_id=key, blocker_description="Which hash?")
    await orchestrator.answer(key, blocker.id, text="argon2id", next_state=next_state)
    gate = the_gate(await orchestrator.run(key))
    assert not any(agent.briefs for agent in agents.values())
    fork = await orchestrator.fork(key, (await row_of(database, {"execution_id": str(key)})).seq)
    plan = edited(gate)
    await orchestrator.answer(key, gate["id"], decision="edit", plan=plan)
    summary = await orchestrator.run(key)
    assert summary["status"] == "completed"
    assert {one["id"] for one in summary["subtasks"]} == {one["id"] for one in plan["subtasks"]}
    assert the_gate(await orchestrator.run(fork))["metadata"] == gate["metadata"]


async def test_a_plan_that_was_approved_is_not_asked_about_again_until_another_one_is_made(database, store):
    orchestrator, summary = await waiting(database, store)
    key = summary["execution_id"]
    await orchestrator.answer(key, the_gate(summary)["id"], decision="approve", next_state="delegated")
    async with database.session() as db:
        blocker = await orchestrator.handle_blocker(db=db, execution_id=key, blocker_description="Which hash?")
    fork = await orchestrator.fork(key, (await row_of(database, summary)).seq)
    summary = await orchestrator.get_execution_summary(fork)
    (copied,) = [one["id"] for one in summary["gates"] if one["status"] == "open"]
    await orchestrator.answer(fork, copied, text="argon2id")
    assert (await orchestrator.run(fork))["status"] == "completed"
    await orchestrator.answer(key, blocker.id, text="argon2id", next_state="planning")
    assert the_gate(await orchestrator.run(key))["metadata"]["plan"] == summary["gates"][0]["metadata"]["plan"]


async def test_the_approval_that_was_chosen_holds_for_whoever_drives_later(database, store):
    orchestrator, summary = await waiting(database, store)
    await orchestrator.answer(summary["execution_id"], the_gate(summary)["id"], decision="reject", text="Again.")
    later = TaskOrchestrator(database=database)
    summary = await later.run(summary["execution_id"])
    again = the_gate(summary)
    await later.answer(summary["execution_id"], again["id"], decision="reject", text="Once more.")
    chosen = TaskOrchestrator(database=database, settings=RunSettings(approval="pm"))
    assert (await chosen.run(summary["execution_id"]))["status"] == "completed"
    assert (await row_of(database, summary)).settings == {"approval": "pm"}


def test_the_command_line_approves_edits_and_rejects(tmp_path, capsys):
    file, plan = tmp_path / "squad.db", tmp_path / "plan.json"
    options = ["--db", str(file), "--json"]

    def said(status: int, *words: str) -> Any:
        assert main([*words, *options]) == status
        return json.loads(capsys.readouterr().out)

    summary = said(2, "run", "Implement user login", "--approval", "human")
    ids = [summary["execution_id"], the_gate(summary)["id"]]
    assert said(64, "answer", *ids, "--decision", "edit")["error"]["code"] == "usage"
    plan.write_text("{}")
    assert "no plan" in said(64, "answer", *ids, "--decision", "edit", "--plan", str(plan))["error"]["message"]
    plan.write_text(json.dumps({"subtasks": []}))
    assert said(1, "answer", *ids, "--decision", "edit", "--plan", str(plan))["error"]["code"] == "gate_error"
    summary = said(2, "answer", *ids, "Without documentation.", "--decision", "reject")
    ids[1] = the_gate(summary)["id"]
    plan.write_text(json.dumps(edited(the_gate(summary))))
    summary = said(0, "answer", *ids, "--decision", "edit", "--plan", str(plan))
    assert "X1" in {one["id"] for one in summary["subtasks"]}


def test_a_digest_is_of_everything_in_a_plan():
    plan = Plan.model_validate({"subtasks": [{"id": "a", "title": "A"}]})
    assert plan.digest() == Plan.model_validate_json(plan.model_dump_json()).digest()
    case = TestCase(id="T1", criterion="c", then="t")
    assert plan.digest() != plan.model_copy(update={"test_cases": [case]}).digest()
