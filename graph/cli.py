"""The command line: ``squad run FILE``. What was typed is parsed, done, and answered with one document.

Standard output carries the document alone, and errors are one line with a hint on how to mend it; see the exit
statuses in ``squad --help``.
"""

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from graph.cli_checks import UsageError
from graph.cli_parser import parse, wants_json
from graph.cli_signals import Interrupted, Interrupts

if TYPE_CHECKING:
    from argparse import Namespace

    from graph.cli_output import Reply

__all__ = ["main"]

FAILED, USAGE, INTERRUPTED = 1, 64, 75


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the arguments say and return the exit status; never raises, whatever they are."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        with Interrupts(is_program=argv is None) as interrupts:
            return _attempt(words, interrupts)
    except Interrupted:  # while an error was being told
        return INTERRUPTED


def _attempt(words: Sequence[str], interrupts: Interrupts) -> int:
    """Do it, tell what came of it, and return the exit status."""
    try:
        reply = _do(parse(words), interrupts)
        interrupts.finish()
        return _write(reply, words)
    except SystemExit:  # help was asked for, and printed
        return 0
    except (UsageError, Interrupted) as error:
        if isinstance(error, Interrupted) and words[0] == "watch":
            return 0  # a service that was asked to stop, before it had begun
        exit_status = USAGE if isinstance(error, UsageError) else INTERRUPTED
        return _tell(words, exit_status, error.code, error.message, error.hint)
    except Exception as error:  # noqa: BLE001 - the outermost place: nothing but one line may reach the reader
        return _explain(words, error)


def _do(args: "Namespace", interrupts: Interrupts) -> "Reply":
    """Do what was typed. A task is read first of all, so that one that cannot be used leaves nothing behind."""
    task = None
    if args.command == "run" and args.source is not None:
        from graph.intake import read_task  # noqa: PLC0415 - slow to load, and help must not wait for it

        task = read_task(args.source)
    from graph.cli_commands import perform  # noqa: PLC0415 - slower still

    _log_in_lines()
    return perform(args, task, interrupts)


def _explain(words: Sequence[str], error: Exception) -> int:
    from delegation import InputError, NotFound, SquadError  # noqa: PLC0415 - as above

    if isinstance(error, SquadError):
        exit_status = USAGE if isinstance(error, InputError | NotFound) else FAILED
        return _tell(words, exit_status, error.code, error.message, error.hint)
    if _debugging():
        import traceback  # noqa: PLC0415 - as above

        traceback.print_exception(error)
    message = f"internal error: {type(error).__name__}: {error}"
    return _tell(words, FAILED, "internal", message, "set SQUAD_DEBUG=1 to see where; what was stored is kept")


def _tell(words: Sequence[str], exit_status: int, code: str, message: str, hint: str | None) -> int:
    from graph.cli_output import OutputError, show_error  # noqa: PLC0415 - as above

    try:
        show_error({"code": code, "message": message, "hint": hint}, as_json=wants_json(words))
    except OutputError:  # nobody can be told
        return exit_status
    return exit_status


def _write(reply: "Reply", words: Sequence[str]) -> int:
    from graph.cli_output import OutputError, show_error, write_reply  # noqa: PLC0415 - as above

    try:
        write_reply(reply, as_json=wants_json(words))
    except OutputError as error:
        hint = "what was done is stored; write it somewhere else"
        show_error({"code": "output", "message": str(error), "hint": hint}, as_json=False)
        return FAILED
    if reply.afterwards:
        reply.afterwards()
    return reply.exit_status


def _log_in_lines() -> None:
    """Have log records appear as one line each; tracebacks only where they are asked for."""
    import logging  # noqa: PLC0415 - as above

    class Line(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            if not _debugging():
                record.exc_info = record.exc_text = record.stack_info = None
            return super().format(record)

    handler = logging.StreamHandler()
    handler.setFormatter(Line("squad: %(levelname)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


def _debugging() -> bool:
    return os.environ.get("SQUAD_DEBUG", "") not in {"", "0"}


if __name__ == "__main__":
    sys.exit(main())
