"""Seeks regular expressions for the process that asks checks, and may be killed when one takes too long.

On its standard input, a stream socket: a line of JSON (text, absent, flags, least, most, lines, length), then the bytes. The
answer is one byte: ``1`` as wanted, ``0`` not, ``?`` no regular expression; at first ``!``: ready. Started by ``searches.py`` as
``python -m``.
"""

from __future__ import annotations

import json
import sys

from ..service_checks import Pattern
from ..wire.search import Search, found


def main() -> None:
    """Until its input ends."""
    heard, said = sys.stdin.buffer, sys.stdout.buffer
    said.write(b"!")
    said.flush()
    while line := heard.readline():
        text, absent, flags, least, most, lines, length = json.loads(line)
        try:
            search = Search(Pattern(text, absent, flags, least, most), heard.read(length), lines)
            answer = b"1" if found(search) else b"0"
        except ValueError:
            answer = b"?"
        said.write(answer)
        said.flush()


if __name__ == "__main__":
    main()
