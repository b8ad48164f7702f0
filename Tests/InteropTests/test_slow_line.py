"""A line of 9.6 kbit/s with 600 ms each way that loses every twentieth segment: it makes progress, and urgent goes before bulk."""

import asyncio

import pytest

from harness.clients import Client
from harness.ledger import Ledger

RATE, DELAY, LOSS = 1200, 0.6, 0.05
BULK, URGENT, CHAT = 40, 3, 3
BODY = "newsletter " * 40

LANES = {"urgent_addresses": ["siren@south.example"], "bulk_addresses": ["news@north.example"]}


@pytest.fixture
def offices(make_world, office_kind):
    world = make_world()
    north = world.add("north.example", office_kind, users=("alice", "news"), federation=LANES)
    south = world.add("south.example", office_kind, users=("bob", "siren", "readers"), federation=LANES)
    line = world.line("north.example", "south.example")
    world.start()
    line.slow(DELAY, RATE, LOSS)
    yield north, south
    world.close()


@pytest.mark.martlet
async def test_urgent_goes_before_bulk_on_a_slow_line(offices):
    north, south = offices
    bulk, chat, urgent = Ledger(), Ledger(), Ledger()
    async with (
        Client(north, "news", bulk) as news,
        Client(south, "readers", bulk) as readers,
        Client(north, "alice", chat) as alice,
        Client(south, "bob", chat) as bob,
        Client(north, "alice", urgent) as watch,
        Client(south, "siren", urgent) as siren,
    ):
        # Negotiation crosses the line as well.
        alice.send(bob.bare, "before")
        await bob.until(chat.is_complete, "the slow line is in use", 240)
        for number in range(BULK):
            news.send(readers.bare, f"{number} {BODY}")
        await readers.until(lambda: bulk.delivered_count >= 2, "bulk is under way", 120)
        for number in range(CHAT):
            alice.send(bob.bare, f"chat {number}")
        for number in range(URGENT):
            watch.send(siren.bare, f"fire {number}")
        await siren.until(urgent.is_complete, "urgent messages have arrived", 120)
        assert bulk.delivered_count < BULK // 2, "urgent messages did not wait for the newsletter"
        await bob.until(chat.is_complete, "chat has arrived", 120)
        assert bulk.delivered_count < BULK // 2 + 8, "chat did not wait for the newsletter"
        await readers.until(bulk.is_complete, lambda: f"the newsletter has arrived: {bulk.report()}", 240)
        await asyncio.sleep(1)
    for ledger in (bulk, chat, urgent):
        report = ledger.report()
        # What the line itself makes late has no stamp: nobody held it back.
        assert not (report.lost or report.duplicated or report.bounced or report.out_of_order), report
