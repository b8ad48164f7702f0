"""Federation with ejabberd 23.01, unmodified: by dialback alone, by certificates, by direct TLS alone, each direction."""

import pytest

from harness import peers, ports, scenarios, server


@pytest.fixture(
    scope="module",
    params=[(server.DIALBACK, False), (server.EXTERNAL, False), (server.EXTERNAL, True)],
    ids=["dialback", "external", "direct-tls"],
)
def pair(make_world, office_kind, request):
    mode, direct_tls = request.param
    world = make_world()
    office = world.add("office.example", office_kind, mode=mode, users=scenarios.USERS)
    partner = world.add("partner.example", peers.Ejabberd, mode=mode, users=scenarios.USERS)
    if direct_tls:
        partner.server_tls_port = ports.SERVER_TLS
    world.start(starttls=not direct_tls)
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
