"""XEP-0065: real clients of two offices send one another a file through the proxy of one."""

import asyncio
import os
import socket

import pytest
from slixmpp.exceptions import IqError

from harness import scenarios
from harness.clients import LIMIT, Client, befriend

pytestmark = pytest.mark.martlet

PORT = 7777


class Sender(Client):
    """Sends and takes streams, as slixmpp does it."""

    def _make_stream(self):
        super()._make_stream()
        self.stream.register_plugin("xep_0030")
        self.stream.register_plugin("xep_0065", {"auto_accept": True})
        self.received = bytearray()
        self.stream.add_event_handler("socks5_data", self.received.extend)

    @property
    def streams(self):
        return self.stream.plugin["xep_0065"]


@pytest.fixture(scope="module")
def offices(make_world, office_kind):
    world = make_world()
    proxy = "proxy.north.example"
    north = world.add(
        "north.example",
        office_kind,
        users=scenarios.USERS,
        more_domains=[proxy],
        bytestreams={"domain": proxy, "port": PORT},
        limits={"bytestreams_per_account": 2},
    )
    south = world.add("south.example", office_kind, users=scenarios.USERS)
    world.start()
    yield north, south
    world.close()


async def test_a_file_goes_to_another_office_and_back_through_the_proxy(offices):
    north, south = offices
    async with Sender(north, "alice") as alice, Sender(south, "bob") as bob:
        await befriend(alice, bob)
        stream = await alice.streams.handshake(bob.full, timeout=LIMIT)
        assert stream is not None
        there, back = os.urandom(3_000_000), os.urandom(100_000)
        await stream.write(there)
        await bob.until(lambda: len(bob.received) >= len(there), "has the file")
        assert bytes(bob.received) == there
        (taken,) = bob.streams._sessions.values()
        await taken.write(back)
        await alice.until(lambda: len(alice.received) >= len(back), "has the answer")
        assert bytes(alice.received) == back


async def test_a_stream_needs_both_ends_and_an_account_here(offices):
    north, south = offices
    async with Sender(north, "alice") as alice, Sender(south, "bob") as bob:
        with pytest.raises(IqError) as failure:
            await alice.streams.activate("proxy.north.example", "nothing", bob.full, timeout=LIMIT)
        assert failure.value.condition == "item-not-found"
        with pytest.raises(IqError) as failure:
            await bob.streams.get_network_address("proxy.north.example", timeout=LIMIT)
        assert failure.value.condition == "forbidden"


async def test_somebody_who_speaks_something_else_is_sent_away(offices):
    north, _ = offices

    def speak(words):
        with socket.create_connection((north.address, PORT), timeout=LIMIT) as connection:
            connection.sendall(words)
            return connection.recv(100)

    assert await asyncio.to_thread(speak, b"GET / HTTP/1.1\r\n\r\n") == b""
    assert await asyncio.to_thread(speak, b"\x05\x01\x02") == b"\x05\xff"
