"""A story for model-backed squads: a small repository with failing tests, a task, and a script of what the models say.

Two developers change a file each, the reviewer sends one of them back, it is mended, and the repository's own tests
pass. Every answer follows from what is asked, so that whoever asks again after a crash hears the same.
"""

import json
import re
import shlex
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from model_server import Asked, Call, Reply, Say, Script
from repositories import git, make_repository

from delegation import Task

__all__ = ["KEY", "TASK", "TEST_COMMAND", "WHOLE", "checked_out", "place", "shop", "story"]

PRICES = '''"""Sums."""


def total(prices: list[int]) -> int:
    """Return what is to be paid, in cents."""
    return sum(prices)
'''
RECEIPT = '''"""Receipts."""


def line(name: str, cents: int) -> str:
    """Return a line of a receipt."""
    return f"{name} {cents}"
'''
TESTS = '''"""What the till has to do."""

import unittest

from shop.prices import total
from shop.receipt import line


class TestShop(unittest.TestCase):
    def test_ten_percent_are_taken_off_from_a_hundred_on(self) -> None:
        self.assertEqual(total([8000, 4000]), 10800)
        self.assertEqual(total([5000]), 5000)

    def test_amounts_have_decimals_and_a_currency(self) -> None:
        self.assertEqual(line("Tea", 1250), "Tea 12.50 EUR")
'''
FILES = {
    "README.md": "# Shop\n\nWhat a till computes and prints.\n",
    "shop/__init__.py": "",
    "shop/prices.py": PRICES,
    "shop/receipt.py": RECEIPT,
    "tests/__init__.py": "",
    "tests/test_shop.py": TESTS,
}

KEY = "sk-test-0123456789abcdef"
"""What the client is given as its key; it must not be found anywhere afterwards."""

TEST_COMMAND = f"{shlex.quote(sys.executable)} -B -m unittest -q"

TASK = Task(
    title="Discount at the till and readable receipts",
    description="The tests of the shop fail. `total` in `shop/prices.py` knows no discount, and `line` in "
    "`shop/receipt.py` prints bare cents.",
    acceptance_criteria=[
        "From 100.00 on, the total is ten percent less",
        "A line of the receipt shows the amount with two decimals and the currency",
    ],
)

DISCOUNT = (
    "    return sum(prices)\n",
    "    paid = sum(prices)\n    return paid - paid // 10 if paid >= 10_000 else paid\n",
)
NO_CURRENCY = ('{name} {cents}"', '{name} {cents / 100:.2f}"')
MENDED = ('{cents / 100:.2f}"', '{cents / 100:.2f} EUR"')

PLAN = [
    ("S1", "Take ten percent off in shop/prices.py", "implementation", "backend_developer", [], ["C1"]),
    ("S2", "Print readable amounts in shop/receipt.py", "implementation", "frontend_developer", [], ["C2"]),
    ("S3", "Say how the criteria are tested", "test", "tester", ["S1", "S2"], ["C1", "C2"]),
]


Place = tuple[str, str, int, bool]

WHOLE: Counter[Place] = Counter(
    {
        **{(form, "", 0, False): 1 for form in ("Analysis", "Assessment", "Breakdown", "Estimates", "TestPlan")},
        **{(form, "", 0, False): 1 for form in ("ScheduleApproval", "ReviewForm", "TestVerdict")},
        **{("WorkResult", "S1", turn, False): 1 for turn in range(3)},
        **{("WorkResult", subtask, turn, False): 1 for subtask in ("S2", "S3") for turn in range(2)},
        **{("WorkResult", "S2", turn, True): 1 for turn in range(2)},
        ("ReviewForm", "", 0, True): 1,
        ("StandupSummary", "", 0, False): 2,
    }
)
"""How often is asked where, in a run without a fault; see :func:`place`."""


def shop(folder: Path) -> Path:
    """Make the repository."""
    return make_repository(folder, FILES)


def checked_out(repository: Path, branch: str, folder: Path) -> Path:
    """Check a branch out to a new folder, as whoever looks at it would."""
    git(repository, "worktree", "add", "--quiet", "--detach", str(folder), branch)
    return folder


def story(script: Script | None = None) -> Script:
    """Return the script of the whole story; what comes before in the one given comes first."""
    script = script or Script()
    for form, fields in _JUDGEMENTS.items():
        script.on(_filled(form, fields), form=form)
    script.on(_review, form="ReviewForm")
    script.on(_verdict, form="TestVerdict")
    return script.on(_work, form="WorkResult")


def place(asked: Asked) -> Place:
    """Return where in the story something is asked: form, subtask, turn, and whether it is about mending."""
    mends = bool(asked.told("what has to be mended") or asked.told("the problems of the review before"))
    return asked.form, asked.subtask, asked.turn, mends


def _filled(form: str, fields: dict[str, Any]) -> Say:
    return Say(calls=(Call(form, fields),))


_JUDGEMENTS: dict[str, dict[str, Any]] = {
    "Analysis": {"type": "bug_fix", "complexity": 2, "areas": ["backend", "frontend"]},
    "Assessment": {"complexity": 2, "complexity_reasons": ["two functions"]},
    "Breakdown": {
        "subtasks": [
            {"id": id_, "title": title, "kind": kind, "role": role, "depends_on": after, "criteria": criteria}
            for id_, title, kind, role, after, criteria in PLAN
        ]
    },
    "Estimates": {
        "estimates": [{"subtask_id": one[0], "low": 0.5, "likely": 1, "high": 2} for one in PLAN],
    },
    "TestPlan": {
        "cases": [
            {"criterion": "C1", "then": "`total([8000, 4000])` is 10800", "subtask_ids": ["S1"]},
            {"criterion": "C2", "then": "`line('Tea', 1250)` ends in 12.50 EUR", "subtask_ids": ["S2"]},
        ]
    },
    "ScheduleApproval": {"approved": True, "reasons": ["each has their own file"]},
    "StandupSummary": {"summary": "Both files are changed."},
}


def _work(asked: Asked) -> Reply:
    return {"S1": _prices, "S2": _receipt, "S3": _tests}[asked.subtask](asked)


def _step(asked: Asked) -> int:
    """Return how far the work has come: what a tool refused to do was no step."""
    return asked.turn - len([one for one in asked.results if "Refused" in one or "not a valid tool" in one])


def _prices(asked: Asked) -> Reply:
    """Read, change, end."""
    if _step(asked) == 0:
        return _used("read_file", path="shop/prices.py")
    if _step(asked) == 1:
        return _used("edit_file", path="shop/prices.py", old=DISCOUNT[0], new=DISCOUNT[1])
    return _ended("The discount is taken off.", "C1")


def _receipt(asked: Asked) -> Reply:
    """Forget the currency at first, and mend that once a reviewer has found it."""
    old, new = MENDED if asked.told("what has to be mended") else NO_CURRENCY
    if _step(asked) == 0:
        return _used("edit_file", path="shop/receipt.py", old=old, new=new)
    return _ended("Amounts are readable.", "C2")


def _tests(asked: Asked) -> Reply:
    if _step(asked) == 0:
        return _used("search_files", pattern="def test_")
    return _ended("The tests of the repository check both.", "C1", "C2")


def _used(name: str, **arguments: Any) -> Say:
    return Say(calls=(Call(name, arguments),))


def _ended(note: str, *criteria: str) -> Say:
    return _filled("WorkResult", {"status": "done", "note": note, "body": f"# {note}", "criteria": list(criteria)})


def _review(asked: Asked) -> Reply:
    """Judge by the diff: ask for the currency where it is not there."""
    rechecks = [{"finding_id": one, "met": True, "note": "it is there"} for one in _findings(asked)]
    if " EUR" in asked.told("the diff of all the work"):
        return _filled("ReviewForm", {"verdict": "approved", "summary": "Good.", "rechecks": rechecks})
    problem = {
        "subtask_id": "S2",
        "message": "The currency is missing.",
        "severity": "high",
        "criterion": "C2",
        "file": "shop/receipt.py",
        "line": 6,
        "suggestion": "end the line with EUR",
    }
    return _filled("ReviewForm", {"verdict": "changes_requested", "summary": "One is missing.", "problems": [problem]})


def _findings(asked: Asked) -> list[str]:
    """Return the ids of the findings of the review before."""
    return re.findall(r'"id": ?"([^"]+)"', asked.told("the problems of the review before"))


def _verdict(asked: Asked) -> Reply:
    cases = [json.loads(line)["id"] for line in asked.told("the test cases").splitlines()]
    results = [{"case_id": one, "passed": True, "evidence": "the diff does that"} for one in cases]
    return _filled("TestVerdict", {"results": results})
