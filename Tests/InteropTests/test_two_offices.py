"""Two offices of one company, with their own DNS views: chat, presence and subscriptions across."""

import pytest

from harness import scenarios, server


@pytest.fixture(scope="module", params=[server.DIALBACK, server.EXTERNAL])
def offices(make_world, office_kind, request):
    world = make_world()
    north = world.add("north.example", office_kind, mode=request.param, users=scenarios.USERS)
    south = world.add("south.example", office_kind, mode=request.param, users=scenarios.USERS)
    world.start()
    yield north, south
    world.close()


@pytest.mark.parametrize("scenario", scenarios.ALL)
@pytest.mark.parametrize("direction", ["north-to-south", "south-to-north"])
async def test_across(offices, direction, scenario):
    here, there = offices if direction == "north-to-south" else reversed(offices)
    await scenarios.ALL[scenario](here, there)


@pytest.mark.martlet
async def test_what_was_agreed_survives_a_kill_of_both(offices):
    north, south = offices
    async with scenarios.Client(north, "alice") as alice, scenarios.Client(south, "bob") as bob:
        await scenarios.befriend(alice, bob)
    north.kill()
    south.kill()
    north.start()
    south.start()
    async with scenarios.Client(north, "alice") as alice, scenarios.Client(south, "bob") as bob:
        assert (await alice.roster())[bob.bare] == "both"
        await alice.until(lambda: alice.sees(bob.bare), "sees bob")
        await bob.until(lambda: bob.sees(alice.bare), "sees alice")
