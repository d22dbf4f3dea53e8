"""What a state needs from the ones before it: requirements, a plan, assignments.

The states on the main line make these, each its own. A human may send an execution to a state whose input was never
made; then it is made there, by the same functions, and recorded as made up for.
"""

from dataclasses import dataclass, field
from typing import Any, TypeVar

from delegation import Approval, Message, MessageType, Plan, Requirements, Role, Schedule, SquadMember
from delegation.deadlines import lateness_told, with_deadlines
from graph.asking import assignments_told
from graph.consulting import consult
from graph.hours import busy_hours, hours_left, members_at
from graph.lifecycle import WorkflowState
from graph.step import Decided, Step
from persistence import Effects, Handover, load_workload, utc_now

T = TypeVar("T")

__all__ = ["Groundwork", "member_for", "speaker_for"]


@dataclass
class Groundwork:
    """The step's way to its input; what had to be made lands in ``delta``, ``effects`` and ``made``."""

    step: Step
    delta: dict[str, Any] = field(default_factory=dict)
    effects: Effects = field(default_factory=Effects)
    made: list[str] = field(default_factory=list)

    @property
    def metadata(self) -> dict[str, Any]:
        """What the transition's metadata says about input that was made up for."""
        return {"made_up_for": self.made} if self.made else {}

    def decided(self, to_state: WorkflowState, reason: str) -> Decided:
        """Return the step's decision, with everything that was made."""
        return Decided(to_state=to_state, reason=reason, delta=self.delta, metadata=self.metadata, effects=self.effects)

    async def requirements(self) -> Requirements:
        """Return the requirements, from the thread or from the row, analysing the task where neither has them."""
        if known := self.delta.get("requirements") or self.step.state.get("requirements"):
            return known
        if stored := (await self.step.row()).requirements:
            return self._keep("requirements", Requirements.model_validate(stored))
        self.made.append("requirements")
        return await self.analyze()

    async def plan(self) -> Plan:
        """Return the plan, from the thread or from the row, making one where neither has it."""
        if known := self.delta.get("plan") or self.step.state.get("plan"):
            return known
        if stored := (await self.step.row()).plan:
            return self._keep("plan", Plan.model_validate(stored))
        self.made.append("plan")
        return await self.make_plan()

    async def analyze(self) -> Requirements:
        """Have the project manager analyse the task, with the tech lead."""
        task, roster = self.step.facts.task, self.step.roster
        found = await consult(self.step, roster.project_manager, "analyze", task, returns=Requirements)
        requirements = await consult(self.step, roster.tech_lead, "assess", task, found, returns=Requirements)
        self.effects.log(
            "requirements",
            f"{requirements.type.value}, complexity {requirements.complexity}, {len(requirements.criteria)} criteria",
            open_questions=requirements.open_questions,
        )
        return self._keep("requirements", requirements)

    async def make_plan(self) -> Plan:
        """Have the task broken down, estimated by the tech lead, and its tests planned by the tester."""
        requirements, roster = await self.requirements(), self.step.roster
        task = self.step.facts.task
        plan = await consult(self.step, roster.project_manager, "break_down", task, requirements, returns=Plan)
        plan = await consult(self.step, roster.tech_lead, "estimate", plan, requirements, returns=Plan)
        plan = await consult(self.step, roster.tester, "plan_tests", plan, requirements, returns=Plan)
        text = f"{len(plan.subtasks)} subtasks, {len(plan.test_cases)} test cases"
        self.effects.log("plan", text, hours=sum(one.effort for one in plan.subtasks))
        return self._keep("plan", plan)

    async def heed(self, feedback: list[str]) -> None:
        """Have the plan that is about to be made heed why humans rejected earlier ones."""
        if feedback:
            known = await self.requirements()
            self._keep("requirements", known.model_copy(update={"feedback": feedback}))

    async def plan_tests(self) -> None:
        """Have tests planned for a plan that came without."""
        plan, requirements, tester = await self.plan(), await self.requirements(), self.step.roster.tester
        self._keep("plan", await consult(self.step, tester, "plan_tests", plan, requirements, returns=Plan))

    async def delegate(self, *, waits: bool = False) -> Approval:
        """Propose assignments, have the project manager approve them, and say both.

        Where it ``waits`` for a human as well, nobody is told yet to take anything.
        """
        now = utc_now()
        # hours from now mean something now: the plan that is stored and approved holds none
        plan = with_deadlines(await self.plan(), hours_left(self.step.facts.task, now))
        members = members_at(self.step.facts, now)
        elsewhere = await self.step.database.read(lambda connection: load_workload(connection, self.step.execution_id))
        proposal = self.step.services.delegation.assign(plan, members, busy=busy_hours(elsewhere, now))
        self._say_proposal(proposal, plan)
        approval = await self._approval(proposal, plan, members)
        if late := lateness_told(approval.schedule, plan):
            self.effects.log("deadline", late, makespan=approval.schedule.makespan)
        self._say_approval(approval, plan, waits=waits)
        if approval.approved or approval.schedule.unassigned:  # what somebody may do need not wait for the rest
            self.effects.handovers = [
                Handover(one.subtask_id, one.member_id, one.start, one.finish) for one in approval.schedule.assignments
            ]
        return approval

    async def _approval(self, proposal: Schedule, plan: Plan, members: list[SquadMember]) -> Approval:
        if self.step.settings.approval == "none":
            return Approval(approved=True, reasons=["nobody was to approve it"], schedule=proposal)
        manager = self.step.roster.project_manager
        return await consult(self.step, manager, "approve", proposal, plan, members, returns=Approval)

    def _keep(self, name: str, value: T) -> T:
        self.delta[name] = value
        return value

    def _say_proposal(self, proposal: Schedule, plan: Plan) -> None:
        manager = member_for(self.step.facts.squad.members, Role.PROJECT_MANAGER)
        text = f"Proposed: {len(proposal.assignments)} of {len(plan.subtasks)} subtasks, {proposal.makespan:g} hours"
        self._say("delegation", manager, MessageType.APPROVAL, text, critical_path=proposal.critical_path)

    def _say_approval(self, approval: Approval, plan: Plan, *, waits: bool) -> None:
        manager = speaker_for(self.step.facts.squad.members, Role.PROJECT_MANAGER)
        word = "Not approved" if not approval.approved else "No objections, a human decides" if waits else "Approved"
        self._say(manager, None, MessageType.APPROVAL, f"{word}: {'; '.join(approval.reasons) or 'no objections'}")
        if approval.approved and not waits:
            given = approval.schedule.assignments
            self.effects.messages += assignments_told(self.step.execution_id, manager, given, plan)

    def _say(self, sender: str, recipient: str | None, kind: MessageType, text: str, **data: Any) -> None:
        message = Message(
            execution_id=self.step.execution_id,
            sender=sender,
            recipient=recipient,
            type=kind,
            content=text,
            metadata=data,
        )
        self.effects.messages.append(message)


def member_for(members: list[SquadMember], role: Role) -> str | None:
    """Return the id of the squad's first member in that role, or None."""
    return next((member.id for member in members if member.role == role), None)


def speaker_for(members: list[SquadMember], role: Role) -> str:
    """Return who says what is the role's to say: its first member or, where the squad has none, the role itself."""
    return member_for(members, role) or role.value
