"""One unit of systemd over D-Bus (org.freedesktop.systemd1(5)): its state, its jobs, and its changes as they happen.

A connection of its own for each unit, made when it is first needed and again after it was lost. Every call may raise
``BusGone``, with a sentence that says what is not there; ``Refused`` is systemd's own answer.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dbus_fast import BusType, DBusFastError, Message, MessageType
from dbus_fast.aio import MessageBus

from ..errors import UnderstudyError

_SYSTEMD = "org.freedesktop.systemd1"
_MANAGER = f"{_SYSTEMD}.Manager"
_UNIT = f"{_SYSTEMD}.Unit"
_SERVICE = f"{_SYSTEMD}.Service"
_PROPERTIES = "org.freedesktop.DBus.Properties"
_MANAGER_PATH = "/org/freedesktop/systemd1"
_CONNECT_LIMIT = 5.0
_CALL_LIMIT = 25.0
"""Seconds; what libdbus waits for an answer too."""

_NOBODY = ("org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.NameHasNoOwner")


class BusGone(UnderstudyError):
    """D-Bus, or systemd on it, cannot be reached."""


class Refused(UnderstudyError):
    """systemd's own refusal, in its words."""


@dataclass(frozen=True, slots=True)
class UnitState:
    """As systemd calls it: ``active`` is active, reloading, inactive, failed, activating, deactivating, ...; ``result`` why a
    service is not active (exit-code, signal, timeout, ...); ``main`` its main process, 0 for none.
    """

    loaded: str
    active: str
    sub: str
    result: str = ""
    main: int = 0


class SystemdUnit:
    """``changed`` is called, without arguments, when systemd says that something about the unit has changed."""

    def __init__(self, name: str, changed: Callable[[], None], lost: Callable[[], None]) -> None:
        self.name = name
        self._changed = changed
        self._lost = lost
        self._bus: MessageBus | None = None
        self._path = ""
        self._removed: dict[str, str] = {}
        self._news = asyncio.Event()
        self._connecting = asyncio.Lock()
        self._watch: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        """Have a connection that hears of the unit's changes. Raises BusGone or Refused."""
        async with self._connecting:
            if self._bus is None or not self._bus.connected:
                await self._connect()

    async def _connect(self) -> None:
        self._path = ""
        try:
            bus = MessageBus(bus_type=BusType.SYSTEM)
            async with asyncio.timeout(_CONNECT_LIMIT):
                await bus.connect()
        except (OSError, EOFError, DBusFastError, TimeoutError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or "no answer"
            raise BusGone(f"D-Bus cannot be reached ({_address()}: {reason})") from None
        self._bus = bus
        bus.add_message_handler(self._heard)
        self._watch = asyncio.get_running_loop().create_task(self._wait_for_loss(bus))
        try:
            await self._match(f"type='signal',sender='{_SYSTEMD}',interface='{_MANAGER}',member='JobRemoved'")
            await self._call(_MANAGER_PATH, _MANAGER, "Subscribe")
            (path,) = await self._call(_MANAGER_PATH, _MANAGER, "LoadUnit", "s", self.name)
            self._path = str(path)
            await self._match(f"type='signal',sender='{_SYSTEMD}',interface='{_PROPERTIES}',path='{self._path}'")
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Forget the connection; the next call makes another."""
        bus, self._bus = self._bus, None
        if bus is not None and bus.connected:
            bus.disconnect()

    async def state(self) -> UnitState:
        """Raises BusGone or Refused."""
        await self.connect()
        found = await self._properties(_UNIT)
        result, main = "", 0
        if self.name.endswith(".service"):
            service = await self._properties(_SERVICE)
            result, main = str(service.get("Result", "")), int(service.get("MainPID", 0))
        return UnitState(
            str(found.get("LoadState", "")),
            str(found.get("ActiveState", "")),
            str(found.get("SubState", "")),
            result,
            main,
        )

    async def _properties(self, interface: str) -> dict[str, Any]:
        (pairs,) = await self._call(self._path, _PROPERTIES, "GetAll", "s", interface)
        return {name: variant.value for name, variant in pairs.items()}

    async def job(self, method: str) -> str:
        """StartUnit or StopUnit, waited for to its end. Returns systemd's result: done, failed, timeout, dependency, ..."""
        await self.connect()
        self._removed.clear()
        (path,) = await self._call(_MANAGER_PATH, _MANAGER, method, "ss", self.name, "replace")
        return await self.job_end(str(path))

    async def job_end(self, path: str) -> str:
        """Wait until the job is over; its signal may have come before the answer that names it."""
        while path not in self._removed:
            self._news.clear()
            await self._news.wait()
            if self._bus is None or not self._bus.connected:
                raise BusGone("D-Bus was lost in the middle of it")
        return self._removed[path]

    async def kill(self, number: int) -> None:
        """A signal to every process of the unit's control group. Raises BusGone or Refused."""
        await self.connect()
        await self._call(_MANAGER_PATH, _MANAGER, "KillUnit", "ssi", self.name, "all", number)

    async def next_change(self) -> None:
        """Wait until anything was heard, or the connection was lost."""
        self._news.clear()
        await self._news.wait()

    async def _match(self, rule: str) -> None:
        await self._call(
            "/org/freedesktop/DBus", "org.freedesktop.DBus", "AddMatch", "s", rule, to="org.freedesktop.DBus"
        )

    async def _call(
        self, path: str, interface: str, member: str, signature: str = "", *body: object, to: str = _SYSTEMD
    ) -> list[Any]:
        bus = self._bus
        if bus is None:
            raise BusGone("D-Bus was lost")
        message = Message(to, path, interface, member, signature=signature, body=list(body))
        try:
            async with asyncio.timeout(_CALL_LIMIT):
                reply = await bus.call(message)
        except TimeoutError:
            raise BusGone(f"systemd did not answer {member} within {_CALL_LIMIT:.0f}s") from None
        except (OSError, EOFError, DBusFastError, AttributeError) as error:
            raise BusGone(f"D-Bus was lost ({error or 'closed'})") from None
        if reply is None:
            raise BusGone("D-Bus was lost (closed)")
        if reply.message_type is MessageType.ERROR:
            words = str(reply.body[0]) if reply.body else str(reply.error_name)
            if reply.error_name in _NOBODY:
                raise BusGone(f"systemd is not on D-Bus ({words})")
            raise Refused(words)
        return list(reply.body)

    def _heard(self, message: Message) -> None:
        if message.message_type is not MessageType.SIGNAL:
            return
        if message.member == "JobRemoved" and len(message.body) == 4:
            self._removed[str(message.body[1])] = str(message.body[3])
            self._news.set()
        elif message.path == self._path and message.member == "PropertiesChanged":
            self._news.set()
            self._changed()

    async def _wait_for_loss(self, bus: MessageBus) -> None:
        try:
            await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
        except (OSError, EOFError, DBusFastError):
            pass
        if self._bus is bus:
            self._bus = None
            self._news.set()
            self._lost()


def _address() -> str:
    return os.environ.get("DBUS_SYSTEM_BUS_ADDRESS", "/run/dbus/system_bus_socket")
