"""End-to-end encryption between people of two offices (XEP-0384), with a client that people use: the server carries keys, and knows none."""

import asyncio
import time

import pytest

from harness import martlet, processes, profanity, relay

NORTH, SOUTH = "north.example", "south.example"


@pytest.fixture
def world(make_world):
    world = make_world()
    for domain, user in ((NORTH, "alice"), (SOUTH, "bob")):
        world.add(domain, martlet.Martlet, users=(user,), federation={"retry_maximum": "2s", "presence_grace": "2s"})
    world.line(NORTH, SOUTH)
    world.start()
    yield world
    world.close()


@pytest.fixture
def start(tmp_path):
    started = profanity.Started(tmp_path)
    yield started
    started.close()


@pytest.mark.martlet
async def test_an_encrypted_chat_across_offices_and_a_new_device_during_a_cut(world, start):
    line = world.line(NORTH, SOUTH)
    north, south = (world.sites[domain] for domain in (NORTH, SOUTH))
    alice = await asyncio.to_thread(start, north, "alice")
    bob = await asyncio.to_thread(start, south, "bob")
    pairs = ((alice, south.jid("bob")), (bob, north.jid("alice")))
    for screen, other in pairs:
        await asyncio.to_thread(encrypts, screen)
        screen.type(f"/sub request {other}")
    for screen, other in pairs:
        await asyncio.to_thread(screen.until, "uthorization request")
        screen.type(f"/sub allow {other}")
    for screen, other in pairs:
        await asyncio.to_thread(screen.until, "is online")
    alice.type(f"/msg {south.jid('bob')}")
    alice.type(f"/omemo start {south.jid('bob')}")
    bob.type(f"/msg {north.jid('alice')}")
    await asyncio.to_thread(written, alice, bob, "the plans are in the safe")
    assert "the plans are in the safe" not in north.process.output() + south.process.output()

    # Somebody comes with a new device while the line is down: what her account was shown of his keys is enough.
    line.cut(relay.REFUSE)
    alice.type("/quit")
    again = await asyncio.to_thread(start, north, "alice")
    await asyncio.to_thread(encrypts, again)
    again.type(f"/msg {south.jid('bob')}")
    again.type(f"/omemo start {south.jid('bob')}")
    await asyncio.to_thread(again.until_logged, "[OMEMO] create session with")
    again.type("written during the cut")
    await asyncio.to_thread(again.until, "written during the cut")
    line.heal()
    await asyncio.to_thread(bob.until, "written during the cut")


def encrypts(screen):
    """Makes keys, and believes whatever keys it sees: whom to trust is not what this is about."""
    screen.type("/omemo trustmode blind")
    screen.type("/omemo gen")
    screen.until("materials generated")


def written(writer, reader, text):
    """Writes until it is read: what is written before the keys have come is not sent, and only the log says so."""

    def is_read():
        if text in reader.screen():
            return True
        writer.type(text)
        time.sleep(2)
        return text in reader.screen()

    processes.wait_until(is_read, lambda: f"“{text}” is read:\n{writer.screen()}\n{reader.screen()}")
