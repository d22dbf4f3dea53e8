"""The board's graph, which is the node ``in_progress``: open, a turn a member, close, again while work is left."""

from functools import partial
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import Send

from delegation import Board, BudgetSpent, Plan, Role
from graph.acting import FAILURES, decided, on_failure
from graph.approving import ask_for_approval, is_approved
from graph.board_facts import BoardFacts, read_board
from graph.board_rules import rules_of
from graph.board_work import MemberAtWork
from graph.checkpoints import board_checkpoint, who_left
from graph.closing import closing
from graph.context import RunSettings
from graph.groundwork import Groundwork
from graph.lifecycle import WorkflowState
from graph.live_board import LiveBoard, Opening
from graph.services import Services
from graph.state import BoardState, MemberTurn, encode
from graph.step import Step, honour_requests, open_step

__all__ = ["build_board_graph"]

OPEN, CLOSE = "open_board", "close_board"


def build_board_graph(services: Services) -> CompiledStateGraph[Any, Any, Any, Any]:
    """Return the board's graph, compiled, with a node for each role."""
    nodes: Any = BoardNodes(services)  # LangGraph types no node that takes both config and runtime
    builder = StateGraph(BoardState, context_schema=RunSettings)
    builder.add_node(OPEN, nodes.open_board)
    for role in Role:
        builder.add_node(role.value, nodes.take_turn, input_schema=MemberTurn)
        builder.add_edge(role.value, CLOSE)
    builder.add_node(CLOSE, nodes.close_board)
    builder.add_edge(START, OPEN)
    builder.add_conditional_edges(OPEN, turns, [*(role.value for role in Role), CLOSE])
    builder.add_conditional_edges(CLOSE, after_closing, {"work is left": OPEN, "closed": END})
    return builder.compile(name="board")


async def turns(state: BoardState) -> list[Send] | str:
    """Send a turn to each member that has work, or close at once."""
    team = state.get("team") or []
    shared = {
        "execution_id": state["execution_id"],
        "seq": state["seq"],
        "round": state.get("round") or 1,
        "since": state.get("since") or 1,
        "team": [one["member_id"] for one in team],
        "findings": state.get("findings") or [],
    }
    return [Send(one["role"], shared | {"member_id": one["member_id"]}) for one in team] or CLOSE


async def after_closing(state: BoardState) -> str:
    """Open the board again while the execution is still at work on it."""
    return "work is left" if state["status"] == WorkflowState.IN_PROGRESS else "closed"


class BoardNodes:
    """The nodes of the board's graph."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def open_board(
        self, state: BoardState, config: RunnableConfig, runtime: Runtime[RunSettings]
    ) -> dict[str, Any]:
        """Find out who has work, making plan and assignments where a human sent the execution here without."""
        step, recorded = await open_step(self._services, WorkflowState.IN_PROGRESS, state, config, runtime)
        if recorded is not None:
            return recorded | {"team": []}
        with step.at_work():
            step.drive.work = None
            try:
                return await self._opened(step, state)
            except FAILURES as failure:
                return await step.commit(on_failure(step, failure)) | {"team": []}

    async def _opened(self, step: Step, state: BoardState) -> dict[str, Any]:
        ground = Groundwork(step)
        plan, requirements = await ground.plan(), await ground.requirements()
        if step.settings.approval == "human" and not await is_approved(step, plan):
            approval = await ground.delegate(waits=True)
            return await step.commit(await ask_for_approval(step, ground, approval)) | {"team": []}
        facts = await self._facts(step)
        if not facts.assignments.keys() & {subtask.id for subtask in plan.subtasks}:
            ground.made.append("assignments")
            await ground.delegate()
        if await self._store_groundwork(step, ground, plan):
            facts = await self._facts(step)
        team = _team(step, rules_of(step, facts, plan))
        round_ = state.get("round") or 1
        opening = Opening(step.drive.epoch, state["seq"], round_, facts, plan, requirements)
        self._services.boards.openings[step.execution_id] = opening
        found = step.named | encode({"plan": plan, "requirements": requirements})
        return found | {"team": team, "left": None, "added": list(dict.fromkeys([*ground.delta, *ground.made]))}

    async def take_turn(
        self, state: MemberTurn, config: RunnableConfig, runtime: Runtime[RunSettings]
    ) -> dict[str, Any]:
        """Let one member work until nothing on the board is left for it."""
        step, recorded = await open_step(
            self._services,
            WorkflowState.IN_PROGRESS,
            _as_board_state(state),
            config,
            runtime,
            honour=False,
            begins=False,
        )
        if recorded is None:
            with step.at_work():
                await self._at_the_board(step, state, config)
        return {"left": [state["member_id"]]}

    async def close_board(
        self, state: BoardState, config: RunnableConfig, runtime: Runtime[RunSettings]
    ) -> dict[str, Any]:
        """Hold the standup and decide: on to the review, again to the board, to a human, or give up."""
        if state["status"] != WorkflowState.IN_PROGRESS:
            return {}  # open_board found it closed already
        step, recorded = await open_step(
            self._services, WorkflowState.IN_PROGRESS, state, config, runtime, begins=False
        )
        if recorded is not None:
            return recorded
        epoch, trouble = self._services.boards.troubles.pop(step.execution_id, (None, None))
        if epoch != step.drive.epoch:  # an earlier drive has failed for its own
            trouble = None
        spent = trouble if isinstance(trouble, BudgetSpent) else None
        if trouble and not spent:
            raise trouble
        with step.at_work():
            if spent:
                return await step.commit(on_failure(step, spent))
            facts = await self._facts(step)
            if facts.asked:
                if (moved := await honour_requests(step)) is not None:
                    return moved
                facts = await self._facts(step)
            plan = await Groundwork(step).plan()
            board = rules_of(step, facts, plan)
            if board.remaining:
                return {"team": []}
            step.drive.work = facts.work if step.drive.kept else None
            return await step.commit(await decided(step, partial(closing, plan=plan, facts=facts, board=board)))

    async def _facts(self, step: Step) -> BoardFacts:
        since = step.since
        return await step.database.read(lambda connection: read_board(connection, step.execution_id, since))

    async def _store_groundwork(self, step: Step, ground: Groundwork, plan: Plan) -> bool:
        """Store what was made up for, and tell whether there was anything: members find it in the database."""
        if not ground.made:
            return False
        ground.effects.columns |= encode(ground.delta | {"plan": plan})
        ground.effects.log("made_up_for", ", ".join(ground.made))
        await step.store(ground.effects)
        await self._services.engine.announce(ground.effects.messages)
        return True

    async def _at_the_board(self, step: Step, turn: MemberTurn, config: RunnableConfig) -> None:
        member = next((one for one in step.facts.squad.members if one.id == turn["member_id"]), None)
        if member is None:  # it has dropped out since the board was opened
            return

        async def build() -> LiveBoard:
            key, gone = (step.drive.epoch, turn["seq"], turn["round"]), set[str]()
            found = self._services.boards.openings.pop(step.execution_id, None)
            if found is None or (found.epoch, found.seq, found.round) != key:
                # opened by an earlier drive: some may have left, before a crash or because of a drain
                ground, gone = Groundwork(step), await who_left(config)
                facts, plan, requirements = await self._facts(step), await ground.plan(), await ground.requirements()
                found = Opening(*key, facts, plan, requirements)
            present = set(turn["team"]) - gone | {member.id}
            rules = rules_of(step, found.facts, found.plan, present=present)
            return LiveBoard(rules, found.facts, found.plan, found.requirements, team=present)

        board = await self._services.boards.join((*board_checkpoint(config), step.drive.epoch), build)
        await MemberAtWork(step, turn, board, member).work()
        if board.trouble:
            self._services.boards.troubles[step.execution_id] = (step.drive.epoch, board.trouble)


def _as_board_state(turn: MemberTurn) -> BoardState:
    return BoardState(
        execution_id=turn["execution_id"],
        seq=turn["seq"],
        round=turn["round"],
        since=turn["since"],
        findings=turn["findings"],
    )


def _team(step: Step, board: Board) -> list[dict[str, str]]:
    owners = {board.owner(subtask_id) for subtask_id in board.remaining}
    return [
        {"member_id": member.id, "role": member.role.value}
        for member in step.facts.squad.members
        if member.id in owners
    ]
