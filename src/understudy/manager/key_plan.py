"""Which step of a key rotation is next, from what every member says of its keys. Plain functions of values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from ..errors import Refused


class Step(Enum):
    """``ADD``: know the new key. ``USE``: seal with it. ``DROP``: keep it alone. ``ABANDON``: forget a key that nobody uses."""

    ADD = "add"
    USE = "use"
    DROP = "drop"
    ABANDON = "abandon"


@dataclass(frozen=True, slots=True)
class Keys:
    """What one member runs with: names of keys, the one that seals first. ``waiting``: the second is newer and not used yet."""

    names: tuple[str, ...]
    waiting: bool = False

    @property
    def new(self) -> str:
        """The key that a rotation is about to bring into use here, or ""."""
        return self.names[1] if self.waiting and len(self.names) == 2 else ""


def next_step(known: Mapping[str, Keys]) -> tuple[Step, str] | None:
    """The step that brings a rotation under way on, and the name of its new key; None when there is none under way.

    Raises Refused when what they say cannot be the middle of one rotation.
    """
    coming = {keys.new for keys in known.values() if keys.new}
    if len(coming) > 1:
        raise Refused(
            f"two rotations were begun: {_who(known)}",
            "give one up, on a member that has its key: understudy key abandon",
        )
    used = {keys.names[0] for keys in known.values()}
    if coming:
        (new,) = coming
        knows = all(new in keys.names for keys in known.values())
        return (Step.USE if knows else Step.ADD), new
    if len(used) > 1:
        hint = "copy the newest key file to every machine, and on each: understudy reload"
        raise Refused(f"the members seal with different keys: {_who(known)}", hint)
    if any(len(keys.names) > 1 for keys in known.values()):
        return Step.DROP, next(iter(used))
    return None


def _who(known: Mapping[str, Keys]) -> str:
    return "; ".join(f"{name} uses {' and knows '.join(keys.names)}" for name, keys in known.items())


def after(step: Step, new: str, keys: Keys, me: str) -> Keys | None:
    """What a member with ``keys`` has after the step; None when it is done there already. Raises Refused with the reason."""
    match step, keys.names:
        case Step.ADD, names:
            if new in names:
                return None
            if len(names) > 1:
                raise Refused(f"{me} has a second key already, {names[1]}")
            return Keys((names[0], new), True)
        case Step.USE, names:
            if names[0] == new:
                return None
            if keys.new != new:
                raise Refused(f"{me} does not know the key {new}")
            return Keys((new, names[0]))
        case Step.DROP, names:
            if names == (new,):
                return None
            if names[0] != new or keys.waiting:
                raise Refused(f"{me} does not use the key {new} yet")
            return Keys((new,))
        case _, names:
            if new not in names:
                return None
            if names[0] == new or not keys.waiting:
                raise Refused(f"{me} uses the key {new} already: only the way forward is open", "understudy key rotate")
            return Keys(names[:1])


def obstacles(before: Sequence[str], wanted: Sequence[str], others: Mapping[str, Keys | str]) -> list[str]:
    """Why this member may not go from the keys ``before`` to ``wanted`` while it runs. A text in ``others`` says why a member's
    keys are not known.

    Whoever it would no longer understand, and who would no longer understand it, is named.
    """
    if wanted[0] not in before:
        return [f"the first key, {wanted[0]}, is unknown to the others: a new key comes second first, on every machine"]
    found = []
    gone = [name for name in before if name not in wanted]
    for member, keys in others.items():
        if isinstance(keys, str):
            if wanted[0] != before[0] or gone:
                found.append(keys)
        elif wanted[0] not in keys.names:
            found.append(f"{member} does not know the key {wanted[0]} yet")
        elif keys.names[0] in gone:
            found.append(f"{member} still seals with the key {keys.names[0]}")
    return found
