"""A ``Cluster`` as native TOML. What is written loads to the same Cluster again; defaults are left out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..changes import stages
from ..fence_devices import FenceDevice, FenceKind
from ..model import (
    AddressResource,
    Api,
    Cluster,
    CommandResource,
    Failback,
    FailbackKind,
    Group,
    Limits,
    Link,
    LinkKind,
    LsbResource,
    Member,
    MountResource,
    NotifyResource,
    OcfResource,
    RealServerResource,
    Resource,
    ResourceDResource,
    Restarts,
    Role,
    RouteResource,
    ScriptResource,
    SourceAddressResource,
    SystemdResource,
)
from ..probes import Check, CommandCheck, HttpCheck, PingCheck, Probe, TcpCheck
from ..units import HOUR, MICROSECOND, MILLISECOND, MINUTE, SECOND, Duration
from .fences import DEFAULT_DELAY, DEFAULT_DEVICE, DEFAULT_TIMEOUT
from .groups import DEFAULT_STOP_TIMEOUT
from .parts import DEFAULT_LIMITS
from .reach import DEFAULT_DAMPING
from .resources import default_exclusive, derived_name
from .routes import MAIN_TABLE
from .validate import DEFAULT_PORT

_CONTROL = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", '"': '\\"', "\\": "\\\\"}


def render(cluster: Cluster) -> str:
    """The text of a configuration file. ``source`` and ``digest`` are not written: both follow from the file."""
    from .routers_render import render_routers  # it needs the helpers of this module

    routers = cluster.routers
    if routers is not None and is_alone(cluster):
        return render_routers(replace(routers, services=cluster.services), cluster.names[0])
    lines = ["[cluster]", f"name = {quoted(cluster.name)}", f"key_file = {quoted(cluster.key_file)}"]
    lines.append(f"heartbeat = {written_span(cluster.heartbeat)}")
    lines.append(f"dead_time = {written_span(cluster.dead_time)}")
    lines.append(f"quorum = {quoted(cluster.quorum.value)}")
    if cluster.ping:
        lines.append(f"ping = {written_texts(cluster.ping)}")
    if cluster.admin_group is not None:
        lines.append(f"admin_group = {quoted(cluster.admin_group)}")
    if cluster.init_dead_time:
        lines.append(f"init_dead_time = {written_span(cluster.init_dead_time)}")
    if cluster.fence_delay != DEFAULT_DELAY:
        lines.append(f"fence_delay = {written_span(cluster.fence_delay)}")
    common = _common_watchdog(cluster)
    for member in cluster.members:
        lines += _member(member)
        if cluster.watchdog_timeout and member.role is Role.NODE and member.watchdog != common:
            lines.append(f"watchdog = {quoted(member.watchdog) if member.watchdog else 'false'}")
    if cluster.watchdog_timeout:
        lines += _watchdog(cluster)
    for device in cluster.fences:
        lines += _fence(device)
    if cluster.api is not None:
        lines += _api(cluster.api)
    for group in cluster.groups:
        if not group.ranks:  # those of virtual routers follow from them
            lines += group_lines(group)
    text = "\n".join(lines) + "\n"
    text = text if routers is None else f"{text}\n{render_routers(routers)}"
    return f"{text}{_services(cluster)}"


def _services(cluster: Cluster) -> str:
    if cluster.services is None:
        return ""
    from .services_render import render as render_services

    owned = {item.address for group in cluster.groups for item in group.addresses}
    if cluster.routers is not None:
        owned |= {item.address for router in cluster.routers.routers for item in router.addresses}
    return f"\n{render_services(cluster.services, owned)}"


def is_alone(cluster: Cluster) -> bool:
    """Whether there are virtual routers and nothing else: one node, no key, no links."""
    return cluster.routers is not None and not cluster.key_file


def _api(api: Api) -> list[str]:
    ends = [
        (name, f"[{address}]:{port}" if ":" in address else f"{address}:{port}") for name, address, port in api.listen
    ]
    everybody = [end for name, end in ends if not name]
    lines = ["", "[api]", f"listen = {quoted(everybody[0]) if everybody else _table(ends)}"]
    files = (("certificate", api.certificate), ("key", api.key), ("token_file", api.token_file))
    return lines + [f"{word} = {quoted(path)}" for word, path in files]


def _common_watchdog(cluster: Cluster) -> str:
    devices = [node.watchdog for node in cluster.nodes if node.watchdog]
    return max(devices, key=devices.count) if devices else DEFAULT_DEVICE


def _watchdog(cluster: Cluster) -> list[str]:
    lines = ["", "[watchdog]"]
    device = _common_watchdog(cluster)
    if device != DEFAULT_DEVICE:
        lines.append(f"device = {quoted(device)}")
    return [*lines, f"timeout = {written_span(cluster.watchdog_timeout)}"]


def _fence(device: FenceDevice) -> list[str]:
    lines = ["", f"[fence.{written_key(device.name)}]"]
    if device.kind in (FenceKind.COMMAND, FenceKind.STONITH):
        lines.append(f"{device.kind.value} = {written_texts((device.program, *device.arguments))}")
    else:
        lines.append(f"{device.kind.value} = {quoted(device.program)}")
    plugs = any(plug for _, plug in device.targets)
    lines.append(f"nodes = {_table(device.targets) if plugs else written_texts(name for name, _ in device.targets)}")
    if device.parameters:
        lines.append(f"parameters = {_table(device.parameters)}")
    if device.parameters_file:
        lines.append(f"parameters_file = {quoted(device.parameters_file)}")
    if device.level != 1:
        lines.append(f"level = {device.level}")
    if device.timeout != DEFAULT_TIMEOUT:
        lines.append(f"timeout = {written_span(device.timeout)}")
    if device.retries != 2:
        lines.append(f"retries = {device.retries}")
    if device.reboot:
        lines.append("reboot = true")
    return lines


def _member(member: Member) -> list[str]:
    section = "nodes" if member.role is Role.NODE else "witness"
    head = ["", f"[{section}.{written_key(member.name)}]", "links = ["]
    lines = [*head, *(f"  {_link(link)}," for link in member.links), "]"]
    return lines if member.capacity is None else [*lines, f"capacity = {member.capacity}"]


def _link(link: Link) -> str:
    words = [("address", quoted(link.address)), ("network", quoted(link.network))]
    if link.kind is not LinkKind.UNICAST and link.group is not None:
        words.append((link.kind.value, quoted(link.group)))
    if link.device is not None:
        words.append(("device", quoted(link.device)))
    if link.port != DEFAULT_PORT:
        words.append(("port", str(link.port)))
    return inline(words)


def _failback(failback: Failback) -> str:
    if failback.kind is FailbackKind.AFTER:
        return written_span(failback.after)
    return quoted(failback.kind.value if failback.hours is None else str(failback.hours))


def group_lines(group: Group) -> list[str]:
    """The section of one group."""
    lines = ["", f"[groups.{written_key(group.name)}]"]
    if group.prefer:
        lines.append(f"prefer = {written_texts(group.prefer)}")
    if group.failback != Failback():
        lines.append(f"failback = {_failback(group.failback)}")
    if group.stop_timeout != DEFAULT_STOP_TIMEOUT:
        lines.append(f"stop_timeout = {written_span(group.stop_timeout)}")
    if group.together is not None:
        lines.append(f"with = {quoted(group.together)}")
    if group.apart:
        lines.append(f"apart = {written_texts(group.apart)}")
    if group.after:
        lines.append(f"after = {written_texts(group.after)}")
    if group.weight:
        lines.append(f"weight = {group.weight}")
    if not group.resources:
        return [*lines, "resources = []", *_reach(group)]
    probes = {probe.resource: probe for probe in group.probes if probe.resource}
    lines += ["resources = [", *_stages(group, probes), "]"]
    for probe in group.probes:
        if not probe.resource:
            words = [f"{word} = {value}" for word, value in _probe(probe)]
            lines += ["", f"[groups.{written_key(group.name)}.probes.{written_key(probe.name)}]", *words]
    return lines + _reach(group)


def _stages(group: Group, probes: dict[str, Probe]) -> list[str]:
    lines: list[str] = []
    for stage in stages(group):
        words = [f"{_resource(item, probes.get(item.id))}," for item in stage]
        lines += ["  [", *(f"    {line}" for line in words), "  ],"] if len(words) > 1 else [f"  {words[0]}"]
    return lines


def _reach(group: Group) -> list[str]:
    if group.stays_where is None:
        return []
    lines = ["", f"[groups.{written_key(group.name)}.stays_where]", f"ping = {written_texts(group.stays_where.ping)}"]
    damping = group.stays_where.damping
    return lines if damping == DEFAULT_DAMPING else [*lines, f"damping = {written_span(damping)}"]


def _resource(resource: Resource, probe: Probe | None) -> str:
    words = _words(resource)
    if probe is not None:
        words.append(("probe", inline(_probe(probe))))
    if resource.id != derived_name(resource):
        words.append(("name", quoted(resource.id)))
    if resource.exclusive != default_exclusive(resource):
        words.append(("exclusive", "true" if resource.exclusive else "false"))
    limits = DEFAULT_LIMITS.get(words[0][0], Limits())
    for word in ("start", "stop", "monitor"):
        if getattr(resource.limits, word) != getattr(limits, word):
            words.append((f"{word}_timeout", written_span(getattr(resource.limits, word))))
    if resource.limits.interval != limits.interval:
        words.append(("interval", written_span(resource.limits.interval)))
    if resource.restarts.most != Restarts().most:
        words.append(("restarts", str(resource.restarts.most)))
    if resource.restarts.within != Restarts().within:
        words.append(("restart_window", written_span(resource.restarts.within)))
    if resource.restarts.on_failure is not Restarts().on_failure:
        words.append(("on_failure", quoted(resource.restarts.on_failure.value)))
    if resource.restarts.on_stop is not None:
        words.append(("on_stop_failure", quoted(resource.restarts.on_stop.value)))
    return inline(words)


def _words(resource: Resource) -> list[tuple[str, str]]:
    """The words of the resource's own kind."""
    if isinstance(resource, AddressResource):
        return [("address", quoted(f"{resource.address}/{resource.prefix}")), ("device", quoted(resource.device))]
    if isinstance(resource, ScriptResource):
        words = [("script", quoted(resource.path))]
        return [*words, ("args", written_texts(resource.arguments))] if resource.arguments else words
    if isinstance(resource, OcfResource):
        words = [("ocf", quoted(f"{resource.provider}:{resource.type}"))]
        return [*words, ("params", _table(resource.parameters))] if resource.parameters else words
    if isinstance(resource, MountResource):
        return _mount(resource)
    if isinstance(resource, LsbResource):
        given = (("lsb", resource.init_script), ("pid_file", resource.pid_file), ("process", resource.process))
        return [(word, quoted(text)) for word, text in given if text is not None]
    if isinstance(resource, ResourceDResource):
        words = [("resource_d", quoted(resource.resource_script))]
        return [*words, ("args", written_texts(resource.arguments))] if resource.arguments else words
    if isinstance(resource, SystemdResource):
        return [("systemd", quoted(resource.unit))]
    if isinstance(resource, NotifyResource):
        words = [("notify", written_texts(resource.notify))]
        return [*words, ("must_succeed", "true")] if resource.must_succeed else words
    if isinstance(resource, RouteResource):
        return _route(resource)
    if isinstance(resource, SourceAddressResource):
        words = [("source_address", quoted(resource.source_address)), ("of_route", quoted(resource.of_route))]
        return [*words, ("device", quoted(resource.route_device))] if resource.route_device is not None else words
    if isinstance(resource, RealServerResource):
        words = [("realserver", quoted(resource.realserver))]
        return [*words, ("device", quoted(resource.device))] if resource.device != "lo" else words
    words = [("command", written_texts(resource.argv))]
    default = CommandResource(resource.id, resource.argv)
    if resource.directory != default.directory:
        words.append(("directory", quoted(resource.directory)))
    if resource.user is not None:
        words.append(("user", quoted(resource.user)))
    if resource.environment:
        words.append(("environment", _table(resource.environment)))
    if resource.stop_signal != default.stop_signal:
        words.append(("stop_signal", quoted(resource.stop_signal)))
    if resource.settle:
        words.append(("settle", written_span(resource.settle)))
    return words


def _mount(resource: MountResource) -> list[tuple[str, str]]:
    words = [("mount", quoted(resource.device)), ("at", quoted(resource.directory)), ("type", quoted(resource.type))]
    default = MountResource(resource.id, resource.device, resource.directory, resource.type)
    if resource.options:
        words.append(("options", written_texts(resource.options)))
    if resource.fsck:
        words.append(("fsck", "true"))
    if resource.kill_holders is not default.kill_holders:
        words.append(("kill_holders", quoted(resource.kill_holders.value)))
    if resource.check is not default.check:
        words.append(("check", quoted(resource.check.value)))
    return words


def _route(resource: RouteResource) -> list[tuple[str, str]]:
    given = (("via", resource.via), ("device", resource.device), ("source", resource.source))
    words = [
        ("route", quoted(resource.destination)),
        *((word, quoted(text)) for word, text in given if text is not None),
    ]
    if resource.table != MAIN_TABLE:
        words.append(("table", str(resource.table)))
    return [*words, ("metric", str(resource.metric))] if resource.metric is not None else words


# -- values -----------------------------------------------------------------------------------------------------------


def _probe(probe: Probe) -> list[tuple[str, str]]:
    default = Probe("", probe.check)
    words = _check(probe.check)
    for word in ("interval", "timeout", "grace"):
        if getattr(probe, word) != getattr(default, word):
            words.append((word, written_span(getattr(probe, word))))
    for word in ("rise", "fall"):
        if getattr(probe, word) != getattr(default, word):
            words.append((word, str(getattr(probe, word))))
    return words


def _check(check: Check) -> list[tuple[str, str]]:
    match check:
        case HttpCheck():
            words = [("http", quoted(check.url))]
            if check.status != HttpCheck("").status:
                ranges = (f"{low}-{high}" if low != high else str(low) for low, high in check.status)
                words.append(("status", written_texts(ranges)))
            words += [("method", quoted(check.method))] if check.method != "GET" else []
            for word in ("host", "text", "regex", "ca"):
                words += [(word, quoted(getattr(check, word)))] if getattr(check, word) else []
            for word in ("send_headers", "expect_headers"):
                words += [(word, _table(getattr(check, word)))] if getattr(check, word) else []
            return words if check.verify else [*words, ("verify", "false")]
        case TcpCheck(address, port):
            words = [("tcp", quoted(f"[{address}]:{port}" if ":" in address else f"{address}:{port}"))]
            for word in ("send", "expect"):
                words += [(word, quoted(getattr(check, word)))] if getattr(check, word) else []
            return words
        case CommandCheck(argv):
            return [("command", written_texts(argv))]
        case PingCheck(address):
            return [("ping", quoted(address))]


def inline(words: Iterable[tuple[str, str]]) -> str:
    return "{ " + ", ".join(f"{word} = {value}" for word, value in words) + " }"


def _table(pairs: Iterable[tuple[str, str]]) -> str:
    return inline((written_key(name), quoted(value)) for name, value in pairs)


def written_texts(items: Iterable[str]) -> str:
    return f"[{', '.join(quoted(item) for item in items)}]"


def quoted(text: str) -> str:
    """A string as TOML has it."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'

    def one(character: str) -> str:
        if character in _CONTROL:
            return _CONTROL[character]
        return f"\\u{ord(character):04X}" if character < " " or character == "\x7f" else character

    return f'"{"".join(one(character) for character in text)}"'


def written_key(name: str) -> str:
    bare = name and all(character.isascii() and (character.isalnum() or character in "-_") for character in name)
    return name if bare else quoted(name)


def written_span(span: Duration) -> str:
    """Exact, unlike ``format_duration``: what is read again must be the same to the nanosecond."""
    if span == 0:
        return '"0s"'
    for unit, scale in (("h", HOUR), ("m", MINUTE), ("s", SECOND), ("ms", MILLISECOND), ("us", MICROSECOND)):
        if span % scale == 0:
            return f'"{span // scale}{unit}"'
    return f'"{span // MICROSECOND}.{span % MICROSECOND:03d}us"'
