"""A blow in the middle of a turn."""

from __future__ import annotations

from dataclasses import dataclass

from ..units import Duration


@dataclass(slots=True)
class Strike:
    """Hits the pulse after it has performed ``effects`` more effects that act: killed, or frozen for ``freeze``."""

    effects: int
    freeze: Duration | None
