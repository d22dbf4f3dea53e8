"""Gates: the interrupt that a LangGraph client sees, the answers that it may send, and the orchestrator's own way."""

from collections import Counter
from uuid import UUID, uuid4

import pytest
from langgraph.types import Command
from scripted import ScriptedAgent, all_roles, done

from delegation import ConfigurationError, GateKind, NewGate, Outcome, OutcomeStatus, Role
from graph import ExecutionBusy, GateError, InvalidTransition, TaskOrchestrator, build_graph
from persistence import Database, TaskExecutionService, load_gates, load_logs

CONFIG = {"configurable": {"thread_id": "a thread"}}
TASK = {"title": "Implement user login", "acceptance_criteria": ["A wrong password is refused"]}


def asks_once(asked: list[str]):
    """A script for the back end that asks a human before it does anything."""

    async def script(brief):
        if not brief.answers:
            asked.append(brief.subtask.id)
            return Outcome(status=OutcomeStatus.BLOCKED, question=f"Which hash for {brief.subtask.id}?")
        return done(brief)

    return script


def asking(*roles: Role):
    """Agents of which these roles ask once for each of their subtasks, and the rest just work."""
    asked: list[str] = []
    agents = all_roles(_done)
    for role in roles:
        agents[role] = ScriptedAgent(role, asks_once(asked))
    return agents, asked


async def _done(brief):
    return done(brief)


async def blocked_graph(database: Database, *roles: Role):
    agents, asked = asking(*(roles or (Role.BACKEND_DEVELOPER,)))
    graph = build_graph(database=database, agents=agents)
    output = await graph.ainvoke({"task": TASK}, CONFIG)
    return graph, agents, asked, output


def payload(output):
    [interrupt] = output["__interrupt__"]
    return interrupt.value


async def summary_of(database, output):
    return await TaskOrchestrator(database=database).get_execution_summary(output["execution_id"])


async def test_the_interrupt_carries_all_open_gates_in_the_shape_of_human_in_the_loop(database):
    _, _, asked, output = await blocked_graph(database, Role.BACKEND_DEVELOPER, Role.FRONTEND_DEVELOPER)
    value = payload(output)
    assert len(value["action_requests"]) == len(value["review_configs"]) >= 1
    for request, config in zip(value["action_requests"], value["review_configs"], strict=True):
        assert request["name"] == config["action_name"] == "blocker"
        assert request["args"]["question"].endswith("?")
        assert config["allowed_decisions"] == ["respond", "reject"]
    assert value["error"] is None
    [interrupt] = output["__interrupt__"]
    assert "decisions" in interrupt.response_schema["properties"]
    assert asked


@pytest.mark.parametrize(
    "shape",
    [
        lambda gate: {gate: {"type": "respond", "message": "argon2"}},
        lambda gate: {gate: "argon2"},
        lambda _: {"decisions": [{"type": "respond", "message": "argon2"}]},
        lambda _: {"type": "respond", "message": "argon2"},
        lambda _: {"decision": "respond", "text": "argon2", "next_state": "in_progress"},
        lambda _: "argon2",
    ],
)
async def test_a_client_may_answer_in_any_of_these_shapes(database, shape):
    graph, agents, asked, output = await blocked_graph(database)
    while "__interrupt__" in output:  # the same role may have another subtask that asks in turn
        [first, *_] = payload(output)["action_requests"]
        output = await graph.ainvoke(Command(resume=shape(first["args"]["id"])), CONFIG)
    assert output["status"] == "completed"
    answered = [brief.answers for brief in agents[Role.BACKEND_DEVELOPER].briefs if brief.answers]
    assert answered == [["argon2"]] * len(asked)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("   ", "empty"),
        ([], "empty"),
        (7, "empty"),
        ({"type": "approve"}, "does not take"),
        ({"type": "sing", "message": "la"}, "decision"),
        ({"type": "respond", "message": ""}, "words"),
        ({"type": "respond", "message": "x", "next_state": "completed"}, "legal moves"),
        ({"type": "respond", "message": "x", "next_state": "nowhere"}, "legal moves"),
        ({str(uuid4()): "x"}, "has no gate"),
        ({"no gate": "x"}, "is not the id"),
        ({"decisions": []}, "must be a list"),
        ({"decisions": "x"}, "must be a list"),
        ({"decisions": [{"type": "respond"}] * 9}, "must be a list"),
        ({"type": "respond", "message": "x", "colour": "red"}, "no field"),
    ],
)
async def test_a_wrong_answer_is_asked_again_with_the_error_and_counts_for_nothing(database, wrong, says):
    graph, agents, _, output = await blocked_graph(database)
    before = await summary_of(database, output)
    calls = {role: len(agent.briefs) for role, agent in agents.items()}
    again = await graph.ainvoke(Command(resume=wrong), CONFIG)
    assert says in payload(again)["error"]
    assert await summary_of(database, output) == before
    third = await graph.ainvoke(None, CONFIG)  # whoever just resumes is asked the same
    assert says in payload(third)["error"]
    assert {role: len(agent.briefs) for role, agent in agents.items()} == calls
    logs = await database.read(lambda connection: load_logs(connection, UUID(output["execution_id"])))
    assert [line.event for line in logs].count("answer_refused") == 1
    while "__interrupt__" in third:
        third = await graph.ainvoke(Command(resume="argon2"), CONFIG)
    assert third["status"] == "completed"


async def test_many_gates_answered_one_by_one_run_no_agent_again(database):
    graph, agents, _, output = await blocked_graph(database)
    orchestrator = TaskOrchestrator(database=database)
    async with database.session() as db:
        for number in range(4):
            await orchestrator.handle_blocker(
                db=db, execution_id=output["execution_id"], blocker_description=f"Question {number}"
            )
    output = await graph.ainvoke(None, CONFIG)
    gates = [request["args"]["id"] for request in payload(output)["action_requests"]]
    assert len(gates) == 5
    calls = {role: len(agent.briefs) for role, agent in agents.items()}
    for gate in gates[:-1]:
        output = await graph.ainvoke(Command(resume={gate: "yes"}), CONFIG)
        assert gate not in {request["args"]["id"] for request in payload(output)["action_requests"]}
        assert {role: len(agent.briefs) for role, agent in agents.items()} == calls
    output = await graph.ainvoke(Command(resume={gates[-1]: "argon2"}), CONFIG)
    while "__interrupt__" in output:
        output = await graph.ainvoke(Command(resume="argon2"), CONFIG)
    assert output["status"] == "completed"


async def test_rejecting_a_blocker_gives_the_task_up(database):
    graph, _, _, output = await blocked_graph(database)
    output = await graph.ainvoke(Command(resume={"type": "reject", "message": "too costly"}), CONFIG)
    assert output["status"] == "failed"
    assert "too costly" in output["error_message"]


async def test_a_rejection_by_the_orchestrator_is_the_error_too(orchestrator, database, store):
    stored = await store(database)
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
        gate = await orchestrator.handle_blocker(db=db, execution_id=execution_id, blocker_description="Pay for it?")
    assert await orchestrator.answer(execution_id, gate.id, decision="reject", text="no money") == "failed"
    summary = await orchestrator.run(execution_id)
    assert "no money" in summary["error_message"]


async def test_what_is_answered_by_hand_the_thread_follows(database):
    graph, agents, _, output = await blocked_graph(database)
    orchestrator = TaskOrchestrator(database=database, agents=agents)
    execution_id = output["execution_id"]
    while output.get("status") != "completed":
        [gate] = [
            gate
            for gate in (await orchestrator.get_execution_summary(execution_id))["gates"]
            if gate["status"] == "open"
        ]
        assert await orchestrator.answer(execution_id, gate["id"], text="argon2") == "in_progress"
        output = await orchestrator.run(execution_id)
    assert (await graph.aget_state(CONFIG)).values["status"] == "completed"


async def test_the_orchestrator_checks_an_answer_before_anything_moves(orchestrator, database, store):
    one, other = await store(database), await store(database)
    async with database.session() as db:
        first = await orchestrator.execute_task(db=db, task=one.task, squad_id=one.squad.id)
        second = await orchestrator.execute_task(db=db, task=other.task, squad_id=other.squad.id)
        gate = await orchestrator.handle_blocker(db=db, execution_id=first, blocker_description="Which database?")
        with pytest.raises(GateError, match="waits for no answer"):
            await orchestrator.answer(second, gate.id, text="SQLite")
        await orchestrator.handle_blocker(db=db, execution_id=second, blocker_description="Which queue?")
        with pytest.raises(GateError, match="has no gate"):
            await orchestrator.answer(second, gate.id, text="SQLite")
        with pytest.raises(GateError, match="needs its words"):
            await orchestrator.answer(first, gate.id)
        with pytest.raises(GateError, match="does not take 'approve'"):
            await orchestrator.answer(first, gate.id, decision="approve")
        with pytest.raises(GateError, match="decision"):
            await orchestrator.answer(first, gate.id, decision="perhaps")
        with pytest.raises(InvalidTransition):
            await orchestrator.answer(first, gate.id, text="SQLite", next_state="completed")
        assert await orchestrator.answer(first, gate.id, text="SQLite") == "analyzing"
        with pytest.raises(GateError):
            await orchestrator.answer(first, gate.id, text="Postgres")


async def test_with_several_gates_resolving_names_them_and_takes_one(orchestrator, database, store):
    stored = await store(database)
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
        one = await orchestrator.handle_blocker(db=db, execution_id=execution_id, blocker_description="First?")
        two = await orchestrator.handle_blocker(db=db, execution_id=execution_id, blocker_description="Second?")
        with pytest.raises(GateError) as caught:
            await orchestrator.resolve_blocker(
                db=db, execution_id=execution_id, resolution="yes", next_state="planning"
            )
        assert str(one.id) in str(caught.value)
        assert str(two.id) in str(caught.value)
        still = await orchestrator.resolve_blocker(
            db=db, execution_id=execution_id, resolution="yes", next_state="planning", gate_id=one.id
        )
        assert still == "blocked"
        went = await orchestrator.resolve_blocker(
            db=db, execution_id=execution_id, resolution="yes", next_state="planning"
        )
        assert went == "planning"
    moves = (await orchestrator.get_execution_summary(execution_id))["transitions"]
    assert [move["to_state"] for move in moves] == ["analyzing", "blocked", "planning"]


async def test_resolving_takes_the_one_blocker_beside_an_escalation(orchestrator, database, store):
    stored = await store(database)
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
        await orchestrator.escalate_to_human(db=db, execution_id=execution_id, reason="Second?")
        blocker = await orchestrator.handle_blocker(db=db, execution_id=execution_id, blocker_description="First?")
        words = {"resolution": "yes", "next_state": "planning"}
        assert await orchestrator.resolve_blocker(db=db, execution_id=execution_id, **words) == "blocked"
    gates = (await orchestrator.get_execution_summary(execution_id))["gates"]
    assert {one["id"]: one["status"] for one in gates}[str(blocker.id)] == "answered"
    assert Counter(one["status"] for one in gates) == {"answered": 1, "open": 1}


async def test_new_input_to_an_open_thread_is_refused_and_to_an_ended_one_starts_anew(database):
    graph, _, _, output = await blocked_graph(database)
    with pytest.raises(ExecutionBusy, match="still open"):
        await graph.ainvoke({"task": "Another task"}, CONFIG)
    first = await summary_of(database, output)
    assert first["status"] == "blocked"
    orchestrator = TaskOrchestrator(database=database)
    async with database.session() as db:
        await orchestrator.cancel(db=db, execution_id=output["execution_id"])
    second = await build_graph(database=database).ainvoke({"task": "Another task"}, CONFIG)
    assert second["status"] == "completed"
    assert second["execution_id"] != output["execution_id"]
    assert second["task"]["title"] == "Another task"
    assert [move["seq"] for move in second["transitions"]] == list(range(1, 8))


async def test_a_run_that_could_not_be_resumed_is_refused_in_one_line(database):
    graph = build_graph(database=database)
    with pytest.raises(ConfigurationError, match="exit"):
        await graph.ainvoke({"task": TASK}, CONFIG, durability="exit")
    without = build_graph(url="sqlite+aiosqlite:///:memory:")
    with pytest.raises(ConfigurationError, match="without a checkpointer"):
        await without.ainvoke({"task": TASK}, CONFIG)
    with pytest.raises(Exception, match=r"ainvoke|asynchronous"):
        graph.invoke({"task": TASK}, CONFIG)


async def test_a_setting_that_cannot_work_is_refused_before_anything_is_made(database):
    graph = build_graph(database=database)
    with pytest.raises(ValueError, match="max_reworks"):
        await graph.ainvoke({"task": TASK}, CONFIG, context={"max_reworks": -1})
    with pytest.raises(ValueError, match="title"):
        await graph.ainvoke({"task": {"title": ""}}, CONFIG)
    async with database.session() as db:
        assert await TaskExecutionService.list_task_executions(db) == []


async def test_a_gate_made_by_hand_keeps_what_it_was_given(orchestrator, database, store):
    stored = await store(database)
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
        gate = await orchestrator.escalate_to_human(
            db=db,
            execution_id=execution_id,
            reason="Too risky",
            details="It touches payments.",
            attempted_solutions=["asked the tech lead"],
        )
    [kept] = await database.read(lambda connection: load_gates(connection, execution_id))
    assert kept == gate
    assert kept.kind == GateKind.ESCALATION
    assert isinstance(kept, NewGate)
    assert kept.origin_state == "analyzing"


async def test_an_answer_never_counts_for_a_question_that_was_asked_after_it(database):
    graph, _, _, output = await blocked_graph(database)
    orchestrator = TaskOrchestrator(database=database)
    execution_id = output["execution_id"]
    async with database.session() as db:
        await orchestrator.handle_blocker(db=db, execution_id=execution_id, blocker_description="And the salt?")
    first, second = [gate["id"] for gate in (await summary_of(database, output))["gates"]]
    output = await graph.ainvoke(Command(resume={first: "argon2"}), CONFIG)
    output = await graph.ainvoke(None, CONFIG)
    assert [request["args"]["id"] for request in payload(output)["action_requests"]] == [second]
    output = await graph.ainvoke(Command(resume="random"), CONFIG)
    assert "__interrupt__" not in output or second not in str(payload(output))


async def test_run_goes_on_after_a_client_left_a_wrong_answer_in_the_thread(database):
    graph, agents, _, output = await blocked_graph(database)
    output = await graph.ainvoke(Command(resume={"type": "approve"}), CONFIG)
    orchestrator = TaskOrchestrator(database=database, agents=agents)
    summary = await orchestrator.run(output["execution_id"])
    assert summary["status"] == "blocked"
    snapshot = await graph.aget_state(CONFIG)
    assert snapshot.interrupts[0].value["error"] is None  # the question stands as it was first asked
    [gate] = [gate for gate in summary["gates"] if gate["status"] == "open"]
    assert await orchestrator.answer(output["execution_id"], gate["id"], text="argon2") == "in_progress"
