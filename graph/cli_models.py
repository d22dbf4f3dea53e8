"""The command line's options for models: what may be typed, and the settings that it comes to."""

import argparse
from typing import Any

__all__ = ["declare_models", "model_settings"]


def declare_models(parser: argparse.ArgumentParser) -> None:
    """Let the brain behind the roles, and what it may take, be chosen."""
    parser.add_argument(
        "--model",
        metavar="NAME",
        help="the brain behind the roles: rules, or provider:model such as openai:gpt-5; else as it was, or rules",
    )
    parser.add_argument(
        "--role-model",
        action="append",
        type=_for_a_role,
        metavar="ROLE=NAME",
        help="another one for a role; may be given several times",
    )
    parser.add_argument(
        "--max-tokens", type=_count, metavar="N", help="how many tokens its models may take before a human is asked"
    )
    parser.add_argument("--max-cost", type=_amount, metavar="X", help="what they may cost before a human is asked")
    parser.add_argument(
        "--price",
        action="append",
        type=_price,
        metavar="NAME=IN/OUT",
        help="what a million tokens of a model cost, read and written; may be given several times",
    )


def model_settings(args: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that were typed."""
    typed = {
        "model": getattr(args, "model", None),
        "models": dict(getattr(args, "role_model", None) or []) or None,
        "max_tokens": getattr(args, "max_tokens", None),
        "max_cost": getattr(args, "max_cost", None),
        "prices": dict(getattr(args, "price", None) or []) or None,
    }
    return {name: value for name, value in typed.items() if value is not None}


def _for_a_role(text: str) -> tuple[str, str]:
    role, equals, name = text.partition("=")
    if not (role and equals and name):
        raise argparse.ArgumentTypeError(f"{text!r} is not ROLE=NAME, such as tester=ollama:qwen3")
    return role.strip(), name.strip()


def _price(text: str) -> tuple[str, dict[str, float]]:
    name, _, costs = text.rpartition("=")
    read, _, written = costs.partition("/")
    try:
        return name.strip() or _fail(text), {"input": float(read), "output": float(written)}
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=IN/OUT, such as openai:gpt-5=1.25/10") from None


def _fail(text: str) -> str:
    raise ValueError(text)


def _count(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of tokens")
    return number


def _amount(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no amount of money")
    return number
