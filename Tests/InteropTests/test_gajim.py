"""Gajim in its window, as a person uses it: two devices of one account, history on a new one, a profile and a picture that another
office sees, a block list, and its own page of what the server can do.

The windows are Gajim's own, opened by its menus' actions; what is in them is read from them, from Gajim's database, or at the other
end. Pictures of them stay in pytest's directory, or in $INTEROP_PICTURES.
"""

import asyncio
import re
import struct
import zlib

import pytest

from harness import desktop, server
from harness.clients import LIMIT, Client, befriend
from harness.processes import eventually

pytestmark = pytest.mark.martlet

NORTH, SOUTH = "north.example", "south.example"
ALICE, BOB = f"alice@{NORTH}", f"bob@{SOUTH}"
CARBONS, FORWARDED = "{urn:xmpp:carbons:2}", "{urn:xmpp:forward:0}forwarded"

#: The page Features of the window Server Info, from top to bottom.
FEATURES = {
    "XEP-0045: Multi-User Chat": True,
    "XEP-0054: vcard-temp": True,
    "XEP-0077: In-Band Registration": True,
    "XEP-0163: Personal Eventing Protocol": True,
    "XEP-0163: #publish-options": True,
    "XEP-0191: Blocking Command": True,
    "XEP-0198: Stream Management": True,
    "XEP-0258: Security Labels in XMPP": False,  # no labels
    "XEP-0280: Message Carbons": True,
    "XEP-0313: Message Archive Management": True,
    "XEP-0363: HTTP File Upload": True,
    "XEP-0398: Avatar Conversion": True,
    "XEP-0411: Bookmarks Conversion": True,
    "XEP-0402: Bookmarks Compat": True,
    "XEP-0402: Bookmarks Compat PEP": True,
}


class Device(Client):
    """Gets copies, sees pictures, and knows block lists and profiles."""

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        #: Hashes of pictures that presence has shown: (of whom, hash).
        self.photos = []

    def _make_stream(self):
        super()._make_stream()
        for plugin in ("xep_0054", "xep_0191", "xep_0280"):
            self.stream.register_plugin(plugin)

    def _stanza_arrived(self, stanza):
        photo = stanza.xml.find("{vcard-temp:x:update}x/{vcard-temp:x:update}photo")
        if photo is not None:
            self.photos.append((stanza["from"].bare, photo.text))
        return super()._stanza_arrived(stanza)

    def conversation(self, other):
        """Like `Gajim.messages`."""
        found = []
        for message in self.messages:
            for kind in ("sent", "received"):
                copy = message.xml.find(f"{CARBONS}{kind}/{FORWARDED}/{{jabber:client}}message")
                if copy is not None and other in (copy.get("to") or "") + (copy.get("from") or ""):
                    found.append((kind == "sent", copy.findtext("{jabber:client}body")))
            if message.body and message.sender.startswith(other):
                found.append((False, message.body))
        return [(is_ours, body) for is_ours, body in found if body]


@pytest.fixture(scope="module")
def offices(make_world, office_kind):
    world = make_world()
    named = {"mode": server.EXTERNAL}
    north = world.add(NORTH, office_kind, users=("alice", "carol", "dora"), offices={SOUTH: "Southern office"}, **named)
    south = world.add(SOUTH, office_kind, users=("bob",), offices={NORTH: "Northern office"}, **named)
    world.start()

    async def know_each_other():
        async with Client(north, "alice") as alice, Client(south, "bob") as bob:
            await befriend(alice, bob)

    asyncio.run(know_each_other())
    return north, south


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return desktop.gallery(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def start(offices, tmp_path_factory):
    """Starts Gajim for somebody, on a screen of its own."""
    open_ones = []

    def made(user, site, chats=()):
        directory = tmp_path_factory.mktemp("gajim")
        screen = desktop.Screen(directory)
        open_ones.append(screen)
        gajim = desktop.Gajim(directory / "home", screen, site, user, chats)
        open_ones.append(gajim)
        gajim.start()
        return gajim

    yield made
    for one in reversed(open_ones):
        one.close()


@pytest.fixture(scope="module")
def desk(offices, start):
    """Alice's, in the north."""
    return start("alice", offices[0], [BOB])


def test_the_page_of_features_is_green(desk, pictures):
    desk.choose("server-info")
    try:
        desk.process.until(lambda: desk.window("ServerInfo", "return window is not None"), "shows the window")
        desk.window("ServerInfo", "window._ui.server_info_notebook.set_current_page(3)\nwindow.resize(560, 800)")
        desk.process.until(
            lambda: "Martlet" in desk.window("ServerInfo", "return window._ui.server_software.get_text()"), "knows who we are"
        )
        # Stream Management is green whatever the server says: Gajim asks a method and does not call it.
        rows = desk.window(
            "ServerInfo",
            "return [(row._feature.name, bool(row._feature.available()) if callable(row._feature.available)"
            " else row._feature.available) for row in window._ui.features_listbox.get_children()]",
        )
        desk.show(pictures / "gajim-features.png")
        assert dict(rows) == FEATURES
        assert desk.window("ServerInfo", "return window._ui.server_uptime.get_text()").startswith("0 days")
    finally:
        desk.window("ServerInfo", "window.destroy()")


async def test_two_devices_show_the_same_conversation(offices, desk, start, pictures):
    north, south = offices
    async with Device(north, "alice", resource="phone") as phone, Device(south, "bob") as bob:
        await phone.stream.plugin["xep_0280"].enable(timeout=LIMIT)
        expected = []
        for number in range(3):
            for says in (
                lambda text: phone.send(BOB, text),
                lambda text: desk.say(BOB, text),
                lambda text: bob.send(ALICE, text),
            ):
                text = f"line {len(expected)}"
                says(text)
                expected.append((len(expected) % 3 != 2, text))
                await eventually(
                    lambda: desk.messages(BOB) == expected, lambda: f"Gajim shows {expected}, has {desk.messages(BOB)}"
                )
        theirs = [text for is_ours, text in expected if is_ours]
        await bob.until(lambda: bob.texts(ALICE) == theirs, lambda: f"has got {theirs}, has {bob.texts(ALICE)}")
        others = [line for place, line in enumerate(expected) if place % 3]
        await phone.until(
            lambda: phone.conversation(BOB) == others, lambda: f"got {others}, has {phone.conversation(BOB)}"
        )
        await asyncio.to_thread(desk.show, pictures / "gajim-chat.png")
    # A device that was never there before asks the archive.
    new = await asyncio.to_thread(start, "alice", north, [BOB])
    await eventually(lambda: new.messages(BOB) == expected, lambda: f"Gajim shows {expected}, has {new.messages(BOB)}")
    await asyncio.to_thread(new.show, pictures / "gajim-new-device.png")
    # And what was said while it was away, on its next login, once.
    await asyncio.to_thread(new.close)
    async with Client(south, "bob") as bob:
        bob.send(ALICE, "while you were away")
        expected.append((False, "while you were away"))
        await eventually(lambda: desk.messages(BOB) == expected, "the first one has it")
    await asyncio.to_thread(new.start)
    await eventually(lambda: new.messages(BOB) == expected, lambda: f"Gajim shows {expected}, has {new.messages(BOB)}")
    await asyncio.to_thread(new.close)


async def test_a_profile_and_a_picture_that_are_saved_are_seen_in_the_other_office(offices, desk, start, pictures, tmp_path):
    north, south = offices
    (tmp_path / "picture.png").write_bytes(png(96, 64, (30, 120, 200)))
    other = await asyncio.to_thread(start, "bob", south, [ALICE])
    await asyncio.to_thread(edit_profile, desk, tmp_path / "picture.png", pictures)
    sha = "return app.get_client(account).get_module('Contacts').get_contact(JID.from_string(jid)).avatar_sha"
    seen = await eventually(lambda: other.hand(sha, account=other.account, jid=ALICE), "bob's Gajim has the picture")
    assert other.hand("return app.app.avatar_storage.avatar_exists(sha)", sha=seen)
    await asyncio.to_thread(other.show, pictures / "gajim-picture-elsewhere.png")
    card = await asyncio.to_thread(
        other.hand,
        "return app.get_client(account).get_module('VCard4').request_vcard(JID.from_string(jid))",
        account=other.account,
        jid=ALICE,
    )
    assert card is not None
    # The same profile, as clients of twenty years ago see it, and the hash in presence.
    async with Device(south, "bob", resource="old") as bob:
        await bob.until(lambda: (ALICE, seen) in bob.photos, lambda: f"hash {seen} in {bob.photos}")
        answer = await bob.stream.plugin["xep_0054"].get_vcard(ALICE, cached=False, timeout=LIMIT)
        vcard = answer["vcard_temp"]
        assert vcard["FN"] == "Alice Northwood"
        assert answer.xml.findtext(".//{vcard-temp}ROLE") == "bridge builder"
        assert zlib.crc32(vcard["PHOTO"]["BINVAL"]) and vcard["PHOTO"]["TYPE"] == "image/png"
    # The window does not turn for ever, and shows what was saved when it is opened again.
    desk.choose("profile")
    desk.process.until(lambda: visible(desk) == "profile", "the profile is there")
    fields = desk.window("ProfileWindow", "return [p.get_base_property().value for p in window._vcard_grid._props]")
    assert fields == ["Alice Northwood", "bridge builder"]
    desk.window("ProfileWindow", "window.destroy()")


async def test_who_is_blocked_is_not_heard_on_any_device(offices, desk, pictures):
    north, south = offices
    async with Device(north, "alice", resource="phone") as phone, Device(south, "bob") as bob:
        pushed = []
        phone.stream.add_event_handler("blocked", lambda iq: pushed.append("blocked"))
        blocked = phone.stream.plugin["xep_0191"]
        await blocked.get_blocked(timeout=LIMIT)
        await asyncio.to_thread(block, desk, BOB, pictures)
        await phone.until(lambda: pushed == ["blocked"], "is told")
        id = bob.send(ALICE, "can you hear me?")
        await bob.until(lambda: (id, "service-unavailable") in bob.bounces, "hears that nobody is there")
        await blocked.unblock(BOB, timeout=LIMIT)
        is_blocked = "return [str(jid) for jid in app.get_client(account).get_module('Blocking').blocked]"
        await eventually(lambda: desk.hand(is_blocked, account=desk.account) == [], "Gajim is told")
        bob.send(ALICE, "and now?")
        await eventually(lambda: desk.messages(BOB)[-1:] == [(False, "and now?")], "Gajim shows it")
        assert (False, "can you hear me?") not in desk.messages(BOB)


def test_nothing_that_was_asked_for_was_refused_but_what_is_not_there(desk):
    """Gajim's log of the wire: that nobody has made a node yet is the only reason for which it was refused something."""
    refused = re.findall(r"<iq [^>]*type='error'[^>]*>.*?<error [^>]*><([a-z-]+) xmlns=", desk.process.output())
    assert "item-not-found" in refused and set(refused) == {"item-not-found"}


def visible(gajim):
    return gajim.window("ProfileWindow", "return window and window._ui.profile_stack.get_visible_child_name()")


def edit_profile(gajim, picture, pictures):
    """As the window Profile lets one: a name, what one does, a picture, all for everybody to see."""
    gajim.choose("profile")
    gajim.process.until(lambda: visible(gajim) == "profile", "the profile is there")
    gajim.window(
        "ProfileWindow",
        """
from gajim.gtk.avatar_selector import AvatarSelector
window._ui.edit_button.clicked()
for name, text in (("fn", "Alice Northwood"), ("role", "bridge builder")):
    window._vcard_grid.add_new_property(name)
    window._vcard_grid._props[-1]._value_entry.set_text(text)
window._ui.vcard_access.set_active(True)
window._ui.avatar_nick_access.set_active(True)
window._avatar_selector = AvatarSelector()
window._ui.avatar_selector_box.add(window._avatar_selector)
window._avatar_selector.prepare_crop_area(PICTURE)
window._ui.profile_stack.set_visible_child_name("avatar_selector")
""".replace("PICTURE", repr(str(picture))),
    )
    gajim.show(pictures / "gajim-picture-chosen.png")
    gajim.window("ProfileWindow", "window._ui.avatar_update_button.set_sensitive(True)\nwindow._ui.avatar_update_button.clicked()")
    gajim.show(pictures / "gajim-profile-edited.png")
    gajim.window("ProfileWindow", "window._ui.save_button.clicked()")
    gajim.process.until(lambda: visible(gajim) == "profile", "the profile is saved")
    gajim.show(pictures / "gajim-profile-saved.png")
    gajim.window("ProfileWindow", "window.destroy()")


def block(gajim, jid, pictures):
    """As the window Blocking List lets one."""
    gajim.choose("blocking")
    is_there = "return window is not None and window._ui.blocking_grid.get_sensitive()"
    gajim.process.until(lambda: gajim.window("BlockingList", is_there), "the list is there")
    gajim.window("BlockingList", f"window._ui.blocking_store.append([{jid!r}])")
    gajim.show(pictures / "gajim-blocking.png")
    gajim.window("BlockingList", "window._on_save(None)")
    gajim.process.until(lambda: gajim.window("BlockingList", "return window is None"), "the list is saved")


def png(width, height, colour):
    """A picture of one colour."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes(colour) * width for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
