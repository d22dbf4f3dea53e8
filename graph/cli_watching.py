"""``squad watch``, and the one attempt at telling sinks that other commands make once their reply is out."""

import asyncio
import os
from argparse import Namespace
from collections import Counter
from dataclasses import replace
from functools import partial

from rich.console import Console
from rich.text import Text

from delegation import SquadError
from graph.cli_driving import Desk
from graph.cli_output import Reply, screen
from graph.cli_signals import Interrupts
from graph.notify import Notifier
from graph.render_text import Ink
from graph.sinks import Sinks
from graph.watch import Served
from persistence import Database

__all__ = ["sinks_of_environment", "tell_sinks", "watch"]

_CALL_S = 5.0
"""How long one sink may take where a person waits for the command's end, in seconds."""
_ATTEMPT_S = 20.0
"""How long the whole attempt may take there, in seconds; loading Apprise is part of it."""

_SAID = {
    "reminded": "reminded of gate {}",
    "answered": "gate {} got its default answer",
    "overdue": "gate {} is overdue, and stays open",
    "driven": "driving execution {} on",
}


def sinks_of_environment() -> Sinks | None:
    """Return the sinks that ``SQUAD_NOTIFY`` names, if any.

    Raises:
        InputError: it cannot be read.
        ConfigurationError: Apprise is not installed.
    """
    return Sinks.of(Sinks.parse(os.environ.get("SQUAD_NOTIFY", "")))


async def watch(desk: Desk) -> Reply:
    """Serve what is due, once or until a signal comes, which is the regular end of a service."""
    args, total = desk.args, Counter[str]()

    def tell(served: Served) -> None:
        total["notified"] += served.notified
        for name, words in _SAID.items():
            ids = getattr(served, name)
            total[name] += len(ids)
            for one in ids:
                desk.say(f"squad: {words.format(one)}")

    drive = not args.no_run
    try:
        if args.once:
            tell(await desk.orchestrator.watch(once=True, drive=drive))
        else:
            desk.say("squad: watching; a signal ends it")
            await desk.orchestrator.watch(drive=drive, interval_s=args.interval, tell=tell)
    except asyncio.CancelledError:
        current = asyncio.current_task()
        assert current is not None  # this is a coroutine
        current.uncancel()
    document = {name: total[name] for name in (*_SAID, "notified")}
    return Reply(document, partial(_show, document))


def _show(document: dict[str, int], console: Console) -> None:
    console.print(Text(", ".join(f"{name}: {count}" for name, count in document.items())), soft_wrap=True)


def tell_sinks(args: Namespace, interrupts: Interrupts) -> None:
    """Make one attempt at what the sinks have not been told, for a bounded time; nothing that fails here matters."""
    try:
        asyncio.run(_attempt(args, interrupts))
    except Exception as error:  # noqa: BLE001 - the command is done, and its exit status is that of what it did
        late = "it took too long" if isinstance(error, TimeoutError) else type(error).__name__
        why = error.message if isinstance(error, SquadError) else late
        console = screen()
        console.print(Ink.of(console).text(f"squad: nobody was notified: {why}", limit=2_000), soft_wrap=True)


async def _attempt(args: Namespace, interrupts: Interrupts) -> None:
    sinks = sinks_of_environment()
    if sinks is None:
        return
    interrupts.watch(lambda _line: None)
    try:
        async with asyncio.timeout(_ATTEMPT_S), await Database.open(args.db or database_of_environment()) as database:
            await Notifier(replace(sinks, limit_s=_CALL_S), database).deliver()
    except asyncio.CancelledError:  # a signal: it was one attempt, and there is the next
        if not interrupts.has_come:
            raise


def database_of_environment() -> str | None:
    """Return the database that ``SQUAD_DATABASE_URL`` names, if any."""
    return os.environ.get("SQUAD_DATABASE_URL", "").strip() or None
