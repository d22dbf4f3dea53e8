"""The definition that an execution runs under: another one is refused by name, or goes on by a migration of a name."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from scripted import ScriptedAgent, all_roles, does_it

from delegation import DefinitionChanged, Role
from graph import Migration, RunSettings, TaskOrchestrator, build_graph
from graph.cli import main
from graph.fingerprint import differences, fingerprint_of, vouching
from persistence import Database, keep_terms, load_execution, load_logs

CONFIG: Any = {"configurable": {"thread_id": "a thread"}}
OWN = {Role.TESTER: ScriptedAgent(Role.TESTER, does_it)}


async def parked(database, store, agents: Any = None) -> tuple[TaskOrchestrator, UUID]:
    """Return an execution that has been driven once and waits for a human."""
    orchestrator = TaskOrchestrator(database=database, agents=agents, settings=RunSettings(approval="human"))
    stored = await store(database)
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
    summary = await orchestrator.run(execution_id)
    await orchestrator.answer(execution_id, summary["gates"][0]["id"], decision="approve")
    return orchestrator, execution_id


async def row_of(database, execution_id) -> Any:
    return await database.read(lambda connection: load_execution(connection, execution_id))


async def test_it_is_that_of_the_graph_that_drove_it_first(database, store):
    _, execution_id = await parked(database, store, OWN)
    stored = (await row_of(database, execution_id)).fingerprint
    assert stored == fingerprint_of(build_graph(database=database), [Role.TESTER])
    assert {"blocked", "in_progress", "in_progress/open_board", "in_progress/tester"} <= stored["nodes"].keys()
    assert stored["schemas"].keys() == {"requirements", "plan", "findings", "round", "since"}


@pytest.mark.parametrize(("before", "after"), [(OWN, None), (None, OWN), (OWN, all_roles(does_it))])
async def test_other_agents_of_ones_own_are_refused_by_name_and_nothing_has_changed(database, store, before, after):
    _, execution_id = await parked(database, store, before)
    was = await row_of(database, execution_id)
    with pytest.raises(DefinitionChanged, match=r"agent of its own for|an agent of its own for") as raised:
        await TaskOrchestrator(database=database, agents=after).run(execution_id)
    assert "--migrate roles" in str(raised.value.hint)
    assert await row_of(database, execution_id) == was


async def test_a_bare_graph_is_refused_just_so(database):
    graph = build_graph(database=database, agents=OWN)
    output = await graph.ainvoke({"task": "Implement user login"}, CONFIG, context={"approval": "human"})
    (gate,) = output["__interrupt__"][0].value["action_requests"]
    with pytest.raises(DefinitionChanged, match="agent of its own for tester, which is missing"):
        await build_graph(database=database).ainvoke(None, CONFIG)
    orchestrator = TaskOrchestrator(database=database, agents=OWN)
    await orchestrator.answer(output["execution_id"], gate["args"]["id"], decision="approve")
    assert (await orchestrator.run(output["execution_id"]))["status"] == "completed"


async def test_a_migration_of_a_name_lets_it_go_on_and_is_logged(database, store):
    _, execution_id = await parked(database, store, OWN)
    migration = Migration("the tester left us", lambda stored, _: stored["roles"] == ["tester"])
    later = TaskOrchestrator(database=database, migrations=[migration])
    assert (await later.run(execution_id))["status"] == "completed"
    logs = await database.read(lambda connection: load_logs(connection, execution_id))
    assert [one.text for one in logs if one.event == "migrated"] == [
        "goes on under another definition, by the migration 'the tester left us'"
    ]
    assert (await row_of(database, execution_id)).fingerprint["roles"] == []


async def test_another_graph_is_refused_and_what_differs_is_named(database, store):
    orchestrator, execution_id = await parked(database, store)
    stored = (await row_of(database, execution_id)).fingerprint
    before: dict[str, Any] = stored | {"nodes": {**stored["nodes"], "deploying": "x"}}
    del before["nodes"]["in_progress/designer"]
    before["nodes"]["testing"] = "y"
    before["schemas"] = {**stored["schemas"], "plan": "z"}
    await database.write(lambda connection: keep_terms(connection, execution_id, {"fingerprint": before}))
    with pytest.raises(DefinitionChanged) as raised:
        await orchestrator.run(execution_id)
    for part in (
        "the node 'deploying' is gone",
        "the node 'in_progress/designer' is new",
        "the node 'testing' has other edges",
        "the channel 'plan' has other fields",
    ):
        assert part in raised.value.message
    assert "--migrate graph" in str(raised.value.hint)


async def test_one_of_the_first_version_has_none_and_gets_that_of_its_next_drive(database, store):
    orchestrator, execution_id = await parked(database, store)
    await database.write(lambda connection: keep_terms(connection, execution_id, {"fingerprint": None}))
    assert (await orchestrator.run(execution_id))["status"] == "completed"
    assert (await row_of(database, execution_id)).fingerprint


async def test_what_has_ended_is_shown_under_any_definition(database, store):
    orchestrator, execution_id = await parked(database, store, OWN)
    assert (await orchestrator.run(execution_id))["status"] == "completed"
    assert (await TaskOrchestrator(database=database).run(execution_id))["status"] == "completed"


def test_the_command_line_migrates_where_it_is_told_to(tmp_path, capsys):
    file = str(tmp_path / "squad.db")

    async def make() -> str:
        async with await Database.open(file) as database:
            output = await build_graph(database=database, agents=OWN).ainvoke(
                {"task": "Implement user login"}, CONFIG, context={"approval": "human"}
            )
            await TaskOrchestrator(database=database, agents=OWN).answer(
                output["execution_id"],
                output["__interrupt__"][0].value["action_requests"][0]["args"]["id"],
                decision="approve",
            )
            return str(output["execution_id"])

    execution = asyncio.run(make())
    assert main(["resume", execution, "--db", file]) == 1
    shown = capsys.readouterr()
    assert "an agent of its own for tester, which is missing" in shown.err
    assert "--migrate roles" in shown.err
    assert main(["resume", execution, "--db", file, "--migrate", "roles"]) == 0


def test_nothing_differs_between_a_definition_and_itself():
    one = {"nodes": {"a": "1"}, "schemas": {"b": "2"}, "roles": ["tester"]}
    assert differences(one, one) == []
    assert vouching("x", one, one, []) is None
