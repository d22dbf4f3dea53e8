"""Calls of the C library that Python has no name for, and the kernel's numbers for them."""

import ctypes
import os
from typing import Any

__all__ = ["Trouble", "libc_call"]


class Trouble(Exception):
    """What keeps the program from being run."""


def libc_call(name: str, *arguments: Any, needed: bool = True) -> int:
    """Call a function of the C library; ``needed`` ones raise for what they report."""
    libc = ctypes.CDLL(None, use_errno=True)
    call = getattr(libc, name, None)
    if call is None:
        if needed:
            raise Trouble(f"this system has no {name}")
        return -1
    found = int(call(*arguments))
    if found == -1 and needed:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")
    return found
