"""The crash matrix: a run is killed with SIGKILL at each of its points, resumed in another process, and checked.

    python tests/graph/crash_matrix.py [--sample 12] [--mode MODE ...] [--random 200] [--seed 1]

Everything is imported once; each process of a run is a fork. An uninterrupted run lists the points and says what has to
be left at the end; then every point gets two processes, one that kills itself there and one that resumes. With
``--random`` runs whose members take a little time are killed at random moments besides, some of them several times.
The exit status is 1 if anything did not survive.
"""

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from json import dumps, loads
from pathlib import Path
from typing import Any

from crash_run import MODES, Mode, Run, ended, forked, make_template
from crash_scenario import ADDED, TASKS, Ledger

from graph import VALID_TRANSITIONS

__all__ = ["complaints"]

PACE_S = 0.03
"""How long a piece of work takes at most in runs that are killed at random."""

Expected = dict[tuple[str, str], dict[str, Any]]
"""What the uninterrupted runs left, by scenario and by the way in which a run begins."""


# What must hold


def complaints(found: dict[str, Any], expected: dict[str, Any], ledger: Ledger) -> list[str]:
    """Say what is wrong with a run that was killed and resumed, against the one that nobody interrupted."""
    wrong = [*_of_log(found["rows"]["transitions"]), *_of_calls(ledger, expected["calls"])]
    for name, rows in expected["rows"].items():
        there, meant = Counter(found["rows"][name]), Counter(rows)
        wrong += [f"{name}: once too often or otherwise: {row}" for row in (there - meant).elements()]
        wrong += [f"{name}: lost: {row}" for row in (meant - there).elements()]
    row, thread = found["thread"]
    if row != thread:
        wrong.append(f"the thread is at {thread}, and the row at {row}")
    return wrong


def _of_log(transitions: list[str]) -> list[str]:
    moves = sorted(tuple(loads(row)[:3]) for row in transitions)
    wrong = [f"illegal: {start} -> {end}" for _, start, end in moves if end not in VALID_TRANSITIONS[start]]
    if [seq for seq, *_ in moves] != list(range(1, len(moves) + 1)):
        wrong.append(f"the log has gaps: {moves}")
    if not moves or moves[0][1] != "pending":
        wrong.append(f"the log does not begin with pending: {moves}")
    return wrong + [f"{one} does not go on from {before}" for before, one in pairwise(moves) if before[2] != one[1]]


def _of_calls(ledger: Ledger, expected: dict[str, int]) -> list[str]:
    made, excused = ledger.calls(), ledger.excused()
    wrong = [f"never asked for: {call}" for call in made.keys() - expected.keys()]
    for call, times in expected.items():
        if not times <= made[call] <= times + excused[call]:
            wrong.append(f"{call}: called {made[call]} times; {excused[call]} calls were in flight at a kill")
    return wrong


# Runs


def expected_of(folder: Path, scenario: str, mode: Mode, pace_s: float = 0.0) -> dict[str, Any]:
    """Run without interruption; returns what is left, the calls, the points, and how long it took in seconds."""
    run = Run(folder / f"whole-{scenario}-{mode.name}-{pace_s}", scenario, mode, pace_s)
    run.prepare(folder / "template.db")
    began = time.monotonic()
    if status := ended(run.begin()):
        raise SystemExit(f"{mode.name}: the uninterrupted run ended with {status}: {run.trouble()}")
    return run.found() | {"calls": dict(run.ledger.calls()), "took_s": time.monotonic() - began}


def killed_at(run: Run, point: str, expected: dict[str, Any]) -> list[str]:
    """Kill a run at a point and resume it; returns what is wrong afterwards."""
    if (status := ended(run.begin(point))) != -signal.SIGKILL:
        return [f"the point never came; the process ended with {status}: {run.trouble()}"]
    return _resumed(run, expected)


def _resumed(run: Run, expected: dict[str, Any]) -> list[str]:
    if status := ended(run.resume()):
        return [f"it could not be resumed, and ended with {status}: {run.trouble()}"]
    return complaints(run.found(), expected, run.ledger)


def killed_at_random(run: Run, expected: dict[str, Any], rng: random.Random) -> list[str]:
    """Kill a run at a random moment, up to three times, and resume it; returns what is wrong afterwards."""
    for at in range(rng.choice([1, 1, 2, 3])):
        child = run.resume(late=True) if at else run.begin()
        time.sleep(rng.uniform(0, expected["took_s"]))
        os.kill(child, signal.SIGKILL)  # ours, and not waited for yet: nobody else has that id
        if (status := ended(child)) not in {0, -signal.SIGKILL}:
            return [f"it ended with {status}: {run.trouble()}"]
    return _resumed(run, expected)


@dataclass(frozen=True)
class Trial:
    """One run that is to be killed: at a point, or at moments that a seed gives."""

    number: int
    scenario: str
    mode: Mode
    point: str | None
    seed: int = 0

    @property
    def title(self) -> str:
        """Which one it is."""
        return f"{self.scenario}, {self.mode.title}, killed {self.point or f'at random, seed {self.seed}'}"


def attempt(trial: Trial, folder: Path, expected: Expected) -> list[str]:
    """Make one trial in a folder of its own, which stays where something was wrong."""
    run = Run(folder / str(trial.number), trial.scenario, trial.mode, 0.0 if trial.point else PACE_S)
    run.prepare(folder / "template.db")
    known = expected[trial.scenario, trial.mode.name]
    rng = random.Random(trial.seed)  # noqa: S311 - no secret
    wrong = killed_at(run, trial.point, known) if trial.point else killed_at_random(run, known, rng)
    if not wrong:
        shutil.rmtree(run.folder)
    return wrong


def attempt_all(trials: list[Trial], folder: Path, expected: Expected, jobs: int) -> dict[int, list[str]]:
    """Make all trials, that many at a time; returns what was wrong, by number."""
    children = []
    for job in range(jobs):
        if child := os.fork():
            children.append(child)
            continue
        status = 1
        try:
            with (folder / f"report-{job}").open("a") as report:
                for trial in trials[job::jobs]:
                    report.write(dumps([trial.number, attempt(trial, folder, expected)]) + "\n")
            status = 0
        except BaseException:  # noqa: BLE001 - nothing of the parent's may run in the child
            traceback.print_exc()
        finally:
            os._exit(status)
    statuses = [ended(child) for child in children]
    lines = [line for job in range(jobs) for line in (folder / f"report-{job}").read_text().splitlines()]
    for job in range(jobs):
        (folder / f"report-{job}").unlink()
    results = dict(map(loads, lines))
    missing = {trial.number: [f"not made: the workers ended with {statuses}"] for trial in trials}
    return missing | results


# The program


def expectations(modes: list[Mode], folder: Path, pace_s: float = 0.0) -> Expected:
    """Run each scenario without interruption in each way in which runs begin."""
    ways = {mode.name: mode for mode in modes}.values()
    return {(name, mode.name): expected_of(folder, name, mode, pace_s) for name in TASKS for mode in ways}


def not_told(expected: Expected, way: str) -> list[str]:
    """Return what the scenarios should hold and do not: every state, each kind of gate, refusal, rework, failure."""
    rows = {
        table: [loads(row) for name in TASKS for row in expected[name, way]["rows"][table]]
        for table in ("transitions", "gates", "outcomes")
    }
    told = {state for row in rows["transitions"] for state in row[1:3]}
    told |= {f"{row[1]} gate" for row in rows["gates"]} | {f"{row[4]} subtask" for row in rows["outcomes"]}
    told |= {f"{row[0]} added" for row in rows["outcomes"] if row[0] == ADDED.id}
    told |= {"rework" for row in rows["transitions"] if row[1:3] == ["reviewing", "in_progress"]}
    wanted = {
        *VALID_TRANSITIONS,
        "approval gate",
        "blocker gate",
        "refused subtask",
        "failed subtask",
        "rework",
        f"{ADDED.id} added",
    }
    return sorted(wanted - told)


def matrix(modes: list[Mode], sample: int | None, seed: int, expected: Expected) -> list[Trial]:
    """Return a trial for each point of each scenario in each mode, or for so many of a mode that a seed picks."""
    trials: list[Trial] = []
    for mode in modes:
        points = [(name, point) for name in TASKS for point in expected[name, mode.name]["points"]]
        if sample is not None:
            points = random.Random(f"{seed} {mode.title}").sample(points, min(sample, len(points)))  # noqa: S311 - no secret
        trials += [Trial(len(trials) + at, name, mode, point) for at, (name, point) in enumerate(points)]
    return trials


def say(text: str) -> None:
    """Tell the reader at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    """Run what is asked for, and print how many were survived."""
    arguments = _arguments()
    modes = [mode for mode in MODES if not arguments.mode or mode.name in arguments.mode]
    folder = Path(tempfile.mkdtemp(prefix="squad-crash-"))
    if ended(forked(lambda: make_template(folder), folder / "trouble")):
        raise SystemExit((folder / "trouble").read_text())
    plain = expectations(modes, folder)
    if lacking := [f"{name}: {what}" for name in {mode.name for mode in modes} for what in not_told(plain, name)]:
        raise SystemExit("the scenarios no longer hold what is to be killed: " + ", ".join(lacking))
    wrong = _survey(matrix(modes, arguments.sample, arguments.seed, plain), folder, plain, arguments.jobs)
    if arguments.random:
        paced = expectations(modes, folder, PACE_S)
        rng = random.Random(arguments.seed)  # noqa: S311 - no secret
        numbers = range(arguments.random)
        trials = [
            Trial(10**6 + one, rng.choice([*TASKS]), rng.choice(modes), None, rng.randrange(10**6)) for one in numbers
        ]
        failed = attempt_all(trials, folder, paced, arguments.jobs)
        wrong += _tell(trials, failed)
        say(f"random kills, seed {arguments.seed}: {sum(not one for one in failed.values())} of {len(trials)} survived")
    if wrong:
        say(f"what was left of the runs that did not survive is in {folder}")
    else:
        shutil.rmtree(folder)
    return 1 if wrong else 0


def _survey(trials: list[Trial], folder: Path, expected: Expected, jobs: int) -> int:
    wrong = 0
    for title in dict.fromkeys(trial.mode.title for trial in trials):
        mine = [trial for trial in trials if trial.mode.title == title]
        failed = attempt_all(mine, folder, expected, jobs)
        wrong += _tell(mine, failed)
        say(f"{title}: {sum(not one for one in failed.values())} of {len(mine)} survived")
    return wrong


def _tell(trials: list[Trial], results: dict[int, list[str]]) -> int:
    broken = [trial for trial in trials if results[trial.number]]
    for trial in broken:
        say("\n  ".join([f"BROKEN {trial.number}: {trial.title}", *results[trial.number]]))
    return len(broken)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Kill runs at each of their points, resume them, and check.")
    parser.add_argument("--sample", type=int, help="so many points a mode, picked by the seed; all where left out")
    parser.add_argument("--mode", action="append", choices=[*dict.fromkeys(mode.name for mode in MODES)])
    parser.add_argument("--random", type=int, default=0, help="so many runs that are killed at random moments")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="so many runs at a time")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
