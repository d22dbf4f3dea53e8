"""Compiled graphs as members of a squad: they work beside one another and leave the squad's own thread alone."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import interrupt
from repositories import git, make_repository
from scripted import done
from sqlalchemy import text

from agents import Brief, surroundings
from delegation import Outcome, Role, Squad, SquadMember
from graph import RunSettings, TaskOrchestrator, build_graph
from graph.control import DriveControl


class Briefed(MessagesState):
    subtask: dict[str, Any]


CONFIG: Any = {"configurable": {"thread_id": "a thread"}}


def graph_of(*nodes: Any, **options: Any) -> Any:
    builder = StateGraph(MessagesState).add_sequence([(f"n{number}", node) for number, node in enumerate(nodes)])
    return builder.add_edge(START, "n0").compile(**options)


async def says_done(_state: MessagesState) -> dict[str, Any]:
    return {"messages": [AIMessage("Written.")]}


async def begun(database, store, agents: Any, squad: Squad | None = None, **settings: Any) -> tuple[Any, UUID]:
    orchestrator = TaskOrchestrator(database=database, agents=agents, settings=RunSettings(**settings))
    stored = await store(database, squad=squad)
    async with database.session() as db:
        return orchestrator, await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)


async def threads(database) -> set[tuple[str, str]]:
    """Return the threads that have checkpoints, and the names of the graphs inside that made some."""

    def load(connection: Any) -> set[tuple[str, str]]:
        rows = connection.execute(text("SELECT DISTINCT thread_id, checkpoint_ns FROM checkpoints"))
        return {(thread, "|".join(part.split(":")[0] for part in ns.split("|"))) for thread, ns in rows}

    return await database.read(load)


async def test_one_graph_plays_every_role_at_once_and_stores_nothing_in_the_squads_thread(database, store):
    meeting = asyncio.Barrier(2)

    async def busy(state: Briefed) -> dict[str, Any]:
        if len(state["subtask"]["depends_on"]) == 2:
            await meeting.wait()  # for ever, where nobody else works on the other one meanwhile
        return {"messages": [AIMessage("Written.")]}

    members = [SquadMember(id=f"m{role}", name=role, role=role, capacity=2) for role in Role]
    graph = StateGraph(Briefed).add_node("node", busy).add_edge(START, "node").compile()
    squad = Squad(name="doubled", members=members)
    orchestrator, execution_id = await begun(database, store, dict.fromkeys(Role, graph), squad)
    summary = await orchestrator.run(execution_id)
    assert summary["status"] == "completed"
    assert {one["deliverable"]["body"] for one in summary["subtasks"]} == {"Written."}
    assert await threads(database) == {(str(execution_id), ""), (str(execution_id), "in_progress")}


class Calling:
    """An agent of its own that has a graph work for it."""

    role = Role.BACKEND_DEVELOPER

    def __init__(self, graph: Any) -> None:
        self.graph = graph

    async def work(self, brief: Brief) -> Outcome:
        found = await self.graph.ainvoke({"messages": [("human", brief.subtask.title)]})
        assert found["messages"][-1].text == "Written."
        return done(brief)


async def test_so_does_a_graph_that_an_agent_calls_by_itself(database, store):
    agents = dict.fromkeys(Role, Calling(graph_of(says_done)))
    orchestrator, execution_id = await begun(database, store, agents)
    assert (await orchestrator.run(execution_id))["status"] == "completed"
    assert {ns for _, ns in await threads(database)} == {"", "in_progress"}


async def test_a_graph_may_keep_its_threads_in_the_same_file(database, store):
    graph = graph_of(says_done, checkpointer=database.checkpointer)
    orchestrator, execution_id = await begun(database, store, {Role.BACKEND_DEVELOPER: graph})
    summary = await orchestrator.run(execution_id)
    assert summary["status"] == "completed"
    own = {thread for thread, _ in await threads(database)} - {str(execution_id)}
    worked = [one["id"] for one in summary["subtasks"] if one["role"] == "backend_developer"]
    assert sorted(thread.split(":")[1] for thread in own) == sorted(worked)


@pytest.mark.parametrize("keeps", [True, False], ids=["with a checkpointer", "without one"])
async def test_an_interrupt_is_a_question_to_a_human_and_the_answer_reaches_the_graph(database, store, keeps):
    heard = []

    async def asks(_state: MessagesState) -> dict[str, Any]:
        heard.append(interrupt("Which hash is wanted?"))
        return {"messages": [AIMessage(f"Written with {heard[-1]}.")]}

    graph = graph_of(asks, checkpointer=database.checkpointer if keeps else None)
    orchestrator, execution_id = await begun(database, store, {Role.BACKEND_DEVELOPER: graph})
    summary = await orchestrator.run(execution_id)
    assert summary["status"] == "blocked"
    while summary["status"] == "blocked":
        for gate in summary["gates"]:
            if gate["status"] == "open":
                assert gate["kind"] == "blocker"
                assert gate["question"].endswith("Which hash is wanted?")
                await orchestrator.answer(execution_id, gate["id"], text="argon2id")
        summary = await orchestrator.run(execution_id)
    assert summary["status"] == "completed"
    assert set(heard) == {"argon2id"}
    bodies = {one["deliverable"]["body"] for one in summary["subtasks"] if one["role"] == "backend_developer"}
    assert bodies == {"Written with argon2id."}


async def test_what_is_no_outcome_fails_its_subtask_by_name(database, store):
    async def silent(_state: MessagesState) -> dict[str, Any]:
        return {"messages": [AIMessage("")]}

    orchestrator, execution_id = await begun(database, store, {Role.BACKEND_DEVELOPER: graph_of(silent)})
    summary = await orchestrator.run(execution_id)
    assert summary["status"] == "failed"
    assert "the last of its messages is AIMessage without a text of its own" in summary["error_message"]


class Stuck:
    """A node that waits for ever, and says when it is begun and when it is cancelled."""

    def __init__(self) -> None:
        self.begun, self.cancelled = asyncio.Event(), asyncio.Event()

    async def __call__(self, _state: MessagesState) -> dict[str, Any]:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()
        raise AssertionError


async def test_the_time_limit_reaches_into_the_graph(database, store):
    stuck = Stuck()

    async def node(state: MessagesState) -> dict[str, Any]:
        return await stuck(state)

    agents = {Role.BACKEND_DEVELOPER: graph_of(node)}
    orchestrator, execution_id = await begun(database, store, agents, subtask_timeout_s=1.5)
    summary = await orchestrator.run(execution_id)
    assert "did not end within 1.5 s" in summary["error_message"]
    assert stuck.cancelled.is_set()


async def test_a_cancelled_run_ends_the_graph_and_its_work_is_done_again(database, store):
    stuck = Stuck()

    async def node(state: MessagesState) -> dict[str, Any]:
        return {"messages": [AIMessage("Written.")]} if stuck.cancelled.is_set() else await stuck(state)

    orchestrator, execution_id = await begun(database, store, {Role.BACKEND_DEVELOPER: graph_of(node)})
    running = asyncio.create_task(orchestrator.run(execution_id))
    await stuck.begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert stuck.cancelled.is_set()
    assert (await orchestrator.run(execution_id))["status"] == "completed"


async def test_a_drain_lets_the_graph_come_to_its_end(database, store):
    steps = []

    async def first(_state: MessagesState) -> dict[str, Any]:
        steps.append("first")
        control.request_drain("the test is over")
        return {}

    async def last(_state: MessagesState) -> dict[str, Any]:
        steps.append("last")
        return {"messages": [AIMessage("Written.")]}

    control = DriveControl()
    orchestrator, execution_id = await begun(database, store, {Role.BACKEND_DEVELOPER: graph_of(first, last)})
    summary = await orchestrator._ready().run(execution_id, orchestrator.settings, control=control)
    assert summary["status"] == "in_progress"
    assert steps == ["first", "last"]
    assert [one["status"] for one in summary["subtasks"] if one["role"] == "backend_developer"].count("done") == 1


async def test_it_has_hands_in_the_repository_and_what_it_changes_is_committed(database, store, tmp_path):
    top = make_repository(tmp_path / "repository", {"README.md": "# Here\n"})

    async def writes(state: Briefed) -> dict[str, Any]:
        hands = surroundings().hands
        assert hands
        await hands.write(f"notes/{state['subtask']['id']}.md", "Written.\n")
        return {"messages": [AIMessage("Written.")]}

    graph = StateGraph(Briefed).add_node("node", writes).add_edge(START, "node").compile()
    orchestrator, execution_id = await begun(
        database, store, {Role.BACKEND_DEVELOPER: graph}, workspace=str(top), test_command="git --version"
    )
    summary = await orchestrator.run(execution_id)
    assert summary["status"] == "completed", summary["error_message"]
    worked = [one for one in summary["subtasks"] if one["role"] == "backend_developer"]
    assert [one["deliverable"]["change"]["files"] for one in worked] == [[f"notes/{one['id']}.md"] for one in worked]
    branch = summary["result"]["workspace"]["branch"]
    assert git(top, "show", f"{branch}:notes/{worked[0]['id']}.md") == "Written.\n"


async def test_what_its_model_says_reaches_a_client_that_streams_messages(database):
    async def speaks(_state: MessagesState) -> dict[str, Any]:
        model = GenericFakeChatModel(messages=iter([AIMessage("Sessions are written.")]))
        return {"messages": [await model.ainvoke("go on")]}

    graph = build_graph(database=database, agents={Role.BACKEND_DEVELOPER: graph_of(speaks)})
    said: dict[str, str] = {}
    async for _, (message, about) in graph.astream(
        {"task": "Implement user login"}, CONFIG, stream_mode="messages", subgraphs=True
    ):
        scope = about["squad_scope"]
        said[scope] = said.get(scope, "") + message.text
    assert said
    assert set(said.values()) == {"Sessions are written."}
    assert {scope.split("#")[1] for scope in said} == {"1"}
