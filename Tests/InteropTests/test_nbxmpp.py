"""nbxmpp, a library that has nothing in common with slixmpp: every service for people, between devices and between two offices."""

import base64
import hashlib

import pytest

from harness import server
from harness.hand import Refused
from harness.library import Library

pytestmark = pytest.mark.martlet

NORTH, SOUTH = "north.example", "south.example"
CARBONS = "iq = Iq('set')\niq.setTag(verb, namespace=Namespace.CARBONS)\nclient.send_stanza(iq)"
PICTURE = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")


@pytest.fixture(scope="module")
def offices(make_world, office_kind):
    world = make_world()
    named = {"mode": server.EXTERNAL}
    north = world.add(NORTH, office_kind, users=("alice", "carol", "dora"), **named)
    south = world.add(SOUTH, office_kind, users=("bob",), **named)
    world.start()
    return north, south


@pytest.fixture(scope="module")
def make(offices, tmp_path_factory):
    open_ones = []

    def made(server, user, *features):
        open_ones.append(Library(tmp_path_factory.mktemp("nbxmpp"), server, user, features).__enter__())
        return open_ones[-1]

    yield made
    for one in open_ones:
        one.__exit__()


@pytest.fixture(scope="module")
def people(offices, make):
    """Two devices of alice, and bob, who see each other and are told of everything that the others publish."""
    news = [f"{node}+notify" for node in ("urn:xmpp:avatar:metadata", "http://jabber.org/protocol/nick", "urn:xmpp:bookmarks:1")]
    desk, phone, bob = make(offices[0], "alice", *news), make(offices[0], "alice", *news), make(offices[1], "bob", *news)
    for asker, asked in ((desk, bob), (bob, desk)):
        asker.do("module('BasePresence').subscribe(JID.from_string(jid))", jid=asked.bare)
        asked.until(lambda: any(p["type"] == "subscribe" for p in asked.presences()), "is asked")
        asked.do("module('BasePresence').subscribed(JID.from_string(jid))", jid=asker.bare)
    for asker, asked in ((desk, bob), (phone, bob), (bob, desk)):
        asker.until(lambda: sees(asker, asked), f"sees {asked.full}")
    for device in (desk, phone):
        device.do(CARBONS, verb="enable")
        device.do("return module('Ping').ping(JID.from_string(jid))", then="None", jid=device.bare)
    return desk, phone, bob


def sees(library, other):
    return any(p["from"] == other.full and p["type"] in (None, "available") for p in library.presences())


def send(library, to, body, type="chat"):
    return library.do("return client.send_stanza(Message(to=to, body=body, typ=type))", to=to, body=body, type=type)


def heard(library, body):
    return [m for m in library.messages() if m["body"] == body and not m["archive"]]


def test_copies(people):
    desk, phone, bob = people
    send(desk, bob.full, "out")
    bob.until(lambda: heard(bob, "out"), "has it")
    phone.until(lambda: [m["carbon"] for m in heard(phone, "out")] == ["sent"], "has the copy")
    send(bob, desk.full, "in")
    desk.until(lambda: [m["carbon"] for m in heard(desk, "in")] == [None], "has it")
    phone.until(lambda: [m["carbon"] for m in heard(phone, "in")] == ["received"], "has the copy")
    phone.do(CARBONS, verb="disable")
    send(bob, desk.full, "in without copy")
    desk.until(lambda: heard(desk, "in without copy"), "has it")
    phone.do("return module('Ping').ping(JID.from_string(jid))", then="None", jid=phone.bare)
    assert not heard(phone, "in without copy")
    phone.do(CARBONS, verb="enable")


def pages(library, after=None, **arguments):
    """All pages of the own archive: (id, body), in the order in which they came. (To ask for one person's this version of
    the library is not able.)"""
    seen = []
    while True:
        past = len(library.messages())
        last, complete, count = library.do(
            "from datetime import datetime\n"
            "return module('MAM').make_query(JID.from_string(jid), queryid='q', after=after, max_=4,"
            " start=start and datetime.fromisoformat(start), end=end and datetime.fromisoformat(end))",
            "[result.rsm.last, result.complete, result.rsm.count]",
            **{"jid": library.bare, "after": after, "start": None, "end": None, **arguments},
        )
        seen += [(m["archive"], m["body"]) for m in library.messages()[past:] if m["archive"]]
        after = last
        if complete:
            return seen, count


def test_the_archive(people, offices, make):
    desk, phone, bob = people
    said = [f"number {number}" for number in range(10)]
    for number, body in enumerate(said):
        one, other = (desk, bob) if number % 2 else (bob, desk)
        send(one, other.bare, body)
        other.until(lambda: heard(other, body), f"has {body}")
    ids = {m["body"]: m["stanza_ids"] for m in desk.messages() if m["body"] in said[::2]}
    new = make(offices[0], "alice")
    history, count = pages(new)
    assert count == len(history) == len({id for id, _ in history})
    assert [body for _, body in history][-10:] == said
    assert all(ids[body] == [id] for id, body in history if body in ids)
    assert pages(new, start="2020-01-01")[0] == history
    assert pages(new, end="2020-01-01") == ([], 0)
    assert pages(new, after=history[3][0])[0] == history[4:]
    with pytest.raises(Refused, match="item-not-found"):
        pages(new, after="no-such-id")
    # Preferences
    wishes = "[result.default, [str(j) for j in result.always], [str(j) for j in result.never]]"
    assert new.do("return module('MAM').request_preferences()", wishes) == ["always", [], []]
    new.do("return module('MAM').set_preferences('roster', [JID.from_string(jid)], [])", "None", jid=bob.bare)
    assert desk.do("return module('MAM').request_preferences()", wishes) == ["roster", [bob.bare], []]
    new.do("return module('MAM').set_preferences('always', [], [])", "None")


def test_nodes_of_ones_own(people):
    desk, phone, bob = people
    node = "urn:example:things"
    publish = "return module('PubSub').publish(node, Node('thing', attrs={'xmlns': node, 'what': what}), id_=id, options=options)"
    open_to_all = {"pubsub#access_model": "open", "pubsub#max_items": "2", "pubsub#persist_items": "true"}
    for number in range(3):
        found = desk.do(publish, "result.id", node=node, what=f"{number}", id=f"i{number}", options=open_to_all)
        assert found == f"i{number}"
    items = "return module('PubSub').request_items(node, jid=JID.from_string(jid))"
    ids = "[item.getAttr('id') for item in result]"
    for library in (desk, phone, bob):
        assert sorted(library.do(items, ids, node=node, jid=desk.bare)) == ["i1", "i2"]
    with pytest.raises(Refused, match="precondition-not-met|conflict"):
        desk.do(publish, "None", node=node, what="x", id="x", options={"pubsub#access_model": "presence"})
    assert desk.do("return module('PubSub').get_access_model(node)", node=node) == "open"
    desk.do("return module('PubSub').set_access_model(node, 'presence')", "None", node=node)
    assert phone.do("return module('PubSub').get_access_model(node)", node=node) == "presence"
    assert sorted(bob.do(items, ids, node=node, jid=desk.bare)) == ["i1", "i2"]
    with pytest.raises(Refused, match="forbidden"):
        bob.do(publish.replace("options=options", "options=None, jid=JID.from_string(jid)"), "None",
               node=node, what="mine", id="mine", jid=desk.bare)  # fmt: skip
    desk.do("return module('PubSub').retract(node, 'i1')", "None", node=node)
    assert phone.do(items, ids, node=node, jid=desk.bare) == ["i2"]
    desk.do("return module('PubSub').purge(node)", "None", node=node)
    assert phone.do(items, ids, node=node, jid=desk.bare) == []
    desk.do("return module('PubSub').delete(node)", "None", node=node)
    with pytest.raises(Refused, match="item-not-found"):
        phone.do(items, ids, node=node, jid=desk.bare)


def test_news_of_a_name_reach_contacts_and_devices(people):
    desk, phone, bob = people
    desk.do("return module('Nickname').set_nickname('Ali', public=True)", "None")
    for library in (desk, phone, bob):
        library.until(
            lambda: [m["data"] for m in library.messages() if m["node"] == "http://jabber.org/protocol/nick"][-1:] == ["Ali"],
            "is told the name",
        )


def test_a_picture_in_every_form(people):
    """XEP-0084 in, XEP-0054 and XEP-0153 out, and the other way round (XEP-0398)."""
    desk, phone, bob = people
    sha = hashlib.sha1(PICTURE).hexdigest()
    show = (
        "from nbxmpp.modules.user_avatar import Avatar\npicture = Avatar()\n"
        "picture.add_image_source(base64.b64decode(data), 'image/png', 1, 1)\n"
        "return module('UserAvatar').set_avatar(picture, public=True)"
    )
    desk.do(show, "None", data=base64.b64encode(PICTURE).decode())
    told = lambda: [m["item"] for m in bob.messages() if m["node"] == "urn:xmpp:avatar:metadata"]  # noqa: E731
    bob.until(lambda: told()[-1:] == [sha], "is told of the picture")
    ask = "return module('UserAvatar').request_avatar_data(id, jid=JID.from_string(jid))"
    assert bob.do(ask, "result.sha", id=sha, jid=desk.bare) == sha
    vcard = "return module('VCardTemp').request_vcard(JID.from_string(jid))"
    assert bob.do(vcard, "result.get_avatar()[1]", jid=desk.bare) == sha
    bob.until(lambda: any(p["picture"] == sha for p in bob.presences()), "sees the hash")
    # The old way in
    other = PICTURE + b"\0"
    old = (
        "from nbxmpp.modules.vcard_temp import VCard\ncard = VCard(data={'FN': 'Alice', 'NICKNAME': 'Ali'})\n"
        "card.data['PHOTO'] = {'TYPE': 'image/png', 'BINVAL': data}\nreturn module('VCardTemp').set_vcard(card)"
    )
    desk.do(old, "None", data=base64.b64encode(other).decode())
    bob.until(lambda: told()[-1:] == [hashlib.sha1(other).hexdigest()], "is told of the other picture")
    assert bob.do(vcard, "[result.data['FN'], result.data['NICKNAME']]", jid=desk.bare) == ["Alice", "Ali"]


def test_a_profile_in_both_forms(people):
    """XEP-0292 in, XEP-0054 out."""
    desk, phone, bob = people
    desk.do(
        "from nbxmpp.modules.vcard4 import VCard\ncard = VCard()\n"
        "card.add_property('fn', value='Alice Northwood')\ncard.add_property('email', value='alice@north.example')\n"
        "return module('VCard4').set_vcard(card, public=True)",
        "None",
    )
    fields = "{p.name: p.value for p in result.get_properties()}"
    card = bob.do("return module('VCard4').request_vcard(JID.from_string(jid))", fields, jid=desk.bare)
    assert card == {"fn": "Alice Northwood", "email": "alice@north.example"}
    old = bob.do("return module('VCardTemp').request_vcard(JID.from_string(jid))", "result.data", jid=desk.bare)
    assert old["FN"] == "Alice Northwood" and old["EMAIL"][0]["USERID"] == "alice@north.example"


def test_bookmarks_are_the_same_three_ways(people):
    """XEP-0048 in private XML (XEP-0049) and in a node, and XEP-0402."""
    desk, phone, bob = people
    store = (
        "return module('PrivateBookmarks').store_bookmarks("
        "[BookmarkData(jid=JID.from_string('room@rooms.example'), name='Room', nick='ali', autojoin=True)])"
    )
    desk.do(store, "None")
    found = "[[str(b.jid), b.name, b.nick, b.autojoin] for b in result]"
    expected = [["room@rooms.example", "Room", "ali", True]]
    for kind in ("PrivateBookmarks", "PEPBookmarks", "NativeBookmarks"):
        assert phone.do("return module(kind).request_bookmarks()", found, kind=kind) == expected
    phone.do("return module('NativeBookmarks').retract_bookmark(JID.from_string('room@rooms.example'))", "None")
    assert desk.do("return module('PrivateBookmarks').request_bookmarks()", found) == []


def test_private_storage(people):
    desk, phone, _ = people
    desk.do("return module('Delimiter').set_delimiter('/')", "None")
    assert phone.do("return module('Delimiter').request_delimiter()") == "/"


def test_blocking(people):
    desk, phone, bob = people
    listed = "return module('Blocking').request_blocking_list()"
    texts = "sorted(str(jid) for jid in result)"
    assert desk.do(listed, texts) == []
    desk.do("return module('Blocking').block([JID.from_string(jid)], report='spam')", "None", jid=bob.bare)
    assert phone.do(listed, texts) == [bob.bare]
    bob.until(lambda: any(p["from"] == desk.full and p["type"] == "unavailable" for p in bob.presences()), "loses alice")
    send(bob, desk.bare, "can you hear me?")
    bob.until(lambda: any(m["error"] == "service-unavailable" for m in bob.messages()), "hears that nobody is there")
    with pytest.raises(Refused, match="not-acceptable"):
        desk.do("return module('VCardTemp').request_vcard(JID.from_string(jid))", "None", jid=bob.bare)
    phone.do("return module('Blocking').unblock([JID.from_string(jid)])", "None", jid=bob.bare)
    assert desk.do(listed, texts) == []
    send(bob, desk.bare, "and now?")
    desk.until(lambda: heard(desk, "and now?"), "hears it")
    assert not heard(desk, "can you hear me?")


def test_what_the_server_says_of_itself(people):
    desk, _, _ = people
    assert desk.do("return module('SoftwareVersion').request_software_version(NORTH)", "result.name", NORTH=NORTH) == "Martlet"
    assert desk.do("return module('LastActivity').request_last_activity(NORTH)", "result.seconds", NORTH=NORTH) >= 0
    assert desk.do("return module('EntityTime').request_entity_time(NORTH)", "bool(result)", NORTH=NORTH)
    assert desk.do("return module('AdHoc').request_command_list(JID.from_string(NORTH))", "len(result)", NORTH=NORTH) >= 1
    features = desk.do("return module('Discovery').disco_info(jid)", "result.features", jid=desk.bare)
    assert {"urn:xmpp:mam:2", "urn:xmpp:mam:2#extended", "http://jabber.org/protocol/pubsub#publish-options"} <= set(features)


def test_another_password(offices, make):
    """XEP-0077 §3.3: the new one is good, the old one is not."""
    north, _ = offices
    dora = make(north, "dora")
    dora.do("return module('Register').change_password('quite another one')", "None")
    north.passwords["dora"] = "quite another one"
    assert make(north, "dora").do("return client.state.name") == "ACTIVE"
