"""Martlet as a process. What the tests know of its command line and its configuration file is in this file only."""

import json
import os
import pathlib
import shutil
import subprocess

from . import ports, processes
from .server import DIALBACK, Server

ROOT = pathlib.Path(__file__).resolve().parents[3]


def binary():
    """The command under test: $MARTLET, else the debug build (which `swift test` shares)."""
    return pathlib.Path(os.environ.get("MARTLET", ROOT / ".build" / "debug" / "martlet")).resolve()


def run(*words, cwd, limit=processes.LIMIT):
    """Runs the command in a directory, without a node of ours."""
    return subprocess.run([binary(), *words], capture_output=True, text=True, timeout=limit, cwd=cwd)


class Martlet(Server):
    """One office. Ports beside those of every server: direct TLS between servers, and clients without TLS (for tests
    that look at the bare stream)."""

    def __init__(self, *arguments, limits=None, federation=None, offices=None, threads=1, client=None, karma=None,
                 dialback=None, level="debug", prefix=(), components=None, admins=(), web=None, **named):  # fmt: skip
        super().__init__(*arguments, **named)
        self.server_tls_port = ports.SERVER_TLS
        self.client_plain_port = ports.CLIENT_PLAIN
        self.web_port = ports.WEB
        #: Keys of [web] that differ from the defaults.
        self.web = web or {}
        #: Keys of [limits], [federation], [client] and [karma] that differ from the defaults.
        self.limits = {"disk_reserve": "16MiB", "map_size": "4GiB"} | (limits or {})
        self.federation = federation or {}
        self.client = client or {}
        self.karma = karma or {}
        #: The other offices: domain to name.
        self.offices = offices or {}
        #: Accounts that administer it with their clients.
        self.admins = list(admins)
        #: Event loops; with more than one the site has a thread of its own.
        self.threads = threads
        #: Whether other servers may prove themselves by dialback; None: where they have no certificate.
        self.dialback = self.mode == DIALBACK if dialback is None else dialback
        #: Components: domain to secret. DNS and the certificate name them as they do `more_domains`, which people have.
        self.components = dict(components or {})
        self._never_people = list(self.components)
        #: The least severe messages that are logged.
        self.level = level
        #: Words before the command, such as what puts it into a control group.
        self.prefix = list(prefix)

    @property
    def configuration(self):
        return self.directory / "martlet.toml"

    def prepare(self):
        first = not self.configuration.exists()
        self.configuration.write_text(self.configuration_text())
        self.configuration.chmod(0o600)
        if self.process is None:
            self.process = processes.Process(
                "martlet", [*self.prefix, binary(), "serve", "--config", self.configuration], self.directory
            )
        if first:
            self._add_people()

    def _add_people(self):
        """On the stopped node: the store is made by the first command that needs it."""
        for user, password in self.passwords.items():
            done = self.command("user", "add", self.jid(user), input=password + "\n")
            if done.returncode != 0:
                raise RuntimeError(f"user add: {done.stdout}{done.stderr}")

    @property
    def store(self):
        return self.directory / "data"

    def copy_store(self, to):
        """A copy of the running node's store as it is on the disk at one moment, like a snapshot of the file system."""
        self.process.freeze()
        try:
            shutil.copytree(self.store, to, ignore=lambda _, names: [name for name in names if not name.endswith(".mdb")])
        finally:
            self.process.thaw()

    def restore_store(self, copy):
        """Puts a copy in the place of the stopped node's store."""
        self._remove_store()
        shutil.copytree(copy, self.store, dirs_exist_ok=True)

    def lose_store(self):
        """The stopped node has nothing but its accounts, made anew."""
        self._remove_store()
        self._add_people()

    def _remove_store(self):
        for file in (*self.store.glob("*.mdb"), *self.store.glob("store.id")):
            file.unlink()

    def configuration_text(self):
        limits = "".join(f"{name} = {_toml(value)}\n" for name, value in self.limits.items())
        listeners = "".join(
            f"[[listeners.{kind}]]\n"
            f'address = "{self.address}"\nport = {port}\nsecurity = "{security}"\n'
            + ("allow_plain_auth_without_tls = true\n" if security == "plain" else "")
            for kind, port, security in (
                ("client", self.client_port, "starttls"),
                ("client", self.client_tls_port, "direct"),
                ("client", self.client_plain_port, "plain"),
                ("server", self.server_port, "starttls"),
                ("server", self.server_tls_port, "direct"),
            )
        )
        components = "".join(
            f"[[components]]\ndomain = {_toml(domain)}\nsecret = {_toml(secret)}\n"
            for domain, secret in self.components.items()
        )
        # Rooms have a domain below that of people, which is served without being named.
        people = [
            domain for domain in self.more_domains
            if domain not in self._never_people and domain != f"rooms.{self.domain}"
        ]
        offices = "".join(
            f"[[federation.sites]]\ndomain = {_toml(domain)}\nname = {_toml(name)}\n"
            for domain, name in self.offices.items()
        )
        return f"""\
[site]
domain = "{self.domain}"
more_domains = {_toml(people)}
data_directory = "data"
threads = {self.threads}

[tls]
certificate = "{self.certificate.certificate}"
key = "{self.certificate.key}"
peer_ca = "{self.authority.certificate if self.authority else ""}"

{listeners}
[[listeners.component]]
address = "{self.address}"
port = {ports.COMPONENT}
[[listeners.web]]
address = "{self.address}"
port = {self.web_port}
{components}
[web]
{"".join(f"{name} = {_toml(value)}" + chr(10) for name, value in self.web.items())}
[federation]
dns_servers = ["{self.view.server}"]
source_address = "{self.address}"
allow_networks = ["127.0.0.0/8"]
allow_dialback = {_toml(self.dialback)}
{"".join(f"{name} = {_toml(value)}" + chr(10) for name, value in self.federation.items())}
{offices}
[admin]
accounts = {_toml(self.admins)}
[client]
{"".join(f"{name} = {_toml(value)}" + chr(10) for name, value in self.client.items())}
[limits]
{limits}
[karma]
{"".join(f"{name} = {_toml(value)}" + chr(10) for name, value in self.karma.items())}
[log]
level = "{self.level}"
"""

    def command(self, *words, input=None, limit=processes.LIMIT):
        """Runs a subcommand against this node, running or stopped."""
        return subprocess.run(
            [binary(), *words, "--config", self.configuration],
            input=input,
            capture_output=True,
            text=True,
            timeout=limit,
            cwd=self.directory,
        )

    def user_add(self, user, password):
        done = self.command("user", "add", self.jid(user), input=password + "\n")
        if done.returncode == 0:
            self.passwords[user] = password
        return done


def _toml(value):
    return json.dumps(value)
