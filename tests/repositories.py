"""Small git repositories for tests, made by the real git, and what a checkout looks like byte by byte."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

ENVIRONMENT = {
    "GIT_AUTHOR_NAME": "Somebody",
    "GIT_AUTHOR_EMAIL": "somebody@example.invalid",
    "GIT_COMMITTER_NAME": "Somebody",
    "GIT_COMMITTER_EMAIL": "somebody@example.invalid",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "HOME": os.devnull,
}


def git(folder: Path, *words: str, given: str | None = None) -> str:
    """Run git as a user does, and return what it printed."""
    done = subprocess.run(
        ["git", *words],  # noqa: S607 - the one that the user has
        cwd=folder,
        input=given,
        env={"PATH": os.environ["PATH"], **ENVIRONMENT},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def make_repository(folder: Path, files: Mapping[str, str | bytes], *options: str) -> Path:
    """Make a repository with one commit that holds these files."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "--quiet", "-b", "main", *options)
    write(folder, files)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "-m", "The beginning")
    return folder


def write(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Write files, with their folders."""
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())


def snapshot(folder: Path) -> dict[str, object]:
    """Return all of a checkout that is the user's: every file, index, HEAD, configuration, references but ours."""
    seen: dict[str, object] = {}
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder).as_posix()
        if name.startswith((".git/objects", ".git/refs/heads/squad", ".git/refs/squad", ".squad")):
            continue
        if file.is_symlink():
            seen[name] = os.readlink(file)  # noqa: PTH115
        else:
            seen[name] = file.read_bytes() if file.is_file() else "folder"
    refs = git(folder, "for-each-ref", "--format=%(refname) %(objectname)").splitlines()
    seen["references"] = [one for one in refs if not one.startswith(("refs/heads/squad/", "refs/squad/"))]
    return seen
