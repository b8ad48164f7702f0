"""Who causes more work than a fair share is read more slowly: nothing is closed, nothing lost, and nobody else notices."""

import json
import threading
import time

import pytest

from harness import processes
from harness.martlet import Martlet
from harness.rawstream import RawStream

pytestmark = pytest.mark.martlet

#: So little that a debug build reaches it: a fiftieth of a processor, a fifth of a second at once.
KARMA = {"person": "20ms", "person_burst": "200ms", "login": "5ms"}
CONTACTS = 100
REQUESTS = 1200
ROSTER = "<iq type='get' id='{}'><query xmlns='jabber:iq:roster'/></iq>"
PING = "<iq type='get' id='{}' to='office.example'><ping xmlns='urn:xmpp:ping'/></iq>"


@pytest.fixture(scope="module")
def office(make_world):
    world = make_world()
    office = world.add(
        "office.example", Martlet, users=("mallory", "bob"), karma=KARMA, limits={"connections_per_address": 10}
    )
    world.start()
    office.world = world
    return office


def logged_in(office, user, secure=True, **named):
    """In clear where one thread writes while another one reads: Python's TLS is not made for that, and now and then sees an end."""
    stream = RawStream(office.address, office.client_tls_port if secure else office.client_plain_port, **named)
    if secure:
        stream.begin_tls(office.domain, office.trust)
    stream.log_in(office.domain, user, office.passwords[user])
    return stream


def limits(office):
    return json.loads(office.command("status", "--limits", "--json").stdout)


def held(office, name):
    return next(row for row in limits(office)["classes"] if row["name"] == name)


class Bystander(threading.Thread):
    """Somebody else, who asks for a sign of life ten times a second."""

    def __init__(self, stream):
        super().__init__(daemon=True)
        self.stream = stream
        self.times = []
        self.ends = threading.Event()

    def run(self):
        number = 0
        while not self.ends.wait(0.1):
            number += 1
            began = time.monotonic()
            self.stream.send(PING.format(number))
            assert self.stream.read().get("id") == str(number)
            self.times.append(time.monotonic() - began)

    def over(self):
        self.ends.set()
        self.join(processes.LIMIT)
        assert not self.is_alive()
        return sorted(self.times)


def test_expensive_requests_at_full_speed_are_slowed_and_answered(office):
    with logged_in(office, "mallory", secure=False) as mallory, logged_in(office, "bob") as bob:
        for number in range(CONTACTS):
            mallory.send(
                f"<iq type='set' id='s'><query xmlns='jabber:iq:roster'>"
                f"<item jid='contact{number}@elsewhere.example'><group>somewhere</group></item></query></iq>"
            )
            assert mallory.read().get("type") == "result"
        bystander = Bystander(bob)
        bystander.start()
        began = time.monotonic()
        everything = "".join(ROSTER.format(number) for number in range(REQUESTS))
        sender = threading.Thread(target=mallory.send, args=(everything,), daemon=True)
        sender.start()
        for number in range(REQUESTS):
            answer = mallory.read(limit=4 * processes.LIMIT)
            assert answer is not None and answer.get("id") == str(number), (number, answer)
        took = time.monotonic() - began
        times = bystander.over()
        report = limits(office)
    median, worst = times[len(times) // 2], times[-1]
    print(f"{REQUESTS} rosters in {took:.1f} s; a bystander's ping: median {median * 1000:.0f} ms, worst {worst * 1000:.0f} ms")
    # By the prices of rows and bytes more than 200 µs each; a quarter of that is asserted.
    assert took > REQUESTS * 0.00005 / 0.020
    assert median < 1 and worst < 10
    person = next(row for row in report["classes"] if row["name"] == "person")
    assert person["rests"] > 0
    assert report["worst"][0]["name"] == "mallory@office.example"
    assert "is read more slowly" in office.process.output()


def test_what_waits_in_the_socket_does_not_hold_up_the_end_of_the_server(office):
    with logged_in(office, "mallory") as mallory:
        mallory.send("".join(ROSTER.format(number) for number in range(REQUESTS)))
        processes.wait_until(lambda: held(office, "person")["resting"] > 0, lambda: limits(office))
        began = time.monotonic()
        office.stop()
        assert time.monotonic() - began < 20
        office.start()


def test_handshakes_without_a_login_wait_in_a_queue_and_others_do_not(office):
    """Twice as many as may be begun at once: those of one address wait for each other, another address does not notice."""
    source = office.world.network.address()
    streams = []
    for _ in range(3):
        for _ in range(8):
            stream = RawStream(office.address, office.client_tls_port, source=source)
            streams.append(stream)
        for stream in streams:
            stream.close()
        streams.clear()
        time.sleep(0.2)
    began = time.monotonic()
    with RawStream(office.address, office.client_tls_port, source=source) as slow:
        slow.begin_tls(office.domain, office.trust)
        waited = time.monotonic() - began
    assert held(office, "login")["rests"] > 0
    print(f"behind {3 * 8} that ended in nothing: {waited:.1f} s")
    began = time.monotonic()
    with logged_in(office, "bob", source=office.world.network.address()):
        assert time.monotonic() - began < 10
