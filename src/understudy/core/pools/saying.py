"""Who is told of a change: programs, mails, monitor files, the history."""

from __future__ import annotations

from ...balance import Mail, Monitored, PoolEffect, PoolNote, Tell
from ...services import Notice, OnFailure
from ...units import NEVER, Instant
from .members import Probe, Server, Service
from .probing import described
from .verdicts import quorum_words


class Story:
    """What the effects of one event tell. ``phase``: starting, running, reloading or stopping, for the mails."""

    def __init__(self) -> None:
        self.effects: list[PoolEffect] = []
        self.phase = "starting"

    def taken(self) -> list[PoolEffect]:
        found, self.effects = self.effects, []
        return found

    def note(self, text: str, level: str = "info", service: str = "", server: str = "") -> None:
        self.effects.append(PoolNote(text, level, service, server))

    def tell(self, notice: Notice, more: tuple[str, ...], service: str, why: str) -> None:
        if notice.argv:
            self.effects.append(Tell(notice, more, service, why))

    # -- servers

    def changed(self, server: Server) -> None:
        """A server is up or down now."""
        service, up = server.service.name, server.up
        level = "info" if up or server.maintenance else "warning"
        self.note(f"{server.name} of {service} is {'up' if up else 'down'}: {server.why}", level, service, server.name)
        self.notify(server, server.why)
        self.monitor(server)
        self.mail(server, _mail_words(server))

    def notify(self, server: Server, why: str, up: bool | None = None) -> None:
        up = server.up if up is None else up
        notice = server.real.notify_up if up else server.real.notify_down
        self.tell(notice, (), server.service.name, f"{server.name} is {'up' if up else 'down'}: {why}")

    def monitor(self, server: Server) -> None:
        path = server.service.spec.monitor_file
        if path:
            self.effects.append(Monitored(path, server.name, server.up, server.why))

    def mail(self, server: Server, words: str) -> None:
        """The words of the subject are ldirectord's: people have filters for them."""
        spec = server.service.spec
        if server.real.mail and self.phase in spec.mailing.when:
            key = server.service.keys[0] if server.service.keys else spec.name
            text = f"{server.name} of {spec.name}: {server.why}." + (f"\n{spec.comment}" if spec.comment else "")
            self.effects.append(Mail(spec.name, words.format(name=server.name, key=key, weight=server.weight), text))

    def again_at(self, server: Server, now: Instant) -> Instant:
        """When the next mail about a server that is down is due."""
        repeat = server.service.spec.mailing.repeat
        return now + repeat if server.real.mail and repeat and not server.up else NEVER

    def failed(self, probe: Probe, fell: bool) -> None:
        """A failure; that one is down since it is told with each server."""
        check = probe.check
        if fell:
            return
        if probe.up is not False and check.fall > 1:
            text = f"{described(check)} failed, {probe.bad} of {check.fall}: {probe.failure}"
        elif check.log_all:
            text = f"{described(check)} failed again: {probe.failure}"
        else:
            return
        self.note(text, "info", *_whose(probe))

    # -- services

    def quorum(self, service: Service, first: bool) -> None:
        """There is a quorum, or none any more. ``first``: nobody had asked before, so it is no change."""
        spec, why = service.spec, quorum_words(service)
        if not first:
            text = "has its quorum" if service.quorum else "has lost its quorum"
            beside = "; its fallback serves" if service.falls_back else ""
            self.note(f"{spec.name} {text}: {why}{beside}", "info" if service.quorum else "warning", spec.name)
            self.tell(spec.quorum_up if service.quorum else spec.quorum_down, (), spec.name, why)
        self.command(service, "stop" if service.quorum else "start", why)

    def command(self, service: Service, word: str, why: str) -> None:
        """ldirectord's ``fallbackcommand``: only when the word is another than last time."""
        if service.command == word or not service.spec.fallback_command.argv or not service.keys:
            return
        service.command = word
        key = service.keys[0]
        host = f"[{key.address}]" if key.family == 6 and key.address else key.address
        more = (word, f"{host}:{key.port}", "fwm" if key.mark else key.protocol)
        self.tell(service.spec.fallback_command, more, service.name, why)


def _whose(probe: Probe) -> tuple[str, str]:
    server = probe.users[0] if probe.users else None
    return (server.service.name, server.name) if server else ("", "")


def _mail_words(server: Server) -> str:
    quiet = server.real.on_failure is OnFailure.QUIET
    if server.up:
        return ("Restored" if quiet else "Added") + " real server: {name} ({key}) (Weight set to {weight})"
    if quiet:
        return "Quiescent real server: {name} ({key}) (Weight set to 0)"
    return "Deleted real server: {name} ({key})"
