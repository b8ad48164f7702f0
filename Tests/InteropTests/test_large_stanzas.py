"""Stanzas that are too long for the next server: each is refused for itself, and nobody else's waits for it."""

import asyncio
import time

import pytest

from harness import peers, scenarios, server
from harness.rawstream import RawStream

COUNT = 60
#: 75 kB that become 450 kB where they are escaped, which no client writes and any may.
QUOTES = "'" * 75_000
BODY = "x" * 75_000
#: Seconds that mallory may take, whom nobody hurries.
SLOW = 60


def flood(office, to, count, stanza):
    """Logs in as mallory, sends, and returns what came back: (kind of error, id) for each error."""
    with RawStream(office.address, office.client_port) as stream:
        stream.start_tls(office.domain, office.trust)
        stream.log_in(office.domain, "mallory", office.passwords["mallory"])
        stream.send("<presence/>")
        # Whoever sends this much is read slowly.
        stream.socket.settimeout(SLOW)
        for number in range(count):
            stream.send(stanza(number))
            print("sent", number, time.monotonic())
        stream.send(f"<iq type='get' id='end' to='{office.domain}'><ping xmlns='urn:xmpp:ping'/></iq>")
        errors = []
        while True:
            element = stream.read(SLOW)
            if element.get("id") == "end":
                return errors
            if element.get("type") == "error":
                error = element.find("{jabber:client}error")
                errors.append((error[0].tag.rsplit("}")[-1], element.get("id")))


async def converse(alice, bob, meanwhile):
    """Everybody else's messages go on while something is done in a thread; how long the slowest took, in seconds."""
    task = asyncio.create_task(asyncio.to_thread(meanwhile))
    slowest = 0
    number = 0
    while not task.done() or number < 10:
        text = f"meanwhile {number}"
        began = time.monotonic()
        alice.send(bob.bare, text)
        await bob.until(lambda: text in bob.texts(alice.bare), f"has {text!r}")
        slowest = max(slowest, time.monotonic() - began)
        number += 1
        await asyncio.sleep(0.05)
    print(f"{number} messages meanwhile, the slowest took {slowest:.2f} s")
    return await task, slowest


@pytest.mark.martlet
async def test_what_grows_on_its_way_is_refused_by_its_own_office(make_world, office_kind):
    world = make_world()
    north = world.add("north.example", office_kind, mode=server.EXTERNAL, users=(*scenarios.USERS, "mallory"))
    south = world.add("south.example", office_kind, mode=server.EXTERNAL, users=scenarios.USERS)
    world.start()
    async with scenarios.Client(north, "alice") as alice, scenarios.Client(south, "bob") as bob:
        alice.send(bob.bare, "before")
        await bob.until(lambda: "before" in bob.texts(alice.bare), "the line is there")
        messages = lambda number: f'<message to="{bob.bare}" type="chat" id="{QUOTES}"><body>{BODY}</body></message>'  # noqa: E731
        requests = lambda number: f'<iq to="{bob.full}" type="get" id="{QUOTES}"><query xmlns="urn:x">{BODY}</query></iq>'  # noqa: E731
        for stanza in (messages, requests):
            errors, slowest = await converse(alice, bob, lambda stanza=stanza: flood(north, bob.bare, COUNT, stanza))
            assert [condition for condition, _ in errors] == ["policy-violation"] * COUNT
            assert slowest < 30
        assert bob.stream_errors == alice.stream_errors == []
        assert "held" not in north.command("queue", "show").stdout


@pytest.mark.martlet
@pytest.mark.parametrize("mode", [server.DIALBACK, server.EXTERNAL])
async def test_what_a_foreign_server_ends_streams_over_costs_a_few_streams(make_world, office_kind, mode):
    world = make_world()
    north = world.add("north.example", office_kind, mode=mode, users=(*scenarios.USERS, "mallory"))
    partner = world.add("partner.example", peers.Prosody, mode=mode, users=scenarios.USERS, stanza_limit=65_536)
    world.start()
    async with scenarios.Client(north, "alice") as alice, scenarios.Client(partner, "bob") as bob:
        alice.send(bob.bare, "before")
        await bob.until(lambda: "before" in bob.texts(alice.bare), "the line is there")
        messages = lambda number: f'<message to="{bob.bare}" type="chat" id="m{number}"><body>{BODY}</body></message>'  # noqa: E731
        began = time.monotonic()
        errors, slowest = await converse(alice, bob, lambda: flood(north, bob.bare, COUNT, messages))
        print(f"{len(errors)} of {COUNT} were refused at once; {time.monotonic() - began:.1f} s in all")
        # One for each was three streams and three pauses: three minutes.
        assert slowest < 90
        # Nothing of hers was lost or doubled, and from now on nothing waits.
        texts = [text for text in bob.texts(alice.bare) if text.startswith("meanwhile")]
        assert sorted(texts) == sorted(set(texts))
        _, slowest = await converse(alice, bob, lambda: flood(north, bob.bare, 5, messages))
        assert slowest < 30
