"""Several devices of one account, with a real client: both see the whole conversation, also across SIGKILL."""

import pytest

from harness.clients import LIMIT, Client, befriend
from harness.ledger import Ledger

pytestmark = pytest.mark.martlet

FORWARDED = "{urn:xmpp:forward:0}forwarded"
CARBONS = "{urn:xmpp:carbons:2}"


@pytest.fixture(scope="module")
def office(make_world, office_kind):
    world = make_world()
    office = world.add("devices.example", office_kind, users=("alice", "bob", "carol", "dora"))
    world.start()
    return office


class Device(Client):
    """Wants copies as slixmpp asks for them."""

    def _make_stream(self):
        super()._make_stream()
        for plugin in ("xep_0280", "xep_0191", "xep_0352"):
            self.stream.register_plugin(plugin)

    async def enable(self):
        await self.stream.plugin["xep_0280"].enable(timeout=LIMIT)

    def conversation(self):
        """What this device shows: (direction, body), in the order in which it came."""
        found = []
        for message in self.messages:
            for kind in ("sent", "received"):
                copy = message.xml.find(f"{CARBONS}{kind}/{FORWARDED}/{{jabber:client}}message")
                if copy is not None:
                    assert message.sender == self.bare
                    found.append((kind, copy.findtext("{jabber:client}body")))
            if message.body:
                found.append(("direct", message.body))
        return found


async def test_both_devices_see_the_whole_conversation_also_across_sigkill(office):
    ledger = Ledger()
    async with (
        Device(office, "alice", ledger, resource="desk") as desk,
        Device(office, "alice", ledger, resource="phone") as phone,
        Device(office, "bob", ledger, resource="b") as bob,
    ):
        await desk.enable()
        await phone.enable()
        for number in range(30):
            desk.send(bob.bare, f"out {number}")
            bob.send(desk.full, f"in {number}")
            if number == 15:
                await desk.until(lambda: len(desk.unacknowledged) <= 10, "some are acknowledged")
                office.kill()
                office.start()
        everything = {("sent", f"out {n}") for n in range(30)} | {("received", f"in {n}") for n in range(30)}
        await phone.until(lambda: everything <= set(phone.conversation()), lambda: f"sees all, has {phone.conversation()}")
        seen = phone.conversation()
        assert [body for kind, body in seen if kind == "sent"] == [f"out {n}" for n in range(30)]
        assert [body for kind, body in seen if kind == "received"] == [f"in {n}" for n in range(30)]
        assert phone.resumptions == 1
        # Its own it does not get, and what it got is no copy.
        assert {kind for kind, _ in desk.conversation()} == {"direct"}


async def test_a_private_message_is_not_copied(office):
    async with (
        Device(office, "alice", resource="desk") as desk,
        Device(office, "alice", resource="phone") as phone,
        Device(office, "bob", resource="b") as bob,
    ):
        await phone.enable()
        message = desk.stream.make_message(mto=bob.full, mbody="secret", mtype="chat")
        message["carbon_private"]
        message.enable("carbon_private")
        desk.stream.send(message)
        desk.send(bob.full, "open")
        await phone.until(lambda: ("sent", "open") in phone.conversation(), "sees the open one")
        assert ("sent", "secret") not in phone.conversation()
        await bob.until(lambda: len(bob.texts()) == 2, "got both")


async def test_all_devices_share_a_block_list_that_outlives_the_server(office):
    async with (
        Device(office, "carol", resource="desk") as desk,
        Device(office, "carol", resource="phone") as phone,
        Device(office, "dora", resource="d") as dora,
    ):
        pushed = []
        phone.stream.add_event_handler("blocked", lambda iq: pushed.append("blocked"))
        phone.stream.add_event_handler("unblocked", lambda iq: pushed.append("unblocked"))
        lists = [device.stream.plugin["xep_0191"] for device in (desk, phone)]
        for known in lists:
            assert not (await known.get_blocked(timeout=LIMIT))["blocklist"]["items"]
        await lists[0].block(dora.bare, timeout=LIMIT)
        await phone.until(lambda: pushed == ["blocked"], "is told")
        office.kill()
        office.start()
        await dora.until(lambda: dora.is_open and dora.logins + dora.resumptions > 1, "is back")
        await phone.until(lambda: phone.is_open and phone.resumptions == 1, "is back")
        blocked = {item.get("jid") for item in (await lists[1].get_blocked(timeout=LIMIT)).xml.iter("{urn:xmpp:blocking}item")}
        assert blocked == {dora.bare}
        id = dora.send(phone.bare, "are you there?")
        await dora.until(lambda: (id, "service-unavailable") in dora.bounces, "hears that nobody is there")
        await lists[1].unblock(dora.bare, timeout=LIMIT)
        dora.send(phone.bare, "and now?")
        await phone.until(lambda: "and now?" in phone.texts(), "gets it")
        assert "are you there?" not in phone.texts() + desk.texts()


async def test_a_telephone_at_which_nobody_looks_gets_the_last_presence_before_the_next_words(office):
    async with Device(office, "alice", resource="phone") as phone, Device(office, "bob", resource="b") as bob:
        await befriend(phone, bob)
        csi = phone.stream.plugin["xep_0352"]
        csi.send_inactive()
        await phone.ping()
        seen = len(phone.presence_log)
        for status in ("one", "two", "three"):
            bob.available(status=status)
        await bob.ping()
        assert len(phone.presence_log) == seen
        bob.send(phone.full, "look")
        await phone.until(lambda: "look" in phone.texts(), "gets the words")
        assert [status for _, _, status in phone.presence_log[seen:]] == ["three"]
        bob.available(status="four")
        await bob.ping()
        assert len(phone.presence_log) == seen + 1
        csi.send_active()
        await phone.until(lambda: len(phone.presence_log) == seen + 2, "gets the rest")
