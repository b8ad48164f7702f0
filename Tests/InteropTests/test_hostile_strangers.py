"""What strangers may take: of the attempts to reach other servers, of the connections, of a third party's patience. Nobody here logs in."""

import asyncio
import contextlib
import socket
import threading
import time

import pytest

from harness import ports, processes, scenarios
from harness.clients import Client
from harness.ledger import Ledger
from harness.processes import eventually
from harness.rawstream import RawStream

NORTH, SOUTH = "north.example", "south.example"
QUICK = {"ack_timeout": "5s", "retry_maximum": "3s"}


class Victim:
    """A server that has nothing to do with anybody: counts who connects. `silent`: it answers nothing; else it closes."""

    def __init__(self, address, port, silent):
        self.listener = socket.create_server((address, port), backlog=1024)
        self.silent = silent
        self.times = []
        self.held = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.times.append(time.monotonic())
            if self.silent:
                self.held.append(connection)
            else:
                connection.close()

    def close(self):
        self.listener.close()
        for connection in self.held:
            connection.close()


class Dialback:
    """Somebody without login who sends dialback keys of domains that others own, and again as soon as one is answered."""

    def __init__(self, office, source, domains):
        self.office, self.source, self.domains = office, source, domains
        self.sent = 0
        self.is_over = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.is_over:
            with contextlib.suppress(OSError, AssertionError, AttributeError):
                self._stream()
            time.sleep(0.05)

    def _stream(self):
        office = self.office
        with RawStream(office.address, office.server_port, source=self.source, content="jabber:server") as stream:
            stream.start_tls(office.domain, office.trust)
            stream.open(office.domain, "xmlns:db='jabber:server:dialback' from='stranger.example'")
            for number in range(16):
                self._key(stream, number)
            number = 16
            while not self.is_over:
                if stream.read() is None:
                    return
                # One is answered: the next takes its place at once.
                self._key(stream, number)
                number += 1

    def _key(self, stream, number):
        domain = self.domains[number % len(self.domains)]
        stream.send(f"<db:result from='{domain}' to='{self.office.domain}'>{number:064x}</db:result>")
        self.sent += 1

    def stop(self):
        self.is_over = True


@pytest.fixture
def world(make_world):
    world = make_world()
    yield world
    world.close()


@pytest.mark.martlet
async def test_attempts_that_strangers_cause_leave_those_for_an_office(world, office_kind):
    """Sixteen addresses with four streams and sixteen keys each, of domains whose server is silent: more attempts than there are, and whatever
    is free is asked for again at once. An office is called all the same, and found."""
    offices = {NORTH: {SOUTH: "South"}, SOUTH: {NORTH: "North"}}
    for domain in (NORTH, SOUTH):
        world.add(domain, office_kind, users=scenarios.USERS, federation=QUICK, offices=offices[domain])
    north, south = world.sites[NORTH], world.sites[SOUTH]
    victim = Victim(world.network.address(), ports.SERVER, silent=True)
    names = [[f"d{number}.s{source}.example" for number in range(64)] for source in range(16)]
    for domain in sum(names, []):
        north.view.put(domain, victim.listener.getsockname()[0], ports.SERVER)
    world.start()
    ledger = Ledger()
    attackers = []
    try:
        async with Client(north, "alice", ledger) as alice:
            async with Client(south, "bob", ledger) as bob:
                alice.send(bob.bare, "before")
                await bob.until(ledger.is_complete, "the line is there")
            south.stop()
            for source in range(16):
                address = world.network.address()
                for stream in range(4):
                    attackers.append(Dialback(north, address, names[source][16 * stream : 16 * stream + 16]))
            await eventually(lambda: sum(one.sent for one in attackers) >= 1024, "the attack is under way")
            await asyncio.sleep(5)
            began = time.monotonic()
            south.start()
            async with Client(south, "bob", ledger) as bob:
                alice.send(bob.bare, "during")
                await bob.until(ledger.is_complete, "the office is called while strangers have us call others", 60)
            print(f"\nthe office was reached after {time.monotonic() - began:.1f} s, {len(victim.times)} connections elsewhere")
    finally:
        for attacker in attackers:
            attacker.stop()
        victim.close()


@pytest.mark.martlet
@pytest.mark.parametrize("case", ["many-domains", "one-domain"])
def test_a_third_party_is_not_attacked_through_us(world, office_kind, case):
    """A stream without login names domains whose records lead to somebody's server, which closes at once."""
    north = world.add(NORTH, office_kind)
    victim = Victim(world.network.address(), ports.SERVER, silent=False)
    count = 1 if case == "one-domain" else 300
    domains = [f"d{number}.example" for number in range(count)]
    for domain in domains:
        north.view.put(domain, victim.listener.getsockname()[0], ports.SERVER)
    world.start()
    attackers = [Dialback(north, world.network.address(), domains) for _ in range(4)]
    try:
        processes.wait_until(lambda: victim.times, "the attack is under way")
        time.sleep(10)
    finally:
        for attacker in attackers:
            attacker.stop()
    first = victim.times[0]
    within = sum(1 for moment in victim.times if moment - first <= 10)
    sent = sum(attacker.sent for attacker in attackers)
    print(f"\n{within} connections to the victim in 10 s by {sent} keys")
    # 16 at once and 4 in a second; twice that, for a busy machine.
    assert within <= 2 * (16 + 4 * 10)
    victim.close()


def _hold(office, port, source, count, held):
    """Opens connections and leaves them."""
    for _ in range(count):
        try:
            one = socket.socket()
            one.settimeout(5)
            one.bind((source, 0))
            one.connect((office.address, port))
            held.append(one)
        except OSError:
            return


@pytest.mark.martlet
async def test_idle_connections_leave_descriptors_for_everybody_else(world, office_kind):
    """Twenty addresses open as many connections as they can at the listeners of a small machine, and say nothing, all the time."""
    for domain in (NORTH, SOUTH):
        world.add(domain, office_kind, users=scenarios.USERS, federation=QUICK)
    north, south = world.sites[NORTH], world.sites[SOUTH]
    north.prepare()
    north.process.argv = ["prlimit", "--nofile=512:512", *north.process.argv]
    world.start()
    held = []
    is_over = threading.Event()
    sources = [world.network.address() for _ in range(20)]

    def attack(source, port):
        while not is_over.is_set():
            mine = []
            _hold(north, port, source, 60, mine)
            held.extend(mine)
            is_over.wait(3)

    threads = [
        threading.Thread(target=attack, args=(source, port), daemon=True)
        for source in sources
        for port in (north.client_port, north.client_tls_port, north.server_port)
    ]
    for thread in threads:
        thread.start()
    ledger = Ledger()
    try:
        await eventually(lambda: len(held) > 600, "the attack is under way")
        await asyncio.sleep(5)
        async with Client(south, "bob", ledger) as bob, Client(north, "alice", ledger) as alice:
            bob.send(alice.bare, "to an office whose descriptors strangers want")
            alice.send(bob.bare, "from there")
            await alice.until(ledger.is_complete, "a client has logged in and both streams came to be", 60)
        assert north.process.alive
    finally:
        is_over.set()
        for one in held:
            one.close()
