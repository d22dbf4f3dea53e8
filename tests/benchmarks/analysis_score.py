"""Macro F1 of bug, feature and question on labelled issue reports, from the rules alone.

    python tests/benchmarks/analysis_score.py CSV

The file has the columns repo, label (bug, feature or question), title and body. The labels are read for the score
only; the rules never see them.
"""

import csv
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from delegation.plan import TaskType
from delegation.requirements import requirements_of
from delegation.task import Task

LABELS = ("bug", "feature", "question")
FAMILY = {TaskType.BUG_FIX: "bug", TaskType.QUESTION: "question"}


def f1(pairs: "Counter[tuple[str, str]]", label: str) -> float:
    hit = pairs[label, label]
    named = sum(count for (_, said), count in pairs.items() if said == label)
    real = sum(count for (true, _), count in pairs.items() if true == label)
    return 2 * hit / (named + real) if named + real else 0.0


def macro(pairs: "Counter[tuple[str, str]]") -> float:
    return sum(f1(pairs, label) for label in LABELS) / len(LABELS)


def main(path: str) -> None:
    csv.field_size_limit(sys.maxsize)
    pairs: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    started, slowest, count = time.perf_counter(), (0.0, ""), 0
    with Path(path).open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            task = Task(title=row["title"].strip() or "(no title)", description=row["body"])
            began = time.perf_counter()
            said = FAMILY.get(requirements_of(task).type, "feature")
            slowest = max(slowest, (time.perf_counter() - began, task.title[:60]))
            pairs["all"][row["label"], said] += 1
            pairs[row["repo"]][row["label"], said] += 1
            count += 1
    for name, counted in pairs.items():
        single = "  ".join(f"{label} {f1(counted, label):.3f}" for label in LABELS)
        sys.stdout.write(f"{name:25} macro F1 {macro(counted):.3f}   {single}\n")
    sys.stdout.write(
        f"{count} reports in {time.perf_counter() - started:.2f} s; slowest {slowest[0] * 1000:.0f} ms: {slowest[1]}\n"
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: analysis_score.py CSV")
    main(sys.argv[1])
