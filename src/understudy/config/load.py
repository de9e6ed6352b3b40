"""Configuration files from disk. The only file of this package that opens any.

``examine`` tells everything (``understudy check``); ``load`` is for those who can only go on with a good file.
"""

from __future__ import annotations

import contextlib
import gc
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import ConfigError, Problem
from ..model import Api, Cluster
from .api import ApiDraft, Token, judge_pair, parse_tokens
from .fences import has_secret
from .files import read_file
from .keys import format_keys, is_waiting, parse_keys, remedy
from .places import FilePlaces, find_places
from .probes import is_secret
from .report import Report
from .toml import decode, parse
from .tree import WHOLE_FILE, Place
from .validate import read

if TYPE_CHECKING:
    from ..services import ServiceFiles
    from .heartbeat import Texts
    from .heartbeat_copy import HeartbeatCopy
    from .keepalived import KeepalivedReading
    from .keepalived_expand import Source

COPY_MARK = "# What this node runs with: Heartbeat's files"
"""How a copy of Heartbeat's files begins (``heartbeat_copy.MARK``)."""

KEEPALIVED = "keepalived.conf"
"""The file of the folder /etc/keepalived."""

_KEEPALIVED_LINE = re.compile(
    rb"^\s*(?:@\S+\s+)?(?:global_defs|vrrp_instance|vrrp_sync_group|vrrp_script|virtual_server|include\w?)(?![\w.]|\s*=)",
    re.MULTILINE,
)

_BALANCED = re.compile(r"^\[(?:balancing\]|services\.)", re.MULTILINE)
_OTHERS = re.compile(r"^[ \t]*\[(?!balancing\]|services\.)|\"\"\"|'''", re.MULTILINE)
"""Another section, or a text of several lines, which may look like one."""

CONFIG_ID = "UNDERSTUDY_CONFIG_ID"
"""The environment variable with the configuration id: what ``run`` was given holds for the reloads of its manager, too."""


def load(path: str) -> Cluster:
    """Read and judge the file at ``path`` and its key file. Raises ConfigError with all problems.

    The files of [api] are not looked at: a certificate that is just being renewed must keep no daemon from starting.
    """
    return _good(*examine(path, with_api_files=False))


def load_for_pulse(path: str) -> Cluster:
    """As ``load``, without what is balanced: the pulse keeps nothing of it, and may have to be back at once."""
    return _good(*examine(path, with_api_files=False, with_services=False))


def _good(cluster: Cluster | None, problems: tuple[Problem, ...]) -> Cluster:
    if cluster is None:
        raise ConfigError([problem for problem in problems if problem.severity == "error"])
    return cluster


def examine(
    path: str, with_api_files: bool = True, config_id: str = "", with_services: bool = True
) -> tuple[Cluster | None, tuple[Problem, ...]]:
    """The Cluster, or None when any problem is an error; and all problems, warnings too, in the order of the file.

    ``config_id``: of a keepalived.conf, as in ``load_keepalived``.
    """
    with _uncollected():
        return _examine(path, with_api_files, config_id, with_services)


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Reading makes hundreds of thousands of objects and no cycles: looking for garbage meanwhile takes a third of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _examine(
    path: str, with_api_files: bool, config_id: str, with_services: bool
) -> tuple[Cluster | None, tuple[Problem, ...]]:
    if is_keepalived(path):
        return _keepalived_cluster(path, config_id, with_services=with_services)
    if not path.endswith(".toml"):
        from .load_ldirectord import is_ldirectord, ldirectord_cluster

        if is_ldirectord(path):
            return ldirectord_cluster(path, with_services=with_services)
    found = read_file(path)
    if isinstance(found, Problem):
        return None, (found,)
    data, mode = found
    text = decode(data, path)
    if isinstance(text, Problem):
        return None, (text,)
    if text.startswith(COPY_MARK):
        copy = _heartbeat_copy(text, path, with_services)
        return (None, (copy,)) if isinstance(copy, Problem) else (_cluster_of(copy, path), ())
    text = text if with_services else _without_services(text)
    reading = read(text.removeprefix("\ufeff"), path, os.path.abspath(path), os.uname().nodename, with_services)
    report = Report(path)
    report.problems += reading.problems
    if mode & 0o022:
        hint = f"Whoever changes it decides what runs as root. Mend it with: chmod go-w {path}"
        report.warning(WHOLE_FILE, f"the file may be changed by others (mode {mode:04o})", hint)
    if mode & 0o044 and reading.cluster is not None:
        for what in _secrets(reading.cluster):
            text = f"the file may be read by others (mode {mode:04o}), and {what}"
            report.warning(WHOLE_FILE, text, f"Mend it with: chmod 600 {path}")
    if reading.key_file:
        key_file = os.path.join(os.path.dirname(path), reading.key_file)
        _judge_key_file(report, key_file, reading.key_place)
    cluster = reading.cluster
    if reading.api.api is not None:
        api = _whole_paths(reading.api.api, os.path.dirname(os.path.abspath(path)))
        if with_api_files:
            _judge_api(report, api, reading.api)
        cluster = None if cluster is None else replace(cluster, api=api)
    return (None if report.refused else cluster), report.in_order()


def _without_services(text: str) -> str:
    """Our own copies have what is balanced at their end. Whoever does not want it does not take it apart: with ten thousand
    servers that is a second until a pulse is back. The empty section says that the file is one of a machine that balances.
    """
    found = _BALANCED.search(text)
    if found is None or _OTHERS.search(text, found.start()) is not None:
        return text
    return f"{text[: found.start()]}[balancing]\n"


def heartbeat_folder(path: str) -> Texts:
    """The files of Heartbeat in a folder such as /etc/ha.d, to be judged by ``config.heartbeat.read_heartbeat``."""
    from .heartbeat import NAMES, Found, Texts  # only here: the real-time process needs none of it
    from .load_ldirectord import finder

    def file(name: str) -> Found:
        where = os.path.join(path, name)
        data = read_file(where)
        return Found(where, problem=data) if isinstance(data, Problem) else Found(where, data[0], data[1])

    cf, haresources, authkeys = map(file, NAMES)
    return Texts(path, cf, haresources, authkeys, finder((path, os.path.join(path, "conf"))))


def load_heartbeat(path: str, with_services: bool = True) -> HeartbeatCopy:
    """What a node runs with that was started from Heartbeat's files; ``load`` has its Cluster. Raises ConfigError.

    ``with_services``: also what it balances, which stands in a file beside it.
    """
    found = read_file(path)
    text = "" if isinstance(found, Problem) else found[0].decode("utf-8", "replace")
    copy = found if isinstance(found, Problem) else _heartbeat_copy(text, path, with_services)
    if isinstance(copy, Problem):
        raise ConfigError([copy])
    return copy


def load_keepalived(path: str, config_id: str = "", node: str = "") -> Cluster:
    """The Cluster of a keepalived.conf; its ``routers`` has everything. Raises ConfigError with all errors.

    ``path``: the file, or the folder that has it. ``config_id``: keepalived's ``-i``. ``node``: this machine. Both default to
    the host name, the first up to its first dot, but for what ``CONFIG_ID`` says.
    """
    return _good(*_keepalived_cluster(path, config_id, node))


def survived(path: str, config_id: str = "") -> Cluster | None:
    """What keepalived runs with where it loses a part of its file: of one that is refused for that alone, else None."""
    if not is_keepalived(path):
        return None
    reading = examine_keepalived(path, config_id)
    if not all(problem.survived for problem in reading.problems if problem.severity == "error"):
        return None
    return _keepalived_cluster_of(replace(reading, files=reading.partly))


def _keepalived_cluster(
    path: str, config_id: str = "", node: str = "", with_services: bool = True
) -> tuple[Cluster | None, tuple[Problem, ...]]:
    reading = examine_keepalived(path, config_id, with_services)
    return _keepalived_cluster_of(reading, node), reading.problems


def _keepalived_cluster_of(reading: KeepalivedReading, node: str = "") -> Cluster | None:
    from .keepalived_cluster import cluster_of

    if reading.files is None:
        return None
    return cluster_of(reading.files, os.path.abspath(reading.sources[0]), node or os.uname().nodename)


def examine_keepalived(path: str, config_id: str = "", with_services: bool = True) -> KeepalivedReading:
    """A keepalived.conf and all that it includes, with every problem. ``path``: the file, or the folder that has it."""
    from .keepalived import read_keepalived

    file = os.path.join(path, KEEPALIVED) if os.path.isdir(path) else path
    folder = os.path.dirname(os.path.abspath(file))
    chosen = config_id or os.environ.get(CONFIG_ID, "") or os.uname().nodename.partition(".")[0]
    reading = read_keepalived(_source(file), _included, chosen, folder, with_services)
    found = read_file(file)
    if isinstance(found, Problem) or not found[1] & 0o022:
        return reading
    text = f"the file may be changed by others (mode {found[1]:04o})"
    hint = f"Whoever changes it decides what runs as root. Mend it with: chmod go-w {file}"
    return replace(reading, problems=(*reading.problems, Problem(file, 0, 0, text, hint, "warning")))


def is_keepalived(path: str) -> bool:
    """Whether this is a keepalived.conf, or a folder that has one, by its name and by what stands in it."""
    if os.path.isdir(path):
        return os.path.isfile(os.path.join(path, KEEPALIVED)) and not os.path.exists(os.path.join(path, "ha.cf"))
    found = read_file(path)
    if isinstance(found, Problem) or path.endswith(".toml"):
        return False
    return os.path.basename(path) == KEEPALIVED or _KEEPALIVED_LINE.search(found[0]) is not None


def _source(path: str) -> Source:
    from .keepalived_expand import Source

    found = read_file(path)
    if isinstance(found, Problem):
        return Source(path, problem=found.text.removeprefix("cannot read the file: "))
    return Source(path, found[0].decode("utf-8", "replace").removeprefix("\ufeff"))


def _included(pattern: str, base: str) -> tuple[Source, ...]:
    """The files behind ``include``, in the order of their names; patterns are relative to the file that has the line."""
    import glob

    from .keepalived_expand import braces

    folder = os.path.dirname(os.path.abspath(base))
    found: dict[str, None] = {}
    for each in braces(pattern):
        whole = os.path.normpath(os.path.join(folder, each))
        names = sorted(glob.glob(whole)) if glob.has_magic(whole) else [whole] * os.path.lexists(whole)
        found |= dict.fromkeys(name for name in names if not os.path.isdir(name))
    return tuple(_source(name) for name in found)


def _heartbeat_copy(text: str, path: str, with_services: bool) -> HeartbeatCopy | Problem:
    from .heartbeat_copy import read_copy

    copy = read_copy(text, path)
    services = _services_beside(path) if with_services else None
    if isinstance(copy, Problem) or services is None:
        return copy
    return replace(copy, files=replace(copy.files, services=services))


def _services_beside(path: str) -> ServiceFiles | None:
    """What the copy of the services has that lies beside that of Heartbeat's files; None when nothing is balanced."""
    found = read_file(os.path.join(os.path.dirname(path), "services.json"))
    if isinstance(found, Problem):
        return None
    from .service_copy import read_copy

    try:
        files = read_copy(found[0].decode("utf-8", "surrogateescape")).files
    except ValueError:  # of another version: it is written anew by the next reload, or start
        return None
    return files if files.services else None


def _cluster_of(copy: HeartbeatCopy, path: str) -> Cluster:
    from .heartbeat_copy import cluster_of

    return cluster_of(copy, os.path.abspath(path))


def _whole_paths(api: Api, directory: str) -> Api:
    """Relative paths are relative to the configuration."""
    files = (os.path.join(directory, name) for name in (api.certificate, api.key, api.token_file))
    return Api(api.listen, *files)


def load_tokens(api: Api) -> tuple[Token, ...] | Problem:
    """Who may use the API over TCP; refused when others may read or change the file."""
    data = _read_private(api.token_file, "token file")
    return data if isinstance(data, Problem) else parse_tokens(data, api.token_file)


def load_pair(api: Api) -> float | Problem:
    """When the API's certificate expires (seconds since 1970), or what is wrong with it and its key."""
    certificate = read_file(api.certificate)
    if isinstance(certificate, Problem):
        return certificate
    key = _read_private(api.key, "private key")
    if isinstance(key, Problem):
        return key
    found = judge_pair(certificate[0], key)
    if isinstance(found, str):
        return Problem(api.certificate, 0, 0, found, "Give the API a certificate and its key.")
    return found


def _judge_api(report: Report, api: Api, draft: ApiDraft) -> None:
    places = dict(zip((api.certificate, api.key, api.token_file), draft.places, strict=True))
    found_all: list[object] = [read_file(api.certificate), _read_private(api.key, "private key")]
    if not any(isinstance(found, Problem) for found in found_all):
        found_all = [load_pair(api)]  # each can be read; now what they are together
    for found in (*found_all, load_tokens(api)):
        if isinstance(found, Problem):
            line = f", line {found.line}" if found.line else ""
            report.error(places[found.file], f"{found.file}{line}: {found.text}", found.hint)


def _secrets(cluster: Cluster) -> Iterator[str]:
    for device in cluster.fences:
        if has_secret(device):
            yield f"[fence.{device.name}] has a password in it"
    for group in cluster.groups:
        for probe in group.probes:
            if is_secret(probe):
                yield f"the probe {probe.name} of {group.name} sends a secret"
    for router in () if cluster.routers is None else cluster.routers.routers:
        if router.password:
            yield f"[virtual_routers.{router.name}] has a password in it"


def places_in(path: str) -> FilePlaces:
    """Where the agents' parameters stand in a file that was found good; nothing when it has changed meanwhile."""
    found = read_file(path)
    text = found if isinstance(found, Problem) else decode(found[0], path)
    tree = text if isinstance(text, Problem) else parse(text.removeprefix("\ufeff"), path)
    return FilePlaces() if isinstance(tree, Problem) else find_places(tree)


def key_path(cluster: Cluster) -> str:
    """Where the key file is: a relative ``key_file`` is relative to the configuration."""
    return os.path.join(os.path.dirname(cluster.source), cluster.key_file)


def load_keys(cluster: Cluster) -> tuple[bytes, ...]:
    """The keys of the cluster, 32 bytes each, the one to seal with first. Raises ConfigError with the reason."""
    keys = read_key_file(key_path(cluster))
    if isinstance(keys, Problem):
        raise ConfigError([keys])
    return keys


def load_key_text(cluster: Cluster) -> str:
    """The cluster's key file as we would write it: its keys, and whether the second waits to be used. Raises ConfigError."""
    keys, data = load_keys(cluster), read_key_text(key_path(cluster))
    return format_keys(keys, isinstance(data, bytes) and is_waiting(data))


def read_key_file(path: str) -> tuple[bytes, ...] | Problem:
    """The keys in the file at ``path``, the one to seal with first; refused when others may read or change it."""
    data = read_key_text(path)
    return data if isinstance(data, Problem) else parse_keys(data, path)


def read_key_text(path: str) -> bytes | Problem:
    """The bytes of a key file, once its permissions are found good."""
    found = read_file(path)
    if isinstance(found, Problem):
        return Problem(path, 0, 0, found.text, found.hint if os.path.exists(path) else remedy(path))
    return _private(found, path, "key file")


def _read_private(path: str, what: str) -> bytes | Problem:
    found = read_file(path)
    return found if isinstance(found, Problem) else _private(found, path, what)


def _private(found: tuple[bytes, int], path: str, what: str) -> bytes | Problem:
    """The content of a file that holds a secret, unless others may use it."""
    data, mode = found
    if mode & 0o077:
        how = "read" if mode & 0o044 else "changed or run"
        text = f"the {what} may be {how} by others (mode {mode:04o})"
        return Problem(path, 0, 0, text, f"Mend it with: chmod 600 {path}")
    return data


def _judge_key_file(report: Report, path: str, place: Place) -> None:
    keys = read_key_file(path)
    if not isinstance(keys, Problem):
        return
    line = f", line {keys.line}" if keys.line else ""
    report.error(place, f"key_file {path}{line}: {keys.text}", keys.hint)
