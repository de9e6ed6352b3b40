"""Events and effects as what JSON can hold: the form in which a recording keeps them, and in which a replay compares them."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any


def plain(value: Any) -> Any:
    """Dataclasses as objects that name their type (a word ``type`` of their own becomes ``type_``), enums as their values;
    anything unknown by its ``repr``.
    """
    if is_dataclass(value) and not isinstance(value, type):
        given = (item.name for item in fields(value) if item.init)  # the others follow from these
        found = {"type_" if name == "type" else name: plain(getattr(value, name)) for name in given}
        return {"type": type(value).__name__} | found
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return repr(value)
