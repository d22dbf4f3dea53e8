"""The end of a run for a reader: who did what, how long it took, what came of it, and what a human must answer."""

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from graph.render_progress import ProgressView
from graph.render_text import STATUS_STYLES, Ink, duration

__all__ = ["ProgressView", "print_summary", "summary_text"]

_KNOWN_RESULT = frozenset({"summary", "note", "deliverables", "checklist", "open_questions", "workspace"})

SHOWN_LINES = 15
"""How much of a question's details is shown, in lines."""

Parts = Iterator[RenderableType]


def print_summary(summary: Mapping[str, Any], console: Console) -> None:
    """Print the summary on the console; commands stay on one line however narrow it is, so that they can be copied."""
    for part in summary_text(summary, encoding=console.encoding).renderables:
        console.print(part, soft_wrap=isinstance(part, Text) and part.no_wrap is True)


def summary_text(summary: Mapping[str, Any], *, encoding: str = "utf-8") -> Group:
    """Return the summary, as the orchestrator gives it, for Rich to print.

    Args:
        summary: The summary's dictionary; what is missing in it is left out here, or said to be not shown.
        encoding: What the output can show; outside Unicode, signs are replaced.
    """
    ink = Ink(encoding)
    parts: list[RenderableType] = []
    for heading, section in (
        ("", _head),
        ("Who did what", _subtasks),
        ("Time in each state", _times),
        ("Deliverables", _deliverables),
        ("In the repository", _repository),
        ("Check list", _checklist),
        ("Open questions (none of them blocks)", _open_questions),
        ("Result", _other_result),
        ("Waiting for you", _gates),
        ("", _note),
    ):
        if lines := list(section(summary, ink)):
            if parts:
                parts.append(Text())
            if heading:
                parts.append(Text(heading, style="bold"))
            parts.extend(_indented(line) if heading else line for line in lines)
    return Group(*parts)


def _indented(part: RenderableType) -> RenderableType:
    if isinstance(part, Text) and part.no_wrap:
        return Text("  ", no_wrap=True).append_text(part)  # padding would cut it off
    return Padding.indent(part, 2)


def _head(summary: Mapping[str, Any], ink: Ink) -> Parts:
    yield ink.text(_dict(summary.get("task")).get("title"), "bold")
    status = ink.plain(summary.get("status"))
    line = Text(status, style=STATUS_STYLES.get(status, ""))
    line.append_text(ink.text(f", {summary.get('progress_percentage', 0)} % · execution {summary.get('execution_id')}"))
    yield line
    result = _dict(summary.get("result"))
    if result.get("summary"):
        yield ink.text(result["summary"])
    if summary.get("error_message"):
        yield ink.text(f"error: {summary['error_message']}", "red", limit=1_000)


def _subtasks(summary: Mapping[str, Any], ink: Ink) -> Parts:
    rows = _dicts(summary.get("subtasks"))
    if not rows:
        return
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("subtask", overflow="fold")
    for name in ("role", "member", "state"):
        table.add_column(name, overflow="fold")
    for row in rows:
        status = ink.plain(row.get("status"))
        role, member = ink.plain(row.get("role")), ink.plain(row.get("member"))
        title = ink.text(f"{row.get('id')}: {row.get('title')}")
        table.add_row(title, Text(role or "any"), Text(member or "nobody"), Text(status, STATUS_STYLES.get(status, "")))
    yield table


def _times(summary: Mapping[str, Any], ink: Ink) -> Parts:
    metrics = _dict(summary.get("metrics"))
    spent = _dict(metrics.get("time_in_each_state_seconds"))
    if not spent:
        return
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(justify="right")
    for state, seconds in spent.items():
        if seconds:
            table.add_row(ink.text(state), Text(duration(seconds)))
    moves = ink.plain(metrics.get("total_transitions", 0))
    table.add_row(Text(f"in all, {moves} transitions"), Text(duration(metrics.get("total_duration_seconds", 0))))
    yield table
    if metrics.get("model_calls"):
        cost = f", cost {metrics['cost']:g}" if metrics.get("cost") else ""
        read, written = metrics.get("input_tokens", 0), metrics.get("output_tokens", 0)
        yield ink.text(f"models: {metrics['model_calls']} calls, {read:,} tokens read, {written:,} written{cost}")


def _deliverables(summary: Mapping[str, Any], ink: Ink) -> Parts:
    listed = _dicts(_dict(summary.get("result")).get("deliverables")) or [
        {"subtask_id": row.get("id"), **_dict(row.get("deliverable"))}
        for row in _dicts(summary.get("subtasks"))
        if row.get("deliverable")
    ]
    for one in listed:
        yield ink.text(f"{one.get('subtask_id')}: {one.get('title')} ({one.get('kind')})")
    if listed:
        command = ink.text(f"their whole text: squad status {summary.get('execution_id')} --json", "dim")
        command.no_wrap = True
        yield command


def _repository(summary: Mapping[str, Any], ink: Ink) -> Parts:
    """Yield what there is on the branch, and the run of the project's tests."""
    found = _dict(_dict(summary.get("result")).get("workspace"))
    if not found:
        return
    commits, files = _dicts(found.get("commits")), found.get("files")
    size = f"+{found.get('insertions')} -{found.get('deletions')}"
    count = len(files) if isinstance(files, list) else 0
    yield ink.text(f"branch {found.get('branch')}: {len(commits)} commit(s) in {count} file(s), {size}")
    for one in commits:
        yield ink.text(f"{str(one.get('id'))[:12]} {one.get('subject')} ({one.get('author')})", "dim")
    if tests := _dict(found.get("tests")):
        typed = tests.get("command")
        words = shlex.join(map(str, typed)) if isinstance(typed, list) else typed
        yield ink.text(f"tests: {words} ended with exit status {tests.get('status')}")
    command = ink.text(f"to look at it: git diff {str(found.get('base'))[:12]}...{found.get('branch')}", "dim")
    command.no_wrap = True
    yield command


def _checklist(summary: Mapping[str, Any], ink: Ink) -> Parts:
    task = _dict(summary.get("task"))
    stated = task.get("acceptance_criteria")
    criteria = stated if isinstance(stated, list) else []
    entries = _dicts(_dict(summary.get("result")).get("checklist")) or [
        {"item": item} for item in [*criteria, "Tests", "Documentation"]
    ]
    for entry in entries:
        met = entry.get("met")
        sign, style = ("✓", "green") if met is True else ("✗", "red") if met is False else ("?", "yellow")
        evidence = f"{'not met: ' if met is False else ''}{entry.get('evidence') or 'not shown'}"
        item, dash = ink.text(entry.get("item")), ink.plain("—")
        yield Text.assemble(ink.text(sign, style), " ", item, f" {dash} ", ink.text(evidence, "dim"))


def _open_questions(summary: Mapping[str, Any], ink: Ink) -> Parts:
    questions = _dict(summary.get("result")).get("open_questions")
    for question in questions if isinstance(questions, list) else []:
        yield ink.text(f"- {question}")


def _other_result(summary: Mapping[str, Any], ink: Ink) -> Parts:
    """Yield what a caller gave as the result, beyond what the squad itself reports."""
    for key, value in _dict(summary.get("result")).items():
        if key not in _KNOWN_RESULT:
            yield ink.text(f"{key}: {value}")


def _gates(summary: Mapping[str, Any], ink: Ink) -> Parts:
    for gate in _dicts(summary.get("gates")):
        if gate.get("status") != "open":
            continue
        yield ink.text(f"{gate.get('kind')}: {gate.get('question')}", "yellow", limit=2_000)
        if gate.get("reason") and gate["reason"] != gate.get("question"):
            yield ink.text(f"reason: {gate['reason']}")
        yield from (ink.text(line, "dim", limit=300) for line in _first_lines(gate.get("details")))
        if gate.get("deadline"):
            default = _dict(gate.get("default_answer"))
            then = default.get("text") or default.get("decision") or "it stays open"
            yield ink.text(f"deadline: {gate['deadline']}; then: {then}")
        answer = "--decision approve" if gate.get("kind") == "approval" else '"text"'
        command = ink.text(f"squad answer {summary.get('execution_id')} {gate.get('id')} {answer}", "bold")
        command.no_wrap = True
        yield command


def _first_lines(details: object) -> list[str]:
    """Return what is worth showing of a question's details; all of them are in the document."""
    lines = [line for line in str(details or "").splitlines() if line.strip()]
    return lines if len(lines) <= SHOWN_LINES else [*lines[:SHOWN_LINES], "…"]


def _note(summary: Mapping[str, Any], ink: Ink) -> Parts:
    if note := _dict(summary.get("result")).get("note"):
        yield ink.text(note, "italic")


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
