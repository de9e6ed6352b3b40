"""The package on a clean Debian under its own kernel and the real systemd, in a virtual machine; and a unit as a resource.

Not part of ./dev test: it boots a machine without hardware help, some minutes. UNDERSTUDY_PACKAGE names the package (default: it
is built here); the clean Debian is made once with debootstrap and kept in the cache of the other machines (guest_image.py).
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest
from guest_image import Image, cache
from virtual_machine import ENDED, Machine

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "package"))

from clean_debian import make_base, missing

ROOT = Path(__file__).resolve().parent.parent.parent
GUEST = Path(__file__).with_name("guest_systemd.py")
MEMORY_MIB = 1024


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    given = os.environ.get("UNDERSTUDY_PACKAGE")
    if given:
        return Path(given).resolve()
    python = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    if not os.path.exists(python):
        pytest.skip(f"the package is for the distribution's Python, and there is no {python}")
    output = tmp_path_factory.mktemp("package")
    command = [sys.executable, str(ROOT / "tools" / "package.py"), "--output", str(output)]
    subprocess.run(command, stdin=subprocess.DEVNULL, check=True, timeout=900)
    return next(output.glob("*.deb"))


@pytest.fixture(scope="session")
def debian(package: Path) -> Path:
    """The root of a clean Debian that has what the package depends on."""
    if reason := missing():
        pytest.skip(reason)
    depends = subprocess.run(
        ["dpkg-deb", "--field", str(package), "Depends"], capture_output=True, text=True, check=True
    ).stdout
    python = depends.split(",")[0].split()[0]
    folder = cache()
    place = folder / f"clean-{python}"
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "done").exists():
            subprocess.run(["rm", "-rf", "--one-file-system", str(place)], check=True)
            make_base(place / "root", python)
            (place / "done").touch()
    return place / "root"


def test_the_package_and_a_unit_under_the_real_systemd(
    tmp_path: Path, image: Image, package: Path, debian: Path
) -> None:
    machine = Machine(tmp_path, image, "ha01", script=GUEST, memory=MEMORY_MIB, base=str(debian), bring=str(package))
    try:
        machine.wait(
            "the end of the guest's part", lambda: machine.said("all done") or machine.said("failed: "), 1500.0
        )
        assert not machine.said("failed: "), machine.story()
        assert machine.wait_ended() == ENDED, machine.story()
    finally:
        machine.power_off()
        print(*[line for line in machine.lines() if line.startswith("guest ")], sep="\n")
