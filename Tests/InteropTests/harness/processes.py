"""Starts, watches and ends processes. Only processes started here are ever signalled, each by its own id.

Waiting is always for a condition with a generous limit, never for a guessed time. A separate reaper ends what is
left when the run itself is killed.
"""

import asyncio
import atexit
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

#: Seconds after which a condition counts as never coming true. Generous: the machine may be busy with other work.
LIMIT = float(os.environ.get("INTEROP_LIMIT", 90))

#: Where commands are looked for: Debian keeps servers where only root looks.
PATH = os.environ.get("PATH", "/usr/local/bin:/usr/bin:/bin") + ":/usr/local/sbin:/usr/sbin:/sbin"


def wait_until(condition, what, limit=LIMIT, step=0.05):
    """Returns the first true value of `condition()`; raises TimeoutError naming `what` after `limit` seconds."""
    deadline = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {limit} s: {what() if callable(what) else what}")
        time.sleep(step)


async def eventually(condition, what, limit=LIMIT, step=0.02):
    """`wait_until` for coroutines: clients go on working meanwhile."""
    deadline = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {limit} s: {what() if callable(what) else what}")
        await asyncio.sleep(step)


class Process:
    """One child process with its output in a file. It can be started again after it ended."""

    def __init__(self, name, argv, directory, environment=None):
        self.name = name
        self.argv = [str(word) for word in argv]
        self.directory = pathlib.Path(directory)
        self.environment = environment or {}
        self.log = self.directory / f"{name}.log"
        self._child = None

    def start(self):
        if self.alive:
            raise RuntimeError(f"{self.name} is running already")
        self.directory.mkdir(parents=True, exist_ok=True)
        with open(self.log, "ab") as output:
            self._child = subprocess.Popen(
                self.argv,
                cwd=self.directory,
                env={**os.environ, "PATH": PATH, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        _reaper.watch(self._child.pid)
        _running.append(self)

    @property
    def pid(self):
        return self._child.pid

    @property
    def alive(self):
        return self._child is not None and self._child.poll() is None

    @property
    def exit_code(self):
        return None if self._child is None else self._child.poll()

    def signal(self, number):
        if self.alive:
            self._child.send_signal(number)

    def kill(self):
        """SIGKILL, and waits until the process is gone."""
        self.signal(signal.SIGKILL)
        self._gone(LIMIT)

    def stop(self, limit=30):
        """SIGTERM; SIGKILL when that does not end it within `limit` seconds. Returns the exit code."""
        self.signal(signal.SIGTERM)
        if not self._gone(limit):
            self.kill()
        return self.exit_code

    def freeze(self):
        self.signal(signal.SIGSTOP)

    def thaw(self):
        self.signal(signal.SIGCONT)

    def wait(self, limit=LIMIT):
        """The exit code of a process that ends by itself."""
        if not self._gone(limit):
            raise TimeoutError(f"{self.name} did not end within {limit} s\n{self.tail()}")
        return self.exit_code

    def output(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def tail(self, lines=30):
        return "\n".join([f"--- {self.log}"] + self.output().splitlines()[-lines:])

    def memory(self):
        """Resident bytes, as /proc tells."""
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError(f"{self.name} has no memory")

    def descriptors(self):
        """How many descriptors the process has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def until(self, condition, what, limit=LIMIT):
        """Waits for `condition()`; fails at once, with the end of the log, when the process ends first."""

        def check():
            if condition():
                return True
            if not self.alive:
                raise RuntimeError(f"{self.name} ended with {self.exit_code} before: {what}\n{self.tail()}")
            return False

        wait_until(check, lambda: f"{self.name}: {what}\n{self.tail()}", limit)

    def _gone(self, limit):
        if self._child is None:
            return True
        try:
            self._child.wait(limit)
        except subprocess.TimeoutExpired:
            return False
        if self in _running:
            _running.remove(self)
        _reaper.forget(self._child.pid)
        return True


class _Reaper:
    """A process that outlives us only to end our children when we were killed ourselves."""

    def __init__(self):
        self._child = None
        # Servers are started from several threads.
        self._lock = threading.Lock()

    def watch(self, pid):
        with self._lock:
            self._start()
        self._tell(f"+ {pid} {_started(pid)}")

    def _start(self):
        if self._child is None:
            self._child = subprocess.Popen(
                [sys.executable, "-S", __file__], stdin=subprocess.PIPE, start_new_session=True, text=True
            )

    def forget(self, pid):
        self._tell(f"- {pid} 0")

    def _tell(self, line):
        try:
            with self._lock:
                self._child.stdin.write(line + "\n")
                self._child.stdin.flush()
        except (OSError, AttributeError):
            pass


def _started(pid):
    """When a process started, in clock ticks after boot: with the id it names one process for ever."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except OSError:
        return "0"


def _reap(lines):
    watched = {}
    for line in lines:
        sign, pid, started = line.split()
        if sign == "+":
            watched[int(pid)] = started
        else:
            watched.pop(int(pid), None)
    for pid, started in watched.items():
        if started != "0" and _started(pid) == started:
            try:
                os.kill(pid, signal.SIGCONT)
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass


def _end_all():
    for process in list(_running):
        process.thaw()
        process.signal(signal.SIGTERM)
    for process in list(_running):
        process.stop(5)


def watch(pid):
    """Has a process that a script of ours has started ended when we are killed ourselves."""
    _reaper.watch(pid)


def forget(pid):
    """It has ended."""
    _reaper.forget(pid)


_running = []
_reaper = _Reaper()

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _reap(sys.stdin)
else:
    atexit.register(_end_all)
