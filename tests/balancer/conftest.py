"""Namespaces, as the tests of the adapters make them."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "adapters"))

from lab_fixture import lab as lab
