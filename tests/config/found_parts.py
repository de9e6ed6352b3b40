"""What was read of a file with one service, a part at a time: for tables of lines with the values that they give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from understudy.config.keepalived import KeepalivedReading
from understudy.config.ldirectord import LdirectordReading
from understudy.service_checks import Check
from understudy.services import RealServer, ServiceFiles, VirtualService
from understudy.vrrp_files import RouterFiles


@dataclass
class Found:
    """Each part is the first of its kind; a file that was refused fails the test, with its problems."""

    reading: KeepalivedReading | LdirectordReading

    @property
    def files(self) -> ServiceFiles:
        read = self.reading.files
        services = read.services if isinstance(read, RouterFiles) else read
        assert services is not None, self.reading.problems
        return services

    @property
    def service(self) -> VirtualService:
        return self.files.services[0]

    @property
    def real(self) -> RealServer:
        return self.service.reals[0]

    @property
    def check(self) -> Check:
        return self.real.checks[0]

    @property
    def question(self) -> Any:
        return self.check.question

    @property
    def page(self) -> Any:
        return self.question.pages[0]


Look = Callable[[Found], Any]


def field(part: str, name: str) -> Look:
    return lambda found: getattr(getattr(found, part), name)
