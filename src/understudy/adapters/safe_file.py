"""Files that are there whole or not at all, also after a power cut in the middle."""

from __future__ import annotations

import os


def write_file(path: str, data: bytes, mode: int, replace: bool) -> None:
    """Write ``data`` beside ``path``, bring it to the disk, then give it the name. A symbolic link is followed.

    Raises FileExistsError when something has the name and ``replace`` is False (also when it came a moment ago), OSError when
    the file cannot be written; then nothing is left behind.
    """
    target = os.path.realpath(path) if replace and os.path.islink(path) else path
    directory = os.path.dirname(os.path.abspath(target))
    draft = os.path.join(directory, f".{os.path.basename(target)}.{os.getpid()}.new")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if replace:
            os.replace(draft, target)
        else:
            os.link(draft, target)  # unlike a rename it refuses to replace
            os.unlink(draft)
        directory_descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory_descriptor)
        finally:
            os.close(directory_descriptor)
    except OSError:
        try:
            os.unlink(draft)
        except OSError:
            pass
        raise
