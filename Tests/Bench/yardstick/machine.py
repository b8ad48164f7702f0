"""The machine: what it is, how busy it is, what a process has cost."""

import hashlib
import os
import pathlib
import platform
import re
import subprocess
import time

_TICKS = os.sysconf("SC_CLK_TCK")
#: Share of one core that other work may use before the machine does not count as quiet.
QUIET = 0.10
#: How many times its shortest duration fixed work may take before the processor does not count as even.
EVEN = 1.15


def busy_seconds():
    """Processor time that the whole machine has spent since it started."""
    user, nice, system, _, _, irq, softirq = map(int, _first_line("/proc/stat").split()[1:8])
    return (user + nice + system + irq + softirq) / _TICKS


def stolen_seconds():
    """Processor time that the host of a virtual machine gave to somebody else although we wanted it."""
    return int(_first_line("/proc/stat").split()[8]) / _TICKS


def pace():
    """Milliseconds of processor time that a fixed piece of work takes now: the same machine is slower while its host, or the
    other half of its core, has much to do."""

    def once():
        start = time.process_time()
        hashlib.pbkdf2_hmac("sha256", b"fixed", b"work", 20_000)
        return time.process_time() - start

    return 1000 * min(once() for _ in range(5))


def process_seconds(pid):
    """Processor time of one process and of its children that have ended."""
    fields = _first_line(f"/proc/{pid}/stat").rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:15])) / _TICKS


def has_ended(pid):
    """Whether a process is gone, or waits to be."""
    try:
        return _first_line(f"/proc/{pid}/stat").rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


class Patience:
    """Waits until other work has ended, but not for ever: at most `each` seconds at a time and `total` seconds in all."""

    def __init__(self, each=60.0, total=900.0):
        self.each = each
        self.left = total

    def wait(self):
        """The share of a core that other processes used in the last two seconds before the end of waiting."""
        if self.each <= 0:
            return None
        start = time.monotonic()
        while True:
            busy, then = busy_seconds() + stolen_seconds(), time.monotonic()
            time.sleep(2)
            now = time.monotonic()
            share = (busy_seconds() + stolen_seconds() - busy) / (now - then)
            if share < QUIET or now - start > min(self.each, self.left):
                self.left -= max(0.0, now - start - 2)
                return round(share, 3)


def describe(directory):
    """What the figures belong to. `directory` is where the servers keep their data."""
    processor = re.search(r"^model name\s*:\s*(.+)$", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = re.search(r"^MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text(), re.MULTILINE)
    return {
        "processor": processor[1].strip() if processor else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(int(memory[1]) / (1 << 20), 1),
        "kernel": f"{platform.system()} {platform.release()}",
        "file_system": said("findmnt", "-n", "-o", "FSTYPE", "-T", directory),
    }


def package_version(name):
    """The upstream version of a Debian package, or an empty string."""
    found = re.match(r"[0-9.]*[0-9]", said("dpkg-query", "-W", "-f", "${Version}", name))
    return found[0] if found else ""


def _first_line(path):
    with open(path) as file:
        return file.readline()


def said(*words):
    """What a command says, or nothing."""
    try:
        return subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=30).stdout.strip()
    except OSError:
        return ""
