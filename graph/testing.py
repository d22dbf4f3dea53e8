"""The test: the tester executes the test plan, and in a workspace the project's own test command is the evidence."""

import re
from collections.abc import Mapping

from agents.workspace import Ran
from delegation import (
    ConfigurationError,
    Decision,
    Finding,
    GateKind,
    HandsRefused,
    Message,
    MessageType,
    NewGate,
    Outcome,
    Plan,
    Requirements,
    Role,
    SubtaskKind,
    TestReport,
    TestRun,
)
from graph.consulting import consult
from graph.groundwork import Groundwork, speaker_for
from graph.lifecycle import WorkflowState
from graph.result import result_of, workspace_result
from graph.reviewing import REVIEWED
from graph.site import Site, site_of
from graph.step import Decided, Step
from graph.verdicts import latest_outcomes, send_back
from persistence import load_gates, load_transitions

__all__ = ["test"]

SHOWN_OUTPUT = 4_000
"""How much of a test command's output goes into a finding and into the result, in characters: the end of it."""


async def test(step: Step) -> Decided:
    """Have the tests executed; failures go back, and a pass completes the task."""
    ground = Groundwork(step)
    plan, requirements = await ground.plan(), await ground.requirements()
    site = await site_of(step)
    if site is not None and (unready := await _unready(step, ground, site)) is not None:
        return unready
    outcomes = await latest_outcomes(step)
    report = await consult(step, step.roster.tester, "execute", plan, outcomes, returns=TestReport)
    run = await _run(site) if site is not None else None
    report = report.model_copy(update={"run": run})  # what was run is ours to say, and no agent's
    if site is not None:
        report = with_evidence(report, run, plan, requirements, outcomes)
    passed = sum(result.passed for result in report.results)
    text = f"{passed} of {len(report.results)} test cases passed" + (f"; {report.run.told()}" if report.run else "")
    ground.effects.messages.append(_said(step, text, passed=passed, cases=len(report.results)))
    if report.run:
        ground.effects.log("test_run", report.run.told(), **report.run.model_dump(mode="json"))
    if not report.passed:
        return send_back(step, ground, plan, report.findings, text)
    who = (step.roster.foreign, step.roster.thinking)
    result = result_of(step.facts.task, requirements, plan, outcomes, report, *who)
    if site is not None:
        result["workspace"] = await workspace_result(site.workspace, report.run)
        if report.run is not None and result["workspace"]["head"] != report.run.commit:
            return ground.decided(WorkflowState.REVIEWING, "the branch was moved while it was tested")
    ground.effects.columns["result"] = result
    return ground.decided(WorkflowState.COMPLETED, text)


async def _unready(step: Step, ground: Groundwork, site: Site) -> Decided | None:
    """Return what has to come before the test: a review of what was written, or a human's word where nothing tests."""
    head = await site.workspace.head()
    if why := await _unreviewed(step, head):
        return ground.decided(WorkflowState.REVIEWING, why)
    if site.test_command is not None:
        return None
    gates = await step.database.read(lambda connection: load_gates(connection, step.execution_id))
    said = [gate.answer for gate in gates if gate.metadata.get("untested") == head and gate.answer]
    if said and said[-1]["decision"] == Decision.APPROVE:
        return None
    if said:
        text = f"a human has tested it: {said[-1].get('text')}"
        outcomes = await latest_outcomes(step)
        plan = await ground.plan()
        return send_back(
            step, ground, plan, [Finding(subtask_id=one, message=text) for one in changers(plan, outcomes)], text
        )
    gate = NewGate(
        kind=GateKind.ESCALATION,
        question=f"No test command is set, so nothing shows that {site.workspace.branch} works. Have you tested it?",
        reason="there is no evidence",
        details=f"The branch is at {head[:12]}. Approve it as tested, or respond with what is wrong to have that sent "
        "back to whoever changed anything; or approve with a test command set (--test-command), and it is run.",
        metadata={"untested": head},
        next_state=WorkflowState.TESTING.value,
    )
    ground.effects.gates.append(gate)
    return ground.decided(WorkflowState.BLOCKED, "there is no test command")


async def _unreviewed(step: Step, head: str) -> str | None:
    """Return why it has to be reviewed first, if it has: nobody has seen what the branch is at now."""
    moves = await step.database.read(lambda connection: load_transitions(connection, step.execution_id))
    if moves and moves[-1].from_state == WorkflowState.IN_PROGRESS:
        return "what was written has to be reviewed before it is tested"
    reviewed = [move.metadata[REVIEWED] for move in moves if REVIEWED in move.metadata]
    if reviewed and reviewed[-1] != head:
        return "the branch is not at the commit any more that was reviewed"
    return None


async def _run(site: Site) -> TestRun | None:
    """Run the project's test command on the branch as it is."""
    if site.test_command is None or site.confined is None:
        return None
    head = await site.workspace.head()
    copy = await site.workspace.copy("test-command", head)
    try:
        ran = await site.confined.run(site.test_command, copy.folder, site.limits)
    except HandsRefused as refused:  # that is nobody's fault who works on the task
        raise ConfigurationError(f"the test command cannot be run: {refused.message}", hint=refused.hint) from refused
    finally:
        await site.workspace.discard(copy)
    return _told(ran, head, site.confined.containment.told())


def _told(ran: Ran, commit: str, containment: str) -> TestRun:
    return TestRun(
        command=list(ran.command),
        commit=commit,
        passed=ran.passed,
        status=ran.status,
        reason=ran.reason,
        duration_s=round(ran.duration_s, 3),
        output=ran.output[-SHOWN_OUTPUT:],
        containment=containment,
    )


def with_evidence(
    report: TestReport,
    run: TestRun | None,
    plan: Plan,
    requirements: Requirements,
    outcomes: Mapping[str, Outcome],
) -> TestReport:
    """Return the report with the command's run as evidence, and with findings where there is none or it failed.

    Each criterion needs a result of its own that passed and says by what; nothing counts as passed while the command
    fails.
    """
    results = report.results
    if run is not None:
        results = [one.model_copy(update={"evidence": f"{one.evidence}; {run.told()}"}) for one in results]
    failed = {one.criterion for one in report.results if not one.passed}
    shown = {one.criterion for one in report.results if one.passed and one.evidence.strip()} - failed
    found_wanting = {one.criterion for one in report.findings}
    tester = next((one.id for one in plan.subtasks if one.kind == SubtaskKind.TEST), None)
    findings = [
        *report.findings,
        *(
            Finding(subtask_id=tester, criterion=one.text, message="nothing shows that the criterion is met")
            for one in requirements.criteria
            if one.text not in shown | found_wanting
        ),
        *(failures(run, plan, outcomes) if run is not None and not run.passed else ()),
    ]
    passed = report.passed and not findings
    return report.model_copy(update={"passed": passed, "results": results, "findings": findings, "run": run})


def failures(run: TestRun, plan: Plan, outcomes: Mapping[str, Outcome]) -> list[Finding]:
    """Return a finding for each subtask that changed a file which the output of a failed run names.

    Where it names none, everybody who changed anything is asked; where nobody did, everybody who does not test.
    """
    named = set(re.findall(r"[\w./-]+\.\w+", run.output))
    owners = {
        subtask_id: file
        for subtask_id, files in _changed(outcomes).items()
        for file in files
        if any(_is(file, one) for one in named)
    }
    message = f"the test command failed: {run.told()}\n{run.output}"
    to = [*owners] or changers(plan, outcomes)
    return [Finding(subtask_id=one, file=owners.get(one), message=message) for one in to]


def changers(plan: Plan, outcomes: Mapping[str, Outcome]) -> list[str]:
    """Return the subtasks that changed anything; where none did, those that do not test."""
    return [*_changed(outcomes)] or [one.id for one in plan.subtasks if one.kind != SubtaskKind.TEST]


def _changed(outcomes: Mapping[str, Outcome]) -> dict[str, list[str]]:
    """Return the files that each subtask has committed, of those that did."""
    made = {subtask_id: outcome.deliverable for subtask_id, outcome in outcomes.items() if outcome.deliverable}
    return {subtask_id: one.change.files for subtask_id, one in made.items() if one.change}


def _is(file: str, named: str) -> bool:
    """Tell whether a file of the repository is the one that a program named, be it by another way to its top."""
    plain = named.removeprefix("./")
    return plain == file or plain.endswith(f"/{file}")


def _said(step: Step, text: str, **data: int) -> Message:
    tester = speaker_for(step.facts.squad.members, Role.TESTER)
    kind = MessageType.TASK_COMPLETION
    return Message(execution_id=step.execution_id, sender=tester, type=kind, content=text, metadata=dict(data))
