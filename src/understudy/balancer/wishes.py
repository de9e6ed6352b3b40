"""What operators asked of servers, on disk: a server that was taken out by hand stays out when the machine has started again."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..adapters.safe_file import write_file
from ..services import VirtualService

VERBS = ("drain", "disable", "enable", "weight")


@dataclass(frozen=True, slots=True)
class Wish:
    """As ``balance.ServerWish``; ``service`` "" for all that have the server."""

    service: str
    server: str
    verb: str
    value: int = 0

    def __str__(self) -> str:
        where = f" of {self.service}" if self.service else ""
        return f"{self.verb} {self.server}{where}{f' {self.value}' if self.verb == 'weight' else ''}"

    def named(self, services: Iterable[VirtualService]) -> list[str]:
        """Whom it is about, by their whole names: who is asked for by the address alone must not be another one on disk."""
        meant = [each for each in services if self.service in ("", each.name)]
        servers = [server for each in meant for server in each.reals if self.server in (server.name, server.address)]
        return list(dict.fromkeys(each.name for each in servers))


class WishesFile:
    """The file at ``path``. Its trouble is said and changes nothing: the wish holds until this process ends."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.wishes: list[Wish] = list(_read(path))

    def add(self, wish: Wish) -> str:
        """Keep it in the place of those that it overrules. A sentence when the disk does not take it."""
        over = [each for each in self.wishes if each.server != wish.server or wish.service not in ("", each.service)]
        if wish.verb != "enable":
            # A weight and a drain are about different things; one of each may hold.
            kind = wish.verb == "weight"
            other = [each for each in self.wishes if each not in over and (each.verb == "weight") is not kind]
            over += [*other, wish]
        elif wish.service and any(each.server == wish.server and not each.service for each in over):
            over.append(wish)  # in this service alone
        self.wishes = over
        text = json.dumps([[each.service, each.server, each.verb, each.value] for each in over])
        try:
            write_file(self._path, text.encode(), 0o600, replace=True)
        except OSError as error:
            return f"it cannot be kept in {self._path} ({error.strerror}): the next start does not know it"
        return ""

    def kept(self, wish: Wish) -> list[str]:
        """The whole names of the servers of which something is kept that ``wish`` is about, in the file or not."""
        found = [each for each in self.wishes if each.verb != "enable" and wish.service in ("", each.service)]
        names = [each.server for each in found if wish.server in (each.server, _address(each.server))]
        return list(dict.fromkeys(names))

    def absent(self, services: Sequence[VirtualService]) -> str:
        """A sentence of what is kept for servers that these services do not have, "" for nothing."""
        known = {(each.name, real.name) for each in services for real in each.reals}
        known |= {("", name) for _, name in known}
        found = [
            str(each) for each in self.wishes if each.verb != "enable" and (each.service, each.server) not in known
        ]
        if not found:
            return ""
        return (
            f"kept for servers that are not in the file: {', '.join(found)}; it holds when they come back, and"
            " understudy pool enable SERVER [SERVICE] takes it back"
        )


def _address(name: str) -> str:
    return name.rpartition(":")[0].strip("[]")


def _read(path: str) -> list[Wish]:
    """Whatever of the file makes sense."""
    found = []
    with contextlib.suppress(OSError, ValueError):
        if os.path.getsize(path) < 10_000_000:
            with open(path, encoding="utf-8") as file:
                for item in json.load(file):
                    match item:
                        case [str(service), str(server), str(verb), int(value)] if verb in VERBS:
                            found.append(Wish(service, server, verb, value))
    return found
