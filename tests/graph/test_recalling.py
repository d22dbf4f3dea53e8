"""What agents may know beyond what they are handed: asked for where it is read, the same after a crash, one squad's."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from langgraph.config import get_store
from langgraph.graph import END, START, StateGraph
from scripted import all_roles, done
from typing_extensions import TypedDict

from agents import ContextKind, ContextManager, MemberContext, surroundings
from delegation import ConfigurationError, Role, Squad, Task
from graph import RunSettings, TaskOrchestrator, build_graph
from persistence import Database, SquadService, TaskExecutionService, TaskService


class Reader:
    """Agents that read their context, and whatever else a test has them do."""

    def __init__(self, *, also: Any = None) -> None:
        self.read: dict[str, MemberContext] = {}
        self.also = also

    async def __call__(self, brief):
        recollection = surroundings().context
        assert recollection is not None
        context = await recollection(max_tokens=1_000)
        if self.also:
            await self.also(brief, context)
        self.read[brief.subtask.id] = context
        return done(brief)


async def run(database: Database, squad_id: Any, title: str, agents: Any, **options: Any) -> dict[str, Any]:
    settings = RunSettings(retry_wait_s=0.0)
    orchestrator = TaskOrchestrator(database=database, agents=agents, settings=settings, **options)
    async with database.session() as db:
        task = await TaskService.create_task(db, Task(title=title, description="It is in src/login.py."))
        execution_id = await orchestrator.execute_task(db=db, task=task, squad_id=squad_id)
    async with asyncio.timeout(30):
        return await orchestrator.run(execution_id)


async def new_squad(database: Database) -> UUID:
    async with database.session() as db:
        return (await SquadService.create_squad(db, Squad.default())).id


def lines(context: MemberContext, kind: ContextKind) -> list[str]:
    return [line for part in context.parts if part.kind == kind for line in part.lines]


async def test_a_later_task_is_told_of_an_earlier_one_and_of_what_was_learnt_in_it(database):
    squad_id, other = await new_squad(database), await new_squad(database)
    manager = ContextManager()

    async def learn(brief, _context):
        await manager.remember_lesson(brief.execution_id, "Logins need a limit of tries")
        await manager.remember(brief.execution_id, "hash", "argon2")

    first = await run(database, squad_id, "Add a login", all_roles(Reader(also=learn)), context_manager=manager)
    reader, stranger = Reader(), Reader()
    second = await run(database, squad_id, "Mend the login", all_roles(reader))
    await run(database, other, "Mend the login", all_roles(stranger))
    assert (first["status"], second["status"]) == ("completed", "completed")
    for context in reader.read.values():
        (similar,) = lines(context, ContextKind.SIMILAR_TASKS)
        assert similar.startswith("Add a login (completed ")
        assert "Learnt: Logins need a limit of tries" in similar
        assert lines(context, ContextKind.LESSONS) == ["Logins need a limit of tries"]
        assert "src/login.py" in lines(context, ContextKind.FILES)
        assert context.task == ""  # it is in the brief
    for context in stranger.read.values():
        assert lines(context, ContextKind.SIMILAR_TASKS) == []
        assert lines(context, ContextKind.LESSONS) == []
    last = list(reader.read.values())[-1]
    assert lines(last, ContextKind.WORK)


async def test_a_bare_graph_offers_the_same(database):
    reader = Reader()
    graph = build_graph(database=database, agents=all_roles(reader))
    await graph.ainvoke({"task": "Mend src/login.py"}, {"configurable": {"thread_id": "one"}}, durability="sync")
    assert reader.read
    for context in reader.read.values():
        assert lines(context, ContextKind.FILES) == ["src/login.py"]
        assert len(lines(context, ContextKind.SQUAD)) == len(Role)


async def test_the_same_is_told_where_a_subtask_is_tried_again_and_where_it_is_made_again(database):
    squad_id, manager, begun = await new_squad(database), ContextManager(), asyncio.Event()
    seen: dict[str, list[MemberContext]] = {}

    async def stumble(brief, context):
        tries = seen.setdefault(brief.subtask.id, [])
        tries.append(context)
        await manager.remember(brief.execution_id, f"try {len(tries)} of {brief.subtask.id}", "no luck")
        if len(tries) == 1:
            raise ConnectionResetError("passing")
        if len(tries) == 2 and not begun.is_set():
            begun.set()
            await asyncio.Event().wait()  # until the run is cancelled: nothing of this try is stored

    agents = all_roles(Reader(also=stumble))
    first = asyncio.create_task(run(database, squad_id, "Add a login", agents, context_manager=manager))
    await begun.wait()
    first.cancel()
    await asyncio.wait([first])
    async with database.session() as db:
        ((execution, _),) = await TaskExecutionService.list_task_executions(db)
    resumed = TaskOrchestrator(None, manager, database=database, agents=agents)
    assert (await resumed.run(execution.id))["status"] == "completed"
    assert max(map(len, seen.values())) == 3
    for tries in seen.values():
        assert all(context == tries[0] for context in tries)
    assert len(await manager.recall(execution.id)) > len(seen)


async def test_the_rules_ask_for_nothing(database, monkeypatch: pytest.MonkeyPatch):
    async def asked(*_: Any, **__: Any) -> None:
        pytest.fail("something was put together that nobody reads")

    for name in ("build_context", "similar_tasks", "lessons"):
        monkeypatch.setattr(ContextManager, name, asked)
    summary = await run(database, await new_squad(database), "Add a login", None)
    assert summary["status"] == "completed"


class Words(TypedDict):
    """The state of an agent's own graph."""

    word: str
    known: list[str]


async def remember(state: Words) -> dict[str, Any]:
    store = get_store()
    await store.aput(("words",), state["word"], {"text": state["word"]})
    found = await store.asearch(())
    return {"known": sorted(one.key for one in found)}


async def test_an_agents_own_graph_gets_its_squads_memory_as_its_store(database):
    builder = StateGraph(Words)
    builder.add_node("remember", remember)
    builder.add_edge(START, "remember")
    builder.add_edge("remember", END)
    own = builder.compile()
    known: dict[UUID, list[str]] = {}

    async def work(brief, _context):
        result = await own.ainvoke({"word": brief.subtask.id, "known": []})
        known[brief.execution_id] = result["known"]

    squad_id, other = await new_squad(database), await new_squad(database)
    ids = []
    for squad in (squad_id, other):
        summary = await run(database, squad, "Add a login", all_roles(Reader(also=work)))
        ids.append(len(summary["subtasks"]))
        orchestrator = TaskOrchestrator(database=database)
        stored = await orchestrator.memory(squad).asearch(("words",), limit=100)
        assert {one.key for one in stored} == {one["id"] for one in summary["subtasks"]}
    assert len(known) == 2
    assert len(await database.store.asearch(("squads",), limit=100)) == sum(ids)


async def test_embeddings_find_what_shares_no_word_and_are_given_once(database):
    embeddings = DeterministicFakeEmbedding(size=8)
    squad_id, reader = await new_squad(database), Reader()
    await run(database, squad_id, "Rate limits", None)
    await run(database, squad_id, "Quite another thing", all_roles(reader), embeddings=embeddings)
    assert any(lines(context, ContextKind.SIMILAR_TASKS) for context in reader.read.values())
    with pytest.raises(ConfigurationError, match="embeddings are given twice"):
        TaskOrchestrator(context_manager=ContextManager(), embeddings=embeddings)
