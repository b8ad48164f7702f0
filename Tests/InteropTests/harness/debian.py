"""A fresh Debian 12: a directory made by debootstrap, in which a package is installed and used as on a machine of its own.

The directory with what the package depends on is made once for a checkout (`.build/debian-12`); each test has a copy. Its processes
share our network, on an address of their own, and see our Swift libraries where the binary under test looks for them.
"""

import os
import pathlib
import shutil
import subprocess

from . import martlet, processes

ROOT = martlet.ROOT
MIRROR = "http://deb.debian.org/debian"
#: What a debug build is linked with besides Debian's libraries.
SWIFT = "/opt/swift/usr/lib/swift/linux"
PACKAGES = "adduser libssl3 libxml2 liblmdb0 libunbound8 libunistring2 libidn2-0 libstdc++6 ca-certificates".split()


def _tried(argv, tries=3, limit=900):
    for left in reversed(range(tries)):
        done = subprocess.run(argv, capture_output=True, text=True, timeout=limit, env={**os.environ, "PATH": processes.PATH})
        if done.returncode == 0:
            return done
        if not left:
            raise RuntimeError(f"{' '.join(map(str, argv))}: {done.stdout[-2000:]}{done.stderr[-2000:]}")


def base():
    """The directory of a Debian that has nothing of ours."""
    made = ROOT / ".build" / "debian-12"
    if made.exists():
        return made
    making = made.with_suffix(".making")
    subprocess.run(["rm", "-rf", making], check=True)
    _tried(["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", "bookworm", making, MIRROR])
    making.rename(made)
    return made


class Debian:
    """One machine. `run` does something as root in it, or as somebody else."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory) / "debian"
        subprocess.run(["cp", "-a", "--reflink=auto", base(), self.directory], check=True)
        (self.directory / SWIFT[1:]).mkdir(parents=True, exist_ok=True)

    def argv(self, *words, user=None):
        """The command line, for our own side."""
        script = (
            f'if [ -d {SWIFT} ]; then mount --bind {SWIFT} "$0{SWIFT}"; fi; mount -t proc proc "$0/proc"; '
            f'mount --bind /dev "$0/dev"; exec chroot {f"--userspec={user}" if user else ""} "$0" "$@"'
        )
        return ["unshare", "--mount", "--propagation", "private", "bash", "-c", script, str(self.directory), *map(str, words)]

    def run(self, *words, user=None, input="", limit=300, check=True):
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            self.argv(*words, user=user), input=input, capture_output=True, text=True, timeout=limit, env=environment
        )  # fmt: skip
        if check and done.returncode:
            raise AssertionError(f"{' '.join(map(str, words))}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def give(self, path, to):
        """Puts a file of ours into the machine."""
        shutil.copy(path, self.directory / to.lstrip("/"))

    def path(self, inside):
        return self.directory / inside.lstrip("/")
