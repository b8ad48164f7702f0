"""Answers that are larger than what may wait for a connection that does not read."""

import pytest

from harness.martlet import Martlet
from harness.rawstream import RawStream

pytestmark = pytest.mark.martlet


def test_a_roster_of_six_megabytes_reaches_who_reads_it(make_world):
    world = make_world()
    office = world.add("office.example", Martlet, users=("alice",))
    world.start()
    with RawStream(office.address, office.client_tls_port, receive_buffer=4096) as alice:
        alice.begin_tls(office.domain, office.trust)
        alice.log_in(office.domain, "alice", office.passwords["alice"])
        for start in range(0, 900, 30):
            for number in range(start, start + 30):
                groups = "".join(f"<group>{group}{'g' * 480}</group>" for group in range(15))
                alice.send(
                    f"<iq type='set' id='s{number}'><query xmlns='jabber:iq:roster'>"
                    f"<item jid='contact{number}@elsewhere.example'>{groups}</item></query></iq>"
                )
            for number in range(start, start + 30):
                assert alice.read().get("type") == "result"
        for _ in range(3):
            alice.send("<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>")
            answer = alice.read()
            assert answer is not None and answer.get("id") == "roster"
            assert len(answer[0]) >= 900
