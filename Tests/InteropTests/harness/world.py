"""Sites, the lines between them, and what each sees of the others.

    world = World(directory)
    office, partner = world.add("a.example", Martlet), world.add("b.example", Prosody)
    line = world.line("a.example", "b.example")     # their traffic goes through the relay
    world.start()

Sites without a line between them reach each other directly.
"""

import itertools
import pathlib

from . import certificates, dns, ports, relay, server


class World:
    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.network = ports.Network()
        self.relay = relay.Relay(self.directory / "relay")
        self.authority = certificates.Authority(self.directory / "authority")
        self.sites = {}
        self._lines = {}
        self._addresses = {}
        self._relay_runs = False

    def add(self, domain, kind, mode=server.DIALBACK, usage=certificates.BOTH_WAYS, more_domains=(), **named):
        """A server of class `kind` for `domain` and `more_domains`, with a certificate that fits `mode`."""
        directory = self.directory / domain
        view = dns.View("dns", self.network.address(), directory / "dns")
        if mode == server.EXTERNAL:
            certificate = self.authority.issue(domain, usage, names=more_domains)
        else:
            certificate = certificates.self_signed(directory, domain, names=more_domains)
        site = kind(
            domain, self.network.address(), view, directory, certificate, authority=self.authority, mode=mode, **named
        )
        site.more_domains = list(more_domains)
        self.sites[domain] = site
        return site

    def line(self, one, other):
        """Leads the traffic between the two domains through the relay. Call before `start`."""
        pair = frozenset((one, other))
        if pair not in self._lines:
            if not self._relay_runs:
                self.relay.start()
                self._relay_runs = True
            forwards = []
            for caller, called in ((one, other), (other, one)):
                target = self.sites[called]
                address = self.network.address()
                self._addresses[caller, called] = address
                for port in filter(None, (target.server_port, target.server_tls_port)):
                    forwards.append(
                        self.relay.open(f"{caller} to {called}:{port}", (address, port), (target.address, port))
                    )
            self._lines[pair] = relay.Line(f"{one} – {other}", forwards)
        return self._lines[pair]

    def start(self, starttls=True, one_by_one=False):
        """Name servers, then all servers, at once or in the order in which they were added: then the last can call all others at
        its first attempt. Without `starttls` DNS names the ports for direct TLS between servers alone."""
        for caller, called in itertools.product(self.sites.values(), repeat=2):
            address = self._addresses.get((caller.domain, called.domain), called.address)
            for domain in (called.domain, *called.more_domains):
                caller.view.put(domain, address, called.server_port if starttls else None, called.server_tls_port)
        for site in self.sites.values():
            site.view.start()
        for site in self.sites.values():
            site.launch()
            if one_by_one:
                site.await_ready()
        for site in self.sites.values():
            site.await_ready()

    def close(self):
        for site in self.sites.values():
            site.stop()
        for site in self.sites.values():
            site.view.stop()
        if self._relay_runs:
            self.relay.stop()
        self.network.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()
