"""Attacks of somebody who has an account: one person's password is enough for all of them."""

import base64
import itertools
import time

from . import ports
from .assault import ACCOUNT, Hole, Pump, attack, numbered, paced, repeat, tls_flood

PING = "<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>"
ROSTER = "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>"
RESOURCES = 16


def flood(scene, report, until, data, connections=1, reads=True, managed=False, presence=True, **named):
    """The same bytes on so many connections, as fast as they are taken; thrown out, it comes back."""

    def again(number):
        stream = scene.account(resource=f"r{number}", managed=managed, **named)
        if presence:
            stream.send("<presence/>")
        return stream, data(number) if callable(data) else data

    pump = Pump(report, until)
    for number in range(connections):
        pump.add(*again(number), reads=reads, again=lambda number=number: again(number))
    pump.run().close()


# Many stanzas


@attack(ACCOUNT, "requests as fast as they go, on one connection")
def pings(scene, report, until):
    flood(scene, report, until, repeat(PING))


@attack(ACCOUNT, "requests as fast as they go, on 16 connections")
def pings_of_sixteen(scene, report, until):
    flood(scene, report, until, lambda _: repeat(PING), RESOURCES)


@attack(ACCOUNT, "requests whose answers are not read")
def pings_unread(scene, report, until):
    flood(scene, report, until, lambda _: repeat(PING), RESOURCES, reads=False)


@attack(ACCOUNT, "service discovery of everything")
def discovery(scene, report, until):
    def ask(number):
        to = (scene.office.domain, scene.mine, scene.target, f"nobody{number}@{scene.office.domain}")[number % 4]
        what = ("info", "items")[number // 4 % 2]
        return f"<iq type='get' id='d{number}' to='{to}'><query xmlns='http://jabber.org/protocol/disco#{what}'/></iq>"

    flood(scene, report, until, lambda _: numbered(ask), 4)


@attack(ACCOUNT, "messages to itself")
def messages_to_itself(scene, report, until):
    text = f"<message to='{scene.mine}' type='chat'><body>hello</body></message>"
    flood(scene, report, until, lambda _: repeat(text), 2)


@attack(ACCOUNT, "presence up and down, seen by everybody in a roster of 300")
def presence_flapping(scene, report, until):
    flood(scene, report, until, repeat("<presence/><presence><show>away</show></presence><presence type='unavailable'/>"))


@attack(ACCOUNT, "presence to 10,000 addresses at three domains")
def presence_to_ten_thousand(scene, report, until):
    domains = scene.office.domain, scene.other.domain, scene.evil_domain
    flood(scene, report, until, numbered(lambda n: f"<presence to='n{n % 10000}@{domains[n % 3]}/r'/>"))


@attack(ACCOUNT, "subscription requests to 1,000 people and back")
def subscriptions(scene, report, until):
    def ask(number):
        to = f"n{number % 1000}@{(scene.office.domain, scene.other.domain)[number % 2]}"
        return f"<presence type='subscribe' to='{to}'/><presence type='unsubscribe' to='{to}'/>"

    flood(scene, report, until, numbered(ask))


@attack(ACCOUNT, "addresses of 3,071 bytes, never the same")
def longest_addresses(scene, report, until):
    def ask(number):
        address = f"{number:08}{'l' * 1015}@{('d' * 62 + '.') * 16 + 'd' * 15}/{'r' * 1023}"
        bare = address.partition("/")[0]
        return (
            f"<message to='{address}'><body>a</body></message><presence to='{address}'/><presence type='subscribe' to='{bare}'/>"
            f"<iq type='set' id='s'><query xmlns='jabber:iq:roster'><item jid='{bare}'/></query></iq>"
        )

    flood(scene, report, until, numbered(ask))


@attack(ACCOUNT, "roster changes as fast as they go")
def roster_sets(scene, report, until):
    def change(number):
        return (
            f"<iq type='set' id='s{number}'><query xmlns='jabber:iq:roster'>"
            f"<item jid='set{number % 500}@{scene.other.domain}' name='{number}'/></query></iq>"
        )

    flood(scene, report, until, lambda number: numbered(change, number), 4)


@attack(ACCOUNT, "a new password for itself, again and again")
def passwords(scene, report, until):
    secret = scene.office.passwords[scene.user]
    change = (
        f"<iq type='set' id='w' to='{scene.office.domain}'><query xmlns='jabber:iq:register'>"
        f"<username>{scene.user}</username><password>{secret}</password></query></iq>"
    )
    flood(scene, report, until, lambda _: repeat(change), 4)


# Answers that are larger than the question


def fill_roster(scene, report, until):
    """1,000 contacts of nearly 8 KiB."""
    groups = "".join(f"<group>{group}{'g' * 480}</group>" for group in range(15))

    def item(number):
        return (
            f"<iq type='set' id='f{number}'><query xmlns='jabber:iq:roster'>"
            f"<item jid='big{number}@{scene.evil_domain}'>{groups}</item></query></iq>"
        )

    with scene.account() as stream:
        for first in range(0, 700, 20):
            for number in range(first, first + 20):
                stream.send(item(number))
            for number in range(first, first + 20):
                assert stream.read() is not None, "thrown out while it filled its roster"


@attack(ACCOUNT, "a roster of 5 MB asked for again and again", prepare=fill_roster)
def roster_gets(scene, report, until):
    flood(scene, report, until, lambda _: repeat(ROSTER), 4)


@attack(ACCOUNT, "the same on 16 connections that read nothing", prepare=fill_roster)
def roster_gets_unread(scene, report, until):
    flood(scene, report, until, lambda _: repeat(ROSTER), RESOURCES, reads=False, receive_buffer=4096)


def fill_own_mailbox(scene, report, until):
    """200 messages of 250 kB to itself, nobody of it being there."""
    with scene.account() as stream:
        body = "x" * 250_000
        for number in range(200):
            stream.send(f"<message to='{scene.mine}' type='chat' id='m{number}'><body>{body}</body></message>")
        stream.send(PING)
        while (element := stream.read()) is not None and element.get("id") != "p":
            pass


@attack(ACCOUNT, "small messages to a resource, while large ones wait in the mailbox", prepare=fill_own_mailbox)
def messages_past_a_mailbox(scene, report, until):
    text = f"<message to='{scene.mine}/r0' type='chat'><body>x</body></message>"
    flood(scene, report, until, repeat(text), presence=False)


@attack(ACCOUNT, "presence to 1,000 people of a server that takes everything and acknowledges nothing")
def presence_to_the_deaf(scene, report, until):
    flood(scene, report, until, numbered(lambda n: f"<presence to='d{n % 1000}@{scene.evil_domain}'><status>{n}</status></presence>"))  # fmt: skip


# What waits


@attack(ACCOUNT, "16 sessions that acknowledge nothing and are detached, with 250 kB requests for each")
def detached_outboxes(scene, report, until):
    streams = [scene.account(resource=f"r{number}", managed=True) for number in range(1, RESOURCES)]
    for stream in streams:
        stream.send("<presence/>")
    time.sleep(0.5)
    for stream in streams:
        stream.close()
    body = "x" * 250_000
    to = itertools.cycle(f"{scene.mine}/r{number}" for number in range(1, RESOURCES))
    flood(scene, report, until, numbered(
        lambda n: f"<iq to='{next(to)}' type='get' id='i{n}'><x xmlns='urn:x'>{body}</x></iq>"))  # fmt: skip


@attack(ACCOUNT, "a session detached and resumed in a loop, which acknowledges nothing")
def resumption_loop(scene, report, until):
    stream = scene.account(resource="r0", managed=True)
    stream.send("<presence/>" + f"<message to='{scene.mine}/r0'><body>{'x' * 100_000}</body></message>" * 20)
    identifier = stream.session
    while time.monotonic() < until:
        stream.close()
        stream = scene.account_unbound()
        stream.send(f"<resume xmlns='urn:xmpp:sm:3' h='0' previd='{identifier}'/>")
        answer = stream.read()
        report["resumed" if answer is not None and answer.tag.endswith("resumed") else "not resumed"] += 1
        stream.send(PING)


@attack(ACCOUNT, "250 kB messages to a session of its own that reads and never acknowledges")
def never_acknowledging(scene, report, until):
    pump = Pump(report, until)
    listener = scene.account(resource="r1", managed=True)
    listener.send("<presence/>")
    pump.add(listener)
    text = f"<message to='{scene.mine}/r1' type='chat'><body>{'x' * 250_000}</body></message>"
    pump.add(scene.account(), repeat(text))
    pump.run().close()


@attack(ACCOUNT, "250 kB messages to sessions of its own that read a byte now and then")
def slow_readers(scene, report, until):
    readers = [scene.account(resource=f"r{number}", receive_buffer=4096) for number in range(1, 15)]
    for reader in readers:
        reader.send("<presence/>")
    text = f"<message to='{scene.mine}' type='chat'><body>{'x' * 250_000}</body></message>"
    pump = Pump(report, until)
    pump.add(scene.account(), repeat(text))
    while time.monotonic() < until:
        pump.until = min(until, time.monotonic() + 0.5)
        pump.run()
        for reader in readers:
            try:
                reader.socket.settimeout(0.001)
                reader.socket.recv(1)
            except OSError:
                report["closed"] += 1


@attack(ACCOUNT, "the command that lists one's waiting messages, with thousands of them")
def waiting_messages(scene, report, until):
    command = (
        f"<iq type='set' id='w' to='{scene.office.domain}'><command xmlns='http://jabber.org/protocol/commands' "
        "node='urn:martlet:queue' action='execute'/></iq>"
    )
    text = f"<message to='a@{scene.evil_domain}' type='chat'><body>{'x' * 500}</body></message>"
    flood(scene, report, until, itertools.chain([text.encode() * 5000], repeat(command)))


@attack(ACCOUNT, "resumption with ids that do not exist")
def wrong_resumptions(scene, report, until):
    stream = scene.account_unbound()
    wrong = numbered(lambda n: f"<resume xmlns='urn:xmpp:sm:3' h='0' previd='{n:032x}'/>")
    pump = Pump(report, until)
    pump.add(stream, wrong, again=lambda: (scene.account_unbound(), wrong))
    pump.run().close()


@attack(ACCOUNT, "questions for an acknowledgement as fast as they go")
def acknowledgement_requests(scene, report, until):
    flood(scene, report, until, lambda _: repeat("<r xmlns='urn:xmpp:sm:3'/>"), 4, managed=True)


@attack(ACCOUNT, "250 kB messages to somebody who is away", victim=True)
def mailbox_filling(scene, report, until):
    body = "x" * 250_000
    text = f"<message to='{scene.target}' type='chat'><body>{body}</body></message>"
    flood(scene, report, until, lambda _: repeat(text), 4)


@attack(ACCOUNT, "small messages to somebody who is away", victim=True)
def mailbox_of_small_ones(scene, report, until):
    flood(scene, report, until, repeat(f"<message to='{scene.target}' type='chat'><body>x</body></message>"))


# Other servers


@attack(ACCOUNT, "250 kB messages, requests and presence to a server that is being dialled")
def stanzas_for_the_dialled(scene, report, until):
    scene.hole = Hole(scene.hang_address, ports.SERVER)
    body = "x" * 250_000
    make = (
        lambda n: f"<message to='a@one.hang.example' type='chat'><body>{body}</body></message>",
        lambda n: f"<iq to='a@one.hang.example' type='get' id='{n}'><x xmlns='urn:x'>{body}</x></iq>",
        lambda n: f"<presence to='a{n}@one.hang.example'><status>{body}</status></presence>",
    )
    flood(scene, report, until, lambda number: numbered(make[number]), 3)


@attack(ACCOUNT, "requests with ids of 200 kB to a server that never answers")
def remembered_ids(scene, report, until):
    filler = "i" * 200_000
    flood(scene, report, until, numbered(
        lambda n: f"<iq to='a@{scene.evil_domain}' type='get' id='{n}{filler}'><ping xmlns='urn:xmpp:ping'/></iq>"))  # fmt: skip


@attack(ACCOUNT, "small requests to a server that never answers")
def unanswered_requests(scene, report, until):
    flood(scene, report, until, lambda _: numbered(
        lambda n: f"<iq to='a@{scene.evil_domain}' type='get' id='{n}'><ping xmlns='urn:xmpp:ping'/></iq>"), 4)  # fmt: skip


@attack(ACCOUNT, "messages to thousands of domains that hang")
def dial_storm(scene, report, until):
    scene.hole = Hole(scene.hang_address, ports.SERVER)
    flood(scene, report, until, numbered(
        lambda n: f"<message to='a@n{n}.hang.example' type='chat'><body>x</body></message>"
                  f"<presence to='a@p{n}.hang.example'/><iq type='get' id='q' to='i{n}.hang.example'><ping xmlns='urn:xmpp:ping'/></iq>"))  # fmt: skip


@attack(ACCOUNT, "questions of DNS that nobody answers")
def mute_domains(scene, report, until):
    flood(scene, report, until, numbered(
        lambda n: f"<message to='a@n{n}.mute.example' type='chat'><body>x</body></message>"
                  f"<iq type='get' id='q' to='i{n}.mute.example'><ping xmlns='urn:xmpp:ping'/></iq>"))  # fmt: skip


# Towards the other office


@attack(ACCOUNT, "messages to the other office that grow beyond its limits on the way")
def growing_messages(scene, report, until):
    to = f"vera@{scene.other.domain}"
    data = numbered(lambda n: f"<message to='{to}' type='chat' id=\"{n}{chr(39) * 100_000}\"><body>x</body></message>", limit=60)
    flood(scene, report, until, itertools.chain(data, paced(itertools.repeat(b" "), 1)))


@attack(ACCOUNT, "requests to the other office that grow beyond its limits, ten a second")
def growing_requests(scene, report, until):
    to = f"vera@{scene.other.domain}"
    chunk = f"<iq to='{to}' type='get' id=\"{chr(39) * 100_000}\"><ping xmlns='urn:xmpp:ping'/></iq>".encode()
    flood(scene, report, until, paced(itertools.repeat(chunk), 0.1))


@attack(ACCOUNT, "250 kB messages to the other office")
def large_messages_to_the_office(scene, report, until):
    text = f"<message to='vera@{scene.other.domain}' type='chat'><body>{'x' * 250_000}</body></message>"
    flood(scene, report, until, repeat(text))


@attack(ACCOUNT, "small messages to the other office")
def messages_to_the_office(scene, report, until):
    flood(scene, report, until, repeat(f"<message to='vera@{scene.other.domain}' type='chat'><body>x</body></message>"))


@attack(ACCOUNT, "names that only the fifth edition of XML allows, to the bystanders of both offices")
def fifth_edition_names(scene, report, until):
    def evil(number):
        name = ("\uff41", "a\ufeff", "\u2c00", "a\u0300\uff41")[number % 4]
        to = (f"dave@{scene.office.domain}", f"erin@{scene.other.domain}")[number // 4 % 2]
        where = (f"<{name} xmlns='urn:x'/>", f"<x xmlns='urn:x' {name}='1'/>", f"<x xmlns:{name}='urn:y'/>")[number % 3]
        return f"<message to='{to}' type='chat'><body>x</body>{where}</message>"

    def again():
        stream = scene.account(resource="r0")
        number = next(turns)
        return stream, itertools.chain([evil(number).encode()], paced(itertools.repeat(b" "), 1))

    turns = itertools.count()
    pump = Pump(report, until)
    pump.add(*again(), again=again)
    pump.run().close()


# Bytes


@attack(ACCOUNT, "elements as deep and as wide as is allowed")
def deep_and_wide(scene, report, until):
    deep = "<a>" * 60 + "</a>" * 60
    wide = "<a " + " ".join(f"a{number}=''" for number in range(60)) + "/>"
    spaces = "".join(f"<a xmlns:n{number}='urn:{number}'/>" for number in range(2000))
    texts = [
        f"<message to='{scene.mine}/nobody' type='headline'><x xmlns='urn:x'>{inner * (200_000 // len(inner))}</x></message>"
        for inner in (deep, wide, spaces, "&amp;", "<a/>")
    ]
    flood(scene, report, until, lambda number: repeat(texts[number]), len(texts))


@attack(ACCOUNT, "blanks between stanzas as fast as they go")
def blanks(scene, report, until):
    flood(scene, report, until, lambda _: repeat(" "), 4)


@attack(ACCOUNT, "every byte in a packet of its own")
def single_bytes(scene, report, until):
    def bytes_of(_):
        return itertools.cycle(bytes([byte]) for byte in PING.encode())

    flood(scene, report, until, bytes_of, RESOURCES)


@attack(ACCOUNT, "logging in and out, as fast as it goes", processes=2)
def logins(scene, report, until, process):
    while time.monotonic() < until:
        with scene.account(resource=f"r{process}") as stream:
            stream.send("<presence/>" + ROSTER)
            report["logins"] += 1


@attack(ACCOUNT, "new TLS keys asked for again and again")
def key_updates(scene, report, until):
    secret = base64.b64encode(f"\0{scene.user}\0{scene.office.passwords[scene.user]}".encode()).decode()
    tls_flood(scene, report, until, [scene.evil.address] * 4, "keyupdate", secret)
