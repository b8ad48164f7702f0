"""What attackers are made of: streams that log in as anybody would, and a pump that then writes to many of them whatever it is
told, as fast as they take it, with bytes made beforehand. Every attacker is a process of its own."""

import collections
import dataclasses
import itertools
import multiprocessing
import os
import pathlib
import select
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import traceback

from . import ports
from .rawstream import SASL, STREAMS, RawStream

#: Bytes that are offered to a socket at a time.
CHUNK = 1 << 16
#: Stanza and stream errors that are looked for in what is answered.
CONDITIONS = (
    b"resource-constraint", b"policy-violation", b"not-authorized", b"service-unavailable", b"remote-server-timeout",
    b"remote-server-not-found", b"not-acceptable", b"bad-request", b"forbidden", b"jid-malformed", b"not-allowed",
    b"connection-timeout", b"not-well-formed", b"undefined-condition", b"item-not-found", b"temporary-auth-failure",
    b"recipient-unavailable", b"conflict", b"internal-server-error",
)  # fmt: skip


#: Who attacks.
ACCOUNT, PEER, STRANGERS = "account", "domain", "strangers"

#: All attacks by name.
ATTACKS = {}


@dataclasses.dataclass
class Attack:
    """`run(scene, report, until)` attacks until a moment of the monotonic clock; `prepare` comes before it and takes what it takes."""

    name: str
    by: str
    title: str
    run: object
    prepare: object = None
    #: How many processes attack at once; each gets its number.
    processes: int = 1
    #: Whether vera, at whom it aims, logs in afterwards.
    victim: bool = False
    #: Whether the other office has to be called anew meanwhile.
    redials: bool = False
    #: What must hold of the report besides, as a function that returns words or None.
    check: object = None

    @property
    def attacker(self):
        """The account that attacks, if it is one."""
        return "m-" + self.name.replace("/", "-")

    @property
    def aimed_at(self):
        """The account of a person who is away meanwhile."""
        return "v-" + self.name.replace("/", "-") if self.victim else "vera"


def attack(by, title, **options):
    """Makes a function an attack, under its name."""

    def made(function):
        name = f"{by}/{function.__name__.replace('_', '-')}"
        ATTACKS[name] = Attack(name, by, title, function, **options)
        return function

    return made


class Scene:
    """What an attacker knows. `office`: the server attacked, a Martlet; `other`: another office of the company."""

    def __init__(self, office, other, network, evil, people):
        self.office, self.other, self.network, self.evil, self.people = office, other, network, evil, people
        #: Where the attacker's own server would be, and its domain, which has a valid certificate.
        self.evil_domain = evil.domain
        self.attack = None

    # Who attacks, and who is aimed at: others in every attack, so that none finds what an earlier one has left.

    @property
    def user(self):
        return self.attack.attacker

    @property
    def mine(self):
        return f"{self.user}@{self.office.domain}"

    @property
    def target(self):
        return f"{self.attack.aimed_at}@{self.office.domain}"

    # Streams, ready for anything

    def account(self, user=None, resource="r0", source=None, receive_buffer=None, managed=False):
        """A client that has logged in. An account has no more than 16 resources."""
        user = user or self.user
        stream = RawStream(
            self.office.address, self.office.client_tls_port, source=source or self.evil.address,
            receive_buffer=receive_buffer,
        )  # fmt: skip
        stream.begin_tls(self.office.domain, self.office.trust)
        assert stream.log_in(self.office.domain, user, self.office.passwords[user], resource), "no session"
        if managed:
            stream.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
            stream.session = stream.read().get("id")
        return stream

    def account_unbound(self, user=None):
        """Authenticated, without a session."""
        user = user or self.user
        stream = RawStream(self.office.address, self.office.client_tls_port, source=self.evil.address)
        stream.begin_tls(self.office.domain, self.office.trust)
        stream.authenticate(self.office.domain, user, self.office.passwords[user])
        stream.open(self.office.domain)
        return stream

    def peer(self, extra="", receive_buffer=None):
        """A stream of the foreign domain, proven by its certificate."""
        stream = RawStream(
            self.office.address, self.office.server_tls_port, source=self.evil.address, content="jabber:server",
            receive_buffer=receive_buffer,
        )  # fmt: skip
        stream.begin_tls(self.office.domain, self.office.trust, self.evil.certificate)
        opening = f"from='{self.evil_domain}' xmlns:db='jabber:server:dialback' {extra}"
        stream.open(self.office.domain, opening)
        stream.send(f"<auth xmlns='{SASL}' mechanism='EXTERNAL'>=</auth>")
        answer = stream.read()
        assert answer is not None and answer.tag == f"{{{SASL}}}success", answer
        stream.open(self.office.domain, opening)
        return stream

    def stranger(self, source, port=None, opened=True, server=True):
        """A stream of somebody who has said nothing of itself yet."""
        port = port or (self.office.server_port if server else self.office.client_port)
        stream = RawStream(self.office.address, port, source=source, content="jabber:server" if server else "jabber:client")
        if opened:
            stream.send(stream.header(self.office.domain))
        return stream

    def stranger_over_tls(self, source, opening="", content="jabber:server"):
        """The same with direct TLS, the stream opened and its features read."""
        port = self.office.server_tls_port if content == "jabber:server" else self.office.client_tls_port
        stream = RawStream(self.office.address, port, source=source, content=content)
        stream.begin_tls(self.office.domain, self.office.trust)
        stream.open(self.office.domain, opening)
        return stream

    @property
    def addresses(self):
        """50 network addresses of strangers."""
        return [f"{self.network.prefix}.{number}" for number in range(1, 51)]


class Report(collections.Counter):
    """What an attacker did and got, by name."""

    def heard(self, data):
        self["bytes back"] += len(data)
        errors = data.count(b"type='error'") + data.count(b'type="error"')
        self["errors"] += errors
        if errors or b"stream:error" in data or b"failure" in data:
            for condition in CONDITIONS:
                if found := data.count(b"<" + condition):
                    self[condition.decode()] += found


class Pump:
    """Writes to many streams as fast as they take it, and throws away what they say.

    A stream is added with an endless iterable of bytes, or None for one that only listens. `reads`: whether what comes is read
    at all. `again`: makes another stream in place of one that was closed."""

    def __init__(self, report, until):
        self.report, self.until = report, until
        self._poll = select.epoll()
        self._lanes = {}
        self._reopen = []

    def add(self, stream, data=None, reads=True, again=None):
        lane = _Lane(stream, iter(data) if data is not None else None, reads, again)
        stream.socket.setblocking(False)
        self._lanes[stream.socket.fileno()] = lane
        self._poll.register(stream.socket.fileno(), lane.interest)
        return lane

    def run(self):
        while (now := time.monotonic()) < self.until and (self._lanes or self._reopen):
            while self._reopen and self._reopen[0][0] <= now:
                _, lane = self._reopen.pop(0)
                self._open_again(lane)
            for descriptor, events in self._poll.poll(0.1):
                lane = self._lanes.get(descriptor)
                if lane is not None:
                    self._serve(lane, events)
        return self

    def close(self):
        for lane in self._lanes.values():
            lane.stream.close()
        self._lanes.clear()

    def _serve(self, lane, events):
        try:
            if events & ~select.EPOLLOUT and lane.reads:
                self._read(lane)
            if events & select.EPOLLOUT and lane.data is not None:
                self._write(lane)
        except (OSError, ssl.SSLError, EOFError):
            self._end(lane)

    def _read(self, lane):
        for _ in range(8):
            try:
                data = lane.stream.socket.recv(CHUNK)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
                return
            if not data:
                raise EOFError
            self.report.heard(data)

    def _write(self, lane):
        if not lane.pending:
            lane.pending = next(lane.data, None)
            if lane.pending is None:
                lane.data = None
                self._poll.modify(lane.stream.socket.fileno(), lane.interest)
                return
        try:
            sent = lane.stream.socket.send(lane.pending)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
            return
        self.report["bytes sent"] += sent
        lane.pending = lane.pending[sent:]

    def _end(self, lane):
        self.report["closed"] += 1
        descriptor = lane.stream.socket.fileno()
        self._poll.unregister(descriptor)
        del self._lanes[descriptor]
        lane.stream.close()
        if lane.again is not None:
            self._reopen.append((time.monotonic() + 0.1, lane))

    def _open_again(self, lane):
        try:
            stream, data = lane.again()
            self.add(stream, data, lane.reads, lane.again)
        except (OSError, AssertionError, AttributeError, ValueError):
            self.report["refused"] += 1
            self._reopen.append((time.monotonic() + 0.2, lane))


class _Lane:
    def __init__(self, stream, data, reads, again):
        self.stream, self.data, self.reads, self.again = stream, data, reads, again
        self.pending = b""

    @property
    def interest(self):
        return (select.EPOLLIN if self.reads else 0) | (select.EPOLLOUT if self.data is not None else 0)


# Bytes


def repeat(text):
    """The same for ever, in chunks."""
    data = text.encode() if isinstance(text, str) else text
    return itertools.repeat(memoryview(data * max(1, CHUNK // len(data))))


def numbered(make, first=0, limit=None):
    """`make(number)` for ever, or so many times, in chunks."""
    numbers = itertools.count(first) if limit is None else iter(range(first, first + limit))
    while True:
        parts, size = [], 0
        for number in numbers:
            parts.append(make(number).encode())
            size += len(parts[-1])
            if size >= CHUNK:
                break
        if not parts:
            return
        yield memoryview(b"".join(parts))


def paced(chunks, seconds):
    """At most one of the chunks every so many seconds; in between nothing, a blank at most."""
    due = 0
    for chunk in chunks:
        now = time.monotonic()
        if now < due:
            time.sleep(min(0.05, due - now))
        due = max(now, due) + seconds
        yield chunk


# The attacker's own server


class ForeignServer:
    """A server for the attackers' domain on direct TLS that takes everything and answers nothing, not even a ping."""

    def __init__(self, evil, trust, domain, port=ports.SERVER_TLS):
        self._evil, self._domain = evil, domain
        self._socket = socket.create_server((evil.address, port), backlog=512)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(evil.certificate.certificate, evil.certificate.key)
        self._context.verify_mode = ssl.CERT_OPTIONAL
        self._context.load_verify_locations(str(trust))

    def serve(self):
        os.nice(5)
        while True:
            connection, _ = self._socket.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            with self._context.wrap_socket(connection, server_side=True) as stream:
                self._until(stream, b">")
                stream.sendall(self._header(f"<mechanisms xmlns='{SASL}'><mechanism>EXTERNAL</mechanism></mechanisms>"))
                self._until(stream, b"</auth>", b"/>")
                stream.sendall(f"<success xmlns='{SASL}'/>".encode())
                self._until(stream, b">")
                stream.sendall(self._header(""))
                while stream.recv(CHUNK):
                    pass
        except (OSError, ssl.SSLError, EOFError):
            pass

    def _header(self, features):
        return (
            f"<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='{STREAMS}' "
            f"xmlns:db='jabber:server:dialback' id='{os.urandom(8).hex()}' from='{self._evil.domain}' "
            f"to='{self._domain}' version='1.0'><stream:features>{features}</stream:features>"
        ).encode()

    @staticmethod
    def _until(stream, *ends):
        seen = b""
        while not any(end in seen for end in ends) or seen.endswith(b"?>"):
            data = stream.recv(CHUNK)
            if not data:
                raise EOFError
            seen += data
        return seen


def client_hello(domain, alpn=None):
    """The first bytes of a handshake, good for any number of connections: the server has to calculate, who sends them has not."""
    context = ssl.create_default_context()
    if alpn:
        context.set_alpn_protocols([alpn])
    outgoing = ssl.MemoryBIO()
    try:
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=domain).do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def compiled(name):
    """The C program beside this file, compiled where it is older than its source."""
    source = pathlib.Path(__file__).parent / f"{name}.c"
    program = pathlib.Path(tempfile.gettempdir()) / f"martlet-{name}-{os.getuid()}-{int(source.stat().st_mtime)}"
    if not program.exists():
        compiler = os.environ.get("CC") or next(word for word in ("cc", "clang", "gcc") if shutil.which(word))
        made = program.with_name(f"{program.name}.{os.getpid()}")
        subprocess.run([compiler, "-O2", "-o", made, source, "-lssl", "-lcrypto"], check=True)
        made.rename(program)
    return program


def tls_flood(scene, report, until, sources, mode, secret=None):
    """tlsflood.c from each of the addresses."""
    seconds = f"{until - time.monotonic():.1f}"
    floods = [
        subprocess.Popen(
            [compiled("tlsflood"), mode, scene.office.address, str(scene.office.client_tls_port), source, scene.office.domain,
             seconds, *([secret] if secret else [])], stdout=subprocess.PIPE, text=True)
        for source in sources
    ]  # fmt: skip
    for flood in floods:
        words = flood.communicate()[0].split()
        report.update(dict(zip(words[::2], map(int, words[1::2]))))


class Hole:
    """An address and port where connections hang: nobody accepts, and the queue is full."""

    def __init__(self, address, port):
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((address, port))
        self._socket.listen(0)
        self._fill = []
        for _ in range(2):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex((address, port))
            self._fill.append(one)


# Processes


class Attacker:
    """Runs `function(scene, report, until)` in a process of its own, a little less urgent than what it attacks: elsewhere it would
    have its own machine."""

    def __init__(self, function, scene, seconds, *words):
        context = multiprocessing.get_context("fork")
        self._pipe, far = context.Pipe()
        self._process = context.Process(target=self._run, args=(function, far, scene, seconds, words), daemon=True)
        self._process.start()
        far.close()
        self.report = Report()

    @staticmethod
    def _run(function, pipe, scene, seconds, words):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.nice(5)
        report = Report()
        try:
            function(scene, report, time.monotonic() + seconds, *words)
        except (OSError, ssl.SSLError, AssertionError, AttributeError) as error:
            # It was refused before it could begin, or thrown out in the middle: that is what it got.
            report["broken off"] += 1
            report.error = f"{type(error).__name__}: {error} at {traceback.extract_tb(error.__traceback__)[-1].lineno}"
        except Exception as error:
            traceback.print_exc()
            report.error = f"FAULT OF THE TEST {error!r}"
        pipe.send((dict(report), getattr(report, "error", None)))
        pipe.close()
        os._exit(0)

    def wait(self, limit):
        """The report; what is not ready within `limit` seconds is ended."""
        if self._pipe.poll(limit):
            counts, error = self._pipe.recv()
            self.report.update(counts)
            self.report.error = error
        else:
            self.report.error = "it did not end"
        self._process.kill()
        self._process.join(10)
        return self.report
