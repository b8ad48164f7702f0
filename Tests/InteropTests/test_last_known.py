"""While the line to an office is cut, real clients are shown what they were shown before: keys, pictures, profiles."""

import datetime
import xml.etree.ElementTree as xml

import pytest
from slixmpp.exceptions import IqError
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

from harness import relay, scenarios
from harness.clients import LIMIT, Client, befriend

pytestmark = pytest.mark.martlet

DEVICES = "urn:xmpp:omemo:2:devices"
BUNDLES = "urn:xmpp:omemo:2:bundles"
EVENT = "{http://jabber.org/protocol/pubsub#event}event"
ITEMS = "{http://jabber.org/protocol/pubsub#event}items"
DELAY = "{urn:xmpp:delay}delay"


class Encrypter(Client):
    """A client that uses OMEMO, as far as a server has to do with it."""

    def _make_stream(self):
        super()._make_stream()
        for plugin in ("xep_0115", "xep_0060", "xep_0163", "xep_0054"):
            self.stream.register_plugin(plugin)
        self.events = []
        matcher = MatchXPath(f"{{jabber:client}}message/{EVENT}")
        self.stream.register_handler(Callback("news", matcher, self.events.append))

    async def login(self, presence=True, limit=LIMIT):
        await super().login(presence=False, limit=limit)
        self.stream.plugin["xep_0163"].add_interest(DEVICES)
        await self.stream.plugin["xep_0115"].update_caps(broadcast=False)
        if presence:
            self.available()

    def has_devices_of(self, jid):
        return any(
            items.get("node") == DEVICES and message["from"].bare == jid
            for message in self.events
            for items in message.xml.findall(f"{EVENT}/{ITEMS}")
        )

    async def publish(self, node, id, payload):
        await self.stream.plugin["xep_0060"].publish(
            None, node, id=id, payload=xml.fromstring(payload), timeout=LIMIT
        )

    async def items(self, jid, node, ids=None):
        return await self.stream.plugin["xep_0060"].get_items(jid, node, item_ids=ids, timeout=LIMIT)


@pytest.fixture
def offices(make_world, office_kind):
    world = make_world()
    north = world.add("north.example", office_kind, users=scenarios.USERS)
    south = world.add("south.example", office_kind, users=scenarios.USERS)
    line = world.line("north.example", "south.example")
    world.start()
    yield north, south, line
    world.close()


def payloads(answer):
    return {item["id"]: item["payload"] for item in answer["pubsub"]["items"]["substanzas"]}


async def test_an_encrypted_chat_can_be_begun_during_a_cut_and_after_a_kill(offices):
    north, south, line = offices
    keys = "k" * 100_000
    async with Encrypter(south, "bob") as bob, Encrypter(north, "alice") as alice:
        await befriend(alice, bob)
        card = bob.stream.plugin["xep_0054"].make_vcard()
        card["FN"] = "Bob South"
        await bob.stream.plugin["xep_0054"].publish_vcard(card, timeout=LIMIT)
        await bob.publish(BUNDLES, "31415", f"<bundle xmlns='urn:xmpp:omemo:2'><spk>{keys}</spk></bundle>")
        await bob.publish(DEVICES, "current", "<devices xmlns='urn:xmpp:omemo:2'><device id='31415'/></devices>")
        await alice.until(lambda: alice.has_devices_of(bob.bare), "is told of bob's devices")
        # Another device of hers looks at the keys, and at the profile.
        async with Encrypter(north, "alice", resource="phone") as phone:
            assert payloads(await phone.items(bob.bare, BUNDLES, ["31415"]))["31415"][0].text == keys
            await phone.stream.plugin["xep_0054"].get_vcard(bob.bare, cached=False, timeout=LIMIT)
    line.cut(relay.REFUSE)
    north.kill()
    north.start()
    async with Encrypter(north, "alice") as alice, Encrypter(north, "carol") as carol:
        devices = await alice.items(bob.bare, DEVICES)
        assert payloads(devices)["current"][0].get("id") == "31415"
        stamp = devices.xml.find(f".//{DELAY}").get("stamp")
        age = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(stamp)
        assert datetime.timedelta() <= age < datetime.timedelta(minutes=10)
        assert payloads(await alice.items(bob.bare, BUNDLES, ["31415"]))["31415"][0].text == keys
        answer = await alice.stream.plugin["xep_0054"].get_vcard(bob.bare, cached=False, timeout=LIMIT)
        assert answer["vcard_temp"]["FN"] == "Bob South"
        # Who was shown none of it is shown none of it now, and is told why.
        with pytest.raises(IqError) as failure:
            await carol.items(bob.bare, DEVICES)
        assert failure.value.condition == "remote-server-timeout"
        assert "south.example" in failure.value.text
