"""The line between two offices dies, nodes are killed, people go on writing: everything arrives once and in order."""

import asyncio
import json

import pytest
from slixmpp.exceptions import IqError

from harness import relay, scenarios
from harness.clients import Client, befriend
from harness.ledger import LATE, Ledger

CUTS = {
    "black-hole": relay.BLACK_HOLE,
    "refused": relay.REFUSE,
    "half-open": relay.HALF_OPEN,
    # What a caller says vanishes, what it is told arrives.
    "one-way": relay.LOST_FORWARD,
}
COUNT, RATE = 200, 20
#: After this many of the COUNT messages the line is cut, the sender's node is killed, the receiver's node is killed.
CUT, KILL_SENDER, KILL_RECEIVER = 40, 80, 140
USERS = scenarios.USERS + ("gina", "hugo")


@pytest.fixture
def offices(make_world, office_kind):
    world = make_world()
    north = world.add("north.example", office_kind, users=USERS)
    south = world.add("south.example", office_kind, users=USERS)
    line = world.line("north.example", "south.example")
    world.start()
    yield north, south, line
    world.close()


async def kill_and_restart(office):
    """SIGKILL and a start on the same directory; the clients' loop goes on meanwhile."""
    await asyncio.to_thread(office.kill)
    await asyncio.to_thread(office.start)


async def life_goes_on(office, sender, recipient):
    """Local chat and a new login while the line is dead."""
    ledger = Ledger()
    async with Client(office, sender, ledger) as one, Client(office, recipient, ledger) as other:
        for number in range(10):
            one.send(other.bare, f"local {number}")
            other.send(one.full, f"local {number}")
        await one.until(ledger.is_complete, "local messages arrive during the cut")
    report = ledger.report()
    assert report.is_clean and not ledger.late(), report


async def write_across(alice, bob, at):
    """COUNT messages at RATE a second; `at` maps a count to what happens after that many, without waiting for it."""
    deeds = []
    clock = asyncio.get_running_loop()
    start = clock.time()
    for number in range(COUNT):
        alice.send(bob.bare, f"message {number}")
        if number + 1 in at:
            deeds.append(asyncio.create_task(at[number + 1]()))
        await asyncio.sleep(max(0, start + (number + 1) / RATE - clock.time()))
    for deed in deeds:
        await deed


async def test_without_a_cut_everything_arrives(offices):
    """The same traffic on a good line: what the other tests compare with."""
    north, south, _ = offices
    ledger = Ledger()
    async with Client(north, "alice", ledger) as alice, Client(south, "bob", ledger) as bob:
        # The first one waits for the connection, and says so.
        alice.send(bob.bare, "before")
        await bob.until(ledger.is_complete, "the line is in use")
        await write_across(alice, bob, {})
        await bob.until(ledger.is_complete, "all messages have arrived")
    report = ledger.report()
    assert report.is_clean and report.delivered == COUNT + 1, report
    assert not any(ledger.stamps(message.id) for message in bob.messages[1:]), "what is in time is not stamped"


@pytest.mark.martlet
@pytest.mark.parametrize("cut", CUTS)
async def test_cut_and_kills_lose_nothing(offices, cut):
    north, south, line = offices
    ledger = Ledger()
    async with Client(north, "alice", ledger) as alice, Client(south, "bob", ledger) as bob:
        # A used line, so that the cut meets live streams, in both directions.
        alice.send(bob.bare, "before")
        bob.send(alice.bare, "before")
        await bob.until(ledger.is_complete, "the line is in use")

        async def cut_line():
            line.cut(CUTS[cut])

        await write_across(
            alice,
            bob,
            {
                CUT: cut_line,
                KILL_SENDER: lambda: kill_and_restart(north),
                KILL_RECEIVER: lambda: kill_and_restart(south),
            },
        )
        await life_goes_on(north, "carol", "dora")
        await life_goes_on(south, "erik", "fred")
        await alice.until(lambda: not alice.unacknowledged, "her office has taken over every message")
        bob.send(alice.bare, "from the other side of the cut")
        # Whatever is still waiting is late when the line comes back.
        await asyncio.sleep(LATE + 2)
        before = ledger.delivered_count
        assert before < COUNT, "the line was not cut"
        line.heal()
        await bob.until(ledger.is_complete, lambda: f"all messages have arrived: {ledger.report()}", 240)
        # Time for a second copy to arrive, if there is one: behind everything else on the same path.
        last = alice.send(bob.bare, "the last")
        await bob.until(lambda: any(message.id == last for message in bob.messages), "the last message has arrived")
        # Her own office was away for a while: it takes over later what she wrote meanwhile.
        report = ledger.report(taken_late=True)
        assert report.is_clean, report
        assert report.delivered == COUNT + 4
        assert len(ledger.late()) >= COUNT - CUT - RATE, "most of them were late"
        origins = [{origin for origin, _ in ledger.stamps(id)} for id in ledger.late()]
        assert all(north.domain in stamps or south.domain in stamps for stamps in origins), origins


@pytest.mark.martlet
@pytest.mark.parametrize("victim", ["sender", "receiver"])
async def test_kills_while_the_queue_drains(offices, victim):
    """The worst moment: entries are on their way, some are taken over, nobody has said so yet."""
    north, south, line = offices
    ledger = Ledger()
    async with Client(north, "alice", ledger) as alice, Client(south, "bob", ledger) as bob:
        alice.send(bob.bare, "before")
        await bob.until(ledger.is_complete, "the line is in use")
        line.cut(relay.REFUSE)
        for number in range(300):
            alice.send(bob.bare, f"message {number}")
        await alice.until(lambda: not alice.unacknowledged, "her office has taken over every message")
        line.slow(delay=0.02, rate=40_000)
        line.heal()
        for share in (30, 120, 210):
            await bob.until(lambda: ledger.delivered_count > share, f"more than {share} have arrived", 240)
            await kill_and_restart(north if victim == "sender" else south)
        line.slow()
        await bob.until(ledger.is_complete, lambda: f"all messages have arrived: {ledger.report()}", 240)
        last = alice.send(bob.bare, "the last")
        await bob.until(lambda: any(message.id == last for message in bob.messages), "the last message has arrived")
        # Her own office was away for a while: it takes over later what she wrote meanwhile.
        report = ledger.report(taken_late=True)
        assert report.is_clean, report


@pytest.mark.martlet
async def test_a_silent_line_is_noticed_while_people_write(make_world, office_kind):
    """A black hole is found out by our own asking, and writing on and on must not put that off."""
    world = make_world()
    named = {"users": USERS, "federation": {"ack_timeout": "5s", "retry_maximum": "5s"}}
    north = world.add("north.example", office_kind, **named)
    south = world.add("south.example", office_kind, **named)
    line = world.line("north.example", "south.example")
    world.start()
    ledger = Ledger()

    def holds(office):
        return [row["state"] for row in json.loads(office.command("link", "list", "--json").stdout)]

    async with Client(north, "alice", ledger) as alice, Client(south, "bob", ledger) as bob:
        alice.send(bob.bare, "before")
        bob.send(alice.bare, "before")
        await bob.until(ledger.is_complete, "the line is in use")
        assert await asyncio.to_thread(holds, north) == ["up"]

        async def cut_line():
            line.cut(relay.BLACK_HOLE)

        # Ten seconds, both ways: twice the time in which silence is found out.
        await asyncio.gather(write_across(alice, bob, {CUT: cut_line}), write_across(bob, alice, {}))
        await asyncio.sleep(5)
        assert "up" not in await asyncio.to_thread(holds, north), "north.example does not notice"
        assert "up" not in await asyncio.to_thread(holds, south), "south.example does not notice"
        await asyncio.sleep(LATE)
        line.heal()
        await bob.until(ledger.is_complete, lambda: f"all messages have arrived: {ledger.report()}", 240)
        report = ledger.report()
        assert report.is_clean, report
    world.close()


@pytest.mark.martlet
async def test_name_servers_die_too(offices):
    """Answers that worked are kept and used when DNS is dead, and a dead DNS bounces nothing."""
    north, south, line = offices
    ledger = Ledger()
    async with Client(north, "alice", ledger) as alice, Client(south, "bob", ledger) as bob:
        alice.send(bob.bare, "before")
        await bob.until(ledger.is_complete, "the line is in use")
        line.cut(relay.REFUSE)
        north.view.stop()
        south.view.freeze()
        for number in range(20):
            alice.send(bob.bare, f"message {number}")
        await alice.until(lambda: not alice.unacknowledged, "her office has taken over every message")
        await kill_and_restart(north)
        line.heal()
        await bob.until(ledger.is_complete, lambda: f"all messages have arrived: {ledger.report()}", 240)
        report = ledger.report()
        assert report.is_clean, report
        south.view.thaw()


@pytest.mark.martlet
async def test_name_servers_that_deny_everything_keep_nobody_away(offices):
    """A portal in front of the line, or a zone emptied by mistake: what was reached an hour ago is tried where it was."""
    north, south, line = offices
    ledger = Ledger()
    async with Client(north, "alice", ledger) as alice, Client(south, "bob", ledger) as bob:
        # Both have called the other: dialback asks DNS for who calls, too.
        alice.send(bob.bare, "before")
        bob.send(alice.bare, "before")
        await bob.until(ledger.is_complete, "the line is in use both ways")
        line.cut(relay.REFUSE)
        await asyncio.to_thread(north.view.deny)
        await asyncio.to_thread(south.view.deny)
        # What was looked up before is forgotten with the process.
        await kill_and_restart(north)
        await kill_and_restart(south)
        for number in range(20):
            alice.send(bob.bare, f"message {number}")
        await alice.until(lambda: not alice.unacknowledged, "her office has taken over every message")
        line.heal()
        await bob.until(ledger.is_complete, lambda: f"all messages have arrived: {ledger.report()}", 120)
        report = ledger.report()
        assert report.is_clean, report


@pytest.mark.martlet
async def test_subscriptions_wait_and_presence_is_refreshed(offices):
    north, south, line = offices
    async with Client(north, "alice") as alice, Client(south, "bob") as bob:
        await befriend(alice, bob)
        async with Client(north, "carol") as carol, Client(south, "dora") as dora:
            line.cut(relay.REFUSE)
            carol.subscribe(dora.bare)
            bob.available(show="away", status="first")
            bob.available(show="away", status="second")
            with pytest.raises(IqError) as failure:
                await alice.ping(south.domain)
            assert failure.value.condition == "remote-server-timeout"
            line.heal()
            await dora.until(lambda: dora.requested_by(carol.bare), "is asked when the line is back", 240)
            dora.approve(carol.bare)
            await carol.until(lambda: carol.sees(dora.bare), "sees dora")
            await alice.until(
                lambda: (bob.full, "available", "second") in alice.presence_log, "is told bob's last presence", 240
            )


@pytest.mark.martlet
async def test_what_the_line_did_not_cause_does_not_wait(offices):
    north, _, _ = offices
    async with Client(north, "alice") as alice:
        id = alice.send("somebody@nowhere.example", "is anybody there?")
        await alice.until(lambda: (id, "remote-server-not-found") in alice.bounces, "a domain that is not is refused")
        with pytest.raises(IqError) as failure:
            await alice.ping("nowhere.example")
        assert failure.value.condition == "remote-server-not-found"
