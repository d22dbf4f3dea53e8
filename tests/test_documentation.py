"""What README and ARCHITECTURE say is true: their code runs, their commands exist, their tables are the code's."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from graph.cli_parser import _COMMANDS, parse
from graph.context import RunSettings
from graph.lifecycle import VALID_TRANSITIONS, WorkflowState, progress_of

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PACKAGES = ("graph", "agents", "persistence", "delegation")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def rows(text: str, heading: str) -> list[list[str]]:
    """Return the cells of the first table under a heading, its head left out."""
    section = text.split(f"\n## {heading}\n", 1)[1]
    lines = [line for line in section.splitlines() if line.startswith("|") or not line]
    table = "\n".join(lines).strip().split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table[2:]]


PYTHON = blocks(README, "python")
EXPECTED = [
    "completed 4 subtasks",
    "[] [] 0",
    "completed",
    "['note', ",
    "Here is how: True",
    "deployed r42",
    "Implement user login completed Limit how often a login may be tried",
    "completed",
    "max_reworks=1",
    "9.0 []",
]
COMMANDS = [line for block in blocks(README, "sh") for line in block.splitlines()]


def test_each_kind_of_block_was_found() -> None:
    assert len(PYTHON) == len(EXPECTED)
    assert {line.split()[0] for line in COMMANDS} == {"make", "squad"}
    assert not re.findall(r"^```(?!python|sh|text)\w+", README + ARCHITECTURE, re.MULTILINE)


def test_the_first_example_is_short() -> None:
    assert len([line for line in PYTHON[0].splitlines() if line.strip()]) < 20


@pytest.mark.parametrize(
    ("code", "expected"), [*zip(PYTHON, EXPECTED, strict=False)], ids=[str(number) for number in range(len(EXPECTED))]
)
def test_the_python_examples_run(
    code: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {"__name__": "__main__"})  # noqa: S102 - our own documentation
    assert expected in capsys.readouterr().out


@pytest.mark.parametrize("line", [line for line in COMMANDS if line.startswith("squad ")])
def test_the_command_line_takes_each_command(line: str) -> None:
    found = parse(shlex.split(line)[1:])
    if found.command == "run" and found.source and "/" in found.source:
        assert (ROOT / found.source).is_file()


@pytest.mark.parametrize("line", re.findall(r"(?:^|`)(make [a-z][a-z-]*)", README + ARCHITECTURE, re.MULTILINE))
def test_each_target_is_in_the_makefile(line: str) -> None:
    assert re.search(rf"^{line.split()[1]}:", MAKEFILE, re.MULTILINE)


def test_the_table_of_commands_is_complete() -> None:
    names = {row[0].strip("`").split()[0] for row in rows(README, "The command line")}
    assert names == set(_COMMANDS)


def test_the_table_of_the_lifecycle_is_the_map() -> None:
    table = rows(README, "The lifecycle")
    assert [row[0].strip("`") for row in table] == [
        *(state for state in VALID_TRANSITIONS if state not in {"completed", "blocked", "failed"}),
        "blocked",
        "completed",
        "failed",
    ]
    for name, progress, _, targets in table:
        state = WorkflowState(name.strip("`"))
        assert targets == (", ".join(VALID_TRANSITIONS[state]) or "nothing")
        assert progress == ("as before" if state == WorkflowState.BLOCKED else f"{progress_of(state)} %")


def test_the_table_of_settings_is_complete() -> None:
    table = {row[0].strip("`"): row[1].strip('`"') for row in rows(README, "Settings")}
    defaults = RunSettings().model_dump()
    assert table.keys() == defaults.keys()
    shown = {name: "none" if value is None else str(value) for name, value in defaults.items()}
    assert {name: _as_shown(value, defaults[name]) for name, value in table.items()} == shown


def _as_shown(value: str, default: object) -> str:
    """Return what the table says in the way in which the default would be printed."""
    if isinstance(default, bool):
        return value.capitalize()
    return value if default is None or isinstance(default, dict) else str(type(default)(value))


@pytest.mark.parametrize("package", PACKAGES)
def test_each_module_has_its_line_in_the_map(package: str) -> None:
    part = re.split(rf"^`{package}/`, ", ARCHITECTURE, flags=re.MULTILINE)[1].split("\n\n`")[0]
    named = set(re.findall(r"^\| `([\w/]+\.py)` \|", part, re.MULTILINE))
    files = (ROOT / package).rglob("*.py")
    present = {file.relative_to(ROOT / package).as_posix() for file in files if file.name != "__init__.py"}
    assert named == {name for name in present if not name.startswith("migrations/")}


def test_the_changelog_holds_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert re.search(rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$", CHANGELOG, re.MULTILINE)
