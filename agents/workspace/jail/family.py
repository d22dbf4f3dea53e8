"""All processes of a program together: how many there are, how much memory they hold, what each may use."""

import os
import resource
from typing import Any

__all__ = ["beyond", "descendants", "set_limits"]


def set_limits(limits: dict[str, Any]) -> None:
    """Set what the kernel limits by process; the number of processes also by user, where that is not the superuser."""
    beside = threads_of_user() if limits["processes_beside"] else 4
    wanted = {
        "RLIMIT_DATA": limits["memory"],
        "RLIMIT_FSIZE": limits["file_size"],
        "RLIMIT_CPU": limits["cpu_s"],
        "RLIMIT_CORE": 0,
        "RLIMIT_NOFILE": limits["files"],
        "RLIMIT_NPROC": beside + limits["processes"],
    }
    for name, value in wanted.items():
        kind = getattr(resource, name, None)
        if kind is None:
            continue
        hard = resource.getrlimit(kind)[1]
        limit = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (limit, limit))


def threads_of_user() -> int:
    """Return how many threads the user has already, which count towards the same limit."""
    count, uid = 0, os.getuid()
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():
        try:
            if name.isdecimal() and os.stat(f"/proc/{name}").st_uid == uid:
                count += len(os.listdir(f"/proc/{name}/task"))
        except OSError:
            continue
    return count or 4096


def beyond(child: int, limits: dict[str, Any]) -> str | None:
    """Return which limit all processes together are beyond."""
    family = descendants(child)
    if len(family) > limits["processes"] + 4:
        return "processes"
    if sum(resident(pid) for pid in family) <= limits["memory"]:
        return None
    # what processes share was counted for each of them
    return "memory" if sum(proportional(pid) for pid in family) > limits["memory"] else None


def descendants(root: int) -> list[int]:
    """Return a process and all that came from it."""
    parents: dict[int, list[int]] = {}
    for pid, parent in table():
        parents.setdefault(parent, []).append(pid)
    found = [root]
    for pid in found:
        found.extend(parents.get(pid, []))
    return found


def table() -> list[tuple[int, int]]:
    """Return all processes, each with its parent."""
    if not os.path.exists("/proc/self/stat"):
        import subprocess  # noqa: PLC0415 - for systems without /proc alone

        out = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=False).stdout  # noqa: S607
        return [(int(pid), int(parent)) for pid, parent in map(str.split, out.splitlines())]
    found = []
    for name in os.listdir("/proc"):
        if name.isdecimal():
            text = content(f"/proc/{name}/stat")
            if fields := text[text.rfind(")") + 2 :].split():
                found.append((int(name), int(fields[1])))
    return found


def resident(pid: int) -> int:
    """Return how much memory a process holds, in bytes, shared memory included."""
    fields = content(f"/proc/{pid}/statm").split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") if len(fields) > 1 else 0


def proportional(pid: int) -> int:
    """Return a process's part of the memory that it holds, in bytes."""
    for line in content(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return resident(pid)


def content(path: str) -> str:
    """Return what a file of the kernel's holds; nothing where its process is gone."""
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""
