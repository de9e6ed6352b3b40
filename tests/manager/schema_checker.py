"""As much of JSON Schema as docs/status-schema.json uses. Anything else in a schema is an error, so nothing is passed over."""

from __future__ import annotations

import re
from typing import Any

_TYPES: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
    "integer": int,
    "number": (int, float),
}
_SILENT = {"$schema", "$defs", "title", "description"}
_KNOWN = {
    "type",
    "required",
    "properties",
    "items",
    "enum",
    "const",
    "minimum",
    "maximum",
    "pattern",
    "anyOf",
    "$ref",
    "additionalProperties",
}


def problems(
    value: Any, schema: dict[str, Any], root: dict[str, Any] | None = None, where: str = "status"
) -> list[str]:
    """What is wrong with ``value``; properties that the schema does not describe are wrong too."""
    root = schema if root is None else root
    unknown = set(schema) - _SILENT - _KNOWN
    if unknown:
        return [f"{where}: the schema uses {sorted(unknown)}, which this checker does not know"]
    if "$ref" in schema:
        return problems(value, root["$defs"][schema["$ref"].rpartition("/")[2]], root, where)
    if "anyOf" in schema:
        tries = [problems(value, choice, root, where) for choice in schema["anyOf"]]
        return [] if any(not found for found in tries) else tries[0]
    found = _plain(value, schema, where)
    if isinstance(value, dict):
        found += _object(value, schema, root, where)
    if isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            found += problems(item, schema["items"], root, f"{where}[{index}]")
    return found


def _plain(value: Any, schema: dict[str, Any], where: str) -> list[str]:
    found = []
    if "const" in schema and value != schema["const"]:
        found.append(f"{where} is {value!r}, not {schema['const']!r}")
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{where} is {value!r}, none of {schema['enum']}")
    if "type" in schema:
        names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        fits = any(
            isinstance(value, _TYPES[name]) and (name == "boolean" or not isinstance(value, bool)) for name in names
        )
        if not fits:
            return [*found, f"{where} is {value!r}, not of type {names}"]
    if "minimum" in schema and isinstance(value, int | float) and value < schema["minimum"]:
        found.append(f"{where} is {value!r}, less than {schema['minimum']}")
    if "maximum" in schema and isinstance(value, int | float) and value > schema["maximum"]:
        found.append(f"{where} is {value!r}, more than {schema['maximum']}")
    if "pattern" in schema and isinstance(value, str) and not re.search(schema["pattern"], value):
        found.append(f"{where} is {value!r}, which does not look like {schema['pattern']}")
    return found


def _object(value: dict[str, Any], schema: dict[str, Any], root: dict[str, Any], where: str) -> list[str]:
    found = [f"{where} has no {name}" for name in schema.get("required", ()) if name not in value]
    for name, item in value.items():
        if name in schema.get("properties", {}):
            found += problems(item, schema["properties"][name], root, f"{where}.{name}")
        elif "additionalProperties" in schema:
            found += problems(item, schema["additionalProperties"], root, f"{where}.{name}")
        else:
            found.append(f"{where}.{name} is not described")
    return found
