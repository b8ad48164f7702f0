"""Answers that are larger than what may wait for a connection that does not read."""

import pytest

from harness.martlet import Martlet
from harness.rawstream import RawStream

pytestmark = pytest.mark.martlet


def test_the_largest_roster_reaches_who_reads_it(make_world):
    world = make_world()
    office = world.add("office.example", Martlet, users=("alice",))
    world.start()
    with RawStream(office.address, office.client_tls_port, receive_buffer=4096) as alice:
        alice.begin_tls(office.domain, office.trust)
        alice.log_in(office.domain, "alice", office.passwords["alice"])
        results = []
        for start in range(0, 300, 30):
            for number in range(start, start + 30):
                groups = "".join(f"<group>{group}{'g' * 480}</group>" for group in range(15))
                alice.send(
                    f"<iq type='set' id='s{number}'><query xmlns='jabber:iq:roster'>"
                    f"<item jid='contact{number}@elsewhere.example'>{groups}</item></query></iq>"
                )
            for number in range(start, start + 30):
                results.append(alice.read().get("type"))
        # Two megabytes are a roster's end.
        accepted = results.count("result")
        assert 250 < accepted < 300 and results == ["result"] * accepted + ["error"] * (300 - accepted)
        for _ in range(3):
            alice.send("<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>")
            answer = alice.read()
            assert answer is not None and answer.get("id") == "roster" and answer.get("type") == "result"
            assert len(answer[0]) >= accepted
            # Before there is another one this has to be read.
            ping = alice.read()
            assert ping.get("type") == "get"
            alice.send(f"<iq type='result' id='{ping.get('id')}' to='{ping.get('from')}'/>")
