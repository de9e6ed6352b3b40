"""What the balancer is made of on a real machine. Each is imported when it is made: most machines need one plane of the two."""

from __future__ import annotations

from .parts import Plane
from .planes import Planes
from .service import Parts


def parts() -> Parts:
    """Raises ImportError in a build that lacks one."""
    raise ImportError


__all__ = ("Plane", "Planes", "parts")
