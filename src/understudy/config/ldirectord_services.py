"""A block of ldirectord.cf, put together: a virtual service with its real servers, their checks and its fallback."""

from __future__ import annotations

from dataclasses import dataclass

from ..services import Forward, Mailing, Notice, OnFailure, RealServer, ServiceKey, VirtualService
from ..units import SECOND
from .addresses import Wrong
from .heartbeat_lines import Word
from .ldirectord_checks import Asker, Asking
from .ldirectord_lines import Block
from .ldirectord_names import Names, address_of, port_of, refuse, told_of_name
from .ldirectord_servers import Fallback, Real, Virtual, read_fallback, read_real, read_virtual
from .ldirectord_values import Settings, prefix_of, read_value
from .ldirectord_words import DIRECTIVES, MOMENTS, PORTS, REMOVED
from .report import Report, nearest
from .tree import Place

_SHELL = frozenset("\"'`$&*(){}[]|;<>?\\~#!\n")
_CLASS = {4: "", 6: "6"}


@dataclass(slots=True)
class Whole:
    """What the file says for all: settings, and fallbacks by family."""

    settings: Settings
    fallbacks: dict[int, Fallback]


def read_block(report: Report, block: Block, whole: Whole, names: Names) -> VirtualService | None:
    """One virtual server; None after an error that leaves nothing to go on with."""
    family = 6 if block.head.name.text == "virtual6" else 4
    value = block.head.value or Word("", block.head.name.place)
    virtual = read_virtual(report, value, family)
    reader = _Reader(report, block, family, names)
    reader.read()
    if virtual is None:
        return None
    return _Maker(report, whole, names, virtual, reader, family).service()


def unknown(report: Report, name: Word, virtually: bool, hint: str = "") -> None:
    """A directive that ldirectord does not know where it stands."""
    word = name.text
    known = [each for each, directive in DIRECTIVES.items() if directive.virtually or not virtually]
    if word in REMOVED and (word == "connecttimeout" or not virtually):
        report.error(name.place, f'"{word}" was taken out of ldirectord', REMOVED[word])
        return
    found = DIRECTIVES.get(word)
    if found is not None and not (found.virtually if virtually else found.globally):
        where = (
            "of the whole file, not of a virtual server" if virtually else "of a virtual server, not of the whole file"
        )
        mend = "Begin it in column 1, above or below the virtual servers." if virtually else "Indent it below virtual=."
        report.error(name.place, f'"{word}" is a directive {where}', hint or mend)
        return
    close = nearest(word, known)
    if word.lower() in DIRECTIVES:
        hint = f'Directives are in lower case: write "{word.lower()}".'
    report.error(name.place, f'unknown directive "{word}"', hint or (f'Did you mean "{close}"?' if close else ""))


class _Reader:
    """The lines of a block, in their order."""

    def __init__(self, report: Report, block: Block, family: int, names: Names) -> None:
        self.report, self.block, self.family, self.names = report, block, family, names
        self.settings = Settings()
        self.reals: list[Real] = []
        self.fallback: Fallback | None = None

    def read(self) -> None:
        for line in self.block.lines:
            name = line.name.text
            directive = DIRECTIVES.get(name)
            if directive is None or not directive.virtually:
                unknown(self.report, line.name, True)
            elif line.value is None:
                self.report.error(line.name.place, f'"{name}" has no "="', f"Write {name}=VALUE.")
            elif name in ("real", "real6", "fallback", "fallback6"):
                self._server(line.name, line.value)
            else:
                read_value(self.report, self.settings, line, line.value, True)

    def _server(self, name: Word, value: Word) -> None:
        word = name.text.removesuffix("6")
        right = word + _CLASS[self.family]
        if name.text != right:
            text = f'"{name.text}" does not go with {self.block.head.name.text}'
            self.report.error(name.place, text, f'Write "{right}".')
            return
        if word == "real":
            self.reals += read_real(self.report, value, self.family, self.names)
            return
        if self.fallback is not None:
            first = self.fallback.place.line
            text = f'"{name.text}" is given twice, first on line {first}; the later one counts'
            self.report.warning(name.place, text, "Keep one.")
        self.fallback = read_fallback(self.report, value, self.family, self.names) or self.fallback


class _Maker:
    """Defaults filled in, and what the settings mean together."""

    def __init__(
        self, report: Report, whole: Whole, names: Names, virtual: Virtual, reader: _Reader, family: int
    ) -> None:
        self.report, self.whole, self.names = report, whole, names
        self.virtual, self.reader, self.family = virtual, reader, family
        self.own, self.all = reader.settings, whole.settings
        self.protocol = "tcp"

    def service(self) -> VirtualService | None:
        self.protocol = self._protocol()
        key = self._key()
        if key is None:
            return None
        asking = self._asking(key)
        fallback = self._fallback(key)
        mailing = self._mailing()
        reals = self._reals(key, asking, bool(mailing.to))
        fallback = self._judge_fallback(key, fallback, reals)
        persistence, granularity = self._persistence()
        monitored = self.own.texts.get("monitorfile", "")
        return VirtualService(
            name=name_of(key),
            keys=(key,),
            reals=reals,
            scheduler=self.own.texts.get("scheduler", "wrr"),
            flags=self.own.flags,
            persistence=persistence * SECOND,
            granularity=granularity,
            one_packet=self._one_packet(),
            fallback=fallback,
            by_count=True,
            fallback_command=self._fallback_command(),
            clean_stop=self._switch("cleanstop", True),
            readd_quiet=self.all.switches.get("readdquiescent", False),
            monitor_file=monitored,
            mailing=mailing,
            comment=": ".join(filter(None, (self.own.texts.get("servicename"), self.own.texts.get("comment")))),
        )

    # -- settings -----------------------------------------------------------------------------------------------------

    def _switch(self, word: str, default: bool) -> bool:
        return self.own.switches.get(word, self.all.switches.get(word, default))

    def _number(self, word: str, default: int) -> int:
        return self.own.numbers.get(word, self.all.numbers.get(word, default))

    def _text(self, word: str) -> str:
        return self.own.texts.get(word, self.all.texts.get(word, ""))

    def _protocol(self) -> str:
        given = self.own.texts.get("protocol", "")
        if self.virtual.mark:
            if given in ("tcp", "udp"):
                hint = "Take the line away; or was a port forgotten in the line of the virtual server?"
                self.report.error(self.own.places["protocol"], "a firewall mark has the protocol fwm", hint)
            return "fwm"
        if given == "fwm":
            hint = "Write tcp or udp, or the number of a mark in place of the address."
            self.report.error(self.own.places["protocol"], "the protocol fwm goes with a firewall mark only", hint)
        elif given:
            return given
        return "udp" if self.virtual.port in ("53", "domain") else "tcp"

    def _key(self) -> ServiceKey | None:
        virtual = self.virtual
        if virtual.mark:
            return ServiceKey(mark=virtual.mark, family=self.family)
        address = address_of(self.names, virtual.address, self.family)
        if isinstance(address, Wrong):
            refuse(self.report, virtual.place, address)
            return None
        told_of_name(self.report, Word("", virtual.place), virtual.address, address)
        port = port_of(self.names, virtual.port, self.protocol)
        if port is None:
            hint = f"Write its number, or a name that /etc/services has for {self.protocol}."
            self.report.error(virtual.place, f'nothing here knows the {self.protocol} port "{virtual.port}"', hint)
            return None
        if port == 0 and "persistent" not in self.own.numbers:
            text = "port 0 means every port, and only a persistent service may have it: the kernel refuses this"
            self.report.error(virtual.place, text, "Write a port, or add persistent=300.")
            return None
        return ServiceKey(self.protocol, address, port, family=self.family)

    def _persistence(self) -> tuple[int, int]:
        """Seconds and prefix length."""
        seconds = self.own.numbers.get("persistent", 0)
        if "netmask" not in self.own.texts:
            return seconds, 0
        place = self.own.places["netmask"]
        prefix = prefix_of(self.own.texts["netmask"], self.family)
        if isinstance(prefix, str):
            self.report.error(place, f'"netmask" is "{self.own.texts["netmask"].strip()}"', prefix)
            return seconds, 0
        if not seconds:
            self.report.warning(place, "netmask without persistent does not count", "Add persistent=SECONDS.")
            return 0, 0
        return seconds, 0 if prefix == (128 if self.family == 6 else 32) else prefix

    def _one_packet(self) -> bool:
        if self.own.switches.get("ops") and self.protocol != "udp":
            self.report.warning(self.own.places["ops"], "ops counts for udp only", "Take it away.")
            return False
        return self.own.switches.get("ops", False)

    def _mailing(self) -> Mailing:
        to = tuple(word.strip() for word in self._text("emailalert").split(",") if word.strip())
        moments = self.own.moments if self.own.moments is not None else self.all.moments
        return Mailing(
            to=to,
            sender=self.all.texts.get("emailalertfrom", ""),
            repeat=self._number("emailalertfreq", 0) * SECOND,
            when=frozenset(MOMENTS) if moments is None else moments,
            smtp=self._text("smtp"),
        )

    def _fallback_command(self) -> Notice:
        return command_of(self._text("fallbackcommand"))

    def _times(self) -> tuple[int, int]:
        """Seconds for connections and for whole checks; each stands in for the other."""
        own, whole = self.own.numbers, self.all.numbers
        check, negotiate = "checktimeout", "negotiatetimeout"
        short = (own.get(check), own.get(negotiate), whole.get(check), whole.get(negotiate), 5)
        long = (own.get(negotiate), own.get(check), whole.get(negotiate), whole.get(check), 30)
        return next(item for item in short if item), next(item for item in long if item)

    def _interval(self) -> int:
        own = self.own.numbers.get("checkinterval")
        if own is not None and not self.all.switches.get("fork"):
            text = "checkinterval in a virtual server counts only with fork=yes"
            self.report.warning(
                self.own.places["checkinterval"], text, "Add fork=yes in column 1, or take the line away."
            )
            own = None
        return own or self.all.numbers.get("checkinterval", 10)

    def _asking(self, key: ServiceKey) -> Asking:
        own = self.own
        named = own.texts.get("service")
        service = named or ("none" if key.mark else _service_of(key.port))
        login, password = own.texts.get("login", ""), own.texts.get("passwd", "")
        # Only where the service is named; by the port alone nobody logs in.
        if named == "ftp":
            login, password = login or "anonymous", password or f"ldirectord@{self.names.host}"
        elif named == "sip":
            login = login or f"ldirectord@{self.names.host}"
        check, negotiate = self._times()
        address = f"[{key.address}]" if ":" in key.address else key.address
        return Asking(
            own.texts.get("checktype", "negotiate"),
            service,
            self.protocol,
            self.virtual.place,
            str(key.mark) if key.mark else address,
            key.port,
            check_timeout=check,
            negotiate_timeout=negotiate,
            interval=self._interval(),
            tries=self._number("checkcount", 1),
            failures=self._number("failurecount", 1),
            command=own.texts.get("checkcommand", "/bin/true"),
            check_port=own.numbers.get("checkport", 0),
            request=own.texts.get("request", ""),
            receive=own.texts.get("receive", ""),
            method=own.texts.get("httpmethod", "GET"),
            virtual_host=own.texts.get("virtualhost", ""),
            login=login,
            password=password,
            database=own.texts.get("database", ""),
            secret=own.texts.get("secret", ""),
            places=own.places,
        )

    # -- servers ------------------------------------------------------------------------------------------------------

    def _reals(self, key: ServiceKey, asking: Asking, mail: bool) -> tuple[RealServer, ...]:
        asker = Asker(self.report, asking, self.names)
        quiet = OnFailure.QUIET if self._switch("quiescent", False) else OnFailure.REMOVE
        found: dict[tuple[str, int], RealServer] = {}
        places: dict[tuple[str, int], Place] = {}
        for real in self.reader.reals:
            port = real.port or key.port  # without one a packet keeps its own
            self._judge_port(key, real, asking)
            server = RealServer(
                real.address,
                port,
                real.forward,
                real.weight,
                real.upper,
                real.lower,
                checks=(asker.check(real),),
                on_failure=quiet,
                mail=mail,
            )
            where = (real.address, port)
            if where in found:
                text = f"{server.name} is there already, on line {places[where].line}; the later one counts"
                self.report.warning(real.place, text, "Keep one of them.")
            found[where], places[where] = server, real.place
        if not found and not self.report.refused:
            self.report.warning(
                self.virtual.place, "the virtual server has no real server", "Add real=ADDRESS:PORT gate."
            )
        return tuple(found.values())

    def _judge_port(self, key: ServiceKey, real: Real, asking: Asking) -> None:
        if key.mark:
            return
        if real.forward is not Forward.NAT and real.port not in (0, key.port):
            word = "gate" if real.forward is Forward.DIRECT else "ipip"
            text = f"with {word} connections arrive at port {key.port}; port {real.port} is only asked by the check"
            self.report.warning(real.place, text, f"Write :{key.port}, or masq to have the port changed.")
        standard = PORTS.get(asking.service, 0)
        fixed = asking.kind in ("on", "off", "ping", "external", "external-perl") or asking.check_port
        if real.port == 0 and standard not in (0, key.port) and not fixed and asking.service != "none":
            text = f"without a port of its own the server is asked at port {standard}, that of {asking.service}"
            self.report.warning(real.place, text, f"Write :{key.port} behind its address.")

    def _fallback(self, key: ServiceKey) -> RealServer | None:
        own = self.reader.fallback
        found = own or (None if key.mark and not self._global_for_marks() else self.whole.fallbacks.get(self.family))
        if found is None:
            return None
        port = port_of(self.names, found.port, self.protocol) if found.port else key.port
        if port is None:
            hint = f"Write its number, or a name that /etc/services has for {self.protocol}."
            self.report.error(found.place, f'nothing here knows the {self.protocol} port "{found.port}"', hint)
            return None
        if port != key.port and found.forward is not Forward.NAT and not key.mark:
            word = "gate" if found.forward is Forward.DIRECT else "ipip"
            text = f"the fallback gets connections at port {key.port} of {name_of(key)}, not at {port}: it is reached by {word}"
            self.report.warning(found.place, text, "Write masq behind it to have the port changed.")
            port = key.port
        return RealServer(found.address, port, found.forward)

    def _global_for_marks(self) -> bool:
        """ldirectord keeps the fallback of the whole file for tcp and udp, not for marks: it finds one without an address."""
        if self.family in self.whole.fallbacks:
            text = "the fallback of the whole file does not count for a firewall mark"
            self.report.warning(self.virtual.place, text, "Write a fallback of its own, with its port, below it.")
        return False

    def _judge_fallback(
        self, key: ServiceKey, fallback: RealServer | None, reals: tuple[RealServer, ...]
    ) -> RealServer | None:
        if fallback is None:
            return None
        place = (self.reader.fallback or self.whole.fallbacks[self.family]).place
        said = (self.reader.fallback or self.whole.fallbacks[self.family]).said
        local = fallback.address.startswith("127.") or fallback.address in ("::1", key.address)
        if not said and not local and any(real.forward is not Forward.DIRECT for real in reals):
            text = "a fallback without a forwarding method is reached by gate, although real servers are not"
            self.report.warning(place, text, "Write masq, gate or ipip behind it.")
        kept = 0 if key.mark else key.port
        places = {(real.address, real.port if real.forward is Forward.NAT else kept or real.port) for real in reals}
        if (fallback.address, fallback.port) in places:
            text = (
                f"{fallback.name} is a real server of {name_of(key)} and its fallback; as a fallback it does not count"
            )
            hint = "The kernel has one entry for both, and its check failed when a fallback is wanted: take another."
            self.report.warning(place, text, hint)
            return None
        return fallback


def _service_of(port: int) -> str:
    return next((name for name, number in PORTS.items() if number == port), "none")


def name_of(key: ServiceKey) -> str:
    """``tcp-192.0.2.1-80``, ``udp-2001-db8--1-53``, ``fwm-7``: ldirectord's own word, in letters that names may have."""
    if key.mark:
        return f"fwm{_CLASS[key.family]}-{key.mark}"
    return f"{key.protocol}-{key.address.replace(':', '-')}-{key.port}"


def command_of(text: str) -> Notice:
    """A command line that gets arguments behind it; run by a shell where it has a shell's characters, as Perl's system does."""
    if not text.strip():
        return Notice()
    if _SHELL & set(text):
        return Notice(("/bin/sh", "-c", f'{text} "$@"', "sh"))
    return Notice(tuple(text.split()))
