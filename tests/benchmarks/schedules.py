"""How long scheduling takes: large plans in one pass, and a change to a plan while work runs.

    python tests/benchmarks/schedules.py [--rounds 20] [--large]

The plans are drawn: roles, skills, efforts and up to two dependencies each, on subtasks not far before. Printed are the
processor's time, the gap to the lower bound and, for changes to a plan of 200 subtasks, what changes hands.
``--large`` adds 100,000 subtasks on 1,000 members.
"""

import argparse
import random
import resource
import statistics
import time
from typing import Any

from delegation import Progress, Role, Running, Schedule, SquadMember, Subtask, replan, schedule

CHANGED, CREW = 200, 20
NOW = 0.3  # which part of the plan's hours has passed when it changes


def drawn(subtasks: int, members: int, seed: int) -> tuple[list[Subtask], list[SquadMember]]:
    """Return a plan that the squad can do, with chains that are short against the work to do."""
    rnd = random.Random(seed)  # noqa: S311 - data, no secrets
    squad = [
        SquadMember(
            id=f"m{n}", name="m", role=rnd.choice(list(Role)), skills={f"k{rnd.randrange(9)}": 2, f"k{n % 9}": 1}
        )
        for n in range(members)
    ]
    plan = []
    reach = max(subtasks // 10, 20)
    for n in range(subtasks):
        skill, level = rnd.choice(list(rnd.choice(squad).skills.items()))
        before = {f"s{rnd.randrange(max(0, n - reach), n)}" for _ in range(rnd.randrange(3))} if n > members else set()
        fields: dict[str, Any] = {"depends_on": sorted(before), "skills": {skill: level}}
        plan.append(Subtask(id=f"s{n}", title="s", effort=rnd.randint(1, 20), **fields))
    return plan, squad


def large(subtasks: int, members: int, rounds: int) -> None:
    """Print the time of one pass over a large plan."""
    plan, squad = drawn(subtasks, members, seed=1)
    times = []
    for _ in range(rounds):
        began = time.process_time()
        made = schedule(plan, squad)
        times.append(time.process_time() - began)
    report = made.report()
    gap = 100 * (report.makespan / report.lower_bound - 1)
    print(
        f"{subtasks:>7,} subtasks on {members:,} members   median {statistics.median(times):.3f} s of CPU   "
        f"min {min(times):.3f}   gap to the bound {gap:.2f} %"
    )


def changes(rounds: int) -> None:
    """Print the time and the changes of hands of four kinds of change to plans of 200 subtasks."""
    figures: dict[str, list[tuple[float, int, float]]] = {}
    for seed in range(rounds):
        plan, squad = drawn(CHANGED, CREW, seed)
        old = schedule(plan, squad)
        for name, arguments in _changes(plan, squad, old).items():
            began = time.process_time()
            new = replan(**arguments)
            took = time.process_time() - began
            whole = schedule(arguments["subtasks"], squad).makespan if name == "inserted" else old.makespan
            figures.setdefault(name, []).append((took, len(new.changes), new.schedule.makespan / whole))
    for name, found in figures.items():
        took, moved, longer = zip(*found, strict=True)
        print(
            f"{CHANGED} subtasks, {name:<15} median {1000 * statistics.median(took):5.1f} ms of CPU   "
            f"max {1000 * max(took):5.1f}   changes of hands {statistics.fmean(moved):5.1f}   "
            f"hours left {100 * statistics.fmean(longer):5.1f} % of the plan's"
        )


def _changes(plan: list[Subtask], squad: list[SquadMember], old: Schedule) -> dict[str, dict[str, Any]]:
    now = NOW * old.makespan
    done = tuple(one.subtask_id for one in old.assignments if one.finish <= now)
    running = tuple(
        Running(subtask_id=one.subtask_id, member_id=one.member_id, remaining=one.finish - now)
        for one in old.assignments
        if one.start <= now < one.finish
    )
    stands = Progress(done=done, running=running)
    waiting = [one.subtask_id for one in old.assignments if one.start > now]
    new = Subtask(id="new", title="new", effort=8, skills=plan[0].skills, depends_on=[waiting[0]])
    efforts = dict.fromkeys(waiting[:3], 40.0)
    base: dict[str, Any] = {"subtasks": plan, "members": squad, "previous": old, "progress": stands}
    return {
        "inserted": base | {"subtasks": [*plan, new], "progress": Progress()},
        "one more, amid": base | {"subtasks": [*plan, new]},
        "estimates": base | {"progress": stands.model_copy(update={"efforts": efforts})},
        "a member less": base | {"members": squad[1:]},
    }


def main() -> None:
    """Run and print."""
    cli = argparse.ArgumentParser()
    cli.add_argument("--rounds", type=int, default=20)
    cli.add_argument("--large", action="store_true")
    arguments = cli.parse_args()
    large(10_000, 1_000, 5)
    if arguments.large:
        large(100_000, 1_000, 1)
    changes(arguments.rounds)
    print(f"memory at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


if __name__ == "__main__":
    main()
