"""What commands print, and where: colour only for people, progress only on a terminal."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from contextlib import nullcontext
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


class InPlace:
    """Text that replaces the one before it on a terminal, without flicker; anywhere else one text after the other.

    The sequences are those of ECMA-48 and xterm's private modes 7 (wrap) and 25 (cursor), which every terminal has; a dumb one
    gets plain lines. A context manager: what it changed on the terminal is put back at its end.
    """

    def __init__(self) -> None:
        self.on_terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"

    def __enter__(self) -> InPlace:
        if self.on_terminal:
            self._write("\x1b[?25l\x1b[?7l\x1b[2J")
        return self

    def __exit__(self, *_: object) -> None:
        if self.on_terminal:
            self._write("\x1b[?7h\x1b[?25h\n")

    def show(self, text: str) -> None:
        """Show ``text``; what the terminal has no room for is counted in its last line."""
        if not self.on_terminal:
            self._write(f"{text}\n\n")
            return
        rows = max(os.get_terminal_size(sys.stdout.fileno()).lines or 24, 2)
        lines = text.splitlines()
        if len(lines) >= rows:
            lines[rows - 2 :] = [f"... and {len(lines) - rows + 2} lines more; make the window higher"]
        self._write("\x1b[H" + "\n".join(f"{line}\x1b[K" for line in lines) + "\x1b[J")

    @staticmethod
    def _write(text: str) -> None:
        click.echo(text, nl=False, color=True)
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


def watch(every: float, as_json: bool, found: Callable[[], Any], text: Callable[[], str]) -> None:
    """Show it every so many seconds until Ctrl-C: ``found`` as one object on each line, or ``text`` in place.

    Somebody who watches wants to see a daemon come back, so that it is away ends nothing.
    """
    try:
        import time

        from ..errors import NotRunning, TimedOut

        with nullcontext() if as_json else InPlace() as place:
            while True:
                try:
                    if place is None:
                        print_json(found(), compact=True)
                    else:
                        place.show(text())
                except (NotRunning, TimedOut) as error:
                    if place is not None and place.on_terminal:
                        place.show(f"{error}\n\nlooking again every {every:g} s; Ctrl-C ends this")
                    else:
                        click.echo(str(error), err=True)
                time.sleep(every)
    except KeyboardInterrupt:
        return
