"""XEP-0363 over the real listener, and files of another office that open while the line to it is down."""

import asyncio
import hashlib
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import urllib.parse

import pytest

from harness import relay
from harness.clients import LIMIT, Client

pytestmark = pytest.mark.martlet

UPLOAD = "urn:xmpp:http:upload:0"
TRUST_NOBODY = ssl.create_default_context()
TRUST_NOBODY.check_hostname = False
TRUST_NOBODY.verify_mode = ssl.CERT_NONE


async def slot(client, name, size, kind=None):
    """Asks for an address as any client does: its PUT and GET."""
    iq = client.stream.make_iq_get(ito=f"upload.{client.server.domain}")
    request = {"filename": name, "size": str(size)} | ({"content-type": kind} if kind else {})
    element = __import__("xml.etree.ElementTree").etree.ElementTree.Element(f"{{{UPLOAD}}}request", request)
    iq.append(element)
    answer = await iq.send(timeout=LIMIT)
    found = answer.xml.find(f"{{{UPLOAD}}}slot")
    return found.find(f"{{{UPLOAD}}}put").get("url"), found.find(f"{{{UPLOAD}}}get").get("url")


def curl(office, url, *arguments):
    """Status, headers and content; the host leads to that office, whatever it is called."""
    place = urllib.parse.urlsplit(url)
    done = subprocess.run(
        ["curl", "-sk", "-i", "--http1.1", "--max-time", "60", "--path-as-is",
         "--resolve", f"{place.hostname}:{place.port}:{office.address}", *arguments, url],
        capture_output=True, timeout=90,
    )  # fmt: skip
    assert done.returncode == 0, (done.returncode, done.stderr)
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    while head.startswith(b"HTTP/1.1 100"):
        head, _, body = body.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = {}
    for line in lines[1:]:
        name, _, value = line.partition(": ")
        headers[name.lower()] = value
    return int(lines[0].split()[1]), headers, body


async def fetch(office, url, *arguments):
    return await asyncio.to_thread(curl, office, url, *arguments)


async def put(office, url, path, kind=None):
    more = ["-H", f"Content-Type: {kind}"] if kind else []
    return (await fetch(office, url, "-T", str(path), *more))[0]


def raw(office, data, hold=0.0):
    """Exactly these bytes over TLS, and what comes until the server closes."""
    with socket.create_connection((office.address, office.web_port), timeout=30) as plain:
        with TRUST_NOBODY.wrap_socket(plain, server_hostname=f"upload.{office.domain}") as line:
            line.sendall(data)
            answer = b""
            line.settimeout(30)
            try:
                while part := line.recv(65536):
                    answer += part
            except (ConnectionError, ssl.SSLError):
                pass
            return answer


@pytest.fixture
def file(tmp_path):
    def make(size, name="content"):
        path = tmp_path / name
        path.write_bytes(os.urandom(size))
        return path

    return make


@pytest.fixture(scope="module")
def office(make_world, office_kind):
    world = make_world()
    made = world.add("north.example", office_kind, users=("alice", "bob"))
    world.start()
    return made


async def test_a_file_goes_up_and_down(office, file):
    path = file(3_000_000)
    content = path.read_bytes()
    async with Client(office, "alice") as alice:
        up, down = await slot(alice, "très cool.jpg", len(content), "image/jpeg")
    assert re.fullmatch(r"https://upload\.north\.example:\d+/upload/[0-9a-f]{32}/tr%C3%A8s%20cool\.jpg", down)
    assert (await fetch(office, down))[0] == 404
    assert await put(office, up, path, "image/jpeg") == 201
    status, headers, body = await fetch(office, down)
    assert (status, body) == (200, content)
    assert headers["content-type"] == "image/jpeg" and headers["x-content-type-options"] == "nosniff"
    assert headers["content-disposition"] == "inline; filename*=UTF-8''tr%C3%A8s%20cool.jpg"
    assert "sandbox" in headers["content-security-policy"] and headers["access-control-allow-origin"] == "*"
    status, again, body = await fetch(office, down, "-r", "1000000-1999999")
    assert (status, body) == (206, content[1_000_000:2_000_000])
    assert again["content-range"] == "bytes 1000000-1999999/3000000"
    assert (await fetch(office, down, "-r", "3000000-"))[0] == 416
    many = ",".join(f"{number}-{number}" for number in range(0, 800, 2))
    status, _, body = await fetch(office, down, "-H", f"Range: bytes={many}")
    assert (status, len(body)) == (200, len(content)), "many ranges are no way to make much of one request"
    assert (await fetch(office, down, "-H", f"If-None-Match: {headers['etag']}"))[0] == 304
    status, head, body = await fetch(office, down, "-I")
    assert (status, head["content-length"], body) == (200, "3000000", b"")
    status, preflight, _ = await fetch(office, up, "-X", "OPTIONS", "-H", "Origin: https://x.example")
    assert status == 204 and "PUT" in preflight["access-control-allow-methods"]


async def test_a_file_comes_once_and_as_it_was_announced(office, file):
    path, other = file(1000), file(1001, "other")
    async with Client(office, "alice") as alice:
        up, down = await slot(alice, "a.html", 1000, "text/html")
        assert await put(office, up, other, "text/html") == 400
        assert await put(office, up, path, "image/png") == 400
        assert await put(office, up, path, "text/html") == 201
        assert await put(office, up, path, "text/html") == 409
        _, headers, _ = await fetch(office, down)
        assert headers["content-type"] == "application/octet-stream"
        assert headers["content-disposition"].startswith("attachment")
        strange = up.replace(up.split("/")[-2], "0" * 32)
        assert await put(office, strange, path) == 403
        # A name that was not announced.
        up, down = await slot(alice, "b.png", 1000)
        assert await put(office, up.replace("b.png", "c.png"), path) == 400
        assert await put(office, up, path) == 201
        assert (await fetch(office, down.replace("b.png", "c.png")))[0] == 404


async def test_nothing_leads_elsewhere(office, file):
    path = file(100)
    async with Client(office, "alice") as alice:
        up, down = await slot(alice, "../../evil\r\nX-Bad: 1\".png", 100)
        assert "/../" not in down and "\r" not in down and "%0D" not in down
        assert await put(office, up, path) == 201
        _, headers, _ = await fetch(office, down)
        assert "x-bad" not in headers
    base = down.rsplit("/upload/", 1)[0]
    for bad in (
        "/upload/../data.mdb", "/upload/%2e%2e/%2e%2e/etc/passwd", "/upload/../../../../etc/passwd", "/upload/",
        "/upload/new/x", f"/upload/{'0' * 32}/..", f"/upload/{'0' * 32}/a/b", f"/upload/{'A' * 32}/a",
        f"/upload/{'0' * 32}/%00", f"/upload/{'0' * 32}/%ff", f"/upload/{'0' * 31}%30/a", f"/upload/{'0' * 32}//a",
    ):  # fmt: skip
        assert (await fetch(office, base + bad))[0] == 404, bad
    place = urllib.parse.urlsplit(down).path
    huge = f"GET {place} HTTP/1.1\r\nHost: x\r\nX-Long: {'x' * 100_000}\r\n\r\n".encode()
    assert b" 200 " not in (await asyncio.to_thread(raw, office, huge)).split(b"\r\n")[0]
    many = f"GET {place} HTTP/1.1\r\nHost: x\r\n{'A: b' + chr(13) + chr(10)}".encode() * 1
    many += b"A: b\r\n" * 5000 + b"\r\n"
    assert b" 200 " not in (await asyncio.to_thread(raw, office, many)).split(b"\r\n")[0]
    assert (await fetch(office, down))[0] == 200


async def test_whoever_breaks_off_leaves_nothing_and_may_come_again(office, file):
    path = file(500_000)
    async with Client(office, "alice") as alice:
        up, down = await slot(alice, "a.bin", 500_000)
    place = urllib.parse.urlsplit(up)
    head = f"PUT {place.path} HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Length: 500000\r\n\r\n".encode()

    def begin_and_go():
        with socket.create_connection((office.address, office.web_port), timeout=30) as plain:
            with TRUST_NOBODY.wrap_socket(plain, server_hostname=place.hostname) as line:
                line.sendall(head + path.read_bytes()[:200_000])

    await asyncio.to_thread(begin_and_go)
    new = office.store / "uploads" / "new"
    for _ in range(600):
        if not list(new.iterdir()):
            break
        await asyncio.sleep(0.1)
    assert not list(new.iterdir())
    assert (await fetch(office, down))[0] == 404
    assert await put(office, up, path) == 201
    assert (await fetch(office, down))[2] == path.read_bytes()


async def test_what_was_acknowledged_survives_a_kill_and_no_half_is_ever_served(office, file):
    path = file(200_000)
    acknowledged, others = [], []
    async with Client(office, "alice", stays=True) as alice:
        async def upload():
            while True:
                up, down = await slot(alice, "a.bin", 200_000)
                others.append(down)
                if await put(office, up, path) == 201:
                    acknowledged.append(down)

        up, half = await slot(alice, "half.bin", 200_000)
        place = urllib.parse.urlsplit(up)
        head = f"PUT {place.path} HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Length: 200000\r\n\r\n".encode()
        plain = socket.create_connection((office.address, office.web_port), timeout=30)
        line = TRUST_NOBODY.wrap_socket(plain, server_hostname=place.hostname)
        line.sendall(head + path.read_bytes()[:150_000])
        task = asyncio.create_task(upload())
        while len(acknowledged) < 5:
            await asyncio.sleep(0.05)
        await asyncio.to_thread(office.kill)
        try:
            await asyncio.wait_for(task, 30)
        except BaseException:  # noqa: BLE001  what was under way has failed
            pass
        line.close()
        await asyncio.to_thread(office.start)
    for down in acknowledged:
        status, _, body = await fetch(office, down)
        assert (status, body) == (200, path.read_bytes())
    for down in {*others, half} - set(acknowledged):
        status, _, body = await fetch(office, down)
        assert status == 404 or body == path.read_bytes()
    assert (await fetch(office, half))[0] == 404
    assert not list((office.store / "uploads" / "new").iterdir())


async def test_an_operator_sees_and_removes_files(office, file):
    path = file(100)
    async with Client(office, "bob") as bob:
        addresses = []
        for name in ("a", "b", "c"):
            up, down = await slot(bob, name, 100)
            assert await put(office, up, path) == 201
            addresses.append(down)
    rows = json.loads(office.command("upload", "list", office.jid("bob"), "--json").stdout)
    assert [(row["name"], row["size"], row["state"]) for row in rows] == [(n, 100, "stored") for n in "abc"]
    assert rows[0]["token"] in office.command("upload", "list").stdout
    done = office.command("upload", "purge", rows[0]["token"])
    assert done.returncode == 0, done
    assert (await fetch(office, addresses[0]))[0] == 404 and (await fetch(office, addresses[1]))[0] == 200
    done = office.command("upload", "purge", office.jid("bob"), "--yes")
    assert done.returncode == 0 and "2 files" in done.stdout, done
    assert (await fetch(office, addresses[1]))[0] == 404
    assert office.command("upload", "purge", "nobody@north.example", "--yes").returncode != 0


@pytest.fixture
def offices(make_world, office_kind):
    world = make_world()
    named = {"users": ("alice", "bob")}
    north = world.add("north.example", office_kind, offices={"south.example": "South"}, **named)
    south = world.add("south.example", office_kind, offices={"north.example": "North"}, **named)
    line = world.line("north.example", "south.example")
    world.start()
    yield north, south, line
    world.close()


async def test_a_picture_of_another_office_opens_while_the_line_is_down(offices, file):
    north, south, line = offices
    path = file(2_000_000)
    content = path.read_bytes()
    async with Client(north, "alice") as alice, Client(south, "bob") as bob:
        up, down = await slot(alice, "picture.jpg", len(content), "image/jpeg")
        assert await put(north, up, path, "image/jpeg") == 201
        alice.send(bob.bare, f"look {down}")
        await bob.until(lambda: bob.messages, "the message has arrived")
        shown = bob.messages[0].body.removeprefix("look ")
        assert shown == down.replace("upload.north.example", "upload.south.example")

        def is_here():
            rows = json.loads(south.command("upload", "list", "north.example", "--json").stdout)
            return [row["state"] for row in rows] == ["stored"]

        for _ in range(300):
            if await asyncio.to_thread(is_here):
                break
            await asyncio.sleep(0.2)
        assert is_here()
        line.cut(relay.BLACK_HOLE)
        status, headers, body = await fetch(south, shown)
        assert (status, headers["content-type"]) == (200, "image/jpeg")
        assert hashlib.sha256(body).digest() == hashlib.sha256(content).digest()
        # The token opens it under the other office's name too, where the name leads here.
        assert (await fetch(south, down))[2] == content
        assert (await fetch(north, down))[2] == content
        line.heal()


async def test_a_file_that_was_cut_off_in_the_middle_comes_when_the_line_is_back(offices, file):
    north, south, line = offices
    path = file(1_000_000)
    content = path.read_bytes()
    async with Client(north, "alice") as alice, Client(south, "bob") as bob:
        alice.send(bob.bare, "before")
        await bob.until(lambda: bob.messages, "the line is in use")
        line.slow(rate=60_000)
        up, down = await slot(alice, "film.mp4", len(content), "video/mp4")
        assert await put(north, up, path, "video/mp4") == 201
        alice.send(bob.bare, down)
        await bob.until(lambda: len(bob.messages) == 2, "the message has arrived")
        shown = bob.messages[1].body
        await asyncio.sleep(4)
        # Behind what people say: a message does not wait for the file.
        started = asyncio.get_running_loop().time()
        alice.send(bob.bare, "meanwhile")
        await bob.until(lambda: len(bob.messages) == 3, "people talk on")
        assert asyncio.get_running_loop().time() - started < 10
        status, headers, _ = await fetch(south, shown)
        assert (status, headers["location"]) == (307, down)
        line.cut(relay.REFUSE)
        await asyncio.to_thread(south.kill)
        await asyncio.to_thread(south.start)
        assert (await fetch(south, shown))[0] == 307
        line.slow()
        line.heal()
        for _ in range(600):
            status, _, body = await fetch(south, shown)
            if status == 200:
                break
            await asyncio.sleep(0.3)
        assert (status, body) == (200, content)


async def test_what_nobody_can_see_is_brought_with_the_message(offices, file):
    north, south, line = offices
    path = file(50_000)
    async with Client(north, "alice") as alice, Client(south, "bob") as bob:
        up, down = await slot(alice, "cipher", 50_000)
        assert await put(north, up, path) == 201
        message = alice.stream.make_message(mto=bob.bare, mbody="encrypted", mtype="chat")
        message.append(
            __import__("xml.etree.ElementTree").etree.ElementTree.fromstring(
                "<encrypted xmlns='urn:xmpp:omemo:2'><payload>AAAA</payload></encrypted>"
            )
        )
        message.send()
        await bob.until(lambda: bob.messages, "the message has arrived")
        here = down.replace("upload.north.example", "upload.south.example")
        for _ in range(300):
            if (await fetch(south, here))[0] == 200:
                break
            await asyncio.sleep(0.2)
        line.cut(relay.BLACK_HOLE)
        # His client asks for the host of the other office, whose name leads to his own.
        assert (await fetch(south, down))[2] == path.read_bytes()
        line.heal()
