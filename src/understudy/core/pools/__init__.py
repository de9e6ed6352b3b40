"""The pool of virtual services: what the kernel's table should hold, decided from what the checks say.

``pool.py`` has ``Pool``, a node of the usual shape. Nothing else in the program decides about a virtual service.
"""

from __future__ import annotations

from .pool import Pool

__all__ = ["Pool"]
