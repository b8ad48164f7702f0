"""The servers as processes, started by the scripts in `peers/`, and the room in which they are: addresses, directories."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

from harness import ports, processes

from . import control, machine

PEERS = pathlib.Path(__file__).resolve().parents[1] / "peers"
#: Seconds for any of the scripts: accounts, and a store that is closed properly.
LIMIT = 300


class Script:
    """What one script of `peers/` keeps running in one directory."""

    def __init__(self, name, directory, environment):
        self.script = PEERS / f"{name}.sh"
        self.directory = pathlib.Path(directory)
        self.environment = environment
        self.pid = None

    def run(self, command, *words, **more):
        done = subprocess.run(
            [self.script, command, self.directory, *map(str, words)],
            env={**os.environ, "PATH": processes.PATH, **self.environment, **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            timeout=LIMIT,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{self.script.name} {command}: {done.stderr.strip() or done.returncode}")
        return done.stdout.split()

    def begin(self, *words, **more):
        try:
            self.pid = int(self.run("start", *words, **more)[-1])
        except BaseException:
            # It may run nevertheless, which its file knows.
            self.run("stop")
            raise
        processes.watch(self.pid)

    def stop(self):
        if self.pid is not None:
            self.run("stop")
            processes.forget(self.pid)
            self.pid = None


class Server(Script):
    """One server of a kind: a domain on an address of its own."""

    def __init__(self, kind, directory, address, domain, accounts, environment):
        super().__init__(kind, directory, {**environment, "HOST": address, "DOMAIN": domain})
        self.kind = kind
        self.address = address
        self.domain = domain
        self.accounts = accounts

    def start(self, **more):
        self.begin(ports.CLIENT, ports.CLIENT_TLS, **more)

    def start_fresh(self):
        """With its accounts and then anew, so that what they cost to make is in no figure."""
        self.start(ACCOUNTS=str(self.accounts))
        self.stop()
        self.start()
        time.sleep(2)

    def check(self):
        """That it has outlived the work."""
        if machine.has_ended(self.pid):
            raise RuntimeError(f"the server of {self.domain} has ended")

    @property
    def control(self):
        """Of a Martlet."""
        return control.Control(self.directory / "martlet.sock")


class Room:
    """Everything that is started and made for one comparison, and its end. Directories are on a disk: a file system in
    memory would make every fsync free."""

    def __init__(self, martlet, logs):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="martlet-bench-", dir="/var/tmp"))
        #: Where the logs of what failed are kept.
        self.logs = logs
        shutil.rmtree(logs, ignore_errors=True)
        self.network = ports.Network()
        self.environment = {"MARTLET": str(martlet)}
        self._numbers = 0
        self._free_addresses = []

    def close(self):
        self.network.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    @contextlib.contextmanager
    def directory_of(self, name):
        self._numbers += 1
        directory = self.directory / f"{self._numbers}-{name}"
        directory.mkdir()
        try:
            yield directory
        except Exception:
            self.keep_logs(directory)
            raise
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    def keep_logs(self, directory):
        for log in directory.rglob("*.log"):
            kept = self.logs / log.relative_to(self.directory)
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(log, kept)

    @contextlib.contextmanager
    def server(self, kind, accounts, archives=False):
        """One fresh server that knows no other, and keeps archives if it is told to."""
        with self.directory_of(kind) as directory, self.network_address() as address:
            environment = {**self.environment, "ARCHIVE": "1"} if archives else self.environment
            server = Server(kind, directory, address, "a.example", accounts, environment)
            try:
                server.start_fresh()
                yield server
            finally:
                server.stop()

    @contextlib.contextmanager
    def pair(self, kind, accounts, addresses_seen=None):
        """Two fresh servers, a.example and b.example, and a name server. `addresses_seen` says at which address each is
        called by the other, after they have got theirs."""
        with contextlib.ExitStack() as stack:
            directory = stack.enter_context(self.directory_of(kind))
            servers = []
            for name in "ab":
                address = stack.enter_context(self.network_address())
                environment = {"S2S_PORT": str(ports.SERVER), "DNS_DIR": str(directory / "dns"), **self.environment}
                servers.append(Server(kind, directory / name, address, f"{name}.example", accounts, environment))
            seen = addresses_seen(*servers) if addresses_seen else [server.address for server in servers]
            resolver = stack.enter_context(self.network_address())
            names = Script("dns", directory / "dns", {"DNS": f"{resolver}@{ports.DNS}"})
            stack.callback(names.stop)
            names.begin(*(f"{server.domain}={address}:{ports.SERVER}" for server, address in zip(servers, seen)))
            for server in servers:
                stack.callback(server.stop)
                server.start_fresh()
            yield servers

    @contextlib.contextmanager
    def network_address(self):
        """An address that no other party has meanwhile."""
        address = self._free_addresses.pop() if self._free_addresses else self.network.address()
        try:
            yield address
        finally:
            self._free_addresses.insert(0, address)
