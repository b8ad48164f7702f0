"""Servers that nobody can connect to get everything over the streams that they open themselves (XEP-0288)."""

import asyncio
import json

import pytest

from harness import peers, relay, scenarios, server
from harness.clients import Client
from harness.ledger import LATE, Ledger
from harness.processes import eventually

OFFICE, HIDDEN = "office.example", "hidden.example"
#: So that an outage is noticed in seconds.
QUICK = {"ack_timeout": "5s", "retry_maximum": "3s"}


def offices(make_world, office_kind):
    """Two offices, one of which cannot be called, and the line as that one uses it."""
    world = make_world()
    named = {"mode": server.EXTERNAL, "users": scenarios.USERS, "federation": QUICK}
    office = world.add(OFFICE, office_kind, offices={HIDDEN: "Hidden"}, **named)
    hidden = world.add(HIDDEN, office_kind, offices={OFFICE: "Office"}, **named)
    line = world.line(OFFICE, HIDDEN).refuse_calls_to(HIDDEN)
    world.start()
    return world, office, hidden, line


async def acknowledged_by(office, peer):
    """What the operator sees of the stream in use."""
    done = await asyncio.to_thread(office.command, "link", "list", "--json")
    return {row["peer"]: row["acknowledgement"] for row in json.loads(done.stdout)}.get(peer)


async def acknowledged_as(office, peer, words):
    async def is_so():
        return await acknowledged_by(office, peer) == words

    for _ in range(300):
        if await is_so():
            return
        await asyncio.sleep(0.2)
    raise AssertionError(f"{await acknowledged_by(office, peer)} instead of {words}")


@pytest.mark.martlet
@pytest.mark.parametrize("cut", [relay.REFUSE, relay.BLACK_HOLE, relay.HALF_OPEN])
async def test_between_offices_exactly_once(make_world, office_kind, cut):
    world, office, hidden, line = offices(make_world, office_kind)
    ledger = Ledger()
    async with Client(office, "alice", ledger) as alice, Client(hidden, "bob", ledger) as bob:
        alice.send(bob.bare, "before")
        bob.send(alice.bare, "before")
        await bob.until(ledger.is_complete, "both ways work", 60)
        await acknowledged_as(office, HIDDEN, "relay, on the peer's stream")
        await acknowledged_as(hidden, OFFICE, "relay")
        line.cut(cut)
        for number in range(100):
            alice.send(bob.bare, f"from the office {number}")
            bob.send(alice.bare, f"from behind {number}")
            await asyncio.sleep(0.02)
        if cut == relay.REFUSE:
            await asyncio.to_thread(office.kill)
            await asyncio.to_thread(office.start)
        else:
            await asyncio.to_thread(hidden.kill)
            await asyncio.to_thread(hidden.start)
        await asyncio.sleep(LATE + 2)
        line.heal()
        await bob.until(ledger.is_complete, lambda: f"all messages have arrived: {ledger.report()}", 240)
        last = alice.send(bob.bare, "the last"), bob.send(alice.bare, "the last")
        for client, id in zip((bob, alice), last):
            await client.until(lambda: any(message.id == id for message in client.messages), "the last has arrived")
        report = ledger.report(taken_late=True)
        assert report.is_clean and report.delivered == 204, report
        await acknowledged_as(office, HIDDEN, "relay, on the peer's stream")
    world.close()


@pytest.mark.martlet
async def test_switched_off(make_world, office_kind):
    """Without it the office waits, as it did before."""
    world = make_world()
    named = {"mode": server.EXTERNAL, "users": scenarios.USERS}
    office = world.add(OFFICE, office_kind, federation=QUICK | {"bidirectional": False}, **named)
    hidden = world.add(HIDDEN, office_kind, federation=QUICK, **named)
    line = world.line(OFFICE, HIDDEN)
    line.refuse_calls_to(HIDDEN)
    world.start()
    ledger = Ledger()
    async with Client(office, "alice", ledger) as alice, Client(hidden, "bob", ledger) as bob:
        bob.send(alice.bare, "the way that works")
        await alice.until(ledger.is_complete, "arrives")
        alice.send(bob.bare, "the way that does not")
        await asyncio.sleep(5)
        assert not ledger.is_complete()
        line.heal()
        await bob.until(ledger.is_complete, "arrives once the office can call", 60)
        assert await acknowledged_by(office, HIDDEN) == "relay"
    world.close()


def with_prosody(make_world, office_kind, hidden):
    world = make_world()
    named = {"mode": server.EXTERNAL, "users": scenarios.USERS}
    office = world.add(OFFICE, office_kind, federation=QUICK, **named)
    partner = world.add("partner.example", peers.Prosody, bidi=True, **named)
    line = world.line(OFFICE, partner.domain).refuse_calls_to(hidden)
    world.start()
    return world, office, partner, line


@pytest.mark.martlet
async def test_prosody_that_cannot_be_called(make_world, office_kind):
    """What waits for it goes over its stream, and its answers come there."""
    world, office, partner, line = with_prosody(make_world, office_kind, "partner.example")
    ledger = Ledger()
    async with Client(office, "alice", ledger) as alice, Client(partner, "carol", ledger) as carol:
        alice.send(carol.bare, "waits until carol's server shows itself")
        await asyncio.sleep(3)
        assert carol.messages == []
        carol.send(alice.bare, "here it is")
        await carol.until(ledger.is_complete, "both have arrived", 60)
        await acknowledged_as(office, partner.domain, "ping fence, on the peer's stream")
        for number in range(30):
            alice.send(carol.bare, f"to {number}")
            carol.send(alice.bare, f"fro {number}")
        await carol.until(ledger.is_complete, "talk both ways", 60)
        assert await alice.ping(partner.domain) is not None
        assert await carol.ping(office.domain) is not None
        assert ledger.report().is_clean, ledger.report()
        # An outage, and the office's server is killed in it: nothing is lost that the office has taken over.
        line.cut(relay.REFUSE)
        ids = [alice.send(carol.bare, f"during the outage {number}") for number in range(20)]
        await alice.until(lambda: not alice.unacknowledged, "her office has taken over every message")
        await asyncio.to_thread(office.kill)
        await asyncio.to_thread(office.start)
        line.heal()

        def has_all():
            return all(ledger.has_arrived(id) for id in ids)

        for number in range(20):
            carol.send(alice.bare, f"is anybody there? {number}")
            try:
                await eventually(has_all, "soon", 5)
                break
            except TimeoutError:
                pass
        assert has_all(), ledger.report(stamps=False)
    world.close()


@pytest.mark.martlet
async def test_prosody_uses_the_stream_that_we_opened(make_world, office_kind):
    world, office, partner, line = with_prosody(make_world, office_kind, OFFICE)
    ledger = Ledger()
    async with Client(office, "alice", ledger) as alice, Client(partner, "carol", ledger) as carol:
        alice.send(carol.bare, "I call you")
        await carol.until(ledger.is_complete, "has arrived")
        for number in range(30):
            carol.send(alice.bare, f"fro {number}")
            alice.send(carol.bare, f"to {number}")
        await alice.until(ledger.is_complete, "carol's messages come on the same stream", 60)
        assert await carol.ping(office.domain) is not None
        assert await acknowledged_by(office, partner.domain) == "stream management"
        report = ledger.report()
        assert report.is_clean, report
    world.close()
