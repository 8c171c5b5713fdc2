"""The command line: `main` runs it."""

from voidscope.cli.main import main

__all__ = ["main"]
