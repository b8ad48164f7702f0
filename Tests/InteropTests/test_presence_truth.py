"""Presence across a cut: who is behind a dead line is unavailable once and says why, the office says what waits, and
afterwards everybody is there again, once."""

import asyncio
import collections
import xml.etree.ElementTree as ET

import pytest
from slixmpp.exceptions import IqError

from harness import relay, scenarios
from harness.clients import Client, befriend

pytestmark = pytest.mark.martlet
COMMANDS = "{http://jabber.org/protocol/commands}"
FORMS = "{jabber:x:data}"


@pytest.fixture
def offices(make_world, office_kind, request):
    world = make_world()
    federation = {"ack_timeout": "3s", "retry_maximum": "2s", "presence_grace": request.param}
    named = {"users": scenarios.USERS, "federation": federation}
    north = world.add("north.example", office_kind, offices={"south.example": "South"}, **named)
    south = world.add("south.example", office_kind, offices={"north.example": "North"}, **named)
    line = world.line("north.example", "south.example")
    world.start()
    yield north, south, line
    world.close()


def told(client, kind):
    """How often a client was told that somebody is available, or unavailable."""
    return collections.Counter(sender for sender, said, _ in client.presence_log if said == kind and "@" in sender)


def office(client, domain):
    """What a client was told of an office, in order."""
    contact = f"{domain}/office"
    return [status for sender, kind, status in client.presence_log if sender == contact and kind == "available"]


async def queue(client, *values, session=None):
    """XEP-0050: the client's waiting messages, or the end of cancelling some."""
    request = client.stream.make_iq_set(ito=client.server.domain)
    command = ET.Element(f"{COMMANDS}command", node="urn:martlet:queue")
    if session:
        command.set("sessionid", session)
        command.set("action", "complete")
        form = ET.SubElement(command, f"{FORMS}x", type="submit")
        field = ET.SubElement(form, f"{FORMS}field", var="entries")
        for value in values:
            ET.SubElement(field, f"{FORMS}value").text = value
    request.append(command)
    answer = (await request.send(timeout=60)).xml.find(f"{COMMANDS}command")
    options = [option.findtext(f"{FORMS}value") for option in answer.iter(f"{FORMS}option")]
    return answer.get("sessionid"), options, answer.findtext(f"{COMMANDS}note")


@pytest.mark.parametrize("offices", ["5s"], indirect=True)
async def test_a_cut_is_seen_once_and_so_is_its_end(offices):
    north, south, line = offices
    async with (
        Client(north, "alice") as alice,
        Client(south, "bob") as bob,
        Client(south, "bob") as phone,
        Client(south, "dora") as dora,
    ):
        await befriend(alice, bob)
        await befriend(alice, dora)
        people = [bob.full, phone.full, dora.full]
        await alice.until(lambda: all(alice.presences.get(jid) == "available" for jid in people), "sees all three")
        await alice.until(lambda: office(alice, south.domain)[-1:] == ["reachable"], "sees the office")
        assert alice.contacts()[south.domain] == "to"
        await asyncio.sleep(3)
        for client in (alice, bob):
            client.presence_log.clear()

        line.cut(relay.BLACK_HOLE)
        await alice.until(lambda: all(told(alice, "unavailable")[jid] for jid in people), "is told of the cut", 120)
        await bob.until(lambda: told(bob, "unavailable")[alice.full], "is told of the cut", 120)
        await alice.until(lambda: office(alice, south.domain), "sees that the office is away", 120)
        first = alice.send(bob.bare, "first")
        second = alice.send(bob.bare, "second")
        await alice.until(
            lambda: office(alice, south.domain)[-1].endswith(", 2 waiting"), "sees what waits", 120
        )
        session, options, _ = await queue(alice)
        assert len(options) == 2, options
        _, _, note = await queue(alice, options[0], session=session)
        assert note == "Cancelled: 1."
        assert len((await queue(alice))[1]) == 1
        alice.send(south.domain, "is anybody there?")
        await alice.until(lambda: alice.texts(south.domain), "is answered by the office")
        assert alice.texts(south.domain)[0].startswith("South is cut off since ")
        assert ", 1 of your messages waiting." in alice.texts(south.domain)[0]
        assert not alice.bounces
        assert dict(told(alice, "unavailable")) == {jid: 1 for jid in people}
        statuses = {status for sender, _, status in alice.presence_log}
        assert all(status.startswith("cut off since ") for status in statuses), statuses
        for client in (alice, bob):
            client.presence_log.clear()

        line.heal()
        await alice.until(lambda: all(told(alice, "available")[jid] for jid in people), "sees all three again", 120)
        await bob.until(lambda: told(bob, "available")[alice.full], "sees alice again", 120)
        await bob.until(lambda: bob.messages or phone.messages, "gets the other message", 120)
        await alice.until(lambda: office(alice, south.domain)[-1:] == ["reachable"], "sees the office again", 120)
        # Whatever would come a second time is on its way by now.
        await asyncio.sleep(5)
        assert not told(alice, "unavailable")
        assert not told(bob, "unavailable")
        seen = told(alice, "available")
        assert {jid: seen[jid] for jid in people} == {jid: 1 for jid in people}
        assert told(bob, "available")[alice.full] == 1
        assert {message.id for message in bob.messages} == {second}, "the first was cancelled"
        assert first not in [id for id, _ in alice.bounces]


@pytest.mark.parametrize("offices", ["5m"], indirect=True)
async def test_no_ghosts_after_a_crash_of_the_other_office(offices):
    north, south, _ = offices
    async with Client(north, "alice") as alice, Client(south, "bob") as bob:
        dora = Client(south, "dora", resumes=False, stays=False)
        await dora.login()
        await befriend(alice, bob)
        await befriend(alice, dora)
        ghost = dora.full
        await asyncio.sleep(3)
        alice.presence_log.clear()
        await asyncio.to_thread(south.kill)
        await dora.go_away()
        await asyncio.to_thread(south.start)
        await alice.until(lambda: told(alice, "unavailable")[ghost], "is told that dora is gone", 240)
        await bob.until(lambda: bob.resumptions, "is there again", 120)
        await alice.until(lambda: alice.sees(bob.bare), "sees bob")
        await asyncio.sleep(5)
        assert dict(told(alice, "unavailable")) == {ghost: 1}
        assert not alice.sees(dora.bare)


@pytest.mark.parametrize("offices", ["5s"], indirect=True)
async def test_nobody_changes_an_office(offices):
    north, south, _ = offices
    async with Client(north, "alice") as alice:
        assert alice.contacts() == {south.domain: "to"}
        with pytest.raises(IqError) as failure:
            await alice.stream.del_roster_item(south.domain)
        assert failure.value.condition == "not-allowed"
        assert await alice.roster() == {south.domain: "to"}
