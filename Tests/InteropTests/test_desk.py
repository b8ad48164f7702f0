"""The queue desk with two real offices and a cut line: what waits and why, held, released, cancelled, carried on a stick."""

import asyncio
import json
import shutil

import pytest

from harness import processes, relay
from harness.clients import Client
from harness.ledger import Ledger

pytestmark = pytest.mark.martlet
USERS = ("alice", "bob", "carol")


@pytest.fixture
def offices(make_world, office_kind):
    world = make_world()
    named = {"users": USERS, "federation": {"retry_maximum": "3s"}}
    north = world.add("north.example", office_kind, **named)
    south = world.add("south.example", office_kind, **named)
    line = world.line("north.example", "south.example")
    world.start()
    yield north, south, line
    world.close()


async def says(office, *words, input=None):
    """A command that succeeds; while it runs the clients live on."""
    done = await asyncio.to_thread(office.command, *words, input=input)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


async def refuses(office, *words):
    done = await asyncio.to_thread(office.command, *words)
    assert done.returncode != 0, f"{words}: {done.stdout}"
    return done.stderr


async def entries(office, *filters):
    return json.loads(await says(office, "queue", "list", "--entries", "--json", *filters))


async def cut_with(line, alice, recipient, texts):
    """Cuts a line that was in use and writes messages that only wait. The ids by text."""
    first = alice.send(recipient, "before")
    await alice.until(lambda: alice.ledger.delivered_count == 1, "the line is in use")
    line.cut(relay.REFUSE)

    def is_down():
        done = alice.server.command("link", "list", "--json")
        return [row["state"] for row in json.loads(done.stdout)] != ["up"]

    await asyncio.to_thread(processes.wait_until, is_down, "the cut is noticed")
    ids = {text: alice.send(recipient, text) for text in texts}
    await alice.until(lambda: not alice.unacknowledged, "the office has taken over every message")
    return first, ids


async def test_what_waits_and_why(offices):
    north, south, line = offices
    async with Client(north, "alice", Ledger()) as alice, Client(south, "bob", alice.ledger) as bob:
        assert "Nothing waits" in await says(north, "queue", "list")
        _, ids = await cut_with(line, alice, bob.bare, ["one", "two"])
        table = json.loads(await says(north, "queue", "list", "--json"))
        assert [(row["peer"], row["total"], row["held"]) for row in table] == [("south.example", 2, 0)]
        assert sum(table[0]["ages"].values()) == 2

        def has_words():
            return "refused" in north.command("queue", "list").stdout

        await asyncio.to_thread(processes.wait_until, has_words, "the table says why")
        rows = await entries(north)
        assert [row["to"] for row in rows] == [bob.bare] * 2
        assert [row["state"] for row in rows] == ["waiting"] * 2
        assert [row["entry"] for row in await entries(north, "--to", "south.example")] == [row["entry"] for row in rows]
        assert await entries(north, "--from", "bob@north.example") == []
        shown = await says(north, "queue", "show", rows[0]["entry"])
        assert bob.bare in shown and "waiting" in shown
        assert "not the name of an entry" in await refuses(north, "queue", "show", "elephant")
        details = await says(north, "link", "show", "south.example")
        assert "numbered to 3" in details and "acknowledged to 1" in details
        assert "no link" in await refuses(north, "link", "show", "nowhere.example")
        # The same on the stopped node's store; dialling is the one thing that it cannot do.
        north.stop()
        assert [row["entry"] for row in await entries(north)] == [row["entry"] for row in rows]
        assert "not running" in await refuses(north, "queue", "retry")
        north.start()
        line.heal()
        await says(north, "link", "retry", "south.example")
        await bob.until(alice.ledger.is_complete, "everything has arrived")
        assert alice.ledger.report(taken_late=True).is_clean, alice.ledger.report()
        assert set(ids) <= set(bob.texts())


@pytest.mark.parametrize("life", ["running", "stopped"])
async def test_hold_release_purge(offices, life):
    """A held message waits for a person, a purged one goes back to its sender, the others go on, in order."""
    north, south, line = offices
    async with Client(north, "alice", Ledger()) as alice, Client(south, "bob", alice.ledger) as bob:
        _, ids = await cut_with(line, alice, bob.bare, ["held", "kept", "purged", "last"])
        names = {row["entry"] for row in await entries(north)}
        assert len(names) == 4
        held, kept, purged, last = sorted(names, key=lambda name: int(name.split("/")[1]))
        if life == "stopped":
            north.stop()
        assert "1 entry held" in await says(north, "queue", "hold", held)
        assert "no entry" in await refuses(north, "queue", "hold", held)
        assert "1 entry purged" in await says(north, "queue", "purge", purged)
        states = {row["entry"]: row["state"] for row in await entries(north)}
        assert states == {kept: "waiting", last: "waiting", "held/1": "held"}
        if life == "stopped":
            north.start()
        await alice.until(
            lambda: [id for id, _ in alice.bounces] == [ids["purged"]], "the sender of the purged one is told"
        )
        line.heal()
        await says(north, "queue", "retry")
        await bob.until(lambda: bob.texts() == ["before", "kept", "last"], "the others arrive")
        assert [row["entry"] for row in await entries(north)] == ["held/1"]
        assert "1 entry released" in await says(north, "queue", "release", "--peer", "south.example", "--yes")
        await bob.until(lambda: bob.texts() == ["before", "kept", "last", "held"], "the held one follows")
        assert [origin for origin, _ in alice.ledger.stamps(ids["held"])] == ["north.example"]
        assert "Nothing waits" in await says(north, "queue", "list")
        report = alice.ledger.report(taken_late=True)
        assert report.lost == [ids["purged"]] and [id for id, _ in report.bounced] == [ids["purged"]], report
        assert not report.duplicated, report


async def test_many_at_once_are_counted_and_asked_for(offices):
    north, south, line = offices
    async with Client(north, "alice", Ledger()) as alice, Client(south, "bob", alice.ledger) as bob:
        async with Client(north, "carol", alice.ledger) as carol:
            await cut_with(line, alice, bob.bare, [f"{number}" for number in range(20)])
            for number in range(30):
                carol.send(bob.bare, f"carol {number}")
            await carol.until(lambda: not carol.unacknowledged, "the office has taken over every message")
            question = await refuses(north, "queue", "purge", "--from", carol.bare)
            assert "30 entries" in question and "--yes" in question
            assert len(await entries(north)) == 50
            assert "30 entries purged" in await says(north, "queue", "purge", "--from", carol.bare, "--yes")
            assert "no entry fits" in await refuses(north, "queue", "purge", "--from", carol.bare, "--yes")
            assert "say which entries" in await refuses(north, "queue", "purge", "--yes")
            await carol.until(lambda: len(carol.bounces) == 30, "she gets all of them back")
            line.heal()
            await bob.until(lambda: len(bob.texts()) == 21, "the others arrive")
            report = alice.ledger.report(taken_late=True)
            assert not report.duplicated and not report.out_of_order and len(report.bounced) == 30, report
            assert sorted(report.lost) == sorted(id for id, _ in report.bounced), report


async def test_a_stick_carries_what_the_line_does_not(offices, tmp_path):
    """Out by stick, back by stick, then the line returns: each message arrives once."""
    north, south, line = offices
    there, back = tmp_path / "for-south.bundle", tmp_path / "for-north.bundle"
    async with Client(north, "alice", Ledger()) as alice, Client(south, "bob", alice.ledger) as bob:
        await cut_with(line, alice, bob.bare, [f"{number}" for number in range(10)])
        bob.send(alice.bare, "meanwhile")
        await bob.until(lambda: not bob.unacknowledged, "the other office has taken it over")
        said = await says(north, "queue", "export", "--peer", "south.example", str(there))
        fingerprint = said.strip().splitlines()[-1].strip()
        assert "10 entries" in said and len(fingerprint) == 64

        # Self-signed here: only the fingerprint makes it believed. A changed file never is.
        assert "does not prove north.example" in await refuses(south, "queue", "import", str(there))
        assert "not by the one" in await refuses(south, "queue", "import", str(there), "--trust", "0" * 64)
        changed = tmp_path / "changed.bundle"
        changed.write_bytes(there.read_bytes().replace(b"<body>5</body>", b"<body>6</body>"))
        assert "changed after it was signed" in await refuses(
            south, "queue", "import", str(changed), "--trust", fingerprint
        )
        changed.write_bytes(there.read_bytes()[:-1])
        assert "not usable" in await refuses(south, "queue", "import", str(changed), "--trust", fingerprint)
        assert "is for south.example" in await refuses(north, "queue", "import", str(there), "--trust", fingerprint)
        assert bob.texts() == ["before"]

        said = await says(south, "queue", "import", str(there), "--trust", fingerprint)
        assert "10 taken over, 0 were here already" in said
        await bob.until(lambda: len(bob.texts()) == 11, "what was on the stick arrives")
        assert "0 taken over, 10 were here already" in await says(
            south, "queue", "import", str(there), "--trust", fingerprint
        )
        assert "may have arrived" in await refuses(north, "queue", "hold", (await entries(north))[0]["entry"])

        said = await says(south, "queue", "export", "--peer", "north.example", str(back))
        trust = said.strip().splitlines()[-1].strip()
        said = await says(north, "queue", "import", str(back), "--trust", trust)
        assert "1 taken over" in said and "south.example has 10" in said
        await alice.until(lambda: alice.texts() == ["meanwhile"], "what came back arrives")
        assert "Nothing waits" in await says(north, "queue", "list")

        line.heal()
        alice.send(bob.bare, "after")
        bob.send(alice.bare, "after")
        await bob.until(alice.ledger.is_complete, "the line goes on where the stick ended")
        report = alice.ledger.report(taken_late=True)
        assert report.is_clean and report.delivered == 14, report


async def test_a_restored_store_stops_the_lane_and_resync_goes_on(offices, tmp_path):
    """The other office comes back from an old backup, and nothing is kept of what it lost: nothing is sent until somebody
    decides, then what waited arrives."""
    north, south, line = offices
    north.stop()
    north.federation = north.federation | {"keep_acknowledged": "0s"}
    north.prepare()
    north.start()
    async with Client(north, "alice", Ledger()) as alice, Client(south, "bob", alice.ledger) as bob:
        alice.send(bob.bare, "before")
        await bob.until(lambda: alice.ledger.delivered_count == 1, "the line is in use")
        south.stop()
        shutil.copytree(south.directory / "data", tmp_path / "backup")
        south.start()
        async with Client(south, "carol", alice.ledger) as carol:
            alice.send(carol.bare, "forgotten")
            await carol.until(lambda: carol.texts() == ["forgotten"], "arrives")
        south.stop()
        shutil.rmtree(south.directory / "data")
        shutil.copytree(tmp_path / "backup", south.directory / "data")
        south.start()
        alice.send(carol.bare, "waits")
        await alice.until(lambda: not alice.unacknowledged, "the office has taken it over")

        def is_stopped():
            rows = json.loads(north.command("link", "list", "--json").stdout)
            return [row["state"] for row in rows] == ["stopped"]

        await asyncio.to_thread(processes.wait_until, is_stopped, "the lane is stopped", limit=120)
        assert "went back in time" in await says(north, "queue", "list")
        explained = await refuses(north, "link", "resync", "south.example")
        assert "1 entries wait" in explained and "1 that it had acknowledged" in explained and "--yes" in explained
        async with Client(south, "carol", alice.ledger) as carol:
            await says(north, "link", "resync", "south.example", "--yes")
            await carol.until(lambda: "waits" in carol.texts(), "what waited arrives")
            alice.send(carol.bare, "after")
            await carol.until(lambda: carol.texts()[-1] == "after", "the lane goes on")
            assert carol.texts().count("waits") == 1
        assert "nothing stands still" in await refuses(north, "link", "resync", "south.example", "--yes")
