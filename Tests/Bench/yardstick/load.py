"""The load generator: built from one C file, run with a time limit, its last line read."""

import json
import os
import pathlib
import shutil
import subprocess

from harness import ports

SOURCE = pathlib.Path(__file__).resolve().parents[1] / "xmppload.c"
FLAGS = ["-O2", "-g", "-Wall", "-Wextra", "-Wno-deprecated-declarations"]
#: What every client does: the same for every server.
CLIENT = ["--tls-version", "1.3", "--sasl", "SCRAM-SHA-1"]


class Failed(Exception):
    """The work was not done as it should have been, with the reason."""


def build(directory):
    """The program, built if its source is newer."""
    program = pathlib.Path(directory) / "xmppload"
    if program.exists() and program.stat().st_mtime > SOURCE.stat().st_mtime:
        return program
    compilers = [word for word in (os.environ.get("CC"), "cc", "clang", "gcc") if word and shutil.which(word)]
    if not compilers:
        raise Failed("no C compiler: run Tests/setup/install test")
    program.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [compilers[0], *FLAGS, "-o", program, SOURCE, "-lssl", "-lcrypto"], capture_output=True, text=True, timeout=300
    )
    if done.returncode != 0:
        raise Failed(f"xmppload does not build:\n{done.stderr}")
    return program


class Load:
    def __init__(self, program):
        self.program = program

    def run(self, mode, *words, servers, limit=600):
        """The figures of one run (the JSON of its last line). `servers`: where clients connect, and whose cost is counted."""
        argv = [self.program, mode, *CLIENT, *map(str, words)]
        for suffix, server in zip(("", "-b"), servers):
            argv += [f"--host{suffix}", server.address, f"--port{suffix}", ports.CLIENT, f"--domain{suffix}", server.domain]
        argv += ["--server-pid", ",".join(str(server.pid) for server in servers)]
        argv += ["--scram-cache", servers[0].directory / "scram.cache"]
        try:
            done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, timeout=limit)
        except subprocess.TimeoutExpired:
            raise Failed(f"xmppload {mode} did not end within {limit} s") from None
        lines = done.stdout.strip().splitlines()
        try:
            figures = json.loads(lines[-1])
        except (IndexError, ValueError):
            raise Failed(f"xmppload {mode}: {done.stderr.strip() or f'ended with {done.returncode}'}") from None
        if done.returncode != 0:
            raise Failed(f"xmppload {mode}: {_trouble(figures)} {done.stderr.strip()}".strip())
        return figures


def _trouble(figures):
    """What went wrong, as far as the figures know."""
    names = ("failed_logins", "dropped_conns", "lost", "duplicates", "out_of_order", "bounced", "lost_of_acked", "last_error")
    said = [f"{name} {figures[name]}" for name in names if figures.get(name)]
    return ", ".join(said) or "the run did not end well"
