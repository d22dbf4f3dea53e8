"""What the command line writes: one document on standard output, everything else on standard error."""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any, cast

from rich.console import Console
from rich.text import Text

from graph.render_text import STATUS_STYLES, Ink

__all__ = ["OutputError", "Reply", "screen", "show_error", "show_log", "show_pruned", "show_rows", "write_reply"]

Show = Callable[[Console], None]


@dataclass(frozen=True)
class Reply:
    """What a command answers: the document as JSON values, the same for a person, and the exit status.

    ``afterwards`` is called once the document is out; nothing that it does changes the answer.
    """

    document: Any
    show: Show
    exit_status: int = 0
    afterwards: Callable[[], None] | None = None


class OutputError(Exception):
    """Standard output cannot be written."""


class _Forgiving:
    """A stream that may go away: what cannot be written is dropped, since progress must never end a run."""

    def __init__(self, stream: IO[str] | None) -> None:
        self._stream = stream
        self.encoding = getattr(stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        """Write the text if possible."""
        try:
            if self._stream is not None:
                self._stream.write(text)
        except (OSError, ValueError):
            self._stream = None
        return len(text)

    def flush(self) -> None:
        """Flush if possible."""
        try:
            if self._stream is not None:
                self._stream.flush()
        except (OSError, ValueError):
            self._stream = None

    def isatty(self) -> bool:
        """Tell whether a person sees it."""
        return self._stream is not None and self._stream.isatty()

    def fileno(self) -> int:
        """Return the descriptor."""
        if self._stream is None:
            raise OSError("the stream is closed")
        return self._stream.fileno()


class _Sheet:
    """A stream that keeps what is written, and otherwise looks like the one that it will be written to."""

    def __init__(self, stream: IO[str] | None) -> None:
        self.parts: list[str] = []
        self.encoding = getattr(stream, "encoding", None) or "utf-8"
        self._stream = stream

    def write(self, text: str) -> int:
        """Keep the text."""
        self.parts.append(text)
        return len(text)

    def flush(self) -> None:
        """There is nothing to be done."""

    def isatty(self) -> bool:
        """Tell whether a person will see it."""
        return self._stream is not None and self._stream.isatty()


def screen() -> Console:
    """Return the console on standard error, where progress and complaints go."""
    return Console(file=cast("IO[str]", _Forgiving(sys.stderr)), highlight=False)


def write_reply(reply: Reply, *, as_json: bool) -> None:
    """Write the document on standard output.

    Raises:
        OutputError: it cannot be written, for another reason than that nobody reads it any more.
    """
    _write(_as_json(reply.document) if as_json else _as_text(reply.show))


def show_error(error: Mapping[str, str | None], *, as_json: bool) -> None:
    """Tell an error, ``{"code", "message", "hint"}``: as a document, or as one line and its hint."""
    if as_json:
        _write(_as_json({"error": dict(error)}))
        return
    console = screen()
    ink = Ink.of(console)
    console.print(Text("squad: ", "bold red").append_text(ink.text(error["message"], limit=2_000)), soft_wrap=True)
    if error["hint"]:
        console.print(Text("hint: ", "bold").append_text(ink.text(error["hint"], limit=2_000)), soft_wrap=True)


def show_pruned(pruned: Mapping[str, Any], console: Console) -> None:
    """Print what was pruned, or would be."""
    count, size = pruned["pruned"], pruned["freed_bytes"]
    what = f"{count} execution{'' if count == 1 else 's'}"
    if pruned["dry_run"]:
        line = f"would prune {what}, and free about {size:,} bytes"
    else:
        line = f"pruned {what}; {size:,} bytes of the file are free to be used again"
    console.print(line, soft_wrap=True, markup=False, highlight=False)


def show_rows(rows: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Print executions, one a line; titles end where the terminal does, and are whole elsewhere."""
    ink = Ink.of(console)
    if not rows:
        console.print(Text('no executions yet; begin with: squad run "Add a login page"', "dim"), soft_wrap=True)
        return
    console.print(Text(f"{'execution':36}  {'state':11}  {'done':>5}  {'created':19}  task", "dim"), soft_wrap=True)
    for row in rows:
        status = ink.plain(row["status"])
        line = Text(f"{row['execution_id']:36}  ").append(f"{status:11}", STATUS_STYLES.get(status, ""))
        line.append(f"  {row['progress_percentage']:3d} %  {_moment(row['created_at'])}  ")
        line.append_text(ink.text(row["task"], limit=300))
        _print_line(line, console)


def show_log(transitions: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Print transitions, one a line."""
    ink = Ink.of(console)
    for one in transitions:
        move = ink.plain(f"{one['from_state']} → {one['to_state']}")
        line = Text(f"{one['seq']:3d}  {_moment(one['at'])}  ").append(
            f"{move:26}", STATUS_STYLES.get(one["to_state"], "")
        )
        _print_line(line.append("  ").append_text(ink.text(one["reason"])), console)


def _print_line(line: Text, console: Console) -> None:
    line.rstrip()
    if console.is_terminal:
        line.no_wrap, line.overflow = True, "ellipsis"
    console.print(line, soft_wrap=not console.is_terminal)


def _moment(text: str) -> str:
    """Return a point in time as the reader's clock shows it, to the second."""
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _as_json(document: Any) -> str:
    text = json.dumps(document, indent=2, ensure_ascii=False)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:  # half a character, or an output that shows less than Unicode
        text = json.dumps(document, indent=2)
    return text + "\n"


def _as_text(show: Show) -> str:
    sheet = _Sheet(sys.stdout)
    show(Console(file=cast("IO[str]", sheet), highlight=False))
    return "".join(sheet.parts)


def _write(text: str) -> None:
    if sys.stdout is None:
        return
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough
        _drop_rest()
    except OSError as error:
        _drop_rest()
        raise OutputError(f"standard output cannot be written: {error.strerror or error}") from None


def _drop_rest() -> None:
    """Send what is still to come nowhere, or the interpreter would complain about it at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
