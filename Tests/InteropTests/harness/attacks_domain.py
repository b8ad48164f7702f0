"""Attacks of a foreign domain: a server like any other, with a certificate that verifies."""

import itertools
import os
import time

from . import ports
from .assault import PEER, Hole, Pump, attack, numbered, repeat

RELAY = "urn:martlet:relay:0"
DIALBACK = "jabber:server:dialback"


def flood(scene, report, until, data, connections=1, reads=True, extra="", hello=None, **named):
    """The same bytes on so many streams, as fast as they are taken; thrown out, it comes back."""

    def again(number):
        stream = scene.peer(extra, **named)
        if hello:
            stream.send(hello)
        return stream, data(number) if callable(data) else data

    pump = Pump(report, until)
    for number in range(connections):
        pump.add(*again(number), reads=reads, again=lambda number=number: again(number))
    pump.run().close()


@attack(PEER, "requests as fast as they go, on four streams")
def requests(scene, report, until):
    to, sender = scene.office.domain, f"a@{scene.evil_domain}"
    flood(scene, report, until, lambda _: repeat(
        f"<iq type='get' id='p' from='{sender}' to='{to}'><ping xmlns='urn:xmpp:ping'/></iq>"), 4)  # fmt: skip


@attack(PEER, "service discovery from thousands of addresses")
def discovery(scene, report, until):

    def ask(number):
        to = (scene.office.domain, scene.target, f"carol@{scene.office.domain}")[number % 3]
        return (
            f"<iq type='get' id='d' from='a{number}@{scene.evil_domain}' to='{to}'>"
            "<query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
        )

    flood(scene, report, until, numbered(ask))


@attack(PEER, "answers to requests that nobody has made")
def unasked_answers(scene, report, until):
    def answer(number):
        return f"<iq type='result' id='{number}' from='a@{scene.evil_domain}' to='carol@{scene.office.domain}/x'/>"

    flood(scene, report, until, numbered(answer))


@attack(PEER, "small messages to accounts that do not exist, whose errors nobody takes")
def bounces(scene, report, until):
    flood(scene, report, until, numbered(
        lambda n: f"<message from='a{n}@{scene.evil_domain}' to='nobody{n}@{scene.office.domain}' type='chat' id='{n}'>"
                  "<body>x</body></message>"))  # fmt: skip


@attack(PEER, "messages of 500 kB to somebody who is away", victim=True)
def mailbox_filling(scene, report, until):
    body = "x" * 500_000
    text = f"<message from='a@{scene.evil_domain}' to='{scene.target}' type='chat'><body>{body}</body></message>"
    flood(scene, report, until, repeat(text), 2)


@attack(PEER, "subscription requests of thousands of invented people", victim=True)
def subscriptions(scene, report, until):
    flood(scene, report, until, numbered(
        lambda n: f"<presence type='subscribe' from='s{n}@{scene.evil_domain}' to='{scene.target}'/>"))  # fmt: skip


@attack(PEER, "subscription requests of 500 kB", victim=True)
def large_subscriptions(scene, report, until):
    status = "x" * 500_000
    flood(scene, report, until, numbered(
        lambda n: f"<presence type='subscribe' from='l{n}@{scene.evil_domain}' to='{scene.target}'>"
                  f"<status>{status}</status></presence>"), 2)  # fmt: skip


@attack(PEER, "questions for the presence of everybody")
def probes(scene, report, until):
    people = itertools.cycle([*scene.people, "vera", "carol", "nobody"])
    flood(scene, report, until, numbered(
        lambda n: f"<presence type='probe' from='a{n}@{scene.evil_domain}' to='{next(people)}@{scene.office.domain}'/>"))  # fmt: skip


@attack(PEER, "presence of thousands of invented people to one")
def presences(scene, report, until):
    flood(scene, report, until, numbered(
        lambda n: f"<presence from='a{n}@{scene.evil_domain}/r' to='carol@{scene.office.domain}'/>"))  # fmt: skip


@attack(PEER, "small messages to the bystander's account", victim=True)
def small_messages(scene, report, until):
    flood(scene, report, until, repeat(
        f"<message from='a@{scene.evil_domain}' to='{scene.target}' type='chat'><body>x</body></message>"))  # fmt: skip


@attack(PEER, "addresses of 3,071 bytes, never the same")
def longest_addresses(scene, report, until):
    flood(scene, report, until, numbered(
        lambda n: f"<message from='{n:08}{'l' * 1015}@{scene.evil_domain}/{'r' * 1023}' "
                  f"to='{n:08}{'m' * 1015}@{scene.office.domain}/{'s' * 1023}' type='chat'><body>x</body></message>"
                  f"<presence type='subscribe' from='{n:08}{'l' * 1015}@{scene.evil_domain}' to='{scene.target}'/>"))  # fmt: skip


# The protocol between offices


def _mark(n, epoch, tag, after="", lane="chat"):
    after = f" after='{after}'" if after else ""
    return f"<seq xmlns='{RELAY}' lane='{lane}' epoch='{epoch}' n='{n}' tag='{tag}'{after}/>"


def _ask(scene, lane=""):
    lane = f" lane='{lane}'" if lane else ""
    return f"<ask xmlns='{RELAY}' from='{scene.evil_domain}' to='{scene.office.domain}'{lane}/>"


def _marked(scene, mark):
    return f"<message from='a@{scene.evil_domain}' to='nobody@{scene.office.domain}' type='headline'>{mark}</message>"


@attack(PEER, "numbered stanzas, each with an epoch of its own")
def fresh_epochs(scene, report, until):
    # Each says what it follows, as a site whose store is always new would.
    flood(scene, report, until, lambda _: numbered(lambda n: _marked(
        scene, _mark(1, f"{n:032x}", f"{n:016x}", f"{n - 1:016x}" if n > 1 else "")), first=1), hello=_ask(scene))  # fmt: skip


@attack(PEER, "numbered stanzas whose numbers are as large as they can be")
def huge_numbers(scene, report, until):
    flood(scene, report, until, numbered(lambda n: _marked(
        scene, _mark(2**63 - 1 - n, "0f" * 16, f"{n:016x}", "1" * 16))), hello=_ask(scene))  # fmt: skip


@attack(PEER, "numbered stanzas in good order, at full speed")
def numbered_stanzas(scene, report, until):
    def again():
        epoch = os.urandom(16).hex()
        return numbered(lambda n: _marked(scene, _mark(n, epoch, f"{n:016x}", f"{n - 1:016x}" if n > 1 else "")), first=1)

    flood(scene, report, until, lambda _: again(), hello=_ask(scene))


@attack(PEER, "questions for what was remembered of a lane")
def asked_lanes(scene, report, until):
    flood(scene, report, until, repeat(_ask(scene, "chat") + _ask(scene, "bulk")), 4, hello=_ask(scene))


@attack(PEER, "words that it has what it never got")
def haves(scene, report, until):
    flood(scene, report, until, numbered(
        lambda n: f"<have xmlns='{RELAY}' from='{scene.evil_domain}' to='{scene.office.domain}' lane='chat' "
                  f"epoch='{n:032x}' n='{2**62 + n}' tag='{n:016x}' tags='1024' ended='{n + 1:032x}'/>"), hello=_ask(scene))  # fmt: skip


# Streams


@attack(PEER, "100 streams at a time, opened again and again", processes=2)
def many_streams(scene, report, until, process):
    held = []
    while time.monotonic() < until:
        held.append(scene.peer())
        report["streams"] += 1
        if len(held) == 50:
            for stream in held[:25]:
                stream.close()
            del held[:25]


@attack(PEER, "thousands of pairs of domains on one stream, each to be verified")
def dialback_pairs(scene, report, until):
    scene.hole = Hole(scene.hang_address, ports.SERVER)
    flood(scene, report, until, numbered(
        lambda n: f"<db:result from='n{n}.hang.example' to='{scene.office.domain}'>{n:064x}</db:result>"))  # fmt: skip


@attack(PEER, "keys to be verified, none of which is ours")
def wrong_verifications(scene, report, until):
    flood(scene, report, until, numbered(
        lambda n: f"<db:verify from='{scene.evil_domain}' to='{scene.office.domain}' id='{n}'>{n:064x}</db:verify>"))  # fmt: skip


@attack(PEER, "requests whose answers are not read")
def unread(scene, report, until):
    to, sender = scene.office.domain, f"a@{scene.evil_domain}"
    ask = f"<iq type='get' id='p' from='{sender}' to='{to}'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
    bidi = "<bidi xmlns='urn:xmpp:bidi'/>"
    flood(scene, report, until, lambda _: repeat(ask), 8, reads=False, hello=bidi, receive_buffer=4096)


@attack(PEER, "questions for an acknowledgement and sessions to resume, on streams between servers")
def stream_management(scene, report, until):
    wrong = numbered(lambda n: f"<r xmlns='urn:xmpp:sm:3'/><resume xmlns='urn:xmpp:sm:3' h='0' previd='{n:032x}'/>")
    flood(scene, report, until, wrong, 2, hello="<enable xmlns='urn:xmpp:sm:3' resume='true'/>")


@attack(PEER, "acknowledgements of what it was never sent")
def acknowledgements(scene, report, until):
    flood(scene, report, until, numbered(lambda n: f"<a xmlns='urn:xmpp:sm:3' h='{n}'/>"), 2)
