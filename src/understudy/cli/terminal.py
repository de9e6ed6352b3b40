"""What commands print, and where: colour only for people, progress only on a terminal."""

from __future__ import annotations

import json
import os
import sys
from typing import Any, TextIO

import click


def wants_colour(stream: TextIO | None = None) -> bool:
    """Only on a terminal, and not when NO_COLOR is set (no-color.org) or the terminal is dumb."""
    target = sys.stdout if stream is None else stream
    return target.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def say(text: str) -> None:
    """To standard output; the text is coloured already, or not."""
    click.echo(text, color=True)


def print_json(value: Any, compact: bool = False) -> None:
    click.echo(json.dumps(value, indent=None if compact else 2, ensure_ascii=False))
    sys.stdout.flush()


class Progress:
    """One line on a terminal's standard error that says what is waited for; silent anywhere else."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._last = ""

    def show(self, text: str) -> None:
        if self._shown and text != self._last:
            width = max(len(self._last), len(text))
            sys.stderr.write("\r" + text.ljust(width))
            sys.stderr.flush()
            self._last = text

    def clear(self) -> None:
        if self._last:
            sys.stderr.write("\r" + " " * len(self._last) + "\r")
            sys.stderr.flush()
            self._last = ""
