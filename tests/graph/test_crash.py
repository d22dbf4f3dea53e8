"""A run that is killed anywhere goes on as if it had not been: the crash matrix, and that what it checks can fail."""

import os
import subprocess
import sys
from collections import Counter
from json import dumps, loads
from pathlib import Path
from typing import Any

import pytest
from crash_matrix import complaints
from crash_run import MODES
from crash_scenario import Ledger

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(__file__).with_name("crash_matrix.py")
WHOLE = os.environ.get("SQUAD_CRASH") == "all"
"""Set by `make test-all`: every point, and random kills, where otherwise a seed picks some points of each mode."""

MOVES = [("pending", "analyzing"), ("analyzing", "planning"), ("planning", "failed")]
CALLS = {"analyzing@1: analyze": 1, "model/1: work by back-1": 1}


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_run_that_is_killed_at_any_point_goes_on_as_if_it_had_not_been() -> None:
    extent = ["--random", "30"] if WHOLE else ["--sample", "5"]
    command = [sys.executable, str(PROGRAM), *extent]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=3500, check=False)
    assert (told.returncode, told.stderr) == (0, ""), told.stdout
    counts = [line.rpartition(": ")[2].split() for line in told.stdout.splitlines()]
    assert len(counts) == len(MODES) + WHOLE
    assert all(survived == number and int(number) >= 5 for survived, _, number, _ in counts)


# What is checked can fail


def left(moves: list[tuple[str, str]] = MOVES, **rows: list[str]) -> dict[str, Any]:
    """Return what a run leaves that went that way."""
    transitions = [dumps([seq, *move, "why", {}, {}]) for seq, move in enumerate(moves, start=1)]
    status = [moves[-1][1], len(moves)] if moves else ["pending", 0]
    return {
        "rows": {"transitions": transitions, "messages": ["hello"], "logs": ["line"]} | rows,
        "thread": [status] * 2,
    }


def ledger_of(folder: Path, *lines: dict[str, Any]) -> Ledger:
    ledger = Ledger(folder / "ledger")
    for line in lines or [{"call": call} for call in CALLS]:
        ledger.add(**line)
    return ledger


def found_wrong(found: dict[str, Any], ledger: Ledger) -> list[str]:
    return complaints(found, left() | {"calls": CALLS}, ledger)


def test_nothing_is_wrong_with_a_run_that_left_the_same(tmp_path: Path) -> None:
    assert found_wrong(left(), ledger_of(tmp_path)) == []


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (left(messages=["hello", "hello"]), "once too often"),
        (left(messages=[]), "lost: hello"),
        (left(logs=["another line"]), "otherwise: another line"),
        (left(MOVES[:2]), "transitions: lost"),
        (left([*MOVES[:2], ("planning", "completed")]), "illegal: planning -> completed"),
        (left([MOVES[0], MOVES[2]]), "does not go on from"),
        (left(MOVES[1:]), "does not begin with pending"),
        (left(transitions=[*left()["rows"]["transitions"][:2], dumps([4, *MOVES[2]])]), "gaps"),
        (left(transitions=[*left()["rows"]["transitions"], dumps([3, *MOVES[2]])]), "gaps"),
        (left() | {"thread": [["failed", 3], ["planning", 2]]}, "the thread is at"),
    ],
)
def test_what_is_lost_or_twice_is_named(found: dict[str, Any], says: str, tmp_path: Path) -> None:
    assert any(says in one for one in found_wrong(found, ledger_of(tmp_path)))


def test_a_call_may_be_made_again_only_if_it_was_in_flight_at_a_kill(tmp_path: Path) -> None:
    ledger = ledger_of(tmp_path)
    ledger.note_in_flight({"analyzing@1"})
    ledger.add(call="model/1: work by back-1")
    assert found_wrong(left(), ledger) == []
    ledger.add(call="analyzing@1: analyze")
    assert [one.split(";")[0] for one in found_wrong(left(), ledger)] == ["analyzing@1: analyze: called 2 times"]


def test_a_call_that_nobody_would_have_made_is_named_and_so_is_one_that_is_missing(tmp_path: Path) -> None:
    ledger = ledger_of(tmp_path, {"call": "analyzing@1: analyze"}, {"call": "model/1: work by front"})
    assert ledger.excused() == Counter()
    never, missing = found_wrong(left(), ledger)
    assert never == "never asked for: model/1: work by front"
    assert missing.startswith("model/1: work by back-1: called 0 times")
    assert [loads(dumps(line)) for line in ledger.lines()] == ledger.lines()
