"""What waits in memory for others is bounded in bytes: one account at full speed does not make the office grow."""

import json
import socket
import threading
import xml.etree.ElementTree as ET

import pytest

from harness import ports
from harness.martlet import Martlet
from harness.rawstream import RawStream

pytestmark = pytest.mark.martlet

#: What one attack may add to the server's memory, in bytes: a debug build, its allocator not trimmed. Without bounds in bytes each of
#: these adds 130 MiB and more.
GROWTH_MAX = 64 << 20

#: As much as a client may send in one stanza.
LARGE = 250_000


@pytest.fixture
def office(make_world):
    world = make_world()
    office = world.add("office.example", Martlet, users=("alice", "bob", "mallory"))
    office.silent = socket.create_server((world.network.address(), ports.SERVER))
    for number in range(4):
        office.view.put(f"quiet{number}.example", *office.silent.getsockname())
    world.start()
    with logged_in(office, "alice", "warm") as warm:
        answers(warm, "warm")
    office.process.baseline = office.process.memory()
    yield office
    office.silent.close()


def logged_in(office, user, resource, **named):
    stream = RawStream(office.address, office.client_tls_port, **named)
    stream.begin_tls(office.domain, office.trust)
    stream.log_in(office.domain, user, office.passwords[user], resource)
    return stream


def answers(stream, id):
    """The stream's server answers a ping; what comes before is skipped and given back."""
    stream.send(f"<iq type='get' id='{id}' to='office.example'><ping xmlns='urn:xmpp:ping'/></iq>")
    before = []
    while (element := stream.read(120)) is not None:
        if element.get("id") == id:
            return before
        before.append(element)
    raise AssertionError("the stream has ended")


def growth(office):
    return office.process.memory() - office.process.baseline


def read_on(stream):
    """Reads and forgets what comes, so that the answers to an attack do not stop it."""

    def run():
        try:
            while stream.socket.recv(1 << 20):
                pass
        except OSError:
            pass

    threading.Thread(target=run, daemon=True).start()


def test_requests_with_long_ids_to_domains_that_do_not_answer(office):
    mallory = logged_in(office, "mallory", "raw")
    read_on(mallory)
    for number in range(560):
        id = f"{number}-" + "i" * LARGE
        mallory.send(f"<iq type='get' id='{id}' to='x@quiet{number % 4}.example'><ping xmlns='urn:xmpp:ping'/></iq>")
    with logged_in(office, "alice", "raw") as alice:
        answers(alice, "ping")
        grown = growth(office)
        print(f"grown by {grown >> 20} MiB")
        assert grown < GROWTH_MAX
    mallory.close()


def test_presence_to_domains_that_do_not_answer(office):
    mallory = logged_in(office, "mallory", "raw")
    read_on(mallory)
    for number in range(560):
        mallory.send(f"<presence to='x{number}@quiet{number % 4}.example'><status>{'s' * LARGE}</status></presence>")
    with logged_in(office, "alice", "raw") as alice:
        answers(alice, "ping")
        grown = growth(office)
        print(f"grown by {grown >> 20} MiB")
        assert grown < GROWTH_MAX
    mallory.close()


def detached(office, user, resource):
    """A session that can be resumed, whose connection is gone."""
    stream = logged_in(office, user, resource)
    stream.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
    token = stream.read().get("id")
    stream.send("<presence/>")
    answers(stream, "here")
    stream.close()
    return token


def test_stanzas_for_a_session_that_is_away(office):
    """Headlines and requests, of which there is no other copy, to a session that waits for its client."""
    token = detached(office, "bob", "laptop")
    with logged_in(office, "mallory", "raw") as mallory:
        large = "l" * LARGE
        for number in range(300):
            mallory.send(f"<message type='headline' to='bob@office.example'><body>{large}</body></message>")
            mallory.send(
                f"<iq type='get' id='q{number}' to='bob@office.example/laptop'><query xmlns='urn:example:q'>{large}</query></iq>"
            )
        refused = [element for element in answers(mallory, "done") if element.get("type") == "error"]
        grown = growth(office)
        print(f"grown by {grown >> 20} MiB, {len(refused)} refused")
        assert grown < GROWTH_MAX
        assert any(element.find(".//{*}resource-constraint") is not None for element in refused), "the sender is told"
    # The session is still there, and gets what was kept.
    with RawStream(office.address, office.client_tls_port) as stream:
        stream.begin_tls(office.domain, office.trust)
        resumed = resume(stream, office, "bob", token)
        assert resumed.tag.endswith("resumed"), ET.tostring(resumed)


def resume(stream, office, user, token):
    import base64

    from harness.rawstream import SASL

    stream.open(office.domain)
    secret = base64.b64encode(f"\0{user}\0{office.passwords[user]}".encode()).decode()
    stream.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{secret}</auth>")
    assert stream.read().tag.endswith("success")
    stream.open(office.domain)
    stream.send(f"<resume xmlns='urn:xmpp:sm:3' previd='{token}' h='2'/>")
    return stream.read()


def test_who_holds_most_is_shown(office):
    """`martlet status` names the account for whose reader most waits."""
    detached(office, "bob", "laptop")
    with logged_in(office, "mallory", "raw") as mallory:
        for _ in range(10):
            mallory.send(f"<message type='headline' to='bob@office.example'><body>{'l' * LARGE}</body></message>")
        answers(mallory, "done")
    done = office.command("status", "--json")
    status = json.loads(done.stdout)
    assert status["memoryCeiling"] == 192 << 20
    assert status["heldBytes"] > LARGE
    assert status["holders"][0]["owner"] == "bob@office.example"
    assert "bob@office.example" in office.command("status").stdout


def test_what_waits_for_an_account_is_cleared(office):
    """Messages and subscription requests go back to who sent them; it is asked before."""
    with logged_in(office, "mallory", "raw") as mallory:
        mallory.send("<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>")
        for number in range(300):
            mallory.send(f"<message type='chat' id='m{number}' to='bob@office.example'><body>{number}</body></message>")
        mallory.send("<presence type='subscribe' to='bob@office.example'/>")
        answers(mallory, "sent")
        refused = office.command("user", "clear", "bob", "--messages")
        assert refused.returncode != 0, "nobody at a terminal has said yes"
        done = office.command("user", "clear", "bob", "--messages", "--subscriptions", "--yes")
        assert done.returncode == 0, done.stderr
        assert "300 messages" in done.stdout and "1 subscription requests" in done.stdout
        back = answers(mallory, "cleared")
        # One by one as many as somebody gets; the others are counted in a message that comes later.
        assert sum(element.get("type") == "error" for element in back) == 200
        assert any(element.get("type") == "unsubscribed" for element in back)
    again = office.command("user", "clear", "bob", "--messages", "--yes")
    assert "No messages wait" in again.stdout
