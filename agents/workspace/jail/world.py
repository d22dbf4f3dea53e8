"""What a program sees: the system to be read, its own folder to be written, a network and processes of its own."""

import ctypes
import fcntl
import os
import socket
import stat
import struct
from contextlib import suppress
from typing import Any

from .kernel import libc_call

__all__ = ["bubblewrap", "build_world", "drop_rights", "enter_user_namespace"]

INNER_ID = 1000
"""Who a program is inside, whoever it is outside: nobody special."""

NEWNS, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = 0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
MNT_DETACH = 2
SYS_MOUNT_SETATTR, AT_FDCWD, AT_RECURSIVE, ATTR_RDONLY, ATTR_NOSUID = 442, -100, 0x8000, 1, 2
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 24, 38

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/nix", "/gnu")
ETC = (
    "alternatives",
    "ca-certificates",
    "fonts",
    "java",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "magic",
    "mime.types",
    "nsswitch.conf",
    "os-release",
    "pki/ca-trust",
    "pki/tls/certs",
    "protocols",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
)
"""What programs look for in /etc and nobody keeps a secret in; the rest of it is not there."""

DEVICES = ("null", "zero", "full", "random", "urandom")


def enter_user_namespace() -> None:
    """Become nobody special in a user namespace; children are in a process namespace of their own."""
    uid, gid = os.getuid(), os.getgid()
    libc_call("unshare", NEWUSER | NEWPID)
    for name, value in (
        ("setgroups", "deny"),
        ("uid_map", f"{INNER_ID} {uid} 1"),
        ("gid_map", f"{INNER_ID} {gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(value)


def mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    """Call the kernel's mount."""
    encoded = [None if one is None else os.fsencode(one) for one in (source, target, kind, data)]
    libc_call("mount", encoded[0], encoded[1], encoded[2], ctypes.c_ulong(flags), encoded[3])


def build_world(spec: dict[str, Any]) -> None:
    """Make the file system that a program sees: the system to be read, its own folder to be written, nothing else."""
    libc_call("unshare", NEWNS | NEWNET | NEWIPC | NEWUTS)
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=1m")  # noqa: S108 - in this namespace alone
    os.mkdir("/tmp/old")  # noqa: S108 - in this namespace alone
    os.mkdir("/tmp/new")  # noqa: S108 - in this namespace alone
    libc_call("pivot_root", b"/tmp", b"/tmp/old")
    os.chdir("/")
    mount("tmpfs", "/new", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=4m")
    size = f"mode=1777,size={spec['limits']['scratch']}"
    for name in ("tmp", "dev/shm"):
        os.makedirs(f"/new/{name}", exist_ok=True)
        mount("tmpfs", f"/new/{name}", "tmpfs", MS_NOSUID | MS_NODEV, size)
    for path in to_be_read(spec):
        show(path)
    own_files()
    devices()
    os.makedirs("/new/proc", exist_ok=True)
    try:
        mount("proc", "/new/proc", "proc", MS_NOSUID | MS_NODEV | 8)
    except OSError:
        pass  # a container whose own /proc is masked allows none; most programs live without
    else:
        no_further_namespaces()
    folder = spec["inside"]
    os.makedirs(f"/new{folder}", exist_ok=True)
    mount(f"/old{spec['folder']}", f"/new{folder}", None, MS_BIND)
    mount("none", f"/new{folder}", None, MS_BIND | MS_REMOUNT | MS_NOSUID | kept_flags(f"/new{folder}"))
    os.makedirs("/new/tmp/home", exist_ok=True)
    mount("none", "/new", None, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV)
    libc_call("umount2", b"/old", MNT_DETACH)
    os.chdir("/new")
    libc_call("pivot_root", b".", b".")
    libc_call("umount2", b".", MNT_DETACH)
    os.chdir("/")
    loopback_up()


def to_be_read(spec: dict[str, Any]) -> list[str]:
    """Return what is shown of the system, whoever shows it."""
    return [*SYSTEM, *(f"/etc/{name}" for name in ETC), *spec["reads"]]


def show(path: str) -> None:
    """Show a file or folder of the system inside, to be read."""
    old, new = f"/old{path}", f"/new{path}"
    if os.path.lexists(new):
        return
    try:
        found = os.lstat(old)
    except OSError:
        return
    os.makedirs(os.path.dirname(new), exist_ok=True)
    if stat.S_ISLNK(found.st_mode) and not os.path.isabs(os.readlink(old)):
        os.symlink(os.readlink(old), new)
        return
    if stat.S_ISLNK(found.st_mode):
        old = "/old" + os.readlink(old)
        if not os.path.exists(old):
            return
    if os.path.isdir(old):
        os.mkdir(new)
    else:
        os.close(os.open(new, os.O_CREAT | os.O_WRONLY, 0o644))
    mount(old, new, None, MS_BIND | MS_REC)
    # an attribute of the whole tree at once, of whatever is mounted in it too
    attributes = struct.pack("=QQQQ", ATTR_RDONLY | ATTR_NOSUID, 0, 0, 0)
    arguments = (AT_FDCWD, os.fsencode(new), AT_RECURSIVE, attributes, len(attributes))
    libc_call("syscall", SYS_MOUNT_SETATTR, *arguments)


def kept_flags(path: str) -> int:
    """Return the flags of a mount that may not be taken away from it."""
    flags = os.statvfs(path).f_flag
    return flags & (MS_NODEV | 8 | 1024 | 2048)  # nodev, noexec, noatime, nodiratime


def own_files() -> None:
    """Write what programs want to know of users and hosts, without telling any."""
    os.makedirs("/new/etc", exist_ok=True)
    texts = {
        "passwd": f"squad:x:{INNER_ID}:{INNER_ID}::/tmp/home:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n",
        "group": f"squad:x:{INNER_ID}:\nnogroup:x:65534:\n",
        "hosts": "127.0.0.1 localhost\n::1 localhost\n",
        "resolv.conf": "",
    }
    for name, text in texts.items():
        with open(f"/new/etc/{name}", "w") as file:
            file.write(text)


def devices() -> None:
    """Show the few devices that programs need."""
    os.makedirs("/new/dev", exist_ok=True)
    for name in DEVICES:
        if os.path.exists(f"/old/dev/{name}"):
            os.close(os.open(f"/new/dev/{name}", os.O_CREAT | os.O_WRONLY, 0o666))
            mount(f"/old/dev/{name}", f"/new/dev/{name}", None, MS_BIND)
    for name, target in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        os.symlink(f"/proc/self/fd{target}", f"/new/dev/{name}")


def no_further_namespaces() -> None:
    """Let nobody inside make user namespaces, in which a program would have rights over a part of the kernel again."""
    with suppress(OSError), open("/new/proc/sys/user/max_user_namespaces", "w") as file:
        file.write("0")


def loopback_up() -> None:
    """Bring up the one network interface that there is."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sH14s", b"lo", 1 | 64, b"")  # up, running
        fcntl.ioctl(any_socket, 0x8914, request)


def drop_rights(*, with_capabilities: bool) -> None:
    """Give up what could be used to get any right back."""
    libc_call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, needed=False)
    for number in range(64 if with_capabilities else 0):
        if libc_call("prctl", PR_CAPBSET_DROP, number, 0, 0, 0, needed=False) == -1:
            break


def bubblewrap(spec: dict[str, Any]) -> list[str]:
    """Return the command by which bubblewrap makes the same world."""
    words = [spec["bubblewrap"], "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    words += ["--uid", str(INNER_ID), "--gid", str(INNER_ID), "--dev", "/dev", "--proc", "/proc"]
    words += ["--size", str(spec["limits"]["scratch"]), "--tmpfs", "/tmp", "--dir", "/tmp/home"]  # noqa: S108 - inside
    for path in to_be_read(spec):
        if os.path.islink(path) and not os.path.isabs(os.readlink(path)):
            words += ["--symlink", os.readlink(path), path]
        else:
            words += ["--ro-bind-try", path, path]
    words += ["--bind", spec["folder"], spec["inside"], "--chdir", spec["inside"]]
    return [*words, "--", *spec["command"]]
