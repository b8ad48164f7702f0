"""People who do nothing wrong while somebody else attacks: what they notice is what an attack did.

A process of its own (`Bystanders`), so that nothing the attackers and the test do delays its clock. In it, from the first to the
last attack:

ping      carol asks the server for a sign of life, every 50 ms
message   carol writes to dave at the same office, every 50 ms
lane      frank at the office and erin at the other one write to each other, both ways, numbered, every 50 ms
login     gina logs in with SCRAM, gets her roster and is answered a ping, every second
"""

import asyncio
import base64
import collections
import hashlib
import hmac
import multiprocessing
import os
import ssl
import time
import traceback
import xml.etree.ElementTree as ET

from .rawstream import BIND, SASL, STREAMS

#: Seconds between two signs of life of everybody.
PERIOD = 0.05
LOGIN_PERIOD = 1.0
#: Seconds after an attack in which what was sent may still arrive.
GRACE = 30
#: Seconds for a login, longer than anyone waits.
LOGIN_LIMIT = 30

KINDS = ("ping", "message", "lane", "login")


class Refused(Exception):
    """The server closed or would not have us."""


class Person:
    """One client. It comes back at once when it was thrown out, and remembers how often that was."""

    def __init__(self, address, port, trust, domain, user, password, source=None):
        self.bare = f"{user}@{domain}"
        self._where = address, port
        self._context = ssl.create_default_context(cafile=str(trust))
        self._domain, self._user, self._password, self._source = domain, user, password, source
        self._writer = None
        self._waiting = {}
        self._numbers = 0
        self.is_here = False
        self.closes = 0
        self.heard = lambda element: None

    async def stay(self):
        while True:
            try:
                await self.log_in()
                await self._listening
            except (OSError, EOFError, Refused, ET.ParseError, asyncio.TimeoutError):
                pass
            self.closes += 1
            self.leave()
            await asyncio.sleep(0.2)

    async def log_in(self, extra=""):
        """Direct TLS, SCRAM-SHA-256, binding, roster, presence."""
        async with asyncio.timeout(LOGIN_LIMIT):
            self._reader, self._writer = await asyncio.open_connection(
                *self._where, ssl=self._context, server_hostname=self._domain,
                local_addr=(self._source, 0) if self._source else None,
            )  # fmt: skip
            await self._open()
            await self._authenticate()
            await self._open()
            self._listening = asyncio.create_task(self._listen())
            self._listening.add_done_callback(lambda task: task.cancelled() or task.exception())
            answer = await self.ask(f"<bind xmlns='{BIND}'/>", "set")
            if answer.get("type") != "result":
                raise Refused(ET.tostring(answer))
            if extra:
                self.write(extra)
            await self.ask("<query xmlns='jabber:iq:roster'/>")
            self.write("<presence/>")
            self.is_here = True

    def leave(self, politely=False):
        self.is_here = False
        if self._writer is not None:
            if politely:
                self.write("</stream:stream>")
            self._writer.close()
        if hasattr(self, "_listening"):
            self._listening.cancel()
        for future in self._waiting.values():
            future.cancel()
        self._waiting.clear()

    def write(self, text):
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(text.encode())

    async def ask(self, payload, kind="get"):
        """The answer to an IQ; Refused when the stream ends first."""
        self._numbers += 1
        identifier = f"q{self._numbers}"
        self._waiting[identifier] = future = asyncio.get_running_loop().create_future()
        self.write(f"<iq type='{kind}' id='{identifier}'>{payload}</iq>")
        try:
            await asyncio.wait([future, self._listening], return_when=asyncio.FIRST_COMPLETED)
            if not future.done():
                raise Refused("the stream ended")
            return future.result()
        finally:
            self._waiting.pop(identifier, None)

    async def _open(self):
        self._parser = ET.XMLPullParser(("start", "end"))
        self._depth, self._ready = 0, collections.deque()
        self.write(f"<stream:stream xmlns='jabber:client' xmlns:stream='{STREAMS}' to='{self._domain}' version='1.0'>")
        await self._read()

    async def _authenticate(self):
        nonce = base64.b64encode(os.urandom(18)).decode()
        first = f"n={self._user},r={nonce}"
        self.write(f"<auth xmlns='{SASL}' mechanism='SCRAM-SHA-256'>{_base64('n,,' + first)}</auth>")
        challenge = base64.b64decode(self._payload(await self._read(), "challenge")).decode()
        fields = dict(part.split("=", 1) for part in challenge.split(","))
        salt, rounds = base64.b64decode(fields["s"]), int(fields["i"])
        salted = await asyncio.to_thread(hashlib.pbkdf2_hmac, "sha256", self._password.encode(), salt, rounds)
        key = hmac.digest(salted, b"Client Key", "sha256")
        last = f"c=biws,r={fields['r']}"
        signature = hmac.digest(hashlib.sha256(key).digest(), f"{first},{challenge},{last}".encode(), "sha256")
        proof = base64.b64encode(bytes(one ^ other for one, other in zip(key, signature))).decode()
        self.write(f"<response xmlns='{SASL}'>{_base64(f'{last},p={proof}')}</response>")
        self._payload(await self._read(), "success")

    def _payload(self, element, expected):
        if element.tag != f"{{{SASL}}}{expected}":
            raise Refused(ET.tostring(element))
        return element.text or ""

    async def _listen(self):
        while True:
            element = await self._read()
            if element.tag == f"{{{STREAMS}}}error":
                raise Refused(ET.tostring(element))
            if element.tag == "{urn:xmpp:sm:3}r":
                self.acknowledge()
            elif element.tag == "{jabber:client}iq" and element.get("id") in self._waiting:
                future = self._waiting.pop(element.get("id"))
                if not future.done():
                    future.set_result(element)
            elif element.tag == "{jabber:client}iq" and element.get("type") == "get":
                # The server asks so for a proof of what it has sent.
                to = f" to='{element.get('from')}'" if element.get("from") else ""
                self.write(f"<iq type='result' id='{element.get('id')}'{to}/>")
            elif element.tag.startswith("{jabber:client}"):
                self.heard(element)

    def acknowledge(self):
        pass

    async def _read(self):
        while not self._ready:
            data = await self._reader.read(65536)
            if not data:
                raise EOFError
            self._parser.feed(data)
            for event, element in self._parser.read_events():
                if event == "start":
                    self._depth += 1
                    if self._depth == 1:
                        root = element
                        self._root = root
                else:
                    self._depth -= 1
                    if self._depth == 1:
                        self._ready.append(element)
                        self._root.remove(element)
        return self._ready.popleft()


class ManagedPerson(Person):
    """With stream management, as the clients of today."""

    _count = 0

    async def log_in(self, extra=""):
        await super().log_in("<enable xmlns='urn:xmpp:sm:3' resume='true'/>" + extra)

    async def _read(self):
        element = await super()._read()
        self._count += element.tag.startswith("{jabber:client}")
        return element

    async def _open(self):
        await super()._open()
        # The answer to binding comes before stream management is on.
        self._count = -1

    def acknowledge(self):
        self.write(f"<a xmlns='urn:xmpp:sm:3' h='{max(0, self._count)}'/>")


class _Watch:
    """What is sent, what came, and what was noticed since the last mark."""

    def __init__(self, people, victim):
        self.people = people
        self.victim = victim
        self.closes = dict.fromkeys(people, 0)
        #: Who writes to whom in this run.
        self.ways = set()
        self.reset()

    def reset(self):
        self.took = {kind: [] for kind in KINDS}
        self.out = {kind: {} for kind in KINDS}
        self.sent = collections.Counter()
        self.repeated = self.reordered = 0
        self.newest = {}
        self.failures = []
        for name, person in self.people.items():
            self.closes[name] = person.closes

    def send(self, kind, name, action):
        self.sent[kind] += 1
        self.out[kind][name] = time.monotonic()
        action()

    def came(self, kind, name):
        begun = self.out[kind].pop(name, None)
        if begun is None:
            self.repeated += 1
            return
        self.took[kind].append(time.monotonic() - begun)

    def message(self, kind, element):
        """A message of ours says `number kind-direction`."""
        body = element.findtext("{jabber:client}body") or ""
        if element.get("type") == "error":
            self.failures.append(f"returned: {ET.tostring(element, encoding='unicode')}"[:400])
            return
        if not body.startswith(f"{kind} "):
            return
        _, way, number = body.split()
        if way not in self.ways:
            return
        if int(number) < self.newest.get(way, -1):
            self.reordered += 1
        self.newest[way] = int(number)
        self.came(kind, f"{way} {number}")

    def figures(self, seconds):
        found = {"seconds": seconds}
        for kind in KINDS:
            took = sorted(self.took[kind])
            at = lambda part: round(1000 * took[min(len(took) - 1, int(part * len(took)))]) if took else None  # noqa: E731
            found[kind] = {
                "sent": self.sent[kind], "came": len(took), "lost": len(self.out[kind]),
                "p50": at(0.5), "p99": at(0.99), "max": round(1000 * took[-1]) if took else None,
            }  # fmt: skip
        found["repeated"], found["reordered"] = self.repeated, self.reordered
        found["closes"] = sum(person.closes - self.closes[name] for name, person in self.people.items())
        found["failures"] = self.failures[:5]
        # The first and the last of what was lost, to see whether it is one stretch.
        found["gone"] = {kind: [*names[:2], *names[-2:]] for kind in KINDS if (names := list(self.out[kind]))}
        return found


async def _pings(watch, carol):
    number = 0
    while True:
        await asyncio.sleep(PERIOD)
        if not watch.is_on or not carol.is_here:
            continue
        number += 1
        asyncio.create_task(_ping(watch, carol, f"p{number}"))


async def _ping(watch, carol, name):
    begun = time.monotonic()
    watch.sent["ping"] += 1
    watch.out["ping"][name] = begun
    try:
        await carol.ask("<ping xmlns='urn:xmpp:ping'/>")
    except (Refused, asyncio.CancelledError):
        return
    watch.came("ping", name)


async def _messages(watch, kind, sender, receiver, way):
    """Numbered messages; who is not there at the moment says nothing."""
    receiver.heard = lambda element: watch.message(kind, element)
    # Other names than those of an earlier run, which may arrive now.
    way, number = f"{way}-{os.urandom(4).hex()}", 0
    watch.ways.add(way)
    while True:
        await asyncio.sleep(PERIOD)
        if not watch.is_on or not sender.is_here:
            continue
        number += 1
        body = f"{kind} {way} {number}"
        watch.send(kind, f"{way} {number}", lambda: sender.write(
            f"<message to='{receiver.bare}' type='chat' id='{way}{number}'><body>{body}</body></message>"))  # fmt: skip


async def _logins(watch, gina):
    number = 0
    while True:
        await asyncio.sleep(LOGIN_PERIOD)
        if watch.is_on:
            number += 1
            asyncio.create_task(_login(watch, gina(), f"l{number}"))


async def _login(watch, person, name):
    watch.sent["login"] += 1
    watch.out["login"][name] = time.monotonic()
    try:
        async with asyncio.timeout(LOGIN_LIMIT):
            await person.log_in()
            await person.ask("<ping xmlns='urn:xmpp:ping'/>")
    except (OSError, EOFError, Refused, ET.ParseError, asyncio.TimeoutError) as error:
        watch.failures.append(f"login: {error!r}"[:200])
    else:
        watch.came("login", name)
    person.leave(politely=True)


async def _victim(watch, user):
    """Who was aimed at logs in with stream management and is answered a ping: how long it took, or why not."""
    person = watch.victim(user)
    begun = time.monotonic()
    try:
        async with asyncio.timeout(LOGIN_LIMIT):
            await person.log_in()
            await person.ask("<ping xmlns='urn:xmpp:ping'/>")
            # What comes at login must not throw it out a moment later.
            await asyncio.sleep(1)
            await person.ask("<ping xmlns='urn:xmpp:ping'/>")
        return {"took": round(1000 * (time.monotonic() - begun)) - 1000}
    except (OSError, EOFError, Refused, ET.ParseError, asyncio.TimeoutError) as error:
        return {"failed": repr(error)[:300]}
    finally:
        person.leave(politely=True)


async def _main(pipe, office, other, passwords, source):
    def person(server, user, kind=Person, source=source):
        address, port, trust, domain = server
        return kind(address, port, trust, domain, user, passwords[user], source)

    people = {name: person(office, name) for name in ("carol", "dave", "frank")}
    people["erin"] = person(other, "erin", source=None)
    watch = _Watch(people, lambda user: person(office, user, ManagedPerson))
    watch.is_on = False
    works = [
        *(each.stay() for each in people.values()),
        _pings(watch, people["carol"]),
        _messages(watch, "message", people["carol"], people["dave"], "carol-dave"),
        _messages(watch, "lane", people["frank"], people["erin"], "frank-erin"),
        _messages(watch, "lane", people["erin"], people["frank"], "erin-frank"),
        _logins(watch, lambda: person(office, "gina")),
    ]
    tasks = [asyncio.create_task(work) for work in works]
    begun = time.monotonic()
    while True:
        while not pipe.poll():
            for task in tasks:
                if task.done():
                    task.result()
            await asyncio.sleep(0.02)
        order, *words = pipe.recv()
        if order == "here":
            pipe.send(all(each.is_here for each in people.values()))
        elif order == "mark":
            watch.reset()
            watch.is_on, begun = True, time.monotonic()
            pipe.send(None)
        elif order == "figures":
            watch.is_on = False
            seconds = time.monotonic() - begun
            while any(watch.out.values()) and time.monotonic() < begun + seconds + GRACE:
                await asyncio.sleep(0.05)
            pipe.send(watch.figures(seconds))
        elif order == "victim":
            pipe.send(await _victim(watch, *words))
        else:
            return


def _run(pipe, *words):
    try:
        asyncio.run(_main(pipe, *words))
    except EOFError:
        pass
    except Exception:
        traceback.print_exc()


class Bystanders:
    """The remote control. `office`, `other`: (address, port, trust, domain); `source`: where these people call from."""

    def __init__(self, office, other, passwords, source):
        context = multiprocessing.get_context("fork")
        self._pipe, far = context.Pipe()
        self._process = context.Process(target=_run, args=(far, office, other, passwords, source), daemon=True)
        self._process.start()
        far.close()

    def ask(self, *order):
        self._pipe.send(order)
        return self._pipe.recv()

    def stop(self):
        try:
            self._pipe.send(("end",))
        except OSError:
            pass
        self._process.join(10)
        if self._process.is_alive():
            self._process.kill()


def _base64(text):
    return base64.b64encode(text.encode()).decode()


