"""Below the disk's reserve: who is here can be talked to, who is away cannot, and refusals end when there is room."""

import asyncio

import pytest

from harness.clients import Client
from harness.martlet import Martlet

pytestmark = pytest.mark.martlet


async def test_who_is_here_can_be_talked_to(make_world):
    world = make_world()
    # More than any disk has free.
    limits = {"disk_reserve": "16TiB", "disk_floor": "1MiB"}
    office = world.add("scarce.example", Martlet, users=("alice", "bob", "carol"), limits=limits)
    world.start()
    async with Client(office, "alice") as alice, Client(office, "bob") as bob:
        for text in ("one", "two"):
            alice.send(bob.bare, text)
        await bob.until(lambda: bob.texts(alice.bare) == ["one", "two"], "has both")
        refused = alice.send(office.jid("carol"), "you are away")
        await alice.until(lambda: (refused, "resource-constraint") in alice.bounces, "is told")
        office.limits["disk_reserve"] = "16MiB"
        office.prepare()
        assert office.command("reload").returncode == 0

        def waits():
            return " 1" in office.command("user", "list").stdout.split("carol", 1)[1].splitlines()[0]

        for number in range(600):
            alice.send(office.jid("carol"), f"again {number}")
            await alice.ping()
            if waits():
                break
            await asyncio.sleep(0.1)
        async with Client(office, "carol") as carol:
            await carol.until(lambda: any("again" in text for text in carol.texts(alice.bare)), "gets what came later")
            assert "you are away" not in carol.texts(alice.bare)
    world.close()
