"""Owners, admins and moderators of rooms, with slixmpp's own idea of them."""

import pytest
import slixmpp
from slixmpp.exceptions import IqError

from harness.clients import Client
from harness.processes import LIMIT

pytestmark = pytest.mark.martlet
ROOM = "cave@rooms.north.example"


class Witch(Client):
    """Somebody in rooms, with the library's own plugin."""

    def _make_stream(self):
        super()._make_stream()
        self.stream.register_plugin("xep_0045")

    @property
    def muc(self):
        return self.stream.plugin["xep_0045"]

    async def enter(self, nick, password=None):
        return await self.muc.join_muc_wait(slixmpp.JID(ROOM), nick, password=password, timeout=LIMIT)

    async def configure(self, **values):
        form = await self.muc.get_room_config(ROOM, timeout=LIMIT)
        known = form.get_fields()
        for name, value in values.items():
            known[f"muc#roomconfig_{name}"]["value"] = value
        await self.muc.set_room_config(ROOM, form, timeout=LIMIT)

    def is_told(self, nick, kind):
        return self.presences.get(f"{ROOM}/{nick}") == kind

    async def condition(self, wish):
        with pytest.raises(IqError) as refused:
            await wish
        return refused.value.condition


@pytest.fixture
def office(make_world, office_kind):
    world = make_world()
    site = world.add("north.example", office_kind, users=("alice", "bob", "carol"))
    world.start()
    yield site
    world.close()


async def test_an_owner_makes_a_room_as_she_wants_it(office):
    async with Witch(office, "alice") as alice, Witch(office, "bob") as bob:
        await alice.enter("Alice")
        await alice.configure(
            roomname="The Cave", persistentroom=True, passwordprotectedroom=True, roomsecret="cauldronburn", whois="anyone"
        )
        with pytest.raises(slixmpp.exceptions.PresenceError) as refused:
            await bob.enter("Bob")
        assert refused.value.condition == "not-authorized"
        await bob.enter("Bob", password="cauldronburn")
        await alice.until(lambda: alice.is_told("Bob", "available"), "sees Bob")
        form = await alice.muc.get_room_config(ROOM, timeout=LIMIT)
        assert form.get_fields()["muc#roomconfig_roomname"]["value"] == "The Cave"
        assert await bob.condition(bob.muc.get_room_config(ROOM, timeout=LIMIT)) == "forbidden"
        # It is the same after a kill.
        office.kill()
        office.start()
        await alice.until(lambda: alice.resumptions == 1, "has come back")
        form = await alice.muc.get_room_config(ROOM, timeout=LIMIT)
        assert form.get_fields()["muc#roomconfig_roomsecret"]["value"] == "cauldronburn"


async def test_people_are_given_and_taken_what_they_may(office):
    async with Witch(office, "alice") as alice, Witch(office, "bob") as bob, Witch(office, "carol") as carol:
        await alice.enter("Alice")
        await alice.configure(moderatedroom=True)
        await bob.enter("Bob")
        await carol.enter("Carol")
        await alice.until(lambda: alice.is_told("Carol", "available"), "sees Carol")
        await alice.muc.set_role(ROOM, "Bob", "participant", timeout=LIMIT)
        assert await alice.muc.get_roles_list(ROOM, "participant", timeout=LIMIT) == ["Bob"]
        await alice.muc.set_affiliation(ROOM, "admin", jid=bob.bare, timeout=LIMIT)
        assert await alice.muc.get_affiliation_list(ROOM, "admin", timeout=LIMIT) == [bob.bare]
        assert await bob.condition(bob.muc.set_affiliation(ROOM, "outcast", jid=alice.bare, timeout=LIMIT)) == "not-allowed"
        assert await bob.condition(bob.muc.set_affiliation(ROOM, "owner", jid=bob.bare, timeout=LIMIT)) in (
            "forbidden", "not-allowed")  # fmt: skip
        assert await alice.condition(alice.muc.set_affiliation(ROOM, "none", jid=alice.bare, timeout=LIMIT)) == "conflict"
        await bob.muc.set_role(ROOM, "Carol", "none", reason="Avaunt!", timeout=LIMIT)
        await carol.until(lambda: carol.is_told("Carol", "unavailable"), "hears that she was sent out")
        await carol.enter("Carol")
        await bob.muc.set_affiliation(ROOM, "outcast", jid=carol.bare, reason="Treason", timeout=LIMIT)
        await carol.until(lambda: carol.is_told("Carol", "unavailable"), "hears that she is banned")
        with pytest.raises(slixmpp.exceptions.PresenceError) as refused:
            await carol.enter("Carol")
        assert refused.value.condition == "forbidden"
