"""``understudy run`` of a folder with Heartbeat's files: as the manager reads them again for a reload."""

from __future__ import annotations

from ..manager.old_files import HOME, HOME_VARIABLE, is_folder, take

__all__ = ("HOME", "HOME_VARIABLE", "is_folder", "take")
