"""``global_defs``: what counts for the whole daemon, and the defaults of every instance."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..units import SECOND, Duration
from ..vrrp_files import Announcing, RouterGlobals
from .keepalived_tree import Statement
from .keepalived_values import boolean, command, flag, multicast, seconds, user, whole
from .report import Report

MULTICAST = {4: "224.0.0.18", 6: "ff02::12"}
"""RFC 9568 section 5.1.1.2 and 5.1.2.2."""
LONGEST_WAIT: Duration = 1000 * SECOND
MOST_FRAMES = 1000
"""More gratuitous frames than that for one address help nobody, and delay the next."""


@dataclass(slots=True)
class Defaults:
    """What instances and groups have unless they say otherwise; ``lower_*`` None: as the others of the instance."""

    version: int = 2
    strict: bool = False
    skip_check: bool = False
    check_source: bool = False
    groups: dict[int, str] = field(default_factory=lambda: dict(MULTICAST))
    announcing: Announcing = field(default_factory=Announcing)
    lower_repeat: int | None = None
    lower_delay: Duration | None = None
    lower_no_advert: bool = False
    higher_send_advert: bool = False
    down_adverts: int = 3
    startup_delay: Duration = 0
    priority_changes: bool = False
    mail: bool = False
    device: str = ""
    mac_prefix: str = "vrrp"
    min_garp: bool = False


def read_globals(report: Report, tree: list[Statement]) -> tuple[RouterGlobals, Defaults]:
    """Every ``global_defs`` of the file, as if it were one; a later line counts where there are two."""
    reader = _Reader(report)
    for block in tree:
        if block.name == "global_defs":
            for statement in block.block or ():
                reader.read(statement)
    return reader.finished(), reader.defaults


class _Reader:
    def __init__(self, report: Report) -> None:
        self._report = report
        self.defaults = Defaults()
        self._said: dict[str, object] = {}
        self._fifos: dict[str, str] = {}
        self._fifo_scripts: dict[str, tuple[str, ...]] = {}
        self._announcing: dict[str, int] = {}

    def finished(self) -> RouterGlobals:
        defaults = self.defaults
        if defaults.min_garp:
            self._announcing |= {"repeat": 1, "delay": 0}
        defaults.announcing = Announcing(**self._announcing)
        fifos = tuple((path, self._fifo_scripts.get(word, ())) for word, path in self._fifos.items())
        return RouterGlobals(**self._said, fifos=fifos)  # type: ignore[arg-type]

    def read(self, statement: Statement) -> None:
        name = statement.name
        if statement.keyword is not None and not statement.keyword.done:
            return
        for read in (self._instances, self._announce, self._switches, self._texts, self._scripts):
            if read(statement, name):
                return

    def _switches(self, statement: Statement, name: str) -> bool:
        report, defaults = self._report, self.defaults
        flags = {"enable_script_security": "script_security", "log_unknown_vrids": "log_unknown"}
        if name in flags:
            self._said[flags[name]] = flag(report, statement)
        elif name == "dynamic_interfaces":
            self._said["dynamic_interfaces"] = True
        elif name == "fifo_write_vrrp_states_on_reload":
            self._said["states_on_reload"] = flag(report, statement)
        elif name in ("smtp_alert", "smtp_alert_vrrp"):
            defaults.mail = boolean(report, statement, True)
        elif name == "vrrp_notify_priority_changes":
            defaults.priority_changes = boolean(report, statement, True)
        else:
            return name == "no_email_faults"
        return True

    def _instances(self, statement: Statement, name: str) -> bool:
        """What an instance may say for itself."""
        report, defaults, word = self._report, self.defaults, statement.value()
        if name == "vrrp_version":
            defaults.version = whole(report, statement, 2, 3, "2 is taken") or 2
        elif name == "vrrp_strict":
            defaults.strict = flag(report, statement)
        elif name == "vrrp_skip_check_adv_addr":
            defaults.skip_check = boolean(report, statement, True)
        elif name == "vrrp_check_unicast_src":
            defaults.check_source = flag(report, statement)
        elif name in ("vrrp_mcast_group4", "vrrp_mcast_group6") and word is not None:
            of = int(name[-1])
            defaults.groups[of] = multicast(report, word, of) or MULTICAST[of]
        elif name == "vrrp_lower_prio_no_advert":
            defaults.lower_no_advert = boolean(report, statement, True)
        elif name == "vrrp_higher_prio_send_advert":
            defaults.higher_send_advert = boolean(report, statement, True)
        elif name == "vrrp_down_timer_adverts":
            defaults.down_adverts = whole(report, statement, 1, 100, "3 is taken") or 3
        elif name == "vrrp_startup_delay":
            defaults.startup_delay = seconds(report, statement, 0, LONGEST_WAIT * 1000, "there is no delay") or 0
        elif name == "default_interface" and word is not None:
            defaults.device = word.text
        elif name == "vmac_prefix" and word is not None:
            defaults.mac_prefix = word.text
        else:
            return False
        return True

    def _announce(self, statement: Statement, name: str) -> bool:
        report = self._report
        if name == "vrrp_min_garp":
            self.defaults.min_garp = boolean(report, statement, True)
            return True
        if name in ("vrrp_garp_interval", "vrrp_gna_interval"):
            found = seconds(report, statement, 0, 1000 * SECOND, "there is no pause")
            if found is not None:
                self._announcing["arp_interval" if "garp" in name else "na_interval"] = found
            return True
        if not name.startswith("vrrp_garp_"):
            return False
        word, value = announced(report, statement, name.removeprefix("vrrp_garp_"))
        if value is not None:
            if word == "lower_repeat":
                self.defaults.lower_repeat = value
            elif word == "lower_delay":
                self.defaults.lower_delay = value
            else:
                self._announcing[word] = value
        return True

    def _texts(self, statement: Statement, name: str) -> bool:
        word = statement.value()
        fields = {"router_id": "router_id", "notification_email_from": "mail_from"}
        if name in fields and word is not None:
            self._said[fields[name]] = word.text
        elif name == "smtp_server" and word is not None:
            port = statement.value(2)
            self._said["mail_server"] = word.text if port is None else f"{word.text} {port.text}"
        elif name == "notification_email":
            found = [item.text for line in statement.block or () for item in line.words[:1]]
            if not found:
                self._report.warning(statement.place, '"notification_email" names nobody', "Take it away.")
            self._said["mails"] = (*self._said.get("mails", ()), *found)  # type: ignore[misc]
        elif name in ("notify_fifo", "vrrp_notify_fifo") and word is not None:
            self._fifos[name] = word.text
        elif name in ("vrrp_rt_priority", "vrrp_priority"):
            low, high, what = (1, 99, "realtime_priority") if name == "vrrp_rt_priority" else (-20, 19, "nice")
            found_number = whole(self._report, statement, low, high, "it does not count")
            self._said |= {} if found_number is None else {what: found_number}
        else:
            return False
        return True

    def _scripts(self, statement: Statement, name: str) -> bool:
        report = self._report
        if name == "script_user":
            found = user(report, list(statement.words[1:]))
            self._said |= {} if found is None else {"script_user": found}
        elif name in ("startup_script", "shutdown_script"):
            made = command(report, statement, users=True)
            self._said |= {} if made is None else {"started" if name == "startup_script" else "stopped": made[0]}
        elif name in ("startup_script_timeout", "shutdown_script_timeout"):
            limit = seconds(report, statement, SECOND, LONGEST_WAIT, "10 is taken")
            self._said |= {} if limit is None else {"script_timeout": limit}
        elif name in ("notify_fifo_script", "vrrp_notify_fifo_script"):
            made = command(report, statement, users=True)
            if made is not None:
                self._fifo_scripts[name.removesuffix("_script")] = made[0]
        else:
            return False
        return True


def announced(report: Report, statement: Statement, name: str) -> tuple[str, int | None]:
    """One of the settings of gratuitous frames, without what stands before its name: which field, and its value."""
    if name in ("master_delay", "lower_prio_delay", "master_refresh"):
        word = {"master_delay": "delay", "lower_prio_delay": "lower_delay", "master_refresh": "refresh"}[name]
        number = whole(report, statement, 0, 10**9, "it does not count")
        return word, None if number is None else number * SECOND
    word = {"master_repeat": "repeat", "lower_prio_repeat": "lower_repeat", "master_refresh_repeat": "refresh_repeat"}[
        name
    ]
    least = 0 if word == "lower_repeat" else 1
    number = whole(report, statement, least, MOST_FRAMES, f"{least or 1} is taken" if least else "it does not count")
    return word, 1 if number is None and least else number
