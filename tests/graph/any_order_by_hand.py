"""What callers do by hand, in any order: start, fork, block, answer, move, end, prune."""

from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from any_order_world import World, executions
from hypothesis import strategies as st
from hypothesis.stateful import initialize, multiple, precondition, rule
from lifecycle_model import MAP, Modelled, Question, Refused, Said

from graph import RunSettings
from persistence import load_logs

MEMBER = "designer"
"""Who drops out and comes back: work may do without."""
MOST = 5
"""How many executions there are at most."""

STATES = st.sampled_from(list(MAP))
KINDS = st.sampled_from(["blocker", "escalation"])
APPROVALS = st.sampled_from(["human", "human", None])
TEXTS = st.sampled_from(["as you like"] * 4 + [None, "  "])
NEXT_STATES = st.sampled_from(
    [None] * 6 + ["in_progress", "planning", "delegated", "testing", "failed", "completed", "nowhere"]
)
SAID = st.builds(
    Said,
    decision=st.sampled_from(["respond"] * 6 + ["approve", "reject", "edit", "sing"]),
    text=TEXTS,
    next_state=NEXT_STATES,
)
SAID_OF_A_PLAN = st.one_of(
    st.builds(Said, decision=st.sampled_from(["approve", "approve", "reject"]), text=TEXTS, next_state=NEXT_STATES),
    st.builds(
        Said,
        decision=st.just("edit"),
        next_state=NEXT_STATES,
        plan=st.sampled_from(["good"] * 4 + ["no subtasks", "a cycle", "an unserved criterion", None]),
    ),
)
TERMS = st.one_of(st.none(), st.tuples(SAID | st.none()))
"""A question has no deadline, or one with the answer that counts then, which may be none."""


class ByHand(World):
    """Operations that act at once, since nobody drives the execution."""

    # Starting

    @initialize(
        target=executions,
        on_failure=st.sampled_from(["fail", "ask"]),
        approval=APPROVALS,
        default=st.sampled_from([None, None, "wait", "go_on", "give_up"]),
    )
    def begin(self, on_failure: Any, approval: str | None, default: Any) -> UUID:
        terms = {"gate_deadline_s": 3600.0, "gate_default": default} if default else {}
        self.settings = RunSettings(max_reworks=1000, on_failure=on_failure, **terms)
        self.open()
        return self.start(self.tasks[0], approval)

    @precondition(lambda self: len(self.known) < MOST)
    @rule(target=executions, number=st.integers(0, 2), approval=APPROVALS)
    def execute_task(self, number: int, approval: str | None) -> Any:
        task_id = self.tasks[number]
        if any(self.task_of[key] == task_id and not one.has_ended for key, one in self.known.items()):

            def refuse() -> None:
                raise Refused("ExecutionExists")

            call = self.call(self.orchestrator.execute_task, task=task_id, squad_id=self.squad_id)
            self.same_end(call, refuse)
            return multiple()
        return self.start(task_id, approval)

    def start(self, task_id: UUID, approval: str | None) -> UUID:
        chosen = self.choosing(approval)
        key: UUID = self.run(self.call(chosen.execute_task, task=task_id, squad_id=self.squad_id))
        self.known[key], self.task_of[key] = Modelled(approval=approval), task_id
        return key

    @precondition(lambda self: len(self.known) < MOST)
    @rule(target=executions, key=executions, seq=st.integers(0, 9))
    def fork(self, key: UUID, seq: int) -> Any:
        return self.forked(key, seq)

    def forked(self, key: UUID, seq: int) -> Any:
        copies: list[Modelled] = []
        made = self.same_end(self.orchestrator.fork(key, seq), lambda: copies.append(self.known[key].fork(seq)))
        if made is None:
            return multiple()
        self.known[made] = copies[0]
        dossier = self.dossier(made)
        if key in self.troubled:
            self.troubled.add(made)
        self.origin_of[made] = key
        self.task_of[made], self.inherited[made] = dossier.facts.task_id, len(dossier.outcomes)
        return made

    @precondition(lambda self: len(self.known) < MOST and any(one.waiting for one in self.known.values()))
    @rule(target=executions, data=st.data())
    def fork_a_waiting_one(self, data: Any) -> Any:
        key = data.draw(st.sampled_from([key for key, one in self.known.items() if one.waiting]))
        return self.forked(key, self.known[key].seq - data.draw(st.sampled_from([0, 0, 1])))

    # Steering

    @rule(key=executions, kind=KINDS, terms=TERMS)
    def block(self, key: UUID, kind: str, terms: Any) -> None:
        [default] = terms or [None]
        given = {"deadline": 3600, "default_answer": default and self.in_full(default, None)} if terms else {}
        self.same_end(
            self.intervene(key, "block" if kind == "blocker" else "escalate", **given),
            lambda: self.known[key].block(kind, default, has_deadline=terms is not None),
        )

    @rule(key=executions, next_state=STATES)
    def resolve(self, key: UUID, next_state: str) -> None:
        call = self.call(
            self.orchestrator.resolve_blocker, execution_id=key, resolution="resolved", next_state=next_state
        )
        went = self.same_end(call, lambda: self.known[key].resolve(next_state))
        assert went in {None, self.known[key].status}

    @rule(key=executions, other=executions, number=st.integers(0, 5), said=SAID)
    def answer(self, key: UUID, other: UUID, number: int, said: Said) -> None:
        """Answer a gate of that execution or of another, open or closed, or one that is nobody's."""
        gates = [one.id for one in self.known[other].questions] or [uuid4()]
        gate_id = gates[-1 - number % len(gates)]
        went = self.same_end(self.answered(key, gate_id, said), lambda: self.known[key].answer(gate_id, said))
        assert went in {None, self.known[key].status}

    @precondition(lambda self: any(one.waiting for one in self.known.values()))
    @rule(data=st.data(), times=st.integers(1, 2))
    def answer_rightly(self, data: Any, times: int) -> None:
        """Answer a gate that is open, perhaps twice."""
        waiting = [(key, gate) for key, one in self.known.items() for gate in one.waiting]
        key, gate = data.draw(st.sampled_from(waiting))
        said = data.draw(words_for(gate))
        for _ in range(times):
            self.same_end(self.answered(key, gate.id, said), lambda: self.known[key].answer(gate.id, said))

    async def answered(self, key: UUID, gate_id: UUID | None, said: Said) -> Any:
        return await self.orchestrator.answer(key, gate_id or uuid4(), **self.in_full(said, gate_id))

    @precondition(lambda self: any(self.approvals))
    @rule(data=st.data(), said=SAID_OF_A_PLAN)
    def answer_an_approval(self, data: Any, said: Said) -> None:
        key, gate = data.draw(st.sampled_from(self.approvals))
        self.same_end(self.answered(key, gate.id, said), lambda: self.known[key].answer(gate.id, said))

    @precondition(lambda self: any(self.approvals))
    @rule(data=st.data(), kind=KINDS, words=st.tuples(SAID_OF_A_PLAN, SAID), plan_first=st.booleans())
    def answer_an_approval_beside_another_question(
        self, data: Any, kind: str, words: tuple[Said, Said], *, plan_first: bool
    ) -> None:
        """Both words are said, one after the other: one of them weighs more, whichever was first."""
        key, gate = data.draw(st.sampled_from(self.approvals))
        other = self.run(self.intervene(key, "block" if kind == "blocker" else "escalate"))
        one = self.known[key]
        one.block(kind)
        one.questions[-1].id = other.id
        answers = [(gate.id, words[0]), (other.id, words[1])]
        for gate_id, said in answers if plan_first else answers[::-1]:
            self.same_end(self.answered(key, gate_id, said), partial(one.answer, gate_id, said))

    @property
    def approvals(self) -> list[tuple[UUID, Question]]:
        """The plans that wait for approval."""
        return [(key, one) for key, known in self.known.items() for one in known.waiting if one.kind == "approval"]

    @rule(key=executions, how=st.sampled_from(["review", "testing"] * 2 + ["complete", "fail", "cancel"]))
    def move(self, key: UUID, how: str) -> None:
        target = {"review": "reviewing", "testing": "testing", "complete": "completed"}.get(how, "failed")
        self.same_end(self.intervene(key, how), lambda: self.known[key].move(target))

    @rule(key=executions, from_state=st.none() | STATES, to_state=STATES)
    def transition(self, key: UUID, from_state: str | None, to_state: str) -> None:
        """Move by the engine: from where the execution is, or from where it may not be."""
        here = from_state or self.known[key].status
        engine = self.orchestrator.workflow_engine
        call = self.call(engine.transition_state, execution_id=key, from_state=here, to_state=to_state)
        self.same_end(call, lambda: self.known[key].transition(here, to_state))

    def intervene(self, key: UUID, how: str, **more: Any) -> Any:
        """Call the method for it."""
        reason = "by hand"
        one = self.orchestrator
        calls: dict[str, tuple[Any, dict[str, Any]]] = {
            "block": (one.handle_blocker, {"blocker_description": reason}),
            "escalate": (one.escalate_to_human, {"reason": reason, "details": "", "attempted_solutions": []}),
            "resolve": (one.resolve_blocker, {"resolution": reason, "next_state": "in_progress"}),
            "review": (one.transition_to_review, {"reason": reason}),
            "testing": (one.transition_to_testing, {"reason": reason}),
            "complete": (one.complete_task, {"result": {"by": reason}}),
            "fail": (one.fail_task, {"error": reason}),
            "cancel": (one.cancel, {"reason": reason}),
            "add": (one.add_subtask, {"subtask": self.new_subtask()}),
            "away": (one.member_unavailable, {"member_id": MEMBER, "reason": reason}),
            "back": (one.member_available, {"member_id": MEMBER}),
        }
        method, arguments = calls[how]
        return self.call(method, execution_id=key, **arguments, **more)

    # Changing plan and squad

    @rule(key=executions)
    def add_work(self, key: UUID) -> None:
        row = self.dossier(key).execution
        has_plan = row.plan is not None and row.status not in {"pending", "analyzing", "planning"}
        self.same_end(self.intervene(key, "add"), lambda: self.known[key].add_work(has_plan=has_plan))

    @rule(key=executions, how=st.sampled_from(["away", "back"]))
    def change_the_squad(self, key: UUID, how: str) -> None:
        one = self.known[key]
        self.same_end(self.intervene(key, how), one.drop_out if how == "away" else one.come_back)

    # Whatever else happens to a database

    @rule(key=executions)
    def lose_the_checkpoints(self, key: UUID) -> None:
        thread_id = self.dossier(key).execution.thread_id
        self.run(self.database.checkpointer.adelete_thread(thread_id))

    @rule()
    def reopen(self) -> None:
        self.run(self.database.close())
        self.open()

    @rule()
    def prune(self) -> None:
        """What has ended loses its thread and nothing else, unless something open came from it."""
        origins = {self.origin_of.get(key) for key, one in self.known.items() if not one.has_ended}
        while more := {self.origin_of.get(key) for key in origins} - origins:
            origins |= more
        chosen = {key for key, one in self.known.items() if one.has_ended} - origins - self.pruned
        before = {key: self.kept(key) for key in self.known}
        threads = {key: self.thread(key) for key in self.known}
        pruned = self.run(self.orchestrator.prune(older_than=timedelta(microseconds=1)))
        assert pruned.executions == len(chosen)
        self.pruned |= chosen
        for key in self.known:
            assert self.kept(key) == before[key]
            assert self.thread(key) == (None if key in chosen else threads[key])
            self.seen.pop(key, None)  # the time in its row is looked at once more

    def kept(self, key: UUID) -> Any:
        """Return what pruning keeps of an execution."""
        summary = self.run(self.orchestrator.get_execution_summary(key))
        return summary, self.run(self.database.read(lambda connection: load_logs(connection, key)))


def words_for(gate: Question) -> st.SearchStrategy[Said]:
    """Return answers of which most suit the question."""
    return SAID_OF_A_PLAN if gate.kind == "approval" else SAID
