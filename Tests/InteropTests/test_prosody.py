"""Federation with Prosody 0.12, unmodified: by dialback alone and by certificates, each direction."""

import pytest

from harness import certificates, peers, scenarios, server


@pytest.fixture(
    scope="module",
    params=[
        (server.DIALBACK, True, certificates.BOTH_WAYS, False),
        (server.EXTERNAL, True, certificates.SERVER_ONLY, False),
        (server.EXTERNAL, False, certificates.SERVER_ONLY, False),
        (server.DIALBACK, True, certificates.BOTH_WAYS, True),
        (server.EXTERNAL, True, certificates.BOTH_WAYS, True),
    ],
    ids=["dialback", "external", "external-without-acks", "dialback-bidi", "external-bidi"],
)
def pair(make_world, office_kind, request):
    mode, server_acks, usage, bidi = request.param
    world = make_world()
    office = world.add("office.example", office_kind, mode=mode, usage=usage, users=scenarios.USERS)
    partner = world.add(
        "partner.example",
        peers.Prosody,
        mode=mode,
        usage=usage,
        users=scenarios.USERS,
        server_acks=server_acks,
        bidi=bidi,
    )
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
