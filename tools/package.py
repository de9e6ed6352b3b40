#!/usr/bin/env python3
"""Build the Debian package: ``python tools/package.py [--output DIRECTORY] [--check]``, or ``./dev package``.

The program and the Python packages that it needs go into an environment of their own, /usr/lib/understudy, which uses the
distribution's interpreter of the same minor version as the one that builds. So the package needs no network when it is installed,
and neither changes nor uses the distribution's Python packages (docs/decisions/0014-debian-package.md). ``--check`` installs the
result on a clean Debian, uses it as the README says, removes it and looks for what is left (needs root, debootstrap; minutes).
"""

from __future__ import annotations

import argparse
import compileall
import gzip
import hashlib
import os
import py_compile
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).resolve().parent.parent
PACKAGING = ROOT / "packaging"
HOME = "usr/lib/understudy"
PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
SITE = f"{HOME}/lib/{PYTHON}/site-packages"
DOCUMENTS = "usr/share/doc/understudy"
UNITS = (
    "understudy.service",
    "understudy-heartbeat.service",
    "understudy-keepalived.service",
    "understudy-ldirectord.service",
)
NOT_NEEDED = ("*.pyx", "*.pxd", "*.pxi", "*.c", "*.h", "*.hash", "direct_url.json", "RECORD", "INSTALLER", "REQUESTED")
"""Sources of compiled modules, and pip's notes, some of which name places on the building machine."""


def version() -> str:
    text = (ROOT / "src" / "understudy" / "__init__.py").read_text("utf-8")
    found = re.search(r'__version__ = "([^"]+)"', text)
    if found is None:
        raise SystemExit("src/understudy/__init__.py does not say its version")
    return found[1]


def run(*command: str, **environment: str) -> str:
    """Run a program to its end and give what it printed. Ends everything, with its words, when it fails."""
    variables = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        command, cwd=ROOT, env={**variables, **environment}, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def commit_time() -> int:
    """Seconds since 1970 of the last commit, so that the same source gives the same package; of today without git."""
    try:
        return int(run("git", "log", "-1", "--format=%ct"))
    except (SystemExit, OSError, ValueError):
        return int(os.stat(ROOT / "pyproject.toml").st_mtime)


# -- what goes in -------------------------------------------------------------------------------------------------------


def environment(stage: Path) -> None:
    """A virtual environment, written out: a link to the distribution's interpreter, its settings, and the packages."""
    (stage / HOME / "bin").mkdir(parents=True)
    (stage / HOME / "bin" / "python3").symlink_to(f"/usr/bin/{PYTHON}")
    (stage / HOME / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n")
    site = stage / SITE
    with open(ROOT / "pyproject.toml", "rb") as file:
        dependencies = tomllib.load(file)["project"]["dependencies"]
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile")
    quiet = {"PIP_ROOT_USER_ACTION": "ignore"}
    run(*pip, "--only-binary=:all:", "--target", str(site), *dependencies, **quiet)
    run(*pip, "--no-deps", "--target", str(site), str(ROOT), **quiet)
    shutil.rmtree(site / "bin", ignore_errors=True)
    for pattern in NOT_NEEDED:
        for path in site.rglob(pattern):
            path.unlink()
    compiled = compileall.compile_dir(
        site,
        stripdir=str(stage),
        prependdir="/",
        quiet=1,
        workers=1,
        # Debian's rule for files that only the package manager changes: never look at the source's time again.
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    if not compiled:
        raise SystemExit("a module could not be compiled; the compiler's words stand above")


def program(stage: Path) -> None:
    path = stage / "usr" / "bin" / "understudy"
    path.parent.mkdir(parents=True)
    lines = [
        f"#!/{HOME}/bin/python3 -I",
        "import sys",
        "",
        "from understudy.cli.main import main",
        "",
        "sys.exit(main())",
    ]
    path.write_text("\n".join(lines) + "\n")
    path.chmod(0o755)


def documents(stage: Path) -> None:
    """Manual pages, completion, the README and its neighbours, the example configuration."""
    with tempfile.TemporaryDirectory() as made:
        search = os.pathsep.join([str(ROOT / "src")])
        run(sys.executable, str(ROOT / "tools" / "manuals.py"), made, PYTHONPATH=search)
        for page in sorted(Path(made).glob("man8/*")):
            compress(page.read_bytes(), stage / "usr" / "share" / "man" / "man8" / f"{page.name}.gz")
        for shell, place in (
            ("bash", "bash-completion/completions/understudy"),
            ("zsh", "zsh/vendor-completions/_understudy"),
            ("fish", "fish/vendor_completions.d/understudy.fish"),
        ):
            copy(Path(made) / "completion" / f"understudy.{shell}", stage / "usr" / "share" / place)
    target = stage / DOCUMENTS
    for path in (*ROOT.glob("README*.md"), PACKAGING / "debian" / "copyright"):
        copy(path, target / path.name)
    for path in sorted((ROOT / "docs").rglob("*")):
        if path.is_file():
            copy(path, target / "docs" / path.relative_to(ROOT / "docs"))
    compress((ROOT / "CHANGELOG.md").read_bytes(), target / "changelog.gz")
    copy(PACKAGING / "cluster.toml", target / "examples" / "cluster.toml")
    copy(PACKAGING / "understudy.service.d" / "witness.conf", target / "examples" / "witness.conf")


def copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def compress(data: bytes, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(gzip.compress(data, mtime=0))


# -- what dpkg wants to know --------------------------------------------------------------------------------------------


def oldest_libc(stage: Path) -> str:
    """The C library that the compiled packages ask for: of each the oldest that it names, of all the newest."""
    needed = (2, 17)
    for path in (stage / SITE).glob("*.dist-info/WHEEL"):
        tags = re.findall(r"manylinux_(\d+)_(\d+)_", path.read_text("utf-8"))
        if tags:
            needed = max(needed, min((int(major), int(minor)) for major, minor in tags))
    return ".".join(map(str, needed))


def control(stage: Path, architecture: str) -> str:
    size = sum(path.lstat().st_size for path in stage.rglob("*") if not path.is_dir()) // 1024
    return dedent(f"""\
        Package: understudy
        Version: {version()}
        Architecture: {architecture}
        Maintainer: The authors of Understudy <understudy@localhost>
        Installed-Size: {size}
        Depends: {PYTHON}, libc6 (>= {oldest_libc(stage)}), passwd
        Suggests: resource-agents, fence-agents, nftables
        Section: admin
        Priority: optional
        Description: keeps a service running on a small group of machines
         A group of virtual addresses and programs runs on one machine at a time; when
         that machine, its network or the service itself fails, another one takes over
         in well under a second, and never while the first may still be serving.
        """)


def files_of(stage: Path) -> Iterator[Path]:
    for path in sorted(stage.rglob("*")):
        if path.is_file() and not path.is_symlink() and "DEBIAN" not in path.relative_to(stage).parts[:1]:
            yield path


def describe(stage: Path, architecture: str) -> None:
    folder = stage / "DEBIAN"
    text = control(stage, architecture)
    folder.mkdir()
    (folder / "control").write_text(text)
    sums = [f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(stage)}" for path in files_of(stage)]
    (folder / "md5sums").write_text("\n".join(sums) + "\n")
    for name in ("postinst", "prerm", "postrm"):
        copy(PACKAGING / "debian" / name, folder / name)
        (folder / name).chmod(0o755)


def set_modes(stage: Path) -> None:
    """The same modes whoever builds: what was executable is 755, everything else 644."""
    for path in (stage, *stage.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)


def build(output: Path) -> Path:
    """Make the package in ``output`` and give its path."""
    moment = str(commit_time())
    architecture = run("dpkg", "--print-architecture").strip()
    os.environ["SOURCE_DATE_EPOCH"] = moment
    with tempfile.TemporaryDirectory(prefix="understudy-package-") as folder:
        stage = Path(folder) / "stage"
        environment(stage)
        program(stage)
        documents(stage)
        for unit in UNITS:
            copy(PACKAGING / unit, stage / "usr" / "lib" / "systemd" / "system" / unit)
        (stage / "etc" / "understudy").mkdir(parents=True)
        set_modes(stage)
        describe(stage, architecture)
        output.mkdir(parents=True, exist_ok=True)
        package = output / f"understudy_{version()}_{architecture}.deb"
        run("dpkg-deb", "--root-owner-group", "--build", str(stage), str(package))
    return package


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev package", description="Build the Debian package of this checkout.")
    parser.add_argument("--output", type=Path, default=ROOT / "dist", help="where to put it (default: dist)")
    parser.add_argument(
        "--check", action="store_true", help="also install, use and purge it on a clean Debian (root; minutes)"
    )
    asked = parser.parse_args()
    package = build(asked.output.resolve())
    print(f"{package} ({package.stat().st_size / 1e6:.1f} MB)")
    print(f"install it where Debian or Ubuntu has {PYTHON}: apt-get install {package}")
    if not os.path.exists(f"/usr/bin/{PYTHON}"):
        print(
            "this machine has none at /usr/bin: for machines like this one, make .venv with /usr/bin/python3 and build again"
        )
    if not asked.check:
        return 0
    tests = str(ROOT / "tests" / "package" / "package_check.py")
    command = [sys.executable, "-m", "pytest", "-v", "-rs", "-rP", "-p", "no:xdist", tests]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, "UNDERSTUDY_PACKAGE": str(package)}).returncode


if __name__ == "__main__":
    sys.exit(main())
