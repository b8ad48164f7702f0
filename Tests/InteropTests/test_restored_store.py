"""Stores that go back in time, at either end, twice in a row, or are lost: everything heals by itself, with real processes."""

import asyncio
import json
import shutil

import pytest

from harness import processes
from harness.clients import Client

pytestmark = pytest.mark.martlet


@pytest.fixture
def offices(make_world, office_kind):
    world = make_world()
    named = {"federation": {"retry_maximum": "2s"}}
    north = world.add("north.example", office_kind, users=("alice",), offices={"south.example": "South"}, **named)
    south = world.add("south.example", office_kind, users=("bob",), offices={"north.example": "North"}, **named)
    world.start()
    yield north, south
    world.close()


async def back_up(office, name):
    """A copy of the stopped office's store."""
    await asyncio.to_thread(office.stop)
    shutil.copytree(office.directory / "data", office.directory / name)
    await asyncio.to_thread(office.start)


async def put_back(office, name):
    """The office runs on the copy from now on."""
    await asyncio.to_thread(office.stop)
    shutil.rmtree(office.directory / "data")
    shutil.copytree(office.directory / name, office.directory / "data")
    await asyncio.to_thread(office.start)


async def exchange(north, south, texts, again=()):
    """Alice writes to Bob; what he gets in this session, in order: first what comes `again`, then what she writes."""
    async with Client(north, "alice") as alice, Client(south, "bob") as bob:
        for text in texts:
            alice.send(bob.bare, text)
        expected = [*again, *texts]
        await bob.until(lambda: len(bob.texts(alice.bare)) >= len(expected), f"has {expected}")
        # What should not come has had its time: the way back is a round trip behind it.
        bob.send(alice.bare, "have you sent everything")
        await alice.until(lambda: alice.texts(bob.bare), "has the answer")
        await asyncio.sleep(1)
        assert bob.texts(alice.bare) == expected
        await alice.until(lambda: not alice.unacknowledged, "the office has taken over every message")

    def is_done():
        return json.loads(north.command("link", "list", "--json").stdout)[0]["waiting"] == 0

    await asyncio.to_thread(processes.wait_until, is_done, "everything is acknowledged")


async def link(office):
    done = await asyncio.to_thread(office.command, "link", "list", "--json")
    return json.loads(done.stdout)[0]


async def test_the_receiving_store_goes_back_twice(offices):
    """Relay protocol S2: what it lacks comes again, and nothing else."""
    north, south = offices
    await exchange(north, south, ["one"])
    await back_up(south, "first")
    await exchange(north, south, ["two", "three"])
    await back_up(south, "second")
    await exchange(north, south, ["four"])
    for backup, again in (("first", ["two", "three", "four"]), ("second", ["four", "first"])):
        await put_back(south, backup)
        await exchange(north, south, [backup], again=again)
        row = await link(north)
        assert row["state"] == "up"
        assert f"its store went back in time: {len(again)} that it had are sent again" in row["lastError"]
    shown = await asyncio.to_thread(north.command, "link", "show", "south.example")
    assert "healed" in shown.stdout and "kept in case its store goes back" in shown.stdout


async def test_the_sending_store_goes_back_twice(offices):
    """Relay protocol S2: what it had sent since its backup is not sent again, and what is written now arrives."""
    north, south = offices
    await exchange(north, south, ["one"])
    await back_up(north, "first")
    await exchange(north, south, ["two", "three"])
    await back_up(north, "second")
    await exchange(north, south, ["four"])
    for backup in ("first", "second", "first"):
        await put_back(north, backup)
        await exchange(north, south, [f"written after {backup}", "and more"])
        assert (await link(north))["state"] == "up"
    assert "our store went back in time" in (await link(north))["lastError"]


async def test_both_stores_go_back_and_one_is_lost(offices):
    north, south = offices
    await exchange(north, south, ["one"])
    await back_up(south, "before")
    await exchange(north, south, ["two"])
    await back_up(north, "before")
    await exchange(north, south, ["three"])
    # "three" was known to nobody else.
    await put_back(north, "before")
    await put_back(south, "before")
    await exchange(north, south, ["four"], again=["two"])
    # A new store, with the same people.
    await asyncio.to_thread(south.stop)
    shutil.rmtree(south.directory / "data")
    done = await asyncio.to_thread(
        south.command, "user", "add", south.jid("bob"), input=south.passwords["bob"] + "\n"
    )
    assert done.returncode == 0, done.stderr
    await asyncio.to_thread(south.start)
    await exchange(north, south, ["five"], again=["one", "two", "four"])
    assert (await link(north))["state"] == "up"
