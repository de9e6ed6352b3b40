"""authkeys: which keys sign the old protocol's messages. Messages never show a key."""

from __future__ import annotations

from dataclasses import dataclass

from ..heartbeat_files import SigningKey
from .heartbeat_lines import BLANKS, Word, split
from .report import Report, suggestion
from .tree import Place

METHODS = ("crc", "md5", "sha1")
HIGHEST_INDEX = 15


@dataclass(frozen=True, slots=True)
class KeysDraft:
    """``outgoing`` is None when there is no good ``auth`` line."""

    keys: tuple[SigningKey, ...] = ()
    outgoing: int | None = None


def read_authkeys(report: Report, data: bytes, file: str, mode: int, serial_only: bool = False) -> KeysDraft:
    """The keys by index, and which one signs. ``mode``: the file's permission bits. ``serial_only``: nothing of it crosses a
    network, where anybody could sign with crc.

    As Heartbeat judges it: readable by group or others is refused; a line that begins with ``a`` is the auth line, and must come
    before the line of the index that it names; a key is one word.
    """
    if mode & 0o044:
        text = f"the keys may be read by others (mode {mode:04o}); Heartbeat does not start with that either"
        report.error(Place(file=file), text, f"Mend it with: chmod 600 {file}")
    elif mode & 0o033:
        text = f"the file may be changed or run by others (mode {mode:04o}), which Heartbeat lets through"
        report.warning(Place(file=file), text, f"Mend it with: chmod 600 {file}")
    keys: dict[int, SigningKey] = {}
    auth: tuple[int, Place] | None = None
    # Latin-1 takes any byte and gives it back, so that a key may have any.
    for number, line in enumerate(data.decode("latin-1").split("\n"), 1):
        words = split(Word(line, Place(number, 1, file)), BLANKS)
        if not words or words[0].text.startswith("#"):
            continue
        if words[0].text.startswith("a"):
            auth = _auth(report, words, keys, auth)
            continue
        key = _key(report, words)
        if key is None:
            continue
        if key.index in keys:
            report.warning(words[0].place, f"the index {key.index} is given twice; the later line counts", "Keep one.")
        keys[key.index] = key
    return KeysDraft(tuple(keys[index] for index in sorted(keys)), _outgoing(report, auth, keys, file, serial_only))


def _auth(
    report: Report, words: list[Word], keys: dict[int, SigningKey], before: tuple[int, Place] | None
) -> tuple[int, Place] | None:
    if words[0].text != "auth":
        text = f'"{words[0].text}" is taken for "auth", as every line that begins with an a'
        report.warning(words[0].place, text, 'Write "auth".')
    index = _index(report, words[1]) if len(words) > 1 else None
    if len(words) == 1:
        report.error(words[0].place, '"auth" names no key', 'Write "auth 1", the index of the key that shall sign.')
    if index is None:
        return before
    if before is not None:
        report.warning(words[0].place, '"auth" is given twice; the later one counts', "Keep one of them.")
    if index in keys:
        text = f"the line of key {index} comes before the auth line: Heartbeat does not find it"
        report.error(words[0].place, text, f'Put "auth {index}" at the top of the file.')
    return index, words[1].place


def _key(report: Report, words: list[Word]) -> SigningKey | None:
    index = _index(report, words[0])
    if index is None:
        return None
    if len(words) == 1:
        report.error(words[0].place, f"key {index} names no method", f'Write "{index} sha1 SECRET".')
        return None
    method = words[1].text
    if method not in METHODS:
        hint = suggestion(method, METHODS, "The methods are")
        report.error(words[1].place, f'unknown method "{method}"', hint)
        return None
    if method == "crc":
        if len(words) > 2:
            hint = f'Write "{index} crc", or choose sha1, which takes a key.'
            report.error(words[2].place, "crc takes no key: it protects against broken cables only", hint)
            return None
        return SigningKey(index, method)
    if len(words) == 2:
        report.error(words[1].place, f"{method} needs a key", f'Write "{index} {method} SECRET".')
        return None
    if len(words) > 3:
        text = "a key is one word: what follows the first does not count"
        report.warning(words[3].place, text, "Join the words, on all machines at the same time.")
    return SigningKey(index, method, words[2].text.encode("latin-1"))


def _index(report: Report, word: Word) -> int | None:
    if word.text.isascii() and word.text.isdigit() and len(word.text) < 4 and int(word.text) <= HIGHEST_INDEX:
        return int(word.text)
    hint = f'Lines are "auth INDEX" and "INDEX METHOD KEY", and an index is from 0 to {HIGHEST_INDEX}.'
    report.error(word.place, "this word is not the index of a key", hint)
    return None


def _outgoing(
    report: Report, auth: tuple[int, Place] | None, keys: dict[int, SigningKey], file: str, serial_only: bool
) -> int | None:
    if auth is None:
        report.error(Place(file=file), "no auth line says which key signs", 'Begin the file with "auth 1".')
        return None
    index, place = auth
    if index not in keys:
        known = ", ".join(str(item) for item in sorted(keys)) or "none"
        report.error(place, f'"auth {index}" names a key that is not there', f"The keys of the file are: {known}.")
        return None
    if keys[index].method == "crc" and not serial_only:
        text = "crc signs nothing: whoever reaches the network can take the service"
        hint = f'Write "{index} sha1 SECRET" below "auth {index}", on both machines. crc is for a serial line alone.'
        report.warning(place, text, hint)
    return index
