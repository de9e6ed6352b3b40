"""Writes every page that is made from the code; with ``--check`` says which are stale. Exit codes as of the single ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ONES = ("api_page.py", "draw_states.py")


def main(arguments: list[str]) -> int:
    return max(subprocess.run([sys.executable, HERE / name, *arguments]).returncode for name in ONES)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
