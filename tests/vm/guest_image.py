"""What the virtual machines boot: the stock Debian kernel and a small first file system, made once and kept in a cache.

Nothing is installed on this machine: the packages are fetched with apt-get and unpacked. The guest's root is this machine's own,
read-only over 9p, under a file system in memory; so the guest has the Python and the sources of the test that runs.
"""

from __future__ import annotations

import fcntl
import gzip
import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

CACHE_SETTING = "UNDERSTUDY_VM_CACHE"
"""Environment: the folder for the kernel and the first file system. Default: understudy-vm in the XDG cache folder."""

PROGRAMS = {"qemu-system-x86_64": "qemu-system-x86", "apt-get": "apt", "dpkg": "dpkg", "ip": "iproute2"}

_BASE = ("virtio_pci", "9p", "9pnet_virtio", "overlay", "veth", "virtio_net", "crc32c_generic", "nf_tables")
_FIB = ("nft_fib_ipv4", "nft_fib_ipv6", "nft_fib_inet", "nft_fib_netdev")
_BALANCING = ("ip_vs", "ip_vs_rr", "ip_vs_wlc", "ip_vs_sh", "ip_vs_mh", "ipip", "bridge")
DRIVERS = {"softdog": ("softdog",), "i6300esb": ("i6300esb",), "ipvs": _BALANCING}
"""By the word that asks for them: modules beside those that every guest has."""

_DEPENDS = re.compile(rb"\0depends=([^\0]*)\0")

_INIT = """#!/bin/busybox sh
# Process 1: the host's root read-only, memory over it, then the guest's part of the test (words guest.* of the command line).
# With guest.base, the root is that directory of the host, a Debian, and its systemd starts the part; guest.bring goes to /srv.
b=/bin/busybox
$b mkdir -p /proc /dev /host /memory /whole
$b mount -t proc proc /proc
$b mount -t devtmpfs dev /dev
for word in $($b cat /proc/cmdline); do case $word in guest.*) export "${word#guest.}" ;; esac; done
load() { for module in $($b cat "/modules/$1.order"); do $b insmod "/modules/$module" $2 || echo "guest: no $module"; done; }
load base
if [ -n "$driver" ]; then load "$driver" "$parameter"; fi
$b mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=512000,cache=loose host /host || $b poweroff -f
$b mount -t tmpfs memory /memory
$b mkdir /memory/upper /memory/work
$b mount -t overlay -o "lowerdir=/host$base,upperdir=/memory/upper,workdir=/memory/work" root /whole || $b poweroff -f
$b mount -t proc proc /whole/proc
$b mount -t sysfs sys /whole/sys
$b mount -t devtmpfs dev /whole/dev
$b mount -t tmpfs run /whole/run
if [ -n "$base" ]; then
    echo "$name" > /whole/etc/hostname
    $b cp "/host$script" /whole/srv/guest.py
    for file in $bring; do $b cp "/host$file" /whole/srv/; done
    $b cat > /whole/etc/systemd/system/guest.service <<END
[Service]
ExecStart=/bin/sh -c 'exec /usr/bin/python3.?? /srv/guest.py'
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS0
END
    $b mkdir -p /whole/etc/systemd/system/multi-user.target.wants
    $b ln -s ../guest.service /whole/etc/systemd/system/multi-user.target.wants/guest.service
    # Nobody logs in; and without udev it would be waited for.
    $b ln -s /dev/null /whole/etc/systemd/system/serial-getty@ttyS0.service
    exec $b switch_root /whole /lib/systemd/systemd --unit=multi-user.target
fi
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
# Process 1 must not end: the kernel would panic, which looks like a reset.
exec $b switch_root /whole /bin/sh -c '"$python" -B "$script"; echo o > /proc/sysrq-trigger; while :; do :; done'
"""


class NoImage(Exception):
    """The image cannot be made here; says what is missing."""


@dataclass(frozen=True, slots=True)
class Image:
    """``release``: the kernel's, such as 6.1.0-9-amd64."""

    kernel: Path
    initial: Path
    release: str


def lacking() -> list[str]:
    """Debian packages that are missing on this machine."""
    return sorted({package for program, package in PROGRAMS.items() if shutil.which(program) is None})


def make_image() -> Image:
    """The image, from the cache or made now. Raises NoImage where the packages cannot be fetched."""
    folder = cache()
    with open(folder / "lock", "w") as lock:  # closed, and so released, at the end
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _make_image(folder)


def _make_image(folder: Path) -> Image:
    kernel_package = _run(folder, "apt-cache", "depends", "linux-image-amd64")
    found = re.search(r"Depends: (linux-image-(\S+))", kernel_package)
    if found is None:
        raise NoImage("apt knows no package linux-image-amd64: run apt-get update")
    package, release = found.groups()
    place = folder / release
    image = Image(place / "kernel", place / "initial.gz", release)
    if not image.kernel.exists():
        _unpack(place, package, release)
    modules = place / "files" / "lib" / "modules" / release
    _write_initial(image.initial, modules, place / "files" / "bin" / "busybox")
    return image


def cache() -> Path:
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "understudy-vm"
    folder = Path(os.environ.get(CACHE_SETTING) or default)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _run(folder: Path, *words: str) -> str:
    done = subprocess.run(words, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise NoImage(f"{' '.join(words)}: {done.stderr.strip()[-300:]}")
    return done.stdout


def _unpack(place: Path, package: str, release: str) -> None:
    """Fetch both packages and unpack them. The kernel gets its name last, so a half-made folder is made again."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    _run(place, "apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root", package, "busybox-static")
    for archive in place.glob("*.deb"):
        _run(place, "dpkg", "-x", str(archive), "files")
        archive.unlink()
    (place / "files" / "boot" / f"vmlinuz-{release}").rename(place / "kernel")


def _write_initial(path: Path, modules: Path, busybox: Path) -> None:
    """The first file system: busybox, the script above, and modules with the order in which they go in."""
    everything = {file.stem.replace("-", "_"): file for file in modules.rglob("*.ko")}
    files: dict[str, tuple[int, bytes]] = {
        "init": (0o100755, _INIT.encode()),
        "bin/busybox": (0o100755, busybox.read_bytes()),
    }
    base = _ordered(everything, _BASE + tuple(name for name in _FIB if name in everything))
    orders = {"base": base}
    for driver, wanted in DRIVERS.items():
        orders[driver] = [name for name in _ordered(everything, wanted) if name not in base]
    for title, order in orders.items():
        files[f"modules/{title}.order"] = (0o100644, "\n".join(f"{name}.ko" for name in order).encode())
        for name in order:
            files[f"modules/{name}.ko"] = (0o100644, everything[name].read_bytes())
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_bytes(gzip.compress(_archive(files), 1))
    fresh.rename(path)


def _ordered(everything: dict[str, Path], wanted: Iterable[str]) -> list[str]:
    """The modules and all that they depend on, each after what it needs."""
    order: list[str] = []

    def add(name: str) -> None:
        if name in order:
            return
        if name not in everything:
            raise NoImage(f"the kernel package has no module {name}")
        found = _DEPENDS.search(everything[name].read_bytes())
        for need in found.group(1).decode().split(",") if found and found.group(1) else ():
            add(need.replace("-", "_"))
        order.append(name)

    for name in wanted:
        add(name)
    return order


def _archive(files: dict[str, tuple[int, bytes]]) -> bytes:
    """A cpio archive as the kernel reads it ("newc", see its initramfs documentation), folders first."""
    whole: dict[str, tuple[int, bytes]] = {"dev": (0o040755, b"")}
    for name in files:
        for parent in reversed(Path(name).parents[:-1]):
            whole[str(parent)] = (0o040755, b"")
    whole.update(files)
    whole["TRAILER!!!"] = (0, b"")
    out = bytearray()
    for number, (name, (mode, data)) in enumerate(whole.items(), 1):
        title = name.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(title), 0)
        out += b"070701" + b"".join(b"%08X" % field for field in fields) + title
        out += bytes(-len(out) % 4) + data
        out += bytes(-len(out) % 4)
    return bytes(out)
