"""The options of a run that works in a repository. Nothing heavy is imported, as everywhere in the grammar."""

import argparse
from typing import Any

__all__ = ["declare_workspace", "typed_workspace"]

USAGE = "[--workspace DIR [--test-command COMMAND] [--allow-run]]"


def declare_workspace(parser: argparse.ArgumentParser) -> None:
    """Add the options to a command that begins an execution, or goes on with one."""
    parser.add_argument("--workspace", metavar="DIR", help="the git repository to work in, on a branch of its own")
    parser.add_argument("--test-command", metavar="COMMAND", help="the project's own tests: 'python -m pytest -q'")
    parser.add_argument(
        "--allow-run", action="store_true", default=None, help="let members run programs in their working copies"
    )
    parser.add_argument("--run-timeout", type=float, metavar="SECONDS", help="how long a program may run; default: 600")
    parser.add_argument(
        "--run-reads", action="append", metavar="DIR", help="a folder that programs may read besides the system's"
    )


def typed_workspace(args: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that were typed; None is one that was not."""
    names = {"workspace": "workspace", "test_command": "test_command", "allow_run": "allow_run"}
    names |= {"run_timeout_s": "run_timeout", "run_reads": "run_reads"}
    return {setting: getattr(args, name, None) for setting, name in names.items()}
