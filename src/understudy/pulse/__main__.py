"""``python -m understudy.pulse``: started by the supervisor. ``loop`` says what it does, ``assemble`` how it is put together.

Exit codes: 0 after a clean stop, 2 configuration refused, 70 a bug of ours, 71 the system refused something that we cannot do
without, 75 another pulse runs for this node.
"""

from __future__ import annotations

from .realtime import raise_priority  # first: on a busy machine the imports below take many times longer without it

raise_priority()

import sys  # noqa: E402

from .arguments import parse  # noqa: E402
from .assemble import main  # noqa: E402

sys.exit(main(parse(sys.argv[1:], "understudy.pulse")))
