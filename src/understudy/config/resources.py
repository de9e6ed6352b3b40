"""Resources of a group: exactly one word says the kind, the others are its settings."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ..model import (
    AddressResource,
    CommandResource,
    Limits,
    LsbResource,
    MountResource,
    NotifyResource,
    OcfResource,
    OnFailure,
    OnStopFailure,
    RealServerResource,
    Resource,
    ResourceDResource,
    Restarts,
    RouteResource,
    ScriptResource,
    SourceAddressResource,
    SystemdResource,
)
from ..units import HOUR, MILLISECOND, SECOND, Duration
from .addresses import NAME_RULE, Wrong, is_name, read_device, read_virtual
from .init_scripts import EXCLUSIVE_SCRIPTS, read_lsb, read_notify, read_resource_d
from .mounts import SHARED_TYPES, read_mount
from .parts import DEFAULT_LIMITS, Common, program_name, read_arguments
from .report import Report, Scope, nearest, suggestion
from .routes import read_real_server, read_route, read_source_address
from .system_units import is_exclusive_unit, read_unit
from .tree import Place, Table, Value

KINDS: dict[str, tuple[str, ...]] = {
    "address": ("device",),
    "command": ("directory", "user", "environment", "stop_signal", "settle"),
    "script": ("args",),
    "ocf": ("params",),
    "mount": ("at", "type", "options", "fsck", "kill_holders", "check"),
    "lsb": ("pid_file", "process"),
    "resource_d": ("args",),
    "systemd": (),
    "route": ("via", "device", "table", "metric", "source"),
    "source_address": ("of_route", "device"),
    "notify": ("must_succeed",),
    "realserver": ("device",),
}
"""Each kind of resource and the words that only it takes."""


def _owners(word: str) -> str:
    kinds = [f'"{kind}"' for kind, words in KINDS.items() if word in words]
    return kinds[0] if len(kinds) == 1 else f"{', '.join(kinds[:-1])} and {kinds[-1]}"


_OWNERS = {word: _owners(word) for words in KINDS.values() for word in words}

EXCLUSIVE_AGENTS = frozenset(
    {"Filesystem", "drbd", "LVM", "LVM-activate", "ZFS", "Raid1", "mdraid", "iscsi", "iSCSITarget", "iSCSILogicalUnit"}
    | {"pgsql", "mysql", "mariadb", "galera", "redis", "oracle", "oralsnr", "db2", "sybaseASE", "SAPDatabase"}
    | {"rabbitmq-server", "rabbitmq-cluster", "nfsserver", "exportfs", "VirtualDomain", "LXC", "SAPInstance"}
    | {"ICP", "LinuxSCSI", "ServeRAID", "ids"}
)
"""OCF agents that damage data when they run on two machines: ``exclusive`` is true unless the file says otherwise."""

_EXCLUSIVE_SCRIPTS = EXCLUSIVE_AGENTS | EXCLUSIVE_SCRIPTS

SIGNALS = ("SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGKILL", "SIGABRT", "SIGALRM")
"""What ``stop_signal`` may be. SIGWINCH is the graceful stop of Apache httpd."""

_AGENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", re.ASCII)
PARAMETER_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,127}", re.ASCII)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}", re.ASCII)
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}\$?", re.ASCII)
_SHORTEST: Duration = 10 * MILLISECOND
_LONGEST: Duration = 24 * HOUR


@dataclass(frozen=True, slots=True)
class ResourceDraft:
    """A resource, where it was written, and whether its name was given or derived."""

    place: Place
    resource: Resource
    named: bool


def read_resource(report: Report, item: Value, group: str) -> ResourceDraft | None:
    """One item of ``resources``; None after reporting what is wrong with it."""
    if not isinstance(item.data, Table):
        text = f'"resources" of {group} lists tables, not {item.kind}'
        report.error(item.place, text, 'Write { address = "192.168.58.100/24", device = "eth0" }.')
        return None
    before = len(report.problems)
    scope = Scope(report, item.data, f"a resource of {group}", item.place)
    kind = _kind(report, scope)
    if kind is None:
        return None
    scope.name = f"the {kind} in {group}"
    common = _common(report, scope, kind)
    resource = _READERS[kind](report, scope, common)
    scope.value("probe")  # for ``probes``, which needs the name that the resource has in the end
    scope.finish(elsewhere={word: f"It belongs to {text}." for word, text in _OWNERS.items()})
    if resource is not None and resource.exclusive and resource.restarts.on_stop is OnStopFailure.GO_ON:
        text = f"{resource.id} must not run on two machines, so the group cannot go on without it having stopped"
        hint = "Take on_stop_failure away; or, if it may run twice after all, write exclusive = false."
        report.error(scope.at("on_stop_failure"), text, hint)
    if resource is None or any(problem.severity == "error" for problem in report.problems[before:]):
        return None
    return ResourceDraft(item.place, resource, common.name is not None)


def _kind(report: Report, scope: Scope) -> str | None:
    words = list(scope.table.entries)
    kinds = [word for word in words if word in KINDS]
    if len(kinds) == 1:
        return kinds[0]
    if kinds:
        text = f"a resource of one kind only, but this one is {' and '.join(kinds)}"
        report.error(scope.table.entries[kinds[1]].place, text, "Make each of them a resource { ... } of its own.")
        return None
    hint = f"Begin it with one of {', '.join(KINDS)}."
    for word in words:
        close = nearest(word, KINDS)
        if close is not None:
            hint = f'Did you mean "{close}"?'
            report.error(scope.table.entries[word].place, f'unknown word "{word}" in {scope.name}', hint)
            return None
    report.error(scope.place, f"{scope.name} does not say what it is", hint)
    return None


def _common(report: Report, scope: Scope, kind: str) -> Common:
    default = DEFAULT_LIMITS.get(kind, Limits())
    name = scope.text("name")
    if name is not None and not is_name(name):
        report.error(scope.at("name"), f'"{name}" cannot name a resource', NAME_RULE)
    spans = {word: scope.duration(f"{word}_timeout", _SHORTEST, _LONGEST) for word in ("start", "stop", "monitor")}
    interval = scope.duration("interval", 0, _LONGEST)
    if interval is not None and 0 < interval < 100 * MILLISECOND:
        text = '"interval" is below 100ms: every monitor starts a process'
        report.error(scope.at("interval"), text, 'Write at least "100ms", or "0s" for never.')
    limits = Limits(
        start=default.start if spans["start"] is None else spans["start"],
        stop=default.stop if spans["stop"] is None else spans["stop"],
        monitor=default.monitor if spans["monitor"] is None else spans["monitor"],
        interval=default.interval if interval is None else interval,
    )
    most = scope.integer("restarts", 0, 1000, Restarts().most)
    within = scope.duration("restart_window", SECOND, 30 * 24 * HOUR)
    restarts = Restarts(
        most,
        Restarts().within if within is None else within,
        scope.choice("on_failure", OnFailure) or OnFailure.RESTART,
        scope.choice("on_stop_failure", OnStopFailure),
    )
    return Common(name, scope.boolean("exclusive"), limits, restarts)


# -- the kinds --------------------------------------------------------------------------------------------------------


def _address(report: Report, scope: Scope, common: Common) -> Resource | None:
    text = scope.text("address")
    device_text = scope.text("device")
    if device_text is None and "device" not in scope:
        scope.missing("device", 'Write device = "eth0", the interface that shall carry the address.')
    found = None if text is None else read_virtual(text)
    if isinstance(found, Wrong):
        report.error(scope.at("address"), found.text, found.hint)
        found = None
    device = None if device_text is None else read_device(device_text)
    if isinstance(device, Wrong):
        report.error(scope.at("device"), device.text, device.hint)
        device = None
    if found is None or device is None:
        return None
    address, prefix = found
    return AddressResource(
        common.name or f"address {address}",
        str(address),
        prefix,
        device,
        bool(common.exclusive),
        common.limits,
        common.restarts,
    )


def _command(report: Report, scope: Scope, common: Common) -> Resource | None:
    argv = read_arguments(report, scope, "command")
    if argv is not None and argv[0].endswith("/"):
        report.error(scope.at("command"), f'"{argv[0]}" is a directory', "Name the program in it.")
        argv = None
    directory = scope.text("directory")
    if directory is not None and not directory.startswith("/"):
        report.error(
            scope.at("directory"), f'"directory" is "{directory}", which does not begin with /', "Write the full path."
        )
    user = scope.text("user")
    if user is not None and not _USER.fullmatch(user):
        report.error(scope.at("user"), f'"{user}" cannot be the name of a user', "Write a name as in /etc/passwd.")
    environment = read_strings(report, scope, "environment", _VARIABLE, "the name of an environment variable")
    _check_reserved(report, scope)
    stop_signal = _signal(report, scope)
    settle = scope.duration("settle", 0, _LONGEST)
    if settle is not None and settle >= common.limits.start:
        text = '"settle" is not shorter than start_timeout, so the program could never count as started'
        report.error(scope.at("settle"), text, "Shorten settle or lengthen start_timeout.")
    if argv is None:
        return None
    return CommandResource(
        common.name or program_name(argv[0]),
        argv,
        directory or "/",
        user,
        environment,
        stop_signal,
        settle or 0,
        bool(common.exclusive),
        common.limits,
        common.restarts,
    )


def _script(report: Report, scope: Scope, common: Common) -> Resource | None:
    path = scope.text("script")
    if path is not None and (not path.startswith("/") or path.endswith("/")):
        hint = "Write the full path of the program alone; what it is called with goes into args."
        report.error(scope.at("script"), f'"script" must be the full path of a program, not "{path}"', hint)
        path = None
    arguments = read_arguments(report, scope, "args") if "args" in scope else ()
    if path is None or arguments is None:
        return None
    name = common.name or program_name(path)
    return ScriptResource(name, path, arguments, bool(common.exclusive), common.limits, common.restarts)


def _ocf(report: Report, scope: Scope, common: Common) -> Resource | None:
    text = scope.text("ocf")
    parameters = read_strings(report, scope, "params", PARAMETER_NAME, "the name of a parameter")
    if text is None:
        return None
    parts = text.split(":")
    if parts[0] == "ocf" and len(parts) == 3:  # as crm and pcs write it
        parts = parts[1:]
    if len(parts) == 1:
        parts = ["heartbeat", parts[0]]
    if len(parts) != 2 or not all(_AGENT.fullmatch(part) for part in parts):
        hint = 'Write PROVIDER:TYPE, as in "heartbeat:apache", or the type alone for the provider heartbeat.'
        report.error(scope.at("ocf"), f'"{text}" does not name an OCF agent', hint)
        return None
    provider, kind = parts
    exclusive = kind in EXCLUSIVE_AGENTS if common.exclusive is None else common.exclusive
    return OcfResource(common.name or kind, provider, kind, parameters, exclusive, common.limits, common.restarts)


_READERS: dict[str, Callable[[Report, Scope, Common], Resource | None]] = {
    "address": _address,
    "command": _command,
    "script": _script,
    "ocf": _ocf,
    "mount": read_mount,
    "lsb": lambda report, scope, common: read_lsb(report, scope, common, _EXCLUSIVE_SCRIPTS),
    "resource_d": lambda report, scope, common: read_resource_d(report, scope, common, _EXCLUSIVE_SCRIPTS),
    "route": read_route,
    "notify": read_notify,
    "source_address": read_source_address,
    "realserver": read_real_server,
    "systemd": lambda report, scope, common: read_unit(report, scope, common, _EXCLUSIVE_SCRIPTS),
}


# -- parts ------------------------------------------------------------------------------------------------------------


def read_strings(
    report: Report, scope: Scope, word: str, pattern: re.Pattern[str], what: str
) -> tuple[tuple[str, str], ...]:
    """A table of strings, whole numbers and booleans, as sorted pairs of strings (their order means nothing)."""
    value = scope.value(word)
    if value is None:
        return ()
    if not isinstance(value.data, Table):
        scope.wrong(word, "a table", value, f'Write {word} = {{ name = "value" }}.')
        return ()
    pairs = []
    for name, entry in value.data.entries.items():
        if not pattern.fullmatch(name):
            report.error(entry.place, f'"{name}" cannot be {what}', "Use letters, digits and _.")
            continue
        data = entry.value.data
        if isinstance(data, bool):
            pairs.append((name, "true" if data else "false"))
        elif isinstance(data, int):
            pairs.append((name, str(data)))
        elif isinstance(data, str):
            if scope.clean(f"{word}.{name}", data, entry.value.place) is not None:
                pairs.append((name, data))
        else:
            text = f'"{name}" must be a string, not {entry.value.kind}'
            report.error(entry.value.place, text, "Put it in quotation marks, just as the program shall get it.")
    return tuple(sorted(pairs))


def _check_reserved(report: Report, scope: Scope) -> None:
    data = scope.table.entries["environment"].value.data if "environment" in scope else None
    for name, entry in data.entries.items() if isinstance(data, Table) else ():
        if name.startswith("UNDERSTUDY_"):
            text = f'"{name}" is reserved: names that begin with UNDERSTUDY_ are set by the program itself'
            report.error(entry.place, text, "Choose another name.")


def _signal(report: Report, scope: Scope) -> str:
    text = scope.text("stop_signal")
    if text is None:
        return "SIGTERM"
    name = text.upper() if text.upper().startswith("SIG") else f"SIG{text.upper()}"
    if name not in SIGNALS:
        report.error(scope.at("stop_signal"), f'unknown signal "{text}"', suggestion(name, SIGNALS, "Signals are"))
        return "SIGTERM"
    return name


def derived_name(resource: Resource) -> str:
    """The id that a resource gets when the file gives no name: its address, agent or program, as far as names allow."""
    match resource:
        case AddressResource():
            return f"address {resource.address}"
        case OcfResource():
            return resource.type
        case MountResource():
            return f"mount {resource.directory}"
        case CommandResource():
            return program_name(resource.argv[0])
        case ScriptResource():
            return program_name(resource.path)
        case LsbResource():
            return program_name(resource.init_script)
        case ResourceDResource():
            return program_name(resource.resource_script)
        case SystemdResource():
            return program_name(resource.unit.removesuffix(".service"))
        case RouteResource():
            return f"route {resource.destination}"
        case SourceAddressResource():
            return f"source {resource.source_address}"
        case NotifyResource():
            return program_name(resource.notify[0])
        case RealServerResource():
            return f"real server {resource.realserver}"


def default_exclusive(resource: Resource) -> bool:
    """What ``exclusive`` is for a resource when the file does not say."""
    match resource:
        case OcfResource():
            return resource.type in EXCLUSIVE_AGENTS
        case MountResource():
            return resource.type not in SHARED_TYPES
        case LsbResource():
            return program_name(resource.init_script) in _EXCLUSIVE_SCRIPTS
        case ResourceDResource():
            return program_name(resource.resource_script) in _EXCLUSIVE_SCRIPTS
        case SystemdResource():
            return is_exclusive_unit(resource.unit, _EXCLUSIVE_SCRIPTS)
        case _:
            return False
