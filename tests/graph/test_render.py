"""What people see: progress on and off a terminal, and the summary; whatever a task's text holds, it stays text."""

import io
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from graph.render import ProgressView, print_summary, summary_text
from graph.render_text import Ink, duration

EXECUTION = "0b9a6c1e-1111-4222-8333-444455556666"
GATE = "9c9a6c1e-1111-4222-8333-444455556666"
HOSTILE = "[red]login[/red] \x1b[31m\x1b]8;;http://evil\x07link \u202eevil\u2066 [link=x] :smile: \ud800"


def summary(**changes: Any) -> dict[str, Any]:
    return {
        "execution_id": EXECUTION,
        "task": {"title": "Implement user login", "acceptance_criteria": ["It works", "It is safe"]},
        "status": "completed",
        "progress_percentage": 100,
        "subtasks": [
            {"id": "s1", "title": "Endpoint", "role": "backend_developer", "member": "bea", "status": "done",
             "deliverable": {"kind": "work_order", "title": "Work order: endpoint", "body": "…"}},
            {"id": "s2", "title": "Test plan", "role": None, "member": None, "status": "pending", "deliverable": None},
        ],
        "gates": [],
        "metrics": {
            "total_transitions": 7,
            "time_in_each_state_seconds": {"analyzing": 0.012, "planning": 75, "completed": 0},
            "total_duration_seconds": 75.012,
        },
        "result": {
            "summary": "2 of 2 subtasks delivered",
            "note": "The rule-based agents wrote plans and work orders, no code.",
            "deliverables": [{"subtask_id": "s1", "title": "Work order: endpoint", "kind": "work_order"}],
            "checklist": [
                {"item": "It works", "met": True, "evidence": "T1 passed"},
                {"item": "It is safe", "met": False, "evidence": "no test"},
                {"item": "Documentation", "met": None, "evidence": None},
            ],
            "open_questions": ["Which colours?"],
        },
        "error_message": None,
    } | changes  # fmt: skip


def printed(what: dict[str, Any], *, width: int = 100, encoding: str = "utf-8", terminal: bool = False) -> str:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
    print_summary(what, Console(file=file, width=width, force_terminal=terminal))
    file.flush()
    return raw.getvalue().decode(encoding)


def test_what_is_on_the_branch_is_told_with_the_run_of_the_tests() -> None:
    workspace = {
        "branch": f"squad/{EXECUTION}",
        "base": "a" * 40,
        "commits": [{"id": "b" * 40, "subject": f"s1: {HOSTILE}", "author": "Bea"}],
        "files": ["app.py", "new.py"],
        "insertions": 7,
        "deletions": 2,
        "tests": {"command": ["pytest", "-q"], "status": 0},
    }
    text = printed(summary(result={"summary": "done", "workspace": workspace}), width=200)
    assert f"branch squad/{EXECUTION}: 1 commit(s) in 2 file(s), +7 -2" in text
    assert "bbbbbbbbbbbb s1: [red]login[/red]" in text
    assert "tests: pytest -q ended with exit status 0" in text
    assert f"git diff aaaaaaaaaaaa...squad/{EXECUTION}" in text
    assert "\x1b" not in text
    assert "workspace:" not in text


def test_the_summary_tells_who_did_what_for_how_long_and_what_is_shown() -> None:
    lines = [line.rstrip() for line in printed(summary()).splitlines()]
    assert lines[0] == "Implement user login"
    assert lines[1] == f"completed, 100 % · execution {EXECUTION}"
    assert "  s1: Endpoint   backend_developer  bea     done" in lines
    assert "  s2: Test plan  any                nobody  pending" in lines
    assert "  analyzing                   12 ms" in lines
    assert "  planning               1 min 15 s" in lines
    assert "  s1: Work order: endpoint (work_order)" in lines
    assert "  ✓ It works — T1 passed" in lines
    assert "  ✗ It is safe — not met: no test" in lines
    assert "  ? Documentation — not shown" in lines
    assert "  - Which colours?" in lines
    assert lines[-1] == "The rule-based agents wrote plans and work orders, no code."


def test_an_unfinished_execution_shows_its_gates_with_the_command_that_answers_them() -> None:
    gates = [
        {"id": GATE, "kind": "blocker", "question": "Which API?", "reason": "no spec", "status": "open"},
        {"id": "g2", "kind": "approval", "question": "Go?", "status": "open"},
        {"id": "g3", "kind": "blocker", "question": "Old one", "status": "answered"},
    ]
    text = printed(summary(status="blocked", result=None, gates=gates, error_message="boom"), width=60)
    assert f'\n  squad answer {EXECUTION} {GATE} "text"\n' in text
    assert f"\n  squad answer {EXECUTION} g2 --decision approve\n" in text
    assert "reason: no spec" in text
    assert "Old one" not in text
    assert "error: boom" in text
    assert "? It works — not shown" in text
    assert "? Tests — not shown" in text
    assert "s1: Work order: endpoint (work_order)" in text


def test_a_questions_details_are_shown_their_first_lines_and_no_line_without_end() -> None:
    details = "\n".join(["S1: the test command failed", "", "x" * 2_000, *(f"line {one}" for one in range(50))])
    gate = {"id": GATE, "kind": "escalation", "question": "How should it go on?", "details": details, "status": "open"}
    lines = printed(summary(status="blocked", result=None, gates=[gate]), width=400).splitlines()
    asked = lines.index("  escalation: How should it go on?")
    assert lines[asked + 1] == "  S1: the test command failed"
    assert len(lines[asked + 2]) < 310
    assert lines[asked + 15 : asked + 17] == ["  line 12", "  …"]
    assert lines[asked + 17].startswith(f"  squad answer {EXECUTION} {GATE}")


def test_the_test_command_is_shown_as_it_can_be_typed() -> None:
    tests = {"command": ["npm", "test", "--", "a b; c"], "status": 0}
    assert "tests: npm test -- 'a b; c' ended with exit status 0" in printed(
        summary(result={"workspace": {"tests": tests}}), width=400
    )


def test_a_callers_own_result_is_shown_as_it_is() -> None:
    text = printed(summary(result={"pr_url": "http://x/1", "tests_passing": True, "checklist": 7, "deliverables": "x"}))
    assert "pr_url: http://x/1" in text
    assert "tests_passing: True" in text
    assert "? It works — not shown" in text


@pytest.mark.parametrize("terminal", [False, True])
def test_hostile_text_stays_text(*, terminal: bool) -> None:
    hostile = summary(
        task={"title": HOSTILE, "acceptance_criteria": [HOSTILE]},
        error_message=HOSTILE,
        result={HOSTILE: HOSTILE, "summary": HOSTILE, "open_questions": [HOSTILE], "note": HOSTILE},
        gates=[
            {"id": "g", "kind": HOSTILE, "question": HOSTILE, "reason": "x" + HOSTILE, "details": HOSTILE}
            | {"status": "open"}
        ],
        subtasks=[{"id": HOSTILE, "title": HOSTILE, "role": HOSTILE, "member": HOSTILE, "status": HOSTILE}],
    )
    text = printed(hostile, width=400, terminal=terminal)
    assert "[red]login[/red] link evil [link=x] :smile: \ufffd" in text
    for bad in ("\x1b[31m\x1b", "\x1b]", "\u202e", "\u2066", "😄", "\ud800"):
        assert bad not in text
    assert ("\x1b" in text) is terminal


def test_an_output_without_unicode_gets_signs_that_it_can_show() -> None:
    text = printed(summary(task={"title": "Größe → 修"}), encoding="ascii")
    assert text.startswith("Gr??e -> ?\n")
    assert "  + It works - T1 passed" in text


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(summary())), inner),
    ),
    key=st.sampled_from(sorted(summary())),
)
@settings(max_examples=200, deadline=None)
def test_no_summary_breaks_the_rendering(value: object, key: str) -> None:
    printed(summary() | {key: value})
    printed({key: value}, encoding="latin-1")
    summary_text({})


def test_durations() -> None:
    assert [duration(one) for one in (0, 0.0124, 1.25, 75, 7_800)] == [
        "0 ms",
        "12 ms",
        "1.2 s",
        "1 min 15 s",
        "2 h 10 min",
    ]
    assert [duration(one) for one in (None, "x", -1, float("nan"), float("inf"))] == ["?"] * 5


def test_marks_that_pile_up_are_cut_and_writing_that_needs_joiners_is_kept() -> None:
    ink = Ink()
    assert ink.plain("a" + "\u0301" * 50) == "a\ufffd"
    assert ink.plain("👩\u200d💻 e\u0301 नमस्ते") == "👩\u200d💻 e\u0301 नमस्ते"
    assert ink.plain("x" * 900, limit=10) == "xxxxxxxxx…"


def event(kind: str, /, **data: Any) -> Any:
    return SimpleNamespace(kind=kind, data=data)


STORY = [
    event("transition", from_state="pending", to_state="analyzing", reason="start", progress_percentage=25),
    event("plan", subtasks=[{"id": "s1", "title": "Do [b] it", "role": "tester"}, {"id": "s2", "title": HOSTILE}]),
    event("assignment", subtask_id="s1", member_id="tim", role="tester"),
    event("subtask", subtask_id="s1", member_id="tim", role="tester", status="in_progress"),
    event("message", sender="tim", recipient=None, type="status_update", content="at it"),
    event("something_new", x=1),
    event("subtask", subtask_id="s9", member_id="tim", role="tester", status="failed"),
    event("gate", gate_id="g", kind="blocker", question="Which?"),
    event("transition", from_state="in_progress", to_state="blocked", reason=None, progress_percentage=62),
    event("end", status="blocked"),
]


def test_off_a_terminal_progress_is_plain_lines() -> None:
    file = io.StringIO()
    with ProgressView(Console(file=file, width=20)) as view:
        for one in STORY:
            view.update(one)
    assert file.getvalue().splitlines() == [
        "[ 25 %] pending → analyzing: start",
        "plan: 2 subtasks",
        "  s1: Do [b] it (tester)",
        "  s2: [red]login[/red] link evil [link=x] :smile: \ufffd (any role)",
        "s1: assigned to tim (tester)",
        "s1: in_progress by tim (tester): Do [b] it",
        "s9: failed by tim (tester): s9",
        "needs a human (blocker): Which?",
        "[ 62 %] in_progress → blocked",
        "end: blocked",
    ]


def live(monkeypatch: pytest.MonkeyPatch, events: list[Any], **options: Any) -> str:
    monkeypatch.setenv("TERM", "xterm-256color")
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=100, **options)
    with ProgressView(console) as view:
        for one in events:
            view.update(one)
    return file.getvalue().rpartition("\x1b[?25l")[2]


def test_on_a_terminal_progress_is_a_bar_and_a_row_a_subtask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    text = live(monkeypatch, STORY)
    assert "●" * 15 in text
    assert "62 % blocked" in text
    assert "Do [b] it" in text
    assert "\x1b[36min_progress" in text
    assert "needs a human (blocker): Which?" in text
    assert "tim → all: at it" in text
    assert "\u202e" not in text


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    text = live(monkeypatch, STORY)
    assert "\x1b[36m" not in text
    assert "\x1b[33m" not in text


def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    file = io.StringIO()
    with ProgressView(Console(file=file, force_terminal=True, width=100, color_system=None)) as view:
        view.update(STORY[0])
    assert file.getvalue() == "[ 25 %] pending → analyzing: start\n"


def test_more_subtasks_than_lines_keeps_those_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = event("plan", subtasks=[{"id": f"s{i}", "title": f"number {i}", "role": "tester"} for i in range(50)])
    busy = event("subtask", subtask_id="s49", member_id="tim", role="tester", status="in_progress")
    done = event("subtask", subtask_id="s0", member_id="tim", role="tester", status="done")
    text = live(monkeypatch, [plan, busy, done], height=16)
    assert "number 49" in text
    assert "number 0 " not in text
    assert "… and 41 more" in text


def test_a_plan_made_anew_keeps_who_does_what() -> None:
    file = io.StringIO()
    view = ProgressView(Console(file=file))
    for one in (STORY[1], STORY[3], STORY[1]):
        view.update(one)
    assert view._rows["s1"].status == "in_progress"
    assert file.getvalue().count("plan: 2 subtasks") == 1


@given(kind=st.sampled_from(["transition", "plan", "assignment", "subtask", "message", "gate", "end"]), data=st.data())
@settings(max_examples=100, deadline=None)
def test_no_event_breaks_the_view(kind: str, data: st.DataObject) -> None:
    keys = ["from_state", "to_state", "progress_percentage", "subtasks", "subtask_id", "status", "member_id", "content"]
    value = st.none() | st.integers() | st.text(st.characters()) | st.lists(st.none() | st.just({"id": 1}))
    with ProgressView(Console(file=io.StringIO())) as view:
        view.update(event(kind, **data.draw(st.dictionaries(st.sampled_from(keys), value))))
        Console(file=io.StringIO()).print(view._draw())
