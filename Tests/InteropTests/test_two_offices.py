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


@pytest.mark.martlet
@pytest.mark.parametrize("mode", [server.DIALBACK, server.EXTERNAL])
async def test_offices_that_offer_direct_tls_alone_reach_each_other(make_world, office_kind, mode):
    """XEP-0368: nothing leads to the port for STARTTLS, so that no detour hides what direct TLS lacks."""
    world = make_world()
    north = world.add("north.example", office_kind, mode=mode)
    south = world.add("south.example", office_kind, mode=mode, users=("bob",))
    world.start(starttls=False)
    try:
        async with scenarios.Client(north, "alice") as alice, scenarios.Client(south, "bob") as bob:
            alice.send(bob.bare, "by direct TLS")
            await bob.until(lambda: "by direct TLS" in bob.texts(alice.bare), "has the message")
            bob.send(alice.bare, "and back")
            await alice.until(lambda: "and back" in alice.texts(bob.bare), "has the answer")
    finally:
        world.close()
