"""What the pulse says on standard error: rarely, for it may have to wait for whoever reads there."""

from __future__ import annotations

import os
import sys
import time

from ..logline import Form, form, json_line, text_line


def say(text: str, level: str = "error") -> None:
    """One line, as ``understudy run --log`` asks for it. ``level``: critical, error, warning or info."""
    if form(os.environ) is Form.JSON:
        line = json_line(time.time_ns(), level, "pulse", text)
    else:
        line = text_line(level, text, "understudy pulse: ", not sys.stderr.isatty())
    print(line, end="", file=sys.stderr, flush=True)
