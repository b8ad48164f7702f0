"""Federation with Prosody 0.12, unmodified: by dialback alone, by certificates, by direct TLS alone, each direction."""

import pytest

from harness import certificates, peers, ports, scenarios, server


@pytest.fixture(
    scope="module",
    params=[
        (server.DIALBACK, True, certificates.BOTH_WAYS, False, False),
        (server.EXTERNAL, True, certificates.SERVER_ONLY, False, False),
        (server.EXTERNAL, False, certificates.SERVER_ONLY, False, False),
        (server.DIALBACK, True, certificates.BOTH_WAYS, True, False),
        (server.EXTERNAL, True, certificates.BOTH_WAYS, True, False),
        (server.EXTERNAL, True, certificates.BOTH_WAYS, False, True),
    ],
    ids=["dialback", "external", "external-without-acks", "dialback-bidi", "external-bidi", "direct-tls"],
)
def pair(make_world, office_kind, request):
    mode, server_acks, usage, bidi, direct_tls = request.param
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
