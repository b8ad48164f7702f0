"""XEP-0163 and what stands on it with a real client: pictures across offices, profiles, bookmarks, keys."""

import hashlib
import os
import xml.etree.ElementTree as xml

import pytest
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

from harness import scenarios
from harness.clients import LIMIT, Client, befriend

pytestmark = pytest.mark.martlet

EVENT = "{http://jabber.org/protocol/pubsub#event}event"
ITEMS = "{http://jabber.org/protocol/pubsub#event}items"
UPDATE = "{vcard-temp:x:update}x"
METADATA = "urn:xmpp:avatar:metadata"
BOOKMARKS = "urn:xmpp:bookmarks:1"


class Publisher(Client):
    """Wants news of some nodes, as slixmpp says it (XEP-0115)."""

    wants = (METADATA, BOOKMARKS)

    def _make_stream(self):
        super()._make_stream()
        for plugin in ("xep_0115", "xep_0060", "xep_0163", "xep_0084", "xep_0054", "xep_0049", "xep_0048", "xep_0402"):
            self.stream.register_plugin(plugin)
        self.hashes = []
        self.events = []
        # slixmpp's own event is for messages with a body.
        matcher = MatchXPath(f"{{jabber:client}}message/{EVENT}")
        self.stream.register_handler(Callback("news", matcher, self.events.append))
        self.stream.add_event_handler("presence_available", self._heard)

    async def login(self, presence=True, limit=LIMIT):
        """slixmpp says what it wants by its full JID, so after it has one."""
        await super().login(presence=False, limit=limit)
        for node in self.wants:
            self.stream.plugin["xep_0163"].add_interest(node)
        await self.stream.plugin["xep_0115"].update_caps(broadcast=False)
        if presence:
            self.available()

    def _heard(self, presence):
        photo = presence.xml.findtext(f"{UPDATE}/{{vcard-temp:x:update}}photo")
        if photo:
            self.hashes.append((presence["from"].bare, photo))

    def news(self, node):
        """Who has said something of a node, and the ids of what."""
        found = []
        for message in self.events:
            for items in message.xml.findall(f"{EVENT}/{ITEMS}"):
                if items.get("node") == node:
                    found.append((message["from"].bare, [item.get("id") for item in items]))
        return found

    async def set_picture(self, data):
        avatar = self.stream.plugin["xep_0084"]
        await avatar.publish_avatar(data, timeout=LIMIT)
        id = hashlib.sha1(data).hexdigest()
        await avatar.publish_avatar_metadata([{"id": id, "type": "image/png", "bytes": len(data)}], timeout=LIMIT)
        return id

    async def picture(self, jid, id):
        answer = await self.stream.plugin["xep_0084"].retrieve_avatar(jid, id, timeout=LIMIT)
        return answer["pubsub"]["items"]["item"]["avatar_data"]["value"]


@pytest.fixture(scope="module")
def offices(make_world, office_kind):
    world = make_world()
    north = world.add("north.example", office_kind, users=scenarios.USERS)
    south = world.add("south.example", office_kind, users=scenarios.USERS)
    world.start()
    yield north, south
    world.close()


async def test_a_picture_set_in_one_office_is_seen_in_the_other(offices):
    north, south = offices
    async with Publisher(north, "alice") as alice:
        async with Publisher(south, "bob") as bob:
            await befriend(alice, bob)
            data = os.urandom(40_000)
            id = await alice.set_picture(data)
            await bob.until(lambda: (alice.bare, [id]) in bob.news(METADATA), "is told of the picture")
            await bob.until(lambda: (alice.bare, id) in bob.hashes, "sees the hash in presence")
            assert await bob.picture(alice.bare, id) == data
            card = await bob.stream.plugin["xep_0054"].get_vcard(alice.bare, cached=False, timeout=LIMIT)
            assert card["vcard_temp"]["PHOTO"]["BINVAL"] == data
        # Who was away when it was set is shown the last one.
        other = await alice.set_picture(os.urandom(3_000))
        async with Publisher(south, "bob") as bob:
            await bob.until(lambda: (alice.bare, [other]) in bob.news(METADATA), "is shown the last picture")
            assert (alice.bare, [id]) not in bob.news(METADATA)
    north.kill()
    north.start()
    async with Publisher(north, "alice") as alice, Publisher(south, "bob") as bob:
        await bob.until(lambda: (alice.bare, [other]) in bob.news(METADATA), "is shown it after a kill, too")


async def test_a_profile_saved_is_read_back_by_others_and_after_a_kill(offices):
    north, south = offices
    async with Publisher(north, "alice") as alice:
        profiles = alice.stream.plugin["xep_0054"]
        card = profiles.make_vcard()
        card["FN"] = "Alice North"
        card["NICKNAME"] = "al"
        card["DESC"] = "works at night"
        await profiles.publish_vcard(card, timeout=LIMIT)
    north.kill()
    north.start()
    async with Publisher(north, "alice") as alice, Publisher(south, "bob") as bob:
        await bob.until(lambda: bob.sees(alice.bare), "sees alice")
        for client in (alice, bob):
            answer = await client.stream.plugin["xep_0054"].get_vcard(alice.bare, cached=False, timeout=LIMIT)
            assert answer["vcard_temp"]["FN"] == "Alice North"
            assert "al" in answer["vcard_temp"]["NICKNAME"]


async def test_a_second_device_sees_bookmarks_whichever_way_they_were_written(offices):
    north, _ = offices
    async with Publisher(north, "alice") as alice, Publisher(north, "alice", resource="phone") as phone:
        item = alice.stream.plugin["xep_0402"].stanza.Conference()
        item["name"] = "Council"
        item["autojoin"] = True
        publish = alice.stream.plugin["xep_0060"].publish
        await publish(alice.bare, BOOKMARKS, id="council@rooms.example", payload=item, timeout=LIMIT)
        await phone.until(lambda: (alice.bare, ["council@rooms.example"]) in phone.news(BOOKMARKS), "is told of it")
        answer = await phone.stream.plugin["xep_0049"].retrieve("bookmarks", timeout=LIMIT)
        rooms = answer.xml.findall(".//{storage:bookmarks}conference")
        assert [(room.get("jid"), room.get("name")) for room in rooms] == [("council@rooms.example", "Council")]


async def test_keys_of_200_kib_are_published_and_fetched(offices):
    north, south = offices
    node = "urn:xmpp:omemo:2:bundles"
    async with Publisher(north, "alice") as alice, Publisher(south, "bob") as bob:
        bundle = xml.Element("{urn:xmpp:omemo:2}bundle")
        xml.SubElement(bundle, "{urn:xmpp:omemo:2}spk").text = "A" * (200 << 10)
        pubsub = alice.stream.plugin["xep_0060"]
        form = alice.stream.plugin["xep_0004"].make_form(ftype="submit")
        form.add_field("FORM_TYPE", ftype="hidden", value="http://jabber.org/protocol/pubsub#publish-options")
        form.add_field("pubsub#access_model", value="open")
        form.add_field("pubsub#max_items", value="max")
        for id in ("1", "2", "3"):
            await pubsub.publish(alice.bare, node, id=id, payload=bundle, options=form, timeout=LIMIT)
        answer = await bob.stream.plugin["xep_0060"].get_items(alice.bare, node, item_ids=["2"], timeout=LIMIT)
        assert len(answer.xml.findtext(".//{urn:xmpp:omemo:2}spk")) == 200 << 10
