"""Streams over HTTPS: WebSocket (RFC 7395) and BOSH (XEP-0124, XEP-0206), how they are found (XEP-0156), and what hurts."""

import asyncio
import json
import ssl
import xml.etree.ElementTree as ET

import aiohttp
import pytest

from harness import web
from harness.martlet import Martlet
from harness.rawstream import STREAM_ERRORS, STREAMS, RawStream
from harness.web import BOSH, CLIENT, FRAMING, SM, Bosh, WebSocket

pytestmark = pytest.mark.martlet

KINDS = {"websocket": WebSocket, "bosh": Bosh}


@pytest.fixture(scope="module")
def office(make_world):
    world = make_world()
    office = world.add("web.example", Martlet, users=("alice", "bob"))
    world.start()
    return office


def secret(office, user):
    return office.passwords[user]


async def arrived(office, kind, user, resource):
    stream = KINDS[kind](office)
    await stream.log_in(user, secret(office, user))
    await stream.bind(resource)
    return stream


async def test_front_and_host_meta(office):
    async with web.session(office) as http:
        async with http.get(web.url(office, "/")) as response:
            assert response.status == 200 and "XMPP" in await response.text()
        async with http.get(web.url(office, "/.well-known/host-meta")) as response:
            assert response.headers["Access-Control-Allow-Origin"] == "*"
            assert response.headers["Content-Type"].startswith("application/xrd+xml")
            links = {link.get("rel"): link.get("href") for link in ET.fromstring(await response.read())}
        assert links == {
            "urn:xmpp:alt-connections:websocket": "wss://web.example:5443/xmpp-websocket",
            "urn:xmpp:alt-connections:xbosh": "https://web.example:5443/http-bind",
        }
        async with http.get(web.url(office, "/.well-known/host-meta.json")) as response:
            assert response.headers["Access-Control-Allow-Origin"] == "*"
            found = json.loads(await response.read())
        assert {link["rel"]: link["href"] for link in found["links"]} == links
        async with http.get(web.url(office, "/elsewhere")) as response:
            assert response.status == 404
        async with http.head(web.url(office, "/")) as response:
            assert response.status == 200 and await response.read() == b""
        async with http.options(web.url(office, "/http-bind"), headers={"Origin": "https://page.example"}) as response:
            assert response.status == 204 and "POST" in response.headers["Access-Control-Allow-Methods"]
        async with http.post(web.url(office, "/")) as response:
            assert response.status == 405 and response.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("kind", KINDS)
async def test_chat(office, kind):
    """Alice by HTTP and Bob on a socket talk to each other; then she goes in good order."""
    alice = await arrived(office, kind, "alice", "web")
    await alice.available()
    bob = RawStream(office.address, office.client_port)
    bob.start_tls(office.domain, office.trust)
    address = bob.log_in(office.domain, "bob", secret(office, "bob"))
    await alice.message(address, "to a socket")
    got = await asyncio.to_thread(bob.read)
    assert got.findtext(f"{{{CLIENT}}}body") == "to a socket"
    bob.send(f"<message to='{alice.jid}' type='chat'><body>from a socket</body></message>")
    await alice.body("from a socket")
    if kind == "websocket":
        await alice.send(f"<close xmlns='{FRAMING}'/>")
        await alice.until(lambda element: element.tag == f"{{{FRAMING}}}close")
        assert (await alice.frame()).type == aiohttp.WSMsgType.CLOSE
    else:
        await alice.send("", "type='terminate'")
        while await alice.read() is not None:
            pass
        assert alice.end == ""
    await alice.close()
    bob.close()


@pytest.mark.parametrize("before", ["websocket", "bosh", "socket"])
@pytest.mark.parametrize("after", ["websocket", "bosh"])
async def test_resumption(office, before, after):
    """A session moves from one way to another, and what was not acknowledged arrives there."""
    if before == "socket":
        alice = RawStream(office.address, office.client_port)
        alice.start_tls(office.domain, office.trust)
        jid = alice.log_in(office.domain, "alice", secret(office, "alice"), "moves")
        alice.send(f"<enable xmlns='{SM}' resume='true'/>")
        previous = alice.read().get("id")
        alice.send("<presence/>")
        while alice.read().tag != f"{{{CLIENT}}}presence":
            pass
        alice.close()
    else:
        alice = await arrived(office, before, "alice", "moves")
        jid, previous = alice.jid, await alice.enable()
        await alice.available()
        await alice.cut()
    bob = await arrived(office, "websocket", "bob", "waits")
    await bob.message(jid, f"over {before} and {after}")
    again = KINDS[after](office)
    await again.log_in("alice", secret(office, "alice"))
    answer = await again.resume(previous, 1)
    assert answer.tag == f"{{{SM}}}resumed", ET.tostring(answer)
    await again.body(f"over {before} and {after}")
    await again.cut()
    await bob.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_restart_of_the_server(make_world, kind):
    """The server stops in good order, and starts: the session is resumed."""
    world = make_world()
    office = world.add("stops.example", Martlet, users=("alice", "bob"))
    world.start()
    alice = await arrived(office, kind, "alice", "web")
    previous = await alice.enable()
    await alice.available()
    await asyncio.to_thread(office.stop)
    if kind == "bosh":
        assert alice.end in (None, "system-shutdown"), alice.end
    await alice.close()
    await asyncio.to_thread(office.start)
    bob = await arrived(office, "websocket", "bob", "web")
    await bob.message(alice.jid, "after the restart")
    again = KINDS[kind](office)
    await again.log_in("alice", secret(office, "alice"))
    answer = await again.resume(previous, 1)
    assert answer.tag == f"{{{SM}}}resumed", ET.tostring(answer)
    await again.body("after the restart")
    await again.close()
    await bob.close()


async def test_websocket_channel_binding(office):
    """What is offered is what a socket is offered: the channel is this connection's."""
    stream = WebSocket(office)
    features = await stream.open()
    offered = [mechanism.text for mechanism in features.iter("{urn:ietf:params:xml:ns:xmpp-sasl}mechanism")]
    assert "SCRAM-SHA-256-PLUS" in offered and "PLAIN" in offered
    bosh = Bosh(office)
    features = await bosh.open()
    offered = [mechanism.text for mechanism in features.iter("{urn:ietf:params:xml:ns:xmpp-sasl}mechanism")]
    assert "SCRAM-SHA-256" in offered and not any(name.endswith("-PLUS") for name in offered)
    await stream.close()
    await bosh.close()


async def test_websocket_upgrade_is_checked(office):
    for protocols in ((), ("chat",)):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await WebSocket(office).connect(protocols=protocols)
        assert refused.value.status == 400
    async with web.session(office) as http:
        async with http.get(web.url(office, "/xmpp-websocket")) as response:
            assert response.status == 426 and response.headers["Upgrade"] == "websocket"


async def test_websocket_behind_another_request(office):
    """A proxy keeps connections: one that has carried a request may become a WebSocket."""
    stream = WebSocket(office)
    async with stream.http.get(web.url(office, "/")) as response:
        await response.read()
    assert (await stream.open()).tag == f"{{{STREAMS}}}features"
    await stream.close()


async def test_websocket_frames(office):
    """Fragments are one message; pings are answered; a message of two elements, or of half of one, ends the stream."""
    stream = WebSocket(office)
    await stream.connect()
    text = f"<open xmlns='{FRAMING}' to='{office.domain}' version='1.0'/>".encode()
    transport = stream.socket._writer.transport
    for index in range(0, len(text), 7):
        part = text[index : index + 7]
        first, last = index == 0, index + 7 >= len(text)
        transport.write(bytes([(0x80 if last else 0) | (1 if first else 0), 0x80 | len(part), 0, 0, 0, 0]) + part)
    assert (await stream.read()).tag == f"{{{FRAMING}}}open"
    assert (await stream.read()).tag == f"{{{STREAMS}}}features"
    await stream.socket.ping(b"are you there")
    pong = await stream.frame()
    assert pong.type == aiohttp.WSMsgType.PONG and pong.data == b"are you there"
    await stream.send(f"<presence xmlns='{CLIENT}'/><presence xmlns='{CLIENT}'/>")
    assert (await stream.read()).tag == f"{{{STREAMS}}}error"
    assert (await stream.read()).tag == f"{{{FRAMING}}}close"
    await stream.close()
    for bad in (f"<message xmlns='{CLIENT}'>", "</stream:stream>", "<open/>", "text", f"<presence xmlns='{CLIENT}'/>"):
        stream = WebSocket(office)
        await stream.connect()
        await stream.send(bad)
        assert (await stream.read()).tag == f"{{{FRAMING}}}open"
        assert (await stream.read()).tag == f"{{{STREAMS}}}error", bad
        await stream.close()


async def test_websocket_binary_and_size(office):
    stream = WebSocket(office)
    await stream.open()
    await stream.socket.send_bytes(b"<presence/>")
    frame = await stream.frame()
    assert frame.type == aiohttp.WSMsgType.CLOSE and frame.data == 1003
    await stream.close()
    stream = WebSocket(office)
    await stream.open()
    await stream.send("<auth>" + "a" * 20_000 + "</auth>")
    frame = await stream.frame()
    assert frame.type == aiohttp.WSMsgType.CLOSE and frame.data == 1009
    await stream.close()


async def test_bosh_terms(office):
    stream = Bosh(office, wait=3600, hold=9)
    await stream.open()
    greeting = stream.greeting
    assert greeting.get("wait") == "60" and greeting.get("hold") == "2" and greeting.get("requests") == "3"
    assert greeting.get("ver") == "1.11" and greeting.get("from") == office.domain
    assert greeting.get("{urn:xmpp:xbosh}version") == "1.0" and len(greeting.get("sid")) >= 32
    await stream.close()


async def test_bosh_repeats_a_lost_answer(office):
    stream = Bosh(office)
    await stream.open()
    first = stream.rid
    again = await stream.post(stream.request(rid=first))
    assert ET.tostring(again) == ET.tostring(stream.greeting)
    stream.polls = False
    held = asyncio.ensure_future(stream.post(stream.request()))
    await asyncio.sleep(0.2)
    # The client has lost the connection on which it waited.
    instead = asyncio.ensure_future(stream.post(stream.request(rid=stream.rid)))
    assert len(await asyncio.wait_for(held, 30)) == 0
    await asyncio.sleep(0.2)
    assert not instead.done()
    instead.cancel()
    await stream.close()


async def test_bosh_order(office):
    """Requests that arrive in another order are taken in theirs."""
    stream = Bosh(office)
    await stream.open()
    stream.polls = False
    later, earlier = stream.request("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='NONE'/>"), None
    first_rid = stream.rid
    later = later.replace(f"rid='{first_rid}'", f"rid='{first_rid + 1}'")
    earlier = stream.request("", rid=first_rid)
    second = asyncio.ensure_future(stream.post(later))
    await asyncio.sleep(0.3)
    assert not second.done()
    first = asyncio.ensure_future(stream.post(earlier))
    await asyncio.wait({first, second}, timeout=30)
    assert first.done() and second.done()
    assert any(element.tag.endswith("failure") for element in [*(await first), *(await second)])
    await stream.close()


@pytest.mark.parametrize(
    "text, condition",
    [
        (f"<body xmlns='{BOSH}' rid='1' sid='none'/>", "item-not-found"),
        (f"<body xmlns='{BOSH}'/>", "bad-request"),
        ("<body", "bad-request"),
        ("", "bad-request"),
        ("<html/>", "bad-request"),
        (f"<body xmlns='{BOSH}' rid='99999999999999999999' to='web.example'/>", "bad-request"),
        (f"<body xmlns='{BOSH}' rid='1' to='nowhere.example'/>", "host-unknown"),
    ],
)
async def test_bosh_errors(office, text, condition):
    stream = Bosh(office)
    answer = await stream.post(text)
    assert answer.get("type") == "terminate" and answer.get("condition") == condition, ET.tostring(answer)
    await stream.close()


async def test_bosh_window_and_number_of_requests(office):
    stream = Bosh(office)
    await stream.open()
    answer = await stream.post(stream.request(rid=stream.rid + 50))
    assert answer.get("condition") == "item-not-found"
    answer = await stream.post(stream.request(rid=stream.rid + 1))
    assert answer.get("condition") == "item-not-found"
    await stream.close()


async def test_bosh_polls_too_often(office):
    stream = Bosh(office, wait=0)
    await stream.open()
    await stream.post(stream.request())
    answer = await stream.post(stream.request())
    assert answer.get("condition") == "policy-violation"
    await stream.close()


async def test_bosh_waits_no_longer_than_said(office):
    stream = Bosh(office, wait=2)
    await stream.open()
    begun = asyncio.get_running_loop().time()
    answer = await stream.post(stream.request())
    assert len(answer) == 0 and answer.get("type") is None
    assert 1.5 < asyncio.get_running_loop().time() - begun < 30
    await stream.close()


async def test_a_body_too_long_is_refused_before_it_is_read(office):
    async with web.session(office) as http:
        async with http.post(web.url(office, "/http-bind"), data=b"x" * (4 << 20)) as response:
            assert response.status == 413
