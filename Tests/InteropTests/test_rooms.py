"""Rooms: with slixmpp's own idea of them, at one office and across two, and with people of Prosody, also while the line is down
and after a kill."""

import asyncio
import xml.etree.ElementTree as ET

import pytest
import slixmpp

from harness import peers
from harness.clients import Client
from harness.processes import LIMIT

pytestmark = pytest.mark.martlet
MUC = "{http://jabber.org/protocol/muc}"
ROOM = "coven@rooms.north.example"


class Guest(Client):
    """Somebody in rooms, with the library's own plugin."""

    def _make_stream(self):
        super()._make_stream()
        self.stream.register_plugin("xep_0045")

    async def enter(self, nick, room=ROOM):
        muc = self.stream.plugin["xep_0045"]
        return await muc.join_muc_wait(slixmpp.JID(room), nick, timeout=LIMIT)

    async def make(self, nick, room=ROOM):
        """Enters a room that is not there yet, and takes it as it is."""
        await self.enter(nick, room)
        request = self.stream.make_iq_set(ito=room)
        query = ET.Element("{http://jabber.org/protocol/muc#owner}query")
        ET.SubElement(query, "{jabber:x:data}x", type="submit")
        request.append(query)
        await request.send(timeout=LIMIT)

    def say(self, text, room=ROOM):
        return self.send(room, text, kind="groupchat")

    def leave(self, nick, room=ROOM):
        self.stream.send_presence(pto=f"{room}/{nick}", ptype="unavailable")

    def heard(self, room=ROOM):
        return [
            f"{slixmpp.JID(m.sender).resource}: {m.body}"
            for m in self.messages
            if m.kind == "groupchat" and m.body and slixmpp.JID(m.sender).bare == room
        ]

    def sees_in(self, nick, room=ROOM):
        return self.presences.get(f"{room}/{nick}") == "available"

    def told_in(self, nick, room=ROOM):
        """What the room said of somebody, in order: kind and words."""
        return [(kind, status) for sender, kind, status in self.presence_log if sender == f"{room}/{nick}"]


def north(world, kind, **named):
    return world.add(
        "north.example", kind, users=("alice", "carol"), more_domains=("rooms.north.example",),
        federation={"ack_timeout": "3s", "retry_maximum": "2s", "presence_grace": "3s"}, **named)  # fmt: skip


@pytest.fixture
def office(make_world, office_kind):
    world = make_world()
    site = north(world, office_kind)
    world.start()
    yield site
    world.close()


@pytest.fixture
def offices(make_world, office_kind):
    world = make_world()
    one = north(world, office_kind, offices={"south.example": "South"})
    other = world.add(
        "south.example", office_kind, users=("bob",), offices={"north.example": "North"},
        federation={"ack_timeout": "3s", "retry_maximum": "2s", "presence_grace": "3s"})  # fmt: skip
    line = world.line("north.example", "south.example")
    world.start()
    yield one, other, line
    world.close()


async def test_people_enter_talk_and_leave(office):
    async with Guest(office, "alice") as alice, Guest(office, "carol") as carol:
        await alice.make("Alice")
        await carol.enter("Carol")
        await alice.until(lambda: alice.sees_in("Carol"), "sees Carol")
        assert carol.sees_in("Alice")
        alice.say("hello")
        carol.say("hello yourself")
        both = ["Alice: hello", "Carol: hello yourself"]
        for one in (alice, carol):
            await one.until(lambda one=one: sorted(one.heard()) == both, "heard both")
        assert alice.heard() == carol.heard()
        carol.leave("Carol")
        await alice.until(lambda: not alice.sees_in("Carol"), "sees that Carol has left")
        # What was said before is told to whoever comes.
        await carol.enter("Carol2")
        await carol.until(lambda: carol.heard() == carol.heard()[:2] * 2, "heard it again")
        await alice.until(lambda: not alice.unacknowledged, "has everything acknowledged")


async def test_a_kill_loses_nobody_who_comes_back_and_nothing_that_was_acknowledged(office):
    async with Guest(office, "alice") as alice, Guest(office, "carol") as carol:
        await alice.make("Alice")
        await carol.enter("Carol")
        sent = [f"message {number}" for number in range(20)]
        for text in sent[:10]:
            alice.say(text)
        office.kill()
        for text in sent[10:]:
            alice.say(text)
        office.start()
        await carol.until(lambda: carol.resumptions == 1, "has come back")
        await carol.until(lambda: len(carol.heard()) >= 20, lambda: f"heard all: {carol.heard()}")
        await alice.until(lambda: not alice.unacknowledged, "has everything acknowledged")
        await asyncio.sleep(1)
        assert carol.heard() == [f"Alice: {text}" for text in sent]
        assert alice.sees_in("Carol") and carol.sees_in("Alice")


async def test_a_line_that_goes_down_and_comes_back(offices):
    one, other, line = offices
    async with Guest(one, "alice") as alice, Guest(other, "bob") as bob:
        await alice.make("Alice")
        await bob.enter("Bob")
        await alice.until(lambda: alice.sees_in("Bob"), "sees Bob")
        bob.say("here I am")
        await alice.until(lambda: alice.heard() == ["Bob: here I am"], "heard Bob")
        line.cut()
        await alice.until(lambda: not alice.sees_in("Bob"), "sees that Bob is cut off")
        assert "cut off since" in alice.told_in("Bob")[-1][1]
        for number in range(5):
            alice.say(f"meanwhile {number}")
        await asyncio.sleep(2)
        line.heal()
        await alice.until(lambda: alice.sees_in("Bob"), "sees Bob again")
        await bob.until(lambda: bob.sees_in("Alice"), "sees Alice again")
        meanwhile = [f"Alice: meanwhile {number}" for number in range(5)]
        await bob.until(lambda: [t for t in bob.heard() if "meanwhile" in t] == meanwhile, lambda: f"heard {bob.heard()}")
        bob.say("back")
        await alice.until(lambda: alice.heard()[-1] == "Bob: back", "heard Bob again")
        await asyncio.sleep(1)
        assert [t for t in bob.heard() if "meanwhile" in t] == meanwhile
        # One change each way, and no second entry; his server says again what it has said when its line comes up first.
        kinds = [kind for kind, _ in alice.told_in("Bob")]
        changes = [kind for number, kind in enumerate(kinds) if number == 0 or kinds[number - 1] != kind]
        assert changes == ["available", "unavailable", "available"]


async def test_nobody_is_in_a_room_who_is_not_there_any_more(offices):
    one, other, _ = offices
    async with Guest(one, "alice") as alice:
        await alice.make("Alice")
        bob = Guest(other, "bob", resumes=False)
        await bob.login()
        await bob.enter("Bob")
        await alice.until(lambda: alice.sees_in("Bob"), "sees Bob")
        other.kill()
        await bob.go_away()
        await asyncio.sleep(1)
        other.start()
        await alice.until(lambda: not alice.sees_in("Bob"), "sees that Bob has gone")
        alice.say("alone")
        await alice.until(lambda: alice.heard() == ["Alice: alone"], "hears herself")


@pytest.mark.parametrize("fault", ["line", "kill"])
async def test_somebody_of_prosody_in_our_room(make_world, office_kind, fault):
    world = make_world()
    one = north(world, office_kind)
    other = world.add("south.example", peers.Prosody, users=("bob",))
    line = world.line("north.example", "south.example")
    world.start()
    try:
        async with Guest(one, "alice") as alice, Guest(other, "bob") as bob:
            await alice.make("Alice")
            await bob.enter("Bob")
            await alice.until(lambda: alice.sees_in("Bob"), "sees Bob")
            alice.say("hello")
            bob.say("hello yourself")
            await alice.until(lambda: "Bob: hello yourself" in alice.heard(), "heard Bob")
            await bob.until(lambda: "Alice: hello" in bob.heard(), "heard Alice")
            if fault == "line":
                line.cut()
                # On a line on which nothing is said nobody notices: other servers are not asked all the time whether they are there.
                alice.say("meanwhile")
                await alice.until(lambda: not alice.sees_in("Bob"), "sees that Bob is cut off")
                line.heal()
                await alice.until(lambda: alice.sees_in("Bob"), "sees Bob again")
                await bob.until(lambda: "Alice: meanwhile" in bob.heard(), "heard what was said meanwhile")
                assert bob.heard().count("Alice: meanwhile") == 1
            else:
                bob.stays = False
                other.kill()
                await bob.go_away()
                other.start()
                await alice.until(lambda: not alice.sees_in("Bob"), "sees that Bob has gone")
    finally:
        world.close()
