"""What ``global_defs`` says of virtual servers: ``lvs_*``, mails, and what all checkers have."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from ipaddress import ip_address

from ..services import SyncDaemon, Timeouts
from ..units import SECOND
from ..vrrp_files import RouterFiles
from .addresses import Wrong, read_device
from .heartbeat_lines import Word
from .keepalived_tree import Statement
from .keepalived_values import address_of, boolean, decimal
from .report import Report, suggestion

_TIMEOUTS = {"tcp": "tcp", "tcpfin": "tcp_fin", "udp": "udp"}
_NUMBERS = {
    "id": ("identifier", 0, 255),
    "maxlen": ("most_bytes", 1, 65507),
    "port": ("port", 1, 65535),
    "ttl": ("ttl", 1, 255),
}


@dataclass(slots=True)
class Balancing:
    """``mail``: whether servers are mailed about that do not say. ``log_all``: failures are told even before one is down."""

    sync: SyncDaemon | None = None
    timeouts: Timeouts = field(default_factory=Timeouts)
    flush: bool = False
    flush_at_stop: bool = False
    mail: bool = True
    log_all: bool = False


def read_balancing(report: Report, tree: list[Statement], files: RouterFiles) -> Balancing:
    """Every ``global_defs`` of the file, as if it were one."""
    made = Balancing()
    mail: dict[str, bool] = {}
    for block in tree:
        for item in (block.block or ()) if block.name == "global_defs" else ():
            word = item.value()
            if item.name == "lvs_sync_daemon":
                made.sync = _sync(report, item, files) or made.sync
            elif item.name == "lvs_timeouts":
                made.timeouts = _timeouts(report, item)
            elif item.name == "lvs_flush":
                made.flush = True
            elif item.name in ("lvs_flush_on_stop", "lvs_flush_onstop"):
                if word is not None and word.text != "VS":
                    report.warning(word.place, f'"{word.text}" behind {item.name} does not count', "It may be VS.")
                # With VS each of our services goes with its servers, which is what a stop does in any case.
                made.flush_at_stop = word is None or word.text != "VS"
            elif item.name in ("smtp_alert", "smtp_alert_checker"):
                mail[item.name] = boolean(report, item, True)
            elif item.name == "checker_log_all_failures":
                made.log_all = boolean(report, item, True)
    made.mail = mail.get("smtp_alert_checker", mail.get("smtp_alert", True))
    if made.sync is None:
        made.sync = next(
            (SyncDaemon(each.sync_daemon, each.name, each.vrid) for each in files.routers if each.sync_daemon), None
        )
    return made


def _timeouts(report: Report, statement: Statement) -> Timeouts:
    made = Timeouts()
    words = list(statement.words[1:])
    while words:
        name = words.pop(0)
        if name.text not in _TIMEOUTS:
            report.warning(
                name.place, f'"{name.text}" does not count', suggestion(name.text, list(_TIMEOUTS), "There are")
            )
        elif words:
            value = words.pop(0)
            number = _number(report, value, 0, 2_678_400)
            made = made if number is None else replace(made, **{_TIMEOUTS[name.text]: number * SECOND})
        else:
            report.warning(name.place, f'"{name.text}" lacks its seconds', "")
    return made


def _number(report: Report, word: Word, low: int, high: int) -> int | None:
    found = decimal(word.text, low, high)
    if found is None:
        report.warning(word.place, f'"{word.text}" is not a number from {low} to {high}; it does not count', "")
    return found


def _sync(report: Report, statement: Statement, files: RouterFiles) -> SyncDaemon | None:
    """``IF [[inst] INSTANCE] [id N] [maxlen N] [port N] [ttl N] [group ADDRESS]``."""
    words = list(statement.words[1:])
    device = words.pop(0)
    wrong = read_device(device.text)
    if isinstance(wrong, Wrong):
        report.warning(device.place, f"{wrong.text}; connections are not synchronised", wrong.hint)
        return None
    made = SyncDaemon(device.text)
    known = {router.name: router for router in files.routers}
    if words and words[0].text not in (*_NUMBERS, "group"):
        name = words.pop(0)
        if name.text == "inst" and words:
            name = words.pop(0)
        router = known.get(name.text)
        if router is None:
            text = f"there is no vrrp_instance {name.text}; connections are not synchronised"
            report.warning(name.place, text, suggestion(name.text, list(known), "There are"))
            return None
        made = replace(made, router=router.name, identifier=router.vrid)
    while words:
        option = words.pop(0)
        if option.text not in (*_NUMBERS, "group") or not words:
            report.warning(option.place, f'"{option.text}" does not count', "")
            continue
        value = words.pop(0)
        if option.text == "group":
            found = address_of(value.text)
            if found is None or not found.is_multicast:
                report.warning(value.place, f'"{value.text}" is not a multicast group; the usual one is taken', "")
            else:
                made = replace(made, group=str(ip_address(value.text)))
            continue
        name_of, low, high = _NUMBERS[option.text]
        number = _number(report, value, low, high)
        made = made if number is None else replace(made, **{name_of: number})  # type: ignore[arg-type]
    return made
