"""Martlet as a process. What the tests know of its command line and its configuration file is in this file only."""

import os
import pathlib
import subprocess

from . import ports, processes
from .server import DIALBACK, Server

ROOT = pathlib.Path(__file__).resolve().parents[3]


def binary():
    """The command under test: $MARTLET, else the debug build (which `swift test` shares)."""
    return pathlib.Path(os.environ.get("MARTLET", ROOT / ".build" / "debug" / "martlet"))


class Martlet(Server):
    """One office. Ports beside those of every server: direct TLS between servers, and clients without TLS (for tests
    that look at the bare stream)."""

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self.server_tls_port = ports.SERVER_TLS
        self.client_plain_port = ports.CLIENT_PLAIN
        self.limits = {}

    @property
    def configuration(self):
        return self.directory / "martlet.toml"

    def prepare(self):
        first = not self.configuration.exists()
        self.configuration.write_text(self.configuration_text())
        if self.process is None:
            self.process = processes.Process(
                "martlet", [binary(), "serve", "--config", self.configuration], self.directory
            )
        if first:
            # On the stopped node: the store is made by the first command that needs it.
            for user, password in self.passwords.items():
                done = self.command("user", "add", self.jid(user), input=password + "\n")
                if done.returncode != 0:
                    raise RuntimeError(f"user add: {done.stdout}{done.stderr}")

    def configuration_text(self):
        peers = f'peer_ca = "{self.authority.certificate}"\n' if self.authority else ""
        dialback = str(self.mode == DIALBACK).lower()
        limits = "".join(f"{name} = {value}\n" for name, value in self.limits.items())
        return f"""\
[site]
domain = "{self.domain}"
directory = "{self.directory / "var"}"

[tls]
certificate = "{self.certificate.certificate}"
key = "{self.certificate.key}"
{peers}
[[listeners.client]]
address = "{self.address}"
port = {self.client_port}
security = "starttls"

[[listeners.client]]
address = "{self.address}"
port = {self.client_tls_port}
security = "tls"

[[listeners.client]]
address = "{self.address}"
port = {self.client_plain_port}
security = "plain"

[[listeners.server]]
address = "{self.address}"
port = {self.server_port}
security = "starttls"

[[listeners.server]]
address = "{self.address}"
port = {self.server_tls_port}
security = "tls"

[federation]
dns_servers = ["{self.view.server}"]
source_address = "{self.address}"
allow_networks = ["127.0.0.0/8"]
dialback = {dialback}

[control]
socket = "{self.directory / "control.sock"}"

[limits]
{limits}"""

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
