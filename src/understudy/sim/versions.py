"""Other versions of the program, as the wire shows them: one before a field was added, and one after the next will be.

An older one leaves out what it had no word for, in its own state and in those that it relays. A newer one says more than this
program understands, which has to be skipped. Machines are upgraded one at a time, so both stand beside the present one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from ..messages import BidAnswer, Heartbeat, Message, Unfinished
from ..wire.layout import SECTION_LAYOUT
from ..wire.native import VERSION, Sealer

_UNKNOWN: Final = 250
_MEANINGLESS: Final = b"said by a version to come"


class OlderSealer(Sealer):
    """Speaks as before members said that they have an armed watchdog, what operators had asked, what they reach, and that the
    voters are being changed.
    """

    def body(self, message: Message, counter: int) -> bytes:
        """Without the words that it does not know."""
        if isinstance(message, Heartbeat):
            states = (
                replace(
                    state,
                    watchdog=0,
                    wishes=(),
                    draining=False,
                    not_up=(),
                    reaches=None,
                    joint="",
                    member="",
                    left="",
                    standby=state.standby or state.leaving,
                    leaving=False,
                    ranks=(),
                )
                for state in (message.state, *message.relayed)
            )
            message = Heartbeat(next(states), tuple(states))
        if isinstance(message, BidAnswer):
            newest = tuple(Unfinished(item.ballot) for item in message.unfinished[:1])
            message = replace(message, unfinished=newest, newest_only=bool(newest))
        return super().body(message, counter)


class NewerSealer(Sealer):
    """Speaks a version that this program only reads, with a section of a type that it does not know."""

    newest = VERSION + 1

    def body(self, message: Message, counter: int) -> bytes:
        """With something unknown behind all that is known."""
        return super().body(message, counter) + SECTION_LAYOUT.pack(_UNKNOWN, len(_MEANINGLESS)) + _MEANINGLESS


VERSIONS: Final[dict[str, type[Sealer]]] = {"older": OlderSealer, "this": Sealer, "newer": NewerSealer}
