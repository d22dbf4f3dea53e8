"""A model at work in a small repository that is made for it: ``make demo-model MODEL=openai:gpt-5``.

The repository has a function with a fault and tests that show it. What comes out is a branch in it.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from graph.cli import main

FILES = {
    "prices.py": '''"""Prices of an order."""


def total(prices: list[float], discount: float = 0.0) -> float:
    """Return the sum of the prices, less the discount: a part from 0 to 1."""
    return sum(prices) - discount
''',
    "test_prices.py": """import unittest

from prices import total


class Total(unittest.TestCase):
    def test_without_a_discount(self) -> None:
        self.assertEqual(total([1.0, 2.0]), 3.0)

    def test_a_discount_is_a_part_of_the_sum(self) -> None:
        self.assertEqual(total([10.0, 10.0], 0.1), 18.0)
""",
}
TASK = """# The discount is taken off as an amount

`total` in `prices.py` takes the discount off the sum, though it is a part of it.

## Acceptance criteria

- A discount of 0.1 on 20 gives 18.
- A discount below 0 or above 1 raises ValueError, and a test shows it.
"""


def repository(folder: Path) -> None:
    """Make the repository in the folder, with one commit."""
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    who = ["-c", "user.name=Demo", "-c", "user.email=demo@localhost"]
    for words in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "A function with a fault"]):
        subprocess.run(["git", "-C", str(folder), *words], check=True)  # noqa: S603, S607 - git, as it is found


if __name__ == "__main__":
    model, *more = sys.argv[1:]
    place = Path(tempfile.mkdtemp(prefix="squad-demo-"))
    folder = place / "repository"
    folder.mkdir()
    repository(folder)
    task = place / "task.md"
    task.write_text(TASK, encoding="utf-8")
    print(f"the repository is {folder}", file=sys.stderr)
    command = ["run", str(task), "--model", model, "--db", str(place / "squad.db")]
    command += ["--workspace", str(folder), "--test-command", f"{sys.executable} -m unittest -q", "--allow-run", *more]
    sys.exit(main(command))
