"""The output of agents and programs: one plain file for each resource, bounded.

A file and not a pipe, on purpose. Agents leave background children behind that keep their output open, so the end of a pipe
says nothing about the end of the agent; and whoever writes into a pipe whose reader has died is killed by SIGPIPE, so a
crash of the manager would take services with it. With a file neither can happen, and the administrator has the full text.
"""

from __future__ import annotations

import os

from .agent_proc import file_stem

LARGEST = 1 << 20
"""A log that has grown over this many bytes is emptied; its last half is kept beside it."""

TAIL = 4096
"""How much of an action's output is looked at for its last words, in bytes."""


class ResourceLog:
    """The log of one resource at ``<directory>/<resource>.log``; append only, mode 0600, since agents print what they like."""

    def __init__(self, directory: str, resource: str) -> None:
        self.path = os.path.join(directory, f"{file_stem(resource)}.log")

    @classmethod
    def beside(cls, log: ResourceLog) -> ResourceLog:
        """For what a program is asked and answers on standard output alone."""
        answers = cls("", "")
        answers.path = f"{log.path.removesuffix('.log')}.answers"
        return answers

    def open(self) -> int:
        """A descriptor for the child's output. Falls back to /dev/null: a full disk must not keep a service down."""
        try:
            self.shorten()
            return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)

    def size(self) -> int:
        try:
            return os.stat(self.path).st_size
        except OSError:
            return 0

    def shorten(self) -> bool:
        """Empty a log over its bound; True when it was over it. In place, as running programs hold it open for appending."""
        if self.size() <= LARGEST:
            return False
        try:
            kept = self.read_from(self.size() - LARGEST // 2, LARGEST // 2)
            with open(f"{self.path}.old", "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as old:
                old.write(kept)
        except OSError:
            pass
        try:
            os.truncate(self.path, 0)
        except OSError:
            pass
        return True

    def read_from(self, offset: int, most: int) -> bytes:
        try:
            with open(self.path, "rb") as file:
                file.seek(max(offset, 0))
                return file.read(most)
        except OSError:
            return b""

    def output_since(self, offset: int, most: int = TAIL) -> str:
        """The last ``most`` bytes written after ``offset``, as text."""
        start = max(offset, self.size() - most)
        return self.read_from(start, most).decode("utf-8", "replace")


def last_line(output: str, longest: int = 300) -> str:
    """The last line that says anything, cut to ``longest`` characters."""
    for line in reversed(output.splitlines()):
        if line.strip():
            return line.strip()[:longest]
    return ""
