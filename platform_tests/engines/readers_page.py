"""What docs/readers.md says, block by block."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "readers.md"
SNAPSHOT = "4711"
"""The id in the page's statements, in place of which a test puts one that there is."""

Block = tuple[str, str]
"""A language, and what is written in it."""


def sections() -> dict[str, list[Block]]:
    """Return the blocks of each section of the page, in order."""
    parts = re.split(r"^## (.+)$", PAGE.read_text(), flags=re.MULTILINE)[1:]
    found = zip(parts[::2], parts[1::2], strict=True)
    return {title: re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL) for title, text in found}


def of_language(section: str, language: str) -> list[str]:
    """Return the blocks of a section in one language."""
    return [text for kind, text in sections()[section] if kind == language]
