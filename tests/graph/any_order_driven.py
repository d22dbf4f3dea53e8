"""Executions driven by any driver, in any order: runs, streams, the bare graph, requests, the watch."""

import asyncio
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from any_order_by_hand import words_for
from any_order_world import World, executions
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from langgraph.errors import EmptyInputError
from langgraph.types import Command
from lifecycle_model import ENDS, Modelled, Question, Refused, Said
from sqlalchemy import update

from delegation import Gate, Role
from graph import Request, TaskOrchestrator
from persistence import load_execution, utc_now
from persistence.base import table
from persistence.tables import GateRow

HABITS = st.dictionaries(
    st.sampled_from([Role.BACKEND_DEVELOPER, Role.FRONTEND_DEVELOPER, Role.TESTER]),
    st.sampled_from(["asks", "asks again", "refuses", "fails"]),
    max_size=2,
)
"""What some of the roles do instead of working, while one drive lasts."""
CHOICES = st.sampled_from([None] * 4 + ["human", "pm"])
"""Who is chosen by a run to approve plans; mostly it is left as it is."""
INTERVENTIONS = st.lists(
    st.sampled_from(["block", "escalate", "resolve", "review", "testing", "complete", "fail", "cancel", "add", "away"]),
    min_size=1,
    max_size=4,
)


WORDS = {"decision", "text", "next_state"}


class Driven(World):
    """Drives, which the model follows by the log."""

    @rule(key=executions, habits=HABITS, how=st.sampled_from(["run", "run", "stream", "two runs"]), approval=CHOICES)
    def drive(self, key: UUID, habits: dict[Role, str], how: str, approval: str | None) -> None:
        ways = {"run": self.ran, "stream": self.streamed, "two runs": self.ran_twice}
        self.driven([key], habits, ways[how](self.choosing(approval), key), approval=approval)

    @rule(habits=HABITS)
    def drive_all(self, habits: dict[Role, str]) -> None:
        async def all_at_once() -> None:
            await asyncio.gather(*(self.ran(self.orchestrator, key) for key in self.known))

        self.driven(list(self.known), habits, all_at_once())

    @rule(key=executions, habits=HABITS, count=st.integers(1, 20))
    def leave_a_stream(self, key: UUID, habits: dict[Role, str], count: int) -> None:
        async def leave() -> None:
            left = count
            async with self.orchestrator.stream(key) as stream:
                async for _ in stream:
                    left -= 1
                    if not left:
                        break

        self.driven([key], habits, leave(), to_its_end=False)

    @rule(key=executions, habits=HABITS)
    def drive_the_bare_graph(self, key: UUID, habits: dict[Role, str]) -> None:
        """A client goes on with the thread; there is none before the first drive, or once it was deleted."""
        if self.thread(key) is None:
            with pytest.raises(EmptyInputError):
                self.run(self.graph.ainvoke(None, self.config(key), context=self.settings))
            return
        self.driven([key], habits, self.graph.ainvoke(None, self.config(key), context=self.settings))

    @precondition(lambda self: any(one.waiting and self.follows(key) for key, one in self.known.items()))
    @rule(data=st.data(), habits=HABITS)
    def resume_the_bare_graph(self, data: Any, habits: dict[Role, str]) -> None:
        """A client answers the interrupt; an answer that does not count is asked for again, with the error."""
        keys = [key for key, one in self.known.items() if one.waiting and self.follows(key)]
        key = data.draw(st.sampled_from(keys))
        one = self.known[key]
        gate = data.draw(st.sampled_from(one.waiting))
        said = data.draw(words_for(gate))
        value = self.in_full(said, gate.id)
        before = len(one.path)
        try:
            one.answer(gate.id, said)
        except Refused:
            was_refused = True
        else:
            was_refused = False
        output: list[Any] = []

        async def resume() -> None:
            command: Any = Command(resume={str(gate.id): value})
            output.append(await self.graph.ainvoke(command, self.config(key), context=self.settings))

        self.driven([key], habits, resume())
        if len(one.path) == before:
            [interrupt] = output[0]["__interrupt__"]
            assert bool(interrupt.value["error"]) == was_refused
            asked = [request["args"]["id"] for request in interrupt.value["action_requests"]]
            assert asked == [str(question.id) for question in one.waiting]

    @precondition(lambda self: any(not one.has_ended for one in self.known.values()))
    @rule(data=st.data(), asked=INTERVENTIONS, habits=HABITS)
    def ask_something_of_a_driven_one(self, data: Any, asked: list[str], habits: dict[Role, str]) -> None:
        """Requests that arrive while a member works are honoured in order, once, as if they were made by hand then."""
        key = data.draw(st.sampled_from([key for key, one in self.known.items() if not one.has_ended]))
        requests: list[Request] = []

        async def ask(execution_id: UUID) -> None:
            progress = await self.call(self.orchestrator.monitor_progress, execution_id=execution_id)
            assert progress["current_state"] == "in_progress"
            self.asked_at = (await self.database.read(lambda c: load_execution(c, execution_id))).seq
            requests.extend([await self.intervene(execution_id, how) for how in asked])

        self.squads.at_first_work = ask
        if {"cancel", "away"} & set(asked):
            self.given_up.add(key)
        self.behave(habits, [key])
        self.known[key].drive()
        with self.as_approved([key]):
            self.run(self.orchestrator.run(key))
            self.squads.at_first_work = None
            if requests:
                self.catch_up(key, self.asked_at)
                for request, how in zip(requests, asked, strict=True):
                    self.same_end(request.wait(), partial(self.honour, self.known[key], how))
            self.follow(key)

    @rule(habits=HABITS, drive=st.booleans())
    def let_deadlines_pass(self, habits: dict[Role, str], *, drive: bool) -> None:
        """The watch takes defaults as answers and says what is late; it drives on whatever a default has let go."""
        gate, past = table(GateRow), utc_now()
        late = update(gate).where(gate.c.status == "open", gate.c.deadline.is_not(None)).values(deadline=past)
        self.run(self.database.write(lambda connection: connection.execute(late)))
        due = [one for known in self.known.values() for one in known.waiting if one.has_deadline and not one.is_late]
        for one in self.known.values():
            one.be_late()
        left = [key for key, one in self.known.items() if drive and one.is_left_alone]

        async def watch() -> None:
            served = await self.orchestrator.watch(once=True, drive=drive)
            assert set(served.answered) == {one.id for one in due if one.default}
            assert set(served.overdue) == {one.id for one in due if not one.default}
            assert set(served.driven) == set(left)

        self.driven(left, habits, watch())

    @staticmethod
    def honour(one: Modelled, how: str) -> None:
        """Do what was asked, to the model."""
        if how in {"block", "escalate"}:
            one.block("blocker" if how == "block" else "escalation")
        elif how == "resolve":
            one.resolve("in_progress")
        elif how == "add":
            one.add_work(has_plan=True)
        elif how == "away":
            one.drop_out()
        else:
            one.move({"review": "reviewing", "testing": "testing", "complete": "completed"}.get(how, "failed"))

    def driven(
        self, keys: list[UUID], habits: dict[Role, str], work: Any, approval: str | None = None, **more: Any
    ) -> None:
        """Drive, and let the model follow what the log says of it."""
        self.behave(habits, keys)
        for key in keys:
            self.known[key].drive(approval)
        with self.as_approved(keys):
            self.run(work)
            for key in keys:
                self.follow(key, **more)

    def behave(self, habits: dict[Role, str], keys: list[UUID]) -> None:
        """Say what members do instead of working, from now on."""
        self.squads.habits = habits
        if habits:
            self.troubled.update(keys)

    async def ran(self, chosen: TaskOrchestrator, key: UUID) -> None:
        summary = await chosen.run(key)
        assert summary == await self.orchestrator.get_execution_summary(key)

    async def ran_twice(self, chosen: TaskOrchestrator, key: UUID) -> None:
        ends = await asyncio.gather(*(chosen.run(key) for _ in range(2)), return_exceptions=True)
        assert [type(end).__name__ for end in ends] == ["dict", "ExecutionBusy"]

    async def streamed(self, chosen: TaskOrchestrator, key: UUID) -> None:
        events = [event async for event in chosen.stream(key)]
        assert [event.kind for event in events].count("end") == 1
        assert events[-1].kind == "end"
        seqs = [event.seq for event in events if event.kind == "transition"]
        assert seqs == list(range(self.known[key].seq + 1, events[-1].seq + 1))

    def follow(self, key: UUID, *, to_its_end: bool = True) -> None:
        """Let the model follow what a drive did, and check where it ended and that the thread is there too."""
        one = self.known[key]
        came_from = one.status
        self.catch_up(key)
        if to_its_end:
            self.check_end(key, came_from, one.status)
        values = self.thread(key)
        if key in self.pruned:
            assert values is None  # nobody makes the thread anew
            return
        assert values is not None
        behind = not to_its_end and one.path[-2:] == ["in_progress", "blocked"] and values["seq"] == one.seq - 1
        there = one.seq - behind  # the board was left just after it was opened with a question: the next drive mends it
        assert (values["execution_id"], values["seq"], values["status"]) == (str(key), there, one.path[there])

    def catch_up(self, key: UUID, seq: int | None = None) -> None:
        """Let the model make the moves of a drive, each of which must be legal, and take note of what it asked."""
        one, dossier = self.known[key], self.dossier(key)
        moves = dossier.transitions[one.seq : seq]
        for move in moves:
            assert move.from_state == one.status
            one.move(move.to_state)
        if one.status == "blocked" and moves:
            gates = dossier.gates[len(one.questions) :]
            assert gates
            if any(gate.kind == "approval" for gate in gates):
                assert len(gates) == 1
                assert not one.may_work
            one.questions += [self.as_question(gate, one.seq) for gate in gates]

    def check_end(self, key: UUID, came_from: str, status: str) -> None:
        """Check that a drive ended where drives end, and well where every member has always worked."""
        assert status in {*ENDS, "blocked"}
        if came_from in {*ENDS, "blocked"}:
            assert status == came_from
        elif key not in self.troubled and not self.waits_for_approval(key):
            assert status == "completed"

    def waits_for_approval(self, key: UUID) -> bool:
        """Tell whether all that it waits for is a plan's approval."""
        return not self.known[key].may_work and [one.kind for one in self.known[key].waiting] == ["approval"]

    @staticmethod
    def as_question(gate: Gate, visit: int) -> Question:
        """Take a question that the workflow asked as it stands."""
        default = gate.default_answer and Said(**gate.default_answer.model_dump(include=WORDS))
        return Question(
            gate.kind.value,
            gate.origin_state,
            visit,
            gate.next_state,
            id=gate.id,
            has_deadline=gate.deadline is not None,
            default=default,
            plan=gate.metadata.get("plan"),
        )
