"""Below the disk's reserve: who is here can be talked to, who is away cannot, and refusals end when there is room. A full disk ends
nothing, at any rate of writing, and a start on one serves what needs no room."""

import asyncio
import copy
import itertools
import re
import subprocess
import threading
import time

import pytest

from harness import processes
from harness.clients import Client
from harness.martlet import Martlet
from harness.rawstream import RawStream

pytestmark = pytest.mark.martlet

#: Seconds of everything at once.
FLOOD = 20
PEOPLE = 12


def fill(path):
    """Fills the disk to its last byte."""
    with open(path, "ab", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            try:
                while file.write(b"\0" * size):
                    pass
            except OSError:
                pass


@pytest.fixture
def small(make_world):
    """An office whose data is on a disk of its own, of 96 MiB."""
    world = make_world()
    limits = {"disk_reserve": "24MiB", "disk_floor": "8MiB", "offline_messages_per_account": 100000}
    office = world.add(
        "small.example", Martlet, users=tuple(f"u{number}" for number in range(PEOPLE)), limits=limits
    )
    office.view.put(office.domain, office.address, office.server_port, office.server_tls_port)
    office.view.start()
    office.store.mkdir(mode=0o700, parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m,mode=0700", "none", office.store], check=True)
    office.prepare()
    office.start()
    yield office
    world.close()
    if office.process is not None and office.process.alive:
        office.process.kill()
    subprocess.run(["umount", office.store], check=True)


def counted(element):
    """How many messages came back, if it is that which is said."""
    for body in element.iter("{jabber:client}body"):
        if found := re.match(r"(\d+) more of your messages to ", body.text or ""):
            return int(found[1])
    return 0


class Flooder(threading.Thread):
    """One account that writes as fast as it can, and remembers what was taken over."""

    def __init__(self, office, user, make):
        super().__init__()
        self.office, self.user, self.make = office, user, make
        self.sent, self.handled, self.refused, self.counted = 0, 0, set(), 0
        self.end = threading.Event()

    def run(self):
        office = self.office
        with RawStream(office.address, office.client_plain_port) as stream:
            stream.log_in(office.domain, self.user, office.passwords[self.user])
            stream.send("<enable xmlns='urn:xmpp:sm:3'/>")
            # Its own timeouts, on the same socket.
            ears = copy.copy(stream)
            ears.socket = stream.socket.dup()
            reading = threading.Thread(target=self.read, args=(ears,))
            reading.start()
            while not self.end.is_set():
                for _ in range(16):
                    stream.send(self.make(self.sent))
                    self.sent += 1
                stream.send("<r xmlns='urn:xmpp:sm:3'/>")
                # Not further ahead than what the server reads.
                while self.sent - self.handled > 2000 and not self.end.is_set():
                    time.sleep(0.01)
            stream.send("<r xmlns='urn:xmpp:sm:3'/>")
            deadline = time.monotonic() + 30
            while self.handled < self.sent and time.monotonic() < deadline:
                stream.send("<r xmlns='urn:xmpp:sm:3'/>")
                time.sleep(0.5)
            self.done = True
            reading.join(60)

    done = False
    failure = None

    def read(self, stream):
        while not self.done:
            try:
                element = stream.read(limit=1)
            except TimeoutError:
                continue
            except Exception as error:
                self.failure = error
                return
            if element is None:
                self.failure = "closed"
                return
            if element.tag.endswith("}a"):
                self.handled = int(element.get("h"))
            elif element.get("type") == "error":
                self.refused.add(element.get("id"))
            else:
                self.counted += counted(element)


async def test_who_is_here_can_be_talked_to(make_world):
    world = make_world()
    # More than any disk has free.
    limits = {"disk_reserve": "16TiB", "disk_floor": "1MiB"}
    office = world.add("scarce.example", Martlet, users=("alice", "bob", "carol"), limits=limits)
    world.start()
    async with Client(office, "alice") as alice, Client(office, "bob") as bob:
        for text in ("one", "two"):
            alice.send(bob.bare, text)
        await bob.until(lambda: bob.texts(alice.bare) == ["one", "two"], "has both")
        refused = alice.send(office.jid("carol"), "you are away")
        await alice.until(lambda: (refused, "resource-constraint") in alice.bounces, "is told")
        office.limits["disk_reserve"] = "16MiB"
        office.prepare()
        assert office.command("reload").returncode == 0

        def waits():
            return " 1" in office.command("user", "list").stdout.split("carol", 1)[1].splitlines()[0]

        for number in range(600):
            alice.send(office.jid("carol"), f"again {number}")
            await alice.ping()
            if waits():
                break
            await asyncio.sleep(0.1)
        async with Client(office, "carol") as carol:
            await carol.until(lambda: any("again" in text for text in carol.texts(alice.bare)), "gets what came later")
            assert "you are away" not in carol.texts(alice.bare)
    world.close()


def test_a_full_disk_ends_nothing_at_any_rate(small):
    """People who write to those who are away, to those who are here and to another office, change rosters, ask for subscriptions and
    get errors, all at full speed, while something else fills the disk; then a start on the full disk."""
    office = small
    size = "x" * 20000
    away = itertools.count()

    def message(to, body=size):
        return lambda n: f"<message to='{to(n)}' id='m{n}' type='chat'><body>{n} {body}</body></message>"

    makers = [
        message(lambda n: f"u{next(away) % 4 + 8}@small.example"),
        message(lambda n: "u1@small.example"),
        message(lambda n: f"somebody{n}@dead.example"),
        lambda n: f"<iq type='set' id='r{n}'><query xmlns='jabber:iq:roster'><item jid='{n % 4000}@x.example' name='{'n' * 900}'/></query></iq>",
        lambda n: f"<presence type='subscribe' to='{n}@small.example'/><presence type='subscribe' to='{n}@far.example'/>",
        message(lambda n: f"nobody{n}@small.example", "x"),
    ]
    flooders = [Flooder(office, f"u{number}", make) for number, make in enumerate(makers)]
    for flooder in flooders:
        flooder.start()
    filler = office.store / "filler"
    begun = time.monotonic()
    while time.monotonic() - begun < FLOOD:
        time.sleep(0.5)
        if time.monotonic() - begun > FLOOD / 2:
            fill(filler)
    for flooder in flooders:
        flooder.end.set()
    for flooder in flooders:
        flooder.join(120)
    assert office.process.alive, office.process.tail()
    print({flooder.user: (flooder.sent, flooder.handled, len(flooder.refused), flooder.failure) for flooder in flooders})
    assert flooders[0].sent > 200 and flooders[0].refused
    # How deep it went at once is chance: the blocks of the floor are the server's own, as far as it has not used them.
    assert any(word in office.process.output() for word in ("disk reserve reached", "disk floor reached", "the disk is full"))

    # A start on the full disk: what needs no room is served.
    office.process.kill()
    fill(filler)
    office.start()
    assert "serving" in office.process.output()
    with RawStream(office.address, office.client_plain_port) as stream:
        stream.log_in(office.domain, "u9", office.passwords["u9"])
        stream.send("<iq type='get' id='p' to='small.example'><ping xmlns='urn:xmpp:ping'/></iq>")
        while stream.read().get("id") != "p":
            pass
    assert office.command("user", "add", "late", input="some password\n").returncode != 0
    assert office.process.alive

    # Room is made: it works again, and what was taken over is there.
    filler.unlink()
    processes.wait_until(
        lambda: office.command("user", "add", "late", input="some password\n").returncode == 0, "there is room again"
    )
    taken = {f"m{n}" for n in range(flooders[0].handled)} - flooders[0].refused
    got = set()
    for user in ("u8", "u9", "u10", "u11"):
        got |= mailbox(office, user)
    # Of those that came back all but the first are counted.
    missing = len(taken - got)
    told = flooders[0].counted
    with RawStream(office.address, office.client_plain_port) as stream:
        stream.log_in(office.domain, "u0", office.passwords["u0"])
        stream.send("<presence/>")
        deadline = time.monotonic() + processes.LIMIT
        while told < missing and time.monotonic() < deadline:
            try:
                told += counted(stream.read(limit=5))
            except TimeoutError:
                continue
    print(f"{len(taken)} taken, {len(got & taken)} there, {told} counted")
    assert missing <= told, f"{missing - told} of {len(taken)} are lost: {sorted(taken - got)[:5]}"


def mailbox(office, user):
    """The ids of what waits for somebody from the first flooder."""
    got = set()
    with RawStream(office.address, office.client_plain_port) as stream:
        stream.log_in(office.domain, user, office.passwords[user])
        stream.send("<enable xmlns='urn:xmpp:sm:3'/><presence/>")
        count = 0
        while True:
            try:
                element = stream.read(limit=5)
            except TimeoutError:
                return got
            if element is None:
                return got
            if element.tag.endswith("}r"):
                stream.send(f"<a xmlns='urn:xmpp:sm:3' h='{count}'/>")
            elif re.search("}(message|presence|iq)$", element.tag):
                count += 1
                if element.get("from", "").startswith("u0@") and element.get("type") != "error":
                    got.add(element.get("id"))
