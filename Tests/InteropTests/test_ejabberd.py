"""Federation with ejabberd 23.01, unmodified: by dialback alone and by certificates, each direction."""

import pytest

from harness import peers, scenarios, server


@pytest.fixture(scope="module", params=[server.DIALBACK, server.EXTERNAL])
def pair(make_world, office_kind, request):
    mode = request.param
    world = make_world()
    office = world.add("office.example", office_kind, mode=mode, users=scenarios.USERS)
    partner = world.add("partner.example", peers.Ejabberd, mode=mode, users=scenarios.USERS)
    world.start()
    yield office, partner
    world.close()


@pytest.mark.parametrize("scenario", scenarios.ALL)
async def test_outward(pair, scenario):
    office, partner = pair
    await scenarios.ALL[scenario](office, partner)


@pytest.mark.parametrize("scenario", scenarios.ALL)
async def test_inward(pair, scenario):
    office, partner = pair
    await scenarios.ALL[scenario](partner, office)
