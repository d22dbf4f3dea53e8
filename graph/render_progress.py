"""Progress while a squad works: a live view on a terminal, plain lines anywhere else."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from graph.lifecycle import DESCRIPTIONS, MAIN_LINE
from graph.render_text import STATUS_STYLES, Ink

__all__ = ["ProgressEvent", "ProgressView"]

_CELLS = 3
"""How wide one state is in the bar."""

_PAST_FIRST = {"in_progress": 0, "blocked": 0, "failed": 0, "refused": 0, "pending": 1}
"""Which rows stay when there is no room for all: those at work, then those to come, then those done."""


class ProgressEvent(Protocol):
    """What the view reads of an event."""

    @property
    def kind(self) -> str:
        """What kind of thing happened; unknown kinds are ignored."""
        ...

    @property
    def data(self) -> Mapping[str, Any]:
        """What happened."""
        ...


@dataclass
class _Row:
    """A subtask as it stands."""

    title: str
    role: str = ""
    member: str = ""
    status: str = "pending"


class ProgressView:
    """Shows a run's events on a console, which should be standard error's.

    Use it as a context manager; ``update`` takes one event and never raises for what an event holds.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._ink = Ink.of(console)
        self._state, self._origin, self._percent = str(MAIN_LINE[0]), str(MAIN_LINE[0]), 0
        self._rows: dict[str, _Row] = {}
        self._gates: list[str] = []
        self._last = ""
        self._lock = threading.Lock()  # the live view draws in a thread of its own
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            # Standard output stays untouched: it belongs to the document that follows.
            self._live = Live(
                console=self._console, get_renderable=self._draw, refresh_per_second=8, redirect_stdout=False
            )
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def update(self, event: ProgressEvent) -> None:
        """Take in one event and show it."""
        handle = getattr(self, f"_on_{event.kind}", None)
        if handle is None:
            return
        with self._lock:
            line = handle(event.data)
        if line and self._live is None:
            self._console.print(Text(line), soft_wrap=True)

    def _on_transition(self, data: Mapping[str, Any]) -> str:
        self._origin, self._state = self._say(data.get("from_state")), self._say(data.get("to_state"))
        percent = data.get("progress_percentage")
        self._percent = percent if isinstance(percent, int) else self._percent
        reason = self._say(data.get("reason"))
        move = self._say(f"{self._origin} → {self._state}")
        return f"[{self._percent:3d} %] {move}" + (f": {reason}" if reason else "")

    def _on_plan(self, data: Mapping[str, Any]) -> str:
        old, self._rows = self._rows, {}
        subtasks = data.get("subtasks")
        for one in [one for one in subtasks if isinstance(one, dict)] if isinstance(subtasks, list) else []:
            row = _Row(title=self._say(one.get("title")), role=self._say(one.get("role")))
            if (before := old.get(str(one.get("id")))) is not None:
                row.member, row.status = before.member, before.status
            self._rows[str(one.get("id"))] = row
        if [(key, row.title, row.role) for key, row in old.items()] == [
            (key, row.title, row.role) for key, row in self._rows.items()
        ]:
            return ""  # told again, as after a rework, and nothing new in it
        lines = [f"plan: {len(self._rows)} subtasks"]
        lines += [f"  {self._say(key)}: {row.title} ({row.role or 'any role'})" for key, row in self._rows.items()]
        return "\n".join(lines)

    def _on_assignment(self, data: Mapping[str, Any]) -> str:
        row = self._row(data)
        row.member = self._say(data.get("member_id"))
        row.role = self._say(data.get("role")) or row.role
        return f"{self._say(data.get('subtask_id'))}: assigned to {row.member} ({row.role})"

    def _on_subtask(self, data: Mapping[str, Any]) -> str:
        row = self._row(data)
        row.member = self._say(data.get("member_id")) or row.member
        row.role = self._say(data.get("role")) or row.role
        row.status = self._say(data.get("status"))
        return f"{self._say(data.get('subtask_id'))}: {row.status} by {row.member} ({row.role}): {row.title}"

    def _on_message(self, data: Mapping[str, Any]) -> str:
        recipient = self._say(data.get("recipient")) or "all"
        self._last = self._say(f"{data.get('sender')} → {recipient}: {data.get('content')}")
        return ""  # plain lines tell what happened; what was said about it is in the log

    def _on_gate(self, data: Mapping[str, Any]) -> str:
        asked = f"needs a human ({self._say(data.get('kind'))}): {self._say(data.get('question'))}"
        self._gates.append(asked)
        return asked

    def _on_end(self, data: Mapping[str, Any]) -> str:
        self._state = self._say(data.get("status")) or self._state
        return f"end: {self._state}"

    def _row(self, data: Mapping[str, Any]) -> _Row:
        key = str(data.get("subtask_id"))
        return self._rows.setdefault(key, _Row(title=self._say(key)))

    def _say(self, value: object) -> str:
        return self._ink.plain(value, limit=300)

    def _draw(self) -> RenderableType:
        with self._lock:
            parts: list[RenderableType] = [self._bar()]
            if self._rows:
                parts.append(self._table(room=max(self._console.height - 6 - len(self._gates), 3)))
            parts.extend(Text(gate, style="yellow") for gate in self._gates)
            if self._last:
                parts.append(Text(self._last, style="dim", no_wrap=True, overflow="ellipsis"))
        return Group(*parts)

    def _bar(self) -> Text:
        names = [str(state) for state in MAIN_LINE]
        known = self._state if self._state in names else self._origin
        reached = names.index(known) + 1 if known in names else 0
        style = STATUS_STYLES.get(self._state, "cyan")
        bar = Text(self._ink.plain("●" * _CELLS) * reached, style=style)
        bar.append(self._ink.plain("○" * _CELLS) * (len(names) - reached), style="dim")
        bar.append(f" {self._percent} % {self._state}", style=f"bold {style}")
        what = next((text for state, text in DESCRIPTIONS.items() if state == self._state), "")
        bar.append(f"  {what}", style="dim")
        bar.no_wrap, bar.overflow = True, "ellipsis"
        return bar

    def _table(self, room: int) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        for _ in range(3):
            table.add_column(no_wrap=True, overflow="ellipsis")
        rows = list(self._rows.values())
        if len(rows) > room:
            kept = sorted(range(len(rows)), key=lambda i: (_PAST_FIRST.get(rows[i].status, 2), i))[: room - 1]
            shown = [rows[i] for i in sorted(kept)]
        else:
            shown = rows
        for row in shown:
            style = STATUS_STYLES.get(row.status, "")
            table.add_row(Text(row.title), Text(row.role), Text(row.member), Text(row.status, style=style))
        if hidden := len(rows) - len(shown):
            table.add_row(Text(self._ink.plain(f"… and {hidden} more"), style="dim"), Text(), Text(), Text())
        return table
