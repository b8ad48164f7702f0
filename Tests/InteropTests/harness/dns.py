"""The DNS as one site sees it: a private unbound on a loopback address.

Two sites may see different addresses for the same domain: that is how the line between them is led through the relay.
Use names under `.example`: libunbound itself answers `.test` and the like with "does not exist".
"""

import pathlib
import random
import socket
import struct

from . import ports, processes


class View:
    """A name server that knows the domains put into it, and that no other name exists."""

    def __init__(self, name, address, directory):
        self.address = address
        self.port = ports.DNS
        self.directory = pathlib.Path(directory)
        self.hosts = self.directory / "hosts"
        self._domains = {}
        self._better = []
        self._zones = []
        self._forwards = ""
        self._process = processes.Process(
            name, ["unbound", "-d", "-c", self.directory / "unbound.conf"], self.directory
        )

    @property
    def server(self):
        """As libunbound and Prosody want it: address@port."""
        return f"{self.address}@{self.port}"

    def put(self, domain, address, port=None, tls_port=None):
        """`domain`'s server is at `address`: STARTTLS on `port`, direct TLS on `tls_port`; None for not offered."""
        self._domains[domain] = (address, port, tls_port)

    def put_better(self, domain, address, port, rank):
        """Beside what was put, `domain` has a server that is to be tried first; of several, in the order of `rank`."""
        self._better.append((domain, address, port, rank))

    def put_below(self, domain, address):
        """Every name below `domain` is at `address`, at the port that servers have by default."""
        self._zones.append(
            f"  local-zone: '{domain}.' redirect\n  local-data: '{domain}. 60 IN A {address}'\n"
        )

    def put_mute(self, domain, address):
        """What is asked of names below `domain` is asked of a name server at `address`, port 5399, which may never answer."""
        self._zones.append(f"  local-zone: '{domain}.' transparent\n")
        self._forwards += f"forward-zone:\n  name: '{domain}.'\n  forward-addr: {address}@5399\n"

    def start(self):
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "unbound.conf").write_text(self._configuration())
        # For what asks the C library instead of a name server (nss_wrapper).
        self.hosts.write_text(
            "127.0.0.1 localhost\n"
            + "".join(f"{address} {_host(domain)}\n" for domain, (address, _, _) in self._domains.items())
        )
        self._process.start()
        self._process.until(self._answers, "answers queries")

    def stop(self):
        """From now on queries are refused by the machine (ICMP port unreachable)."""
        self._process.stop()

    def restart(self):
        """Takes up what was put meanwhile."""
        self.stop()
        self.start()

    def deny(self):
        """From now on no name exists, as for a resolver in front of a line that does not want to be used yet."""
        domains, self._domains = self._domains, {}
        self.restart()
        self._domains = domains

    def freeze(self):
        """From now on queries are swallowed without any answer."""
        self._process.freeze()

    def thaw(self):
        self._process.thaw()

    def _answers(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.settimeout(0.5)
            query = struct.pack(">HHHHHH", random.randrange(65536), 0x0100, 1, 0, 0, 0) + b"\x00\x00\x06\x00\x01"
            try:
                probe.sendto(query, (self.address, self.port))
                return probe.recv(4096)[:2] == query[:2]
            except OSError:
                return False

    def _configuration(self):
        records = []
        for domain, (address, port, tls_port) in self._domains.items():
            records.append(f"{_host(domain)}. 60 IN A {address}")
            if port:
                records.append(f"_xmpp-server._tcp.{domain}. 60 IN SRV 10 5 {port} {_host(domain)}.")
            if tls_port:
                records.append(f"_xmpps-server._tcp.{domain}. 60 IN SRV 5 5 {tls_port} {_host(domain)}.")
        for domain, address, port, rank in self._better:
            records.append(f"better{rank}.{domain}. 60 IN A {address}")
            records.append(f"_xmpp-server._tcp.{domain}. 60 IN SRV {rank} 5 {port} better{rank}.{domain}.")
        data = "".join([f"  local-data: '{record}'\n" for record in records] + self._zones)
        return f"""\
server:
  interface: {self.address}@{self.port}
  access-control: 127.0.0.0/8 allow
  do-not-query-localhost: no
  do-ip6: no
  num-threads: 1
  module-config: "iterator"
  directory: "{self.directory}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  logfile: ""
  local-zone: "." static
{data}remote-control:
  control-enable: no
{self._forwards}"""


def _host(domain):
    return f"xmpp.{domain}"
