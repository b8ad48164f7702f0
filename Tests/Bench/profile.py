#!/usr/bin/env python3
"""Where Martlet's processor time goes while it does the work of the comparison, by `perf` (Debian: linux-perf), as root.

usage: profile.py [--rows "light s2s"] [--write]
$MARTLET is the command to look at (default: the release build). `--write` puts all rows into Docs/profile.md.
"""

import argparse
import collections
import datetime
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent / "InteropTests")]

from bench import version, words_of  # noqa: E402
from yardstick import load, machine, servers, steps  # noqa: E402

DOCUMENT = ROOT / "Docs" / "profile.md"
OUTPUT = ROOT / ".build" / "bench"
ROWS = ["login", "chat-tls", "chat-tls-sm", "light", "light-sm", "fanout", "s2s"]
#: Samples a second; odd, so that they do not fall into step with what happens every millisecond.
FREQUENCY = 1999
FUNCTIONS = 20

#: Where a sample belongs, the first that fits: object, and what the function is called.
PARTS = {
    "OpenSSL": (r"lib(ssl|crypto)", r""),
    "libxml2": (r"libxml2", r""),
    "LMDB": (r"liblmdb", r""),
    "NIO": (r"martlet", r"\$s\w*?(7NIOCore|8NIOPosix)|^CNIO|^c_nio"),
    "Runtime": (r"martlet|libc\.|libstdc", r"^_?swift|^\$s[sS]|^_ZN?K?\d*5swift|malloc|free|calloc|^\$s\d*Foundation|tuple_|outlined"),
    "Our code": (r"martlet", r""),
}
#: The kernel's samples: everything but the disk, and the disk, by the functions that called.
KERNEL = ("Kernel, sockets", "Kernel, disk")
DISK = re.compile(r"sys_(pwrite|pwritev|write|writev|fdatasync|fsync|lseek|msync)|ext4|jbd2")


class Profile:
    """What the work needs of a comparison, with the servers under perf instead of the clock."""

    scale, idle = 1, 2000

    def __init__(self, martlet):
        self.load = load.Load(load.build(OUTPUT))
        self.room = servers.Room(martlet, OUTPUT / "logs")
        #: Of each server of a row, in the order of the work's servers: samples by (object, function, for what).
        self.samples = []

    def amount(self, whole, least=1):
        return max(least, whole)

    def measure(self, *words, servers, limit=600):
        records = [self.room.directory / f"perf-{number}" for number, _ in enumerate(servers)]
        recorders = [
            subprocess.Popen(
                ["perf", "record", "-q", "-e", "cpu-clock", "-F", str(FREQUENCY), "-g", "-o", record, "-p", str(server.pid)],
                stdout=subprocess.DEVNULL,
            )
            for record, server in zip(records, servers)
        ]
        try:
            # perf says nothing when it has begun.
            for record, recorder in zip(records, recorders):
                deadline = time.monotonic() + 60
                while not (record.exists() and record.stat().st_size):
                    if recorder.poll() is not None or time.monotonic() > deadline:
                        raise RuntimeError("perf record does not begin: is it allowed here?")
                    time.sleep(0.1)
            figures = self.load.run(*words, servers=servers, limit=limit)
            for server in servers:
                server.check()
        finally:
            for recorder in recorders:
                recorder.send_signal(signal.SIGINT)
                recorder.wait(60)
        self.samples = [samples(record) for record in records]
        return figures


def samples(record):
    """Counts the samples of a record by object, function and the part of the table."""
    said = subprocess.run(
        ["perf", "script", "-i", record, "-F", "ip,sym,dso"], capture_output=True, text=True, check=True, timeout=600
    ).stdout
    counted = collections.Counter()
    for stack in said.split("\n\n"):
        frames = [re.match(r"\s*[0-9a-f]+ (.*) \((.*)\)$", line) for line in stack.splitlines()]
        frames = [frame.groups() for frame in frames if frame]
        if frames:
            function, file = frames[0][0].split("+0x")[0], frames[0][1]
            name = part(file, function, frames)
            if name.startswith("Kernel"):
                counted["kernel", purpose(frames), name] += 1
            else:
                counted[pathlib.Path(file).name, function, name] += 1
    return counted


def purpose(frames):
    """What the kernel was asked for: a profile of its functions says less."""
    for function, _ in frames:
        if call := re.match(r"__(?:x64|arm64)_sys_(\w+)", function):
            return f"{call[1]}()"
    return "page faults" if any("page_fault" in function for function, _ in frames) else "interrupts and the rest"


def part(file, function, frames):
    if file.startswith("[kernel"):
        return KERNEL[any(DISK.search(name) for name, _ in frames)]
    for name, (object_, called) in PARTS.items():
        if re.search(object_, pathlib.Path(file).name) and re.search(called, function):
            return name
    return "Rest"


def demangled(names):
    said = subprocess.run(
        ["swift", "demangle", "-compact", "-simplified"], input="\n".join(names), capture_output=True, text=True, check=True
    ).stdout
    return dict(zip(names, said.splitlines()))


def document(profiles, martlet):
    columns = [*KERNEL, *PARTS, "Rest"]
    text = [
        "# Where the processor time goes",
        "",
        f"{datetime.date.today()}: {machine.describe('/var/tmp')['processor']}, Martlet {version(martlet)}; made by",
        "`Tests/Bench/profile.py --write`. Percent of the samples that `perf record -e cpu-clock` took of the server's process while it did",
        "the work of the row of that name (`Tests/Bench/README.md`). \"Runtime\" is Swift's reference counting, arrays, strings and",
        "checks, memory included. The kernel's samples stand under the call that they served. What follows from it stands in",
        "`performance.md`.",
        "",
        "| Row | " + " | ".join(columns) + " | Samples |",
        "| --- |" + " ---: |" * (len(columns) + 1),
    ]
    for title, counted in profiles:
        whole = counted.total()
        shares = collections.Counter()
        for (_, _, name), count in counted.items():
            shares[name] += count
        text.append(f"| {title} | " + " | ".join(f"{100 * shares[name] / whole:.0f}" for name in columns) + f" | {whole:,} |")
    names = demangled(sorted({function for _, counted in profiles for _, function, _ in counted}))
    for title, counted in profiles:
        text += ["", f"## {title}", "", "| % | Function | Of |", "| ---: | --- | --- |"]
        for (file, function, _), count in counted.most_common(FUNCTIONS):
            name = names.get(function, function).replace("|", "\\|")
            name = "functions without a name" if name == "[unknown]" else f"`{name[:110]}`"
            text.append(f"| {100 * count / counted.total():.1f} | {name} | {file} |")
    return "\n".join(text) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rows", type=words_of(ROWS), default=ROWS, help="of: " + " ".join(ROWS))
    parser.add_argument("--write", action="store_true", help="put all rows into Docs/profile.md")
    given = parser.parse_args()
    martlet = pathlib.Path(os.environ.get("MARTLET", ROOT / ".build" / "release" / "martlet")).resolve()
    if not martlet.exists():
        sys.exit(f"{martlet} does not exist: run make build, or name the command in $MARTLET")
    if not shutil.which("perf"):
        sys.exit("perf is not here: apt install linux-perf")
    if given.write and given.rows != ROWS:
        sys.exit("only all rows are written down: leave --rows out")
    profile, profiles = Profile(martlet), []
    try:
        for row in given.rows:
            print(row, flush=True)
            for _ in steps.BY_NAME[row].run(profile, steps.MARTLET, 1):
                pass
            titles = [f"{row}, {side}" for side in ("sender", "receiver")] if len(profile.samples) == 2 else [row]
            profiles += zip(titles, profile.samples)
    finally:
        profile.room.close()
    text = document(profiles, martlet)
    print(text)
    if given.write:
        DOCUMENT.write_text(text)


if __name__ == "__main__":
    main()
