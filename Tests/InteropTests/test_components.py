"""Components (XEP-0114): an echo made with slixmpp, and biboumi, the gateway to IRC."""

import hashlib
import json

import pytest

from harness import components, ports, processes
from harness.clients import Client, _element
from harness.ledger import Ledger
from harness.rawstream import RawStream

pytestmark = pytest.mark.martlet
SECRET = "only these two know it"
ECHO, GATEWAY = "echo.office.example", "irc.office.example"
MUC = "{http://jabber.org/protocol/muc}x"
DISCO = "{http://jabber.org/protocol/disco#items}query"


@pytest.fixture(scope="module")
def world(make_world, office_kind):
    world = make_world()
    world.add("office.example", office_kind, users=("alice", "carol"), more_domains=(ECHO, GATEWAY),
              components={ECHO: SECRET, GATEWAY: SECRET}, federation={"presence_grace": "2s"})  # fmt: skip
    world.add("partner.example", office_kind, users=("bob",))
    world.start()
    return world


@pytest.fixture(scope="module")
def office(world):
    return world.sites["office.example"]


@pytest.fixture
def echo(office):
    echo = components.Echo(office, ECHO)
    echo.log.unlink(missing_ok=True)
    yield echo
    echo.stop()


async def test_messages_go_both_ways(office, echo):
    echo.begin()
    async with Client(office, "alice") as alice:
        for number in range(20):
            alice.send(f"anybody@{ECHO}", f"{number}")
        await alice.until(lambda: len(alice.messages) == 20, "has all answers")
        assert alice.texts() == [f"you said {number}" for number in range(20)]
        assert {message.sender for message in alice.messages} == {f"anybody@{ECHO}"}
        link = _link(office, ECHO)
        assert (link["state"], link["acknowledgement"]) == ("up", "ping fence, of a component"), link
        assert _link(office, GATEWAY)["state"] == "away"
        assert "1 of them connected" in office.command("status").stdout
        request = alice.stream.make_iq_get(ito=office.domain)
        request.append(_element(DISCO))
        items = (await request.send(timeout=processes.LIMIT)).xml.find(DISCO)
        assert {item.get("jid") for item in items} >= {ECHO, GATEWAY}


async def test_people_of_another_office_reach_it_and_hear_from_it(world, echo):
    echo.begin()
    async with Client(world.sites["partner.example"], "bob") as bob:
        bob.send(ECHO, "hello from the partner")
        await bob.until(lambda: bob.texts(ECHO) == ["you said hello from the partner"], "has the answer")


async def test_what_is_written_while_it_is_away_comes_once_and_in_order(office, echo):
    """The component is killed, the office is killed; nothing that was acknowledged is lost or comes twice."""
    echo.begin()
    async with Client(office, "alice", Ledger()) as alice:
        alice.send(ECHO, "before")
        await alice.until(lambda: "before" in echo.heard() and alice.texts(), "it is there")
        await alice.until(lambda: _link(office, ECHO)["waiting"] == 0, "and has proven what it got")
        echo.kill()
        for number in range(5):
            alice.send(ECHO, f"away {number}")
        await alice.until(lambda: not alice.unacknowledged, "the office has taken them over")
        with pytest.raises(Exception, match="remote-server-timeout"):
            await alice.ping(ECHO)
        office.kill()
        office.start()
        await alice.until(lambda: alice.is_open, "is back")
        alice.send(ECHO, "after")
        echo.begin()
        await alice.until(lambda: "you said after" in alice.texts(), "has the last answer")
        assert echo.heard() == ["before"] + [f"away {number}" for number in range(5)] + ["after"]


def _link(office, domain):
    """The component's line in the list of links."""
    return next(row for row in json.loads(office.command("link", "list", "--json").stdout) if row["peer"] == domain)


async def test_the_newest_stream_is_the_component(office, echo):
    echo.begin()
    second = components.Echo(office, ECHO)
    second.log = second.log.with_suffix(".second.log")
    try:
        second.start()
        second.until(lambda: "connected" in second.output(), "is let in")
        echo.until(lambda: "stream error conflict" in echo.lines(), "is told")
    finally:
        second.kill()
        echo.kill()


async def test_a_reload_takes_it_out_and_in_and_gives_it_another_secret(office, echo):
    def reload(**components):
        office.components = components
        office.prepare()
        done = office.command("reload")
        assert done.returncode == 0, done.stdout + done.stderr

    before = office.components
    try:
        echo.begin()
        reload(**{GATEWAY: SECRET})
        echo.until(lambda: "stream error host-gone" in echo.lines(), "is sent away")
        echo.until(lambda: "stream error host-unknown" in echo.lines(), "is not let in")
        reload(**{GATEWAY: SECRET, ECHO: SECRET + " now"})
        echo.until(lambda: "stream error not-authorized" in echo.lines(), "has another secret than is asked for")
        echo.kill()
        connections = echo.connections()
        reload(**before)
        # Until it was mended it may have shown the wrong secret too often.
        echo.start()
        echo.until(lambda: echo.connections() > connections, "is let in again")
    finally:
        reload(**before)


async def test_a_wrong_secret_is_refused(office):
    stranger = components.Echo(office, ECHO, secret="something else entirely")
    stranger.log = stranger.log.with_suffix(".stranger.log")
    try:
        stranger.start()
        stranger.until(lambda: "stream error not-authorized" in stranger.lines(), "is refused")
        assert "connected" not in stranger.lines()
    finally:
        stranger.kill()


def test_errors_of_the_stream(office):
    def stream(domain):
        raw = RawStream(office.address, ports.COMPONENT, content="jabber:component:accept")
        raw.send(raw.header(domain, version=None))
        return raw

    with stream("nobody.office.example") as raw:
        assert raw.read_error() == "host-unknown"
    with stream(GATEWAY) as raw:
        raw.send("<handshake>00</handshake>")
        assert raw.read_error() == "not-authorized"
    with RawStream(office.address, ports.COMPONENT) as raw:
        raw.send(raw.header(GATEWAY))
        assert raw.read_error() == "invalid-namespace"


def test_nobody_speaks_for_another_domain(office):
    with RawStream(office.address, ports.COMPONENT, content="jabber:component:accept") as raw:
        raw.send(raw.header(GATEWAY, version=None))
        raw.socket.settimeout(processes.LIMIT)
        head = b""
        while b" id='" not in head or b">" not in head.split(b" id='")[1]:
            head += raw.socket.recv(4096)
        raw._feed(head)
        identifier = head.split(b" id='")[1].split(b"'")[0].decode()
        raw.send(f"<handshake>{hashlib.sha1((identifier + SECRET).encode()).hexdigest()}</handshake>")
        assert raw.read().tag == "{jabber:component:accept}handshake"
        raw.send(f"<message from='{office.jid('carol')}' to='{office.jid('alice')}'><body>forged</body></message>")
        assert raw.read_error() == "invalid-from"


async def test_a_room_of_a_component(world, office, echo):
    """Rooms of a component are plain routing to the office, from here and from elsewhere; whoever is killed has left."""
    echo.begin()
    room = f"lobby@{ECHO}"
    async with Client(office, "alice") as alice, Client(world.sites["partner.example"], "bob") as bob:
        for person in (alice, bob):
            _enter(person, room)
            await person.until(lambda: person.presences.get(f"{room}/{person.user}") == "available", "is in the room")
            assert person.presences.get(f"{room}/echo") == "available"
        alice.send(room, "hello room", kind="groupchat")
        for person in (alice, bob):
            await person.until(lambda: len(person.messages) == 2, "hears both")
            assert [(m.sender, m.kind, m.body) for m in person.messages] == [
                (f"{room}/alice", "groupchat", "hello room"),
                (f"{room}/echo", "groupchat", "you said hello room"),
            ]
        echo.kill()
        await alice.until(lambda: alice.presences.get(f"{room}/echo") == "unavailable", "sees that nobody is there")


def _enter(person, room):
    entrance = person.stream.make_presence(pto=f"{room}/{person.user}")
    entrance.append(_element(MUC))
    entrance.send()


async def test_a_channel_of_irc_through_biboumi(world, office):
    """Rooms of the gateway are plain routing to the office: presence to enter, messages of the type groupchat."""
    network = components.Irc(world.network.address())
    gateway = components.Biboumi(office, GATEWAY, network)
    room = f"#swift@{GATEWAY}"
    try:
        gateway.start()
        async with Client(office, "alice") as alice:
            await alice.until(lambda: "1 of them connected" in office.command("status").stdout, "biboumi is connected")
            _enter(alice, room)
            await alice.until(lambda: alice.presences.get(f"{room}/alice") == "available", lambda: gateway.tail())
            assert alice.presences.get(f"{room}/bob") == "available"
            alice.send(room, "hello from XMPP", kind="groupchat")
            await alice.until(lambda: ("alice", "#swift", "hello from XMPP") in network.heard, lambda: gateway.tail())
            network.say("bob", "#swift", "hello from IRC")
            await alice.until(
                lambda: any(m.sender == f"{room}/bob" and m.body == "hello from IRC" for m in alice.messages),
                lambda: gateway.tail(),
            )
            # The gateway goes: so does everybody in the room, and who asks it hears so.
            gateway.stop()
            await alice.until(lambda: alice.presences.get(f"{room}/alice") == "unavailable", "has left the room")
            with pytest.raises(Exception, match="remote-server-timeout"):
                await alice.ping(GATEWAY)
    finally:
        gateway.kill()
        network.close()
