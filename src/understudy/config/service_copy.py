"""What the balancer runs with, as JSON: written by ``understudy run`` and by a reload, read by the balancer's process alone.

The words as they are, whatever file they came from, so that a balancer that is started again means the same as the one before
it and needs to parse no configuration. Fields with their default are left out. Made by programs and for programs: what does not
fit is a mistake or another version, and raises ValueError.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from enum import Enum
from functools import cache
from typing import Any, TypeAlias

from ..services import ServiceFiles

if typing.TYPE_CHECKING:  # the balancer reads a copy, and knows no clusters
    from ..model import Cluster

VERSION = 1

Codec: TypeAlias = tuple[Callable[[Any], Any], Callable[[Any], Any]]
"""From a value to JSON, and back."""


@dataclass(frozen=True, slots=True)
class ServiceCopy:
    """``addresses``: of each group or virtual router that a service is of. ``sources``: the files in which they stand."""

    files: ServiceFiles = field(default_factory=ServiceFiles)
    addresses: tuple[tuple[str, tuple[str, ...]], ...] = ()
    sources: tuple[str, ...] = ()
    node: str = ""
    admin_group: str = ""


def balances(cluster: Cluster, node: str) -> bool:
    """Whether a member has anything to balance: a witness runs nothing."""
    from ..model import Role

    witnesses = {member.name for member in cluster.members if member.role is Role.WITNESS}
    return cluster.services is not None and node not in witnesses


def copy_of(cluster: Cluster, node: str) -> ServiceCopy:
    """Of what ``cluster`` says, empty where ``node`` balances nothing. Groups that no service is of are left out.

    Who holds a group without addresses cannot be seen here: where the sync daemon was to follow it, both of its states run.
    """
    from ..model import AddressResource

    services = (cluster.services if balances(cluster, node) else None) or ServiceFiles()
    named = {each.group for each in services.services} | ({services.sync.router} if services.sync else set())
    addresses = tuple(
        (group.name, tuple(item.address for item in group.resources if isinstance(item, AddressResource)))
        for group in cluster.groups
        if group.name in named
    )
    if services.sync is not None and not dict(addresses).get(services.sync.router):
        services = replace(services, sync=replace(services.sync, router=""))
    return ServiceCopy(services, addresses, services.sources or (cluster.source,), node, cluster.admin_group or "")


def write_copy(copy: ServiceCopy) -> str:
    """The text of the file."""
    return json.dumps({"version": VERSION, **_codec(ServiceCopy)[0](copy)}, separators=(",", ":"))


def read_copy(text: str) -> ServiceCopy:
    """Raises ValueError, with the reason, for what ``write_copy`` did not write."""
    try:
        found = json.loads(text)
        version = found.pop("version", None)
        if version != VERSION:
            raise ValueError(f"it is of version {version}, and {VERSION} is known here")
        copy = _codec(ServiceCopy)[1](found)
    except (AttributeError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"it is not what was written: {error!r}") from error
    if not isinstance(copy, ServiceCopy):
        raise ValueError("it is something else")
    return copy


def _same(value: Any) -> Any:
    return value


@cache
def _codec(kind: Any) -> Codec:
    """How values of a type that the words use are written and read."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if kind in (str, int, bool, float, type(None)):
        return _same, _same
    if kind is bytes:
        return lambda value: value.decode("latin-1"), lambda value: value.encode("latin-1")
    if origin is tuple:
        return _row(inner)
    if origin is frozenset:
        return sorted, frozenset
    if origin in (typing.Union, types.UnionType):
        return _union(inner)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return lambda value: value.value, kind
    if is_dataclass(kind):
        return _record(kind)
    raise TypeError(f"{kind} cannot be written")


def _row(inner: tuple[Any, ...]) -> Codec:
    if inner[-1] is Ellipsis:
        write, read = _codec(inner[0])
        if write is _same:
            return list, tuple
        return lambda value: [write(item) for item in value], lambda value: tuple([read(item) for item in value])
    parts = [_codec(item) for item in inner]
    return (
        lambda value: [write(item) for (write, _), item in zip(parts, value, strict=True)],
        lambda value: tuple([read(item) for (_, read), item in zip(parts, value, strict=True)]),
    )


def _union(inner: tuple[Any, ...]) -> Codec:
    """One type or None; or one of several dataclasses, with its name beside its fields."""
    kinds = [item for item in inner if item is not type(None)]
    if len(kinds) == 1:
        write, read = _codec(kinds[0])
        return (
            lambda value: None if value is None else write(value),
            lambda value: None if value is None else read(value),
        )
    names = {each.__name__: each for each in kinds}

    def write_one(value: Any) -> Any:
        kind: Any = type(value)
        return None if value is None else {"is": kind.__name__, **_codec(kind)[0](value)}

    def read_one(value: Any) -> Any:
        if value is None:
            return None
        kind: Any = names[value.pop("is")]
        return _codec(kind)[1](value)

    return (
        write_one,
        read_one,
    )


def _record(kind: Any) -> Codec:
    hints = typing.get_type_hints(kind)
    parts = []
    for each in fields(kind):
        write, read = _codec(hints[each.name])
        default = each.default if each.default_factory is MISSING else each.default_factory()
        parts.append((each.name, default, write, read))
    readers = [(name, read) for name, _, _, read in parts if read is not _same]

    def write_one(value: Any) -> Any:
        made = {}
        for name, default, write, _ in parts:
            found = getattr(value, name)
            if found is not default and found != default:
                made[name] = write(found)
        return made

    def read_one(value: Any) -> Any:
        for name, read in readers:  # most fields are just what they are
            if name in value:
                value[name] = read(value[name])
        return kind(**value)

    return write_one, read_one
