"""Where a server is looked for when some of what its name leads to is broken."""

import asyncio
import socket

import pytest

from harness import ports, relay, scenarios
from harness.clients import Client
from harness.ledger import Ledger
from harness.processes import eventually

NORTH, SOUTH = "north.example", "south.example"
QUICK = {"ack_timeout": "5s", "retry_maximum": "3s"}


@pytest.fixture
def world(make_world, office_kind):
    world = make_world()
    for domain in (NORTH, SOUTH):
        world.add(domain, office_kind, users=scenarios.USERS, federation=QUICK)
    yield world
    world.close()


class Silent:
    """Takes connections and says nothing."""

    def __init__(self, address, port):
        self.listener = socket.create_server((address, port))
        self.listener.setblocking(False)
        self.connections = []

    def accepted(self):
        while True:
            try:
                self.connections.append(self.listener.accept()[0])
            except BlockingIOError:
                return len(self.connections)

    def are_all_closed(self):
        """Whether the other end has let go of every connection."""
        self.accepted()
        for connection in self.connections:
            connection.setblocking(False)
            try:
                while connection.recv(4096):
                    pass
            except BlockingIOError:
                return False
            except ConnectionResetError:
                pass
        return True

    def close(self):
        for one in (self.listener, *self.connections):
            one.close()


@pytest.mark.martlet
async def test_two_silent_servers_do_not_hide_the_third(world):
    """Three SRV targets, the better two of which accept connections and say nothing."""
    north, south = world.sites[NORTH], world.sites[SOUTH]
    silent = [Silent(world.network.address(), ports.SERVER) for _ in range(2)]
    for rank, one in enumerate(silent):
        north.view.put_better(SOUTH, *one.listener.getsockname(), rank)
    world.start()
    ledger = Ledger()
    async with Client(north, "alice", ledger) as alice, Client(south, "bob", ledger) as bob:
        alice.send(bob.bare, "there")
        await bob.until(ledger.is_complete, "the message has found the third server", 60)
        assert all(one.accepted() == 1 for one in silent), "the better two were tried first"
        await eventually(lambda: all(one.are_all_closed() for one in silent), "nothing is left of the losers")
    for one in silent:
        one.close()


@pytest.mark.martlet
async def test_a_line_that_swallows_large_segments(world):
    """An MTU black hole: small things pass, large ones never arrive, and nobody says so."""
    north, south = world.sites[NORTH], world.sites[SOUTH]
    line = world.line(NORTH, SOUTH)
    world.start()
    line.cut(relay.SMALL)
    ledger = Ledger()
    async with Client(north, "alice", ledger) as alice, Client(south, "bob", ledger) as bob:
        alice.send(bob.bare, "small")
        for number in range(5):
            alice.send(bob.bare, f"{number} " + "large " * 800)
        await bob.until(ledger.is_complete, lambda: f"everything has arrived: {ledger.report()}", 240)
    assert ledger.report().is_clean, ledger.report()
