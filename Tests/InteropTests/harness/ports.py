"""Loopback addresses and ports for one run.

Every run claims a network 127.x.y.0/24 of its own, so several runs on one machine never meet, and each party in it
(server, name server, relay) has its own address and can use the same well-known port numbers.
"""

import random
import socket

CLIENT = 5222
CLIENT_TLS = 5223
CLIENT_PLAIN = 5224
SERVER = 5269
SERVER_TLS = 5270
COMPONENT = 5347
WEB = 5443
DNS = 5353

_CLAIM = 47999


class Network:
    """A claimed 127.x.y.0/24. The claim is a listening socket on .254, so it ends with this process at the latest."""

    def __init__(self):
        for _ in range(1000):
            prefix = f"127.{random.randint(64, 250)}.{random.randint(1, 250)}"
            claim = socket.socket()
            try:
                claim.bind((f"{prefix}.254", _CLAIM))
                claim.listen(1)
            except OSError:
                claim.close()
                continue
            self.prefix = prefix
            self._claim = claim
            self._next = 0
            return
        raise RuntimeError("no loopback network is free")

    def address(self):
        """An address that nobody else in this run has."""
        self._next += 1
        if self._next > 250:
            raise RuntimeError("this run needs more than 250 addresses")
        return f"{self.prefix}.{self._next}"

    def close(self):
        self._claim.close()


def free_port(address):
    """A port that is free on `address` now."""
    with socket.socket() as probe:
        probe.bind((address, 0))
        return probe.getsockname()[1]


def is_listening(address, port):
    """Whether a TCP connection is accepted there within a second."""
    try:
        with socket.create_connection((address, port), timeout=1):
            return True
    except OSError:
        return False
