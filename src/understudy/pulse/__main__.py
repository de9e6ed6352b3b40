"""``python -m understudy.pulse``: started by the supervisor. ``loop`` says what it does, ``assemble`` how it is put together.

Exit codes: 0 after a clean stop, 2 configuration refused, 69 stopped, but without a manager to ask about programs, 70 a bug of
ours, 71 the system refused something that we cannot do without, 75 another pulse runs for this node.
"""

from __future__ import annotations

import sys

from ..adapters.title import show
from .arguments import parse

_arguments = parse(sys.argv[1:], "understudy.pulse")
show("pulse" if _arguments.wait_fd < 0 else "spare")
if _arguments.wait_fd < 0:
    from .realtime import raise_priority

    raise_priority()  # first: on a busy machine the imports take many times longer without it

from .assemble import main, wait_for_turn  # noqa: E402

if not wait_for_turn(_arguments.wait_fd):
    sys.exit(0)
show("pulse")
sys.exit(main(_arguments))
