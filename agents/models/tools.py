"""The tools of a member at work: its hands and its colleagues, with what they give back marked as data."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from langchain_core.tools import BaseTool, StructuredTool
from pydantic import BaseModel, Field

from agents.models.marking import data
from agents.models.structured import trouble_of
from agents.surroundings import Colleagues, Hands
from delegation import HandsRefused, Role

__all__ = ["tools_of"]


class _Path(BaseModel):
    path: str = Field(default=".", description="Relative to the repository's root.")


class _Read(BaseModel):
    path: str = Field(description="Relative to the repository's root.")
    first_line: int = Field(default=1, ge=1)
    lines: int = Field(default=400, ge=1, le=2000)


class _List(_Path):
    depth: int = Field(default=2, ge=1, le=10)


class _Search(_Path):
    pattern: str = Field(description="A regular expression.")


class _Write(BaseModel):
    path: str = Field(description="Relative to the repository's root.")
    content: str = Field(description="The whole file.")


class _Edit(BaseModel):
    path: str = Field(description="Relative to the repository's root.")
    old: str = Field(description="The text to replace, exactly as it stands there, and only once in the file.")
    new: str


class _Run(BaseModel):
    command: list[str] = Field(min_length=1, description='A program and its arguments, such as ["pytest", "-q"].')


class _Ask(BaseModel):
    question: str = Field(min_length=1, description="What you need to know, with what you have tried.")
    role: Role | None = Field(default=None, description="Whom to ask; left out, whoever fits best.")


def tools_of(hands: Hands | None, colleagues: Colleagues | None) -> list[BaseTool]:
    """Return the tools for what is there.

    They are used one after another, also where a model calls several at once: two edits of one file must not race, and
    a replay has to make them in the same order.
    """
    turn = asyncio.Lock()
    found: list[BaseTool] = []

    def add(name: str, about: str, fields: type[BaseModel], use: Callable[..., Awaitable[str]]) -> None:
        async def used(**given: Any) -> str:
            async with turn:
                try:
                    return data(name, await use(**given), most=40_000)
                except HandsRefused as refusal:
                    return f"Refused. Nothing was done.\n{data(name, trouble_of(refusal))}"

        found.append(StructuredTool.from_function(coroutine=used, name=name, description=about, args_schema=fields))

    if hands is not None:
        add("read_file", "Read lines of a text file, numbered.", _Read, hands.read)
        add("list_files", "List files and folders.", _List, hands.list)
        add("search_files", "Find the lines that match a pattern.", _Search, hands.search)
        add("write_file", "Make a file, or replace a whole one.", _Write, hands.write)
        add("edit_file", "Replace the one place in a file that reads exactly so.", _Edit, hands.edit)
    if hands is not None and hands.can_run:
        add("run", "Run a program in the repository, without a shell; no network.", _Run, hands.run)
    if colleagues is not None:

        async def ask(question: str, role: Role | None = None) -> str:
            replies = await colleagues.ask(question, role=role)
            return "\n\n".join(f"{one.member_id}: {one.text}" for one in replies) or "Nobody has an answer."

        add("ask_colleagues", "Ask the members of the squad who fit best.", _Ask, ask)
    return found
