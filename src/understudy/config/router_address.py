"""The words of a virtual address in the native tables: whether the kernel can make something of them."""

from __future__ import annotations

from ..vrrp_files import RouterAddress
from .keepalived_address import FLAGS, LONGEST_LABEL, SCOPES, good_lifetime, good_scope
from .keepalived_values import address_of, family

_LIFETIME = "preferred_lft"


def wrong_word(item: RouterAddress) -> tuple[str, str]:
    """(what is wrong, how to mend it), ("", "") when nothing is."""
    version = 6 if ":" in item.address else 4
    if version == 6 and (item.label or item.scope or item.broadcast):
        return "label, scope and broadcast are for IPv4 addresses", "Take them away."
    if len(item.label.encode()) > LONGEST_LABEL:
        return (
            f'the label "{item.label}" is longer than {LONGEST_LABEL} characters',
            "Write the device and a word: eth0:vip.",
        )
    if item.scope and not good_scope(item.scope):
        return f'unknown scope "{item.scope}"', f"It may be {', '.join(SCOPES)}, or a number to 255."
    for word, text in (("broadcast", item.broadcast), ("peer", item.peer)):
        address = address_of(text)
        if text and not (address is not None and family(address) == version) and (word, text) not in _SHORT:
            return f'"{word}" is "{text}", which is no IPv{version} address', ""
    return _options(item, version)


_SHORT = (("broadcast", "+"), ("broadcast", "-"))


def _options(item: RouterAddress, version: int) -> tuple[str, str]:
    words = list(item.options)
    while words:
        word = words.pop(0)
        if word == _LIFETIME and version == 6:
            if not words or not good_lifetime(words.pop(0)):
                return f'"{_LIFETIME}" needs a number of seconds, or "forever"', f'Write ["{_LIFETIME}", "0"].'
        elif word not in FLAGS:
            return f'unknown option "{word}" of an IPv{version} address', f"It may be {', '.join((*FLAGS, _LIFETIME))}."
    return "", ""
