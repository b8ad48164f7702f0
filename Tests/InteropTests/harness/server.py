"""What all servers of the tests have in common: a domain, an address, accounts, a name server, a life."""

import copy
import pathlib

from . import ports, processes

#: How two servers authenticate each other.
DIALBACK = "dialback"  # self-signed certificates: TLS, then dialback only
EXTERNAL = "external"  # certificates of the test authority: SASL EXTERNAL, dialback refused


class Server:
    """One server for one domain. `start`, `stop` and `kill` may be repeated on the same directory."""

    #: Seconds within which a start is ready.
    limit = processes.LIMIT

    def __init__(self, domain, address, view, directory, certificate, authority=None, mode=DIALBACK, users=("alice",)):
        self.domain = domain
        #: Further domains whose people it serves.
        self.more_domains = []
        self.address = address
        self.view = view
        self.directory = pathlib.Path(directory)
        self.certificate = certificate
        self.authority = authority
        self.mode = mode
        self.passwords = {user: f"{user} has a secret of 31 ch." for user in users}
        self.client_port = ports.CLIENT
        self.client_tls_port = ports.CLIENT_TLS
        self.server_port = ports.SERVER
        self.server_tls_port = None
        self.process = None

    @property
    def trust(self):
        """The PEM file that a client needs to verify this server."""
        return self.authority.certificate if self.mode == EXTERNAL else self.certificate.certificate

    def jid(self, user):
        return f"{user}@{self.domain}"

    def at(self, domain):
        """The same server as the people of another of its domains see it, who are others than those of the first."""
        there = copy.copy(self)
        there.domain = domain
        there.passwords = {}
        return there

    def prepare(self):
        """Writes the configuration."""
        raise NotImplementedError

    def launch(self):
        """Starts the process, without waiting."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self.prepare()
        self.process.start()

    def await_ready(self):
        self.process.until(self.is_ready, "listens for clients and servers", self.limit)

    def is_ready(self):
        return all(
            ports.is_listening(self.address, port)
            for port in (self.client_port, self.client_tls_port, self.server_port)
            if port
        )

    def start(self):
        self.launch()
        self.await_ready()

    def stop(self):
        if self.process is not None:
            self.process.stop()

    def kill(self):
        """SIGKILL: what is not on the disk is gone."""
        self.process.kill()
