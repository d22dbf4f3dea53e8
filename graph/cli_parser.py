"""The command line's grammar: what may be typed, and what is said where it cannot be understood.

Nothing heavy is imported here, so that help and complaints about usage come at once.
"""

import argparse
import difflib
from collections.abc import Callable, Sequence
from typing import NoReturn

from graph.cli_changes import declare_changes
from graph.cli_checks import UsageError, check_together
from graph.cli_models import declare_models
from graph.cli_workspace import USAGE, declare_workspace
from graph.durations import seconds_of

__all__ = ["parse", "wants_json"]


class _Parser(argparse.ArgumentParser):
    """A parser that raises instead of printing its usage and leaving with a status of its own."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint=f"{self.prog} --help")


_MARK = "\0"
"""What no argument of a program can hold."""

_EXIT = """exit status:
  0   completed, or done as asked
  1   failed or refused
  2   waits for a human
  64  bad usage or input
  75  stopped by a signal; the message says how to go on
"""

_ENVIRONMENT = """environment:
  SQUAD_DATABASE_URL  the database, where --db names none; else it is a file in .squad/
  SQUAD_NOTIFY        who is told of questions: name=url for each, separated by white space; Apprise's URLs
  SQUAD_DEBUG         set to 1, an internal error shows its traceback
"""


def _run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", nargs="?", metavar="FILE|-|TEXT", help="a task: a file, standard input, or its text")
    parser.add_argument("--task", metavar="ID", help="run a task that is stored already, instead of a new one")
    parser.add_argument(
        "--approval", choices=["none", "pm", "human"], help="who approves the plan and its assignments; default: pm"
    )
    declare_workspace(parser)
    declare_models(parser)
    _driving(parser)


def _driving(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--agents",
        metavar="MODULE:NAME",
        help="agents of your own: a mapping from roles, in a module that can be imported from here",
    )
    parser.add_argument(
        "--grace",
        type=float,
        metavar="SECONDS",
        help="how long the running step may still take after a signal; default: 30",
    )


def _execution(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("execution", metavar="ID", help="the execution, as `squad list` shows it")


def _resume(parser: argparse.ArgumentParser) -> None:
    _execution(parser)
    _migrate(parser)
    declare_workspace(parser)
    declare_models(parser)
    _driving(parser)


def _migrate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--migrate",
        choices=["roles", "graph"],
        help="go on although it began with other agents (roles), or under another version's graph (graph)",
    )


def _answer(parser: argparse.ArgumentParser) -> None:
    _resume(parser)
    parser.add_argument("gate", metavar="GATE", help="the question's id, as `squad status` shows it")
    parser.add_argument("text", nargs="?", metavar="TEXT", help="the answer in words")
    decisions = ["approve", "edit", "reject", "respond"]
    parser.add_argument("--decision", choices=decisions, default="respond", help="default: respond")
    parser.add_argument("--next-state", metavar="STATE", help="where to go on; default: where it came from")
    parser.add_argument("--plan", metavar="FILE|-", help="with the decision edit: the plan to use instead, as JSON")
    parser.add_argument("--no-run", action="store_true", help="only answer; `squad resume` goes on later")


def _block(parser: argparse.ArgumentParser) -> None:
    _execution(parser)
    parser.add_argument("text", metavar="TEXT", help="the question to the human")
    parser.add_argument("--severity", metavar="WORD", help="how bad it is, for example high; kept with the question")
    parser.add_argument("--remind-in", type=_duration, metavar="TIME", help="remind of it then: 45s, 30m, 2h, 7d")
    parser.add_argument("--deadline-in", type=_duration, metavar="TIME", help="when it is late; see `squad watch`")
    parser.add_argument("--default", metavar="TEXT", help="the answer that counts at the deadline; else it stays open")


def _replan(parser: argparse.ArgumentParser) -> None:
    _execution(parser)
    declare_changes(parser)


def _watch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--once", action="store_true", help="serve what is due now, and end")
    parser.add_argument("--no-run", action="store_true", help="only answer; drive no execution on")
    parser.add_argument(
        "--interval",
        type=_duration,
        default=5.0,
        metavar="TIME",
        help="the longest time between two looks; default: 5s",
    )
    _driving(parser)


def _prune(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--older-than", type=_age, metavar="TIME", help="how long ago it ended: 90m, 12h, 30d")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be deleted")


def _duration(text: str) -> float:
    try:
        return seconds_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _age(text: str) -> float:
    """Return seconds; a number without its unit is refused, since what is deleted too early is gone."""
    if text.strip()[-1:].isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} has no unit, such as 30d or 12h")
    return _duration(text)


def _nothing(_parser: argparse.ArgumentParser) -> None:
    """Take no arguments of its own."""


_COMMANDS: dict[str, tuple[str, str, Callable[[argparse.ArgumentParser], None]]] = {
    "run": (
        f"FILE|-|TEXT | --task ID [--approval WHO] {USAGE} [--agents MODULE:NAME] [--grace S]",
        "work on a task until it ends or needs a human",
        _run,
    ),
    "resume": (
        f"ID {USAGE} [--agents MODULE:NAME] [--migrate NAME] [--grace S]",
        "go on with an execution; one that has ended shows its summary",
        _resume,
    ),
    "status": ("ID", "show an execution's summary", _execution),
    "list": ("", "list the executions, newest first", _nothing),
    "log": ("ID", "list an execution's transitions", _execution),
    "answer": (
        "ID GATE [TEXT] [--decision WORD] [--plan FILE] [--next-state STATE] [--no-run] [--agents M:N] …",
        "answer a question, and go on",
        _answer,
    ),
    "block": (
        "ID TEXT [--severity WORD] [--remind-in TIME] [--deadline-in TIME [--default TEXT]]",
        "stop an execution with a question to a human",
        _block,
    ),
    "replan": (
        "ID [--away MEMBER] [--back MEMBER] [--estimate S=HOURS] [--give S=MEMBER] [--cancel S] [--add FILE|-] …",
        "change who is there and what is to be done, and schedule the rest anew",
        _replan,
    ),
    "cancel": ("ID", "end an execution that nobody wants any more", _execution),
    "watch": (
        "[--once] [--no-run] [--interval TIME] [--agents MODULE:NAME] [--grace S]",
        "serve reminders, deadlines and notifications until a signal ends it, with exit status 0",
        _watch,
    ),
    "prune": (
        "--older-than TIME [--dry-run]",
        "delete checkpoints and journal of what ended long ago; log and summary stay",
        _prune,
    ),
}


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return what was typed; ``command`` is the command's name.

    Raises:
        UsageError: it cannot be understood.
        SystemExit: it was a call for help, which has been printed.
    """
    if not argv:
        raise UsageError("no command is given", hint='squad run "Add a login page", or squad --help')
    name, *rest = argv
    if name not in _COMMANDS:
        _help_or_complain(name)
    parser = _parser_of(name)
    # intermixed, so that an answer's words may stand before and after its options
    found, unknown = parser.parse_known_intermixed_args(_marked(rest))
    if unknown:
        _complain_of_rest(parser.prog, name, _unmarked(unknown))
    for field, value in vars(found).items():
        setattr(found, field, _unmarked([value])[0] if isinstance(value, str) else value)
    found.command = name
    check_together(found)
    return found


def _parser_of(name: str) -> _Parser:
    arguments, summary, declare = _COMMANDS[name]
    parser = _Parser(
        prog=f"squad {name}",
        usage=" ".join(filter(None, [f"squad {name}", arguments, "[--json] [--db URL]"])),
        description=f"{summary[0].upper()}{summary[1:]}.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    declare(parser)
    parser.add_argument("--json", action="store_true", help="print JSON, errors too")
    parser.add_argument("--db", metavar="URL", help="the database: an SQLAlchemy URL or a path")
    return parser


def wants_json(argv: Sequence[str]) -> bool:
    """Tell whether JSON is asked for, also where the rest cannot be understood."""
    options = argv[: argv.index("--")] if "--" in argv else argv
    return "--json" in options


def _marked(words: list[str]) -> list[str]:
    """Mark what follows ``--`` as no option; argparse forgets about that when it parses intermixed."""
    end = words.index("--") if "--" in words else len(words)
    return words[:end] + [_MARK + word for word in words[end + 1 :]]


def _unmarked(words: list[str]) -> list[str]:
    return [word.removeprefix(_MARK) for word in words]


def _help_or_complain(name: str) -> NoReturn:
    parser = _Parser(
        prog="squad",
        usage="squad COMMAND …",
        description="Conducts a squad of software agents through one task, durably.",
        epilog="\n".join([_commands(), _EXIT, _ENVIRONMENT, "`squad COMMAND --help` tells more about a command."]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if name in {"-h", "--help", "help"}:
        parser.print_help()
        raise SystemExit(0)
    if name.startswith("-"):
        raise UsageError(f"{name!r} stands before the command", hint=f"squad COMMAND … {name}")
    close = difflib.get_close_matches(name, _COMMANDS, n=1)
    hint = f"did you mean `squad {close[0]}`?" if close else f"the commands are {', '.join(_COMMANDS)}"
    if any(char in name for char in " ./"):
        hint = "a task is given to the command run: squad run FILE, or squad run TEXT"
    shown = name if len(name) <= 80 else name[:79] + "…"
    raise UsageError(f"there is no command {shown!r}", hint=hint)


def _commands() -> str:
    lines = [f"  {name:8}{summary}" for name, (_, summary, _) in _COMMANDS.items()]
    return "\n".join(["commands:", *lines, ""])


def _complain_of_rest(prog: str, name: str, unknown: list[str]) -> NoReturn:
    if all(one.startswith("-") for one in unknown):
        raise UsageError(f"{prog} has no option {unknown[0]!r}", hint=f"{prog} --help")
    takes_text = name in {"run", "answer", "block"}
    hint = "put a text of several words in quotes" if takes_text else f"{prog} --help"
    raise UsageError(f"{prog} takes no further argument {unknown[0]!r}", hint=hint)
