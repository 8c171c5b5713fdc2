"""The examples of the pages: which blocks there are, which are run, and how."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner

from voidscope.cli.main import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
RUN = ("sh", "python")
"""Languages of blocks that are run; all others are shown only."""
SHOWN = ("text", "csv", "toml")
_BLOCK = re.compile(r"(?:<!-- (?P<note>[^\n]*?) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$", re.S | re.M)
_INLINE = re.compile(r"`(voidscope [^`]+)`")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes
    ----------
    language : what stands behind the fence; empty where nothing does
    text : what is in it
    note : the comment in the line above, such as ``not run: takes hours`` or ``file: study.csv``; empty where there is none
    line : of its fence, from 1
    """

    language: str
    text: str
    note: str
    line: int

    @property
    def is_run(self) -> bool:
        return self.language in RUN and not self.note.startswith("not run: ")


def blocks(page: Path) -> tuple[Block, ...]:
    """All fenced blocks of a page, in order."""
    told = page.read_text(encoding="utf-8")
    return tuple(
        Block(m["language"], m["text"], m["note"] or "", told[: m.start()].count("\n") + 1 + bool(m["note"]))
        for m in _BLOCK.finditer(told)
    )


def commands(text: str) -> Iterator[list[str]]:
    """The words of each command of a shell block, without comments."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words:
            yield words


def named_commands(page: Path) -> Iterator[list[str]]:
    """The words of every voidscope command that a page names, in blocks and in running text."""
    found = [words for b in blocks(page) if b.language == "sh" for words in commands(b.text)]
    inline = (" ".join(m.split()) for m in _INLINE.findall(page.read_text(encoding="utf-8")))
    found += [shlex.split(text) for text in inline]
    return (words for words in found if words[0] == "voidscope")


def run_command(words: list[str]) -> str:
    """Run a voidscope command in this process; what goes wrong is raised, what it says on both streams returned."""
    assert words[0] == "voidscope", f"only voidscope commands are run; mark the block as not run: {words}"
    done = CliRunner().invoke(app, words[1:], catch_exceptions=False)
    assert done.exit_code == 0, f"{shlex.join(words)}: {done.output}"
    return done.output
