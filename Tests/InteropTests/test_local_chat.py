"""One office: two clients chat, see each other, come back."""

import contextlib
import time

import pytest

from harness.clients import Client, LoginFailed, befriend
from harness.ledger import Ledger
from harness.martlet import Martlet
from harness.rawstream import RawStream

USERS = ("alice", "bob", "carol", "dora", "erik", "fred", "gina", "hugo")


@pytest.fixture(scope="module")
def office(make_world, office_kind):
    world = make_world()
    office = world.add("office.example", office_kind, users=USERS)
    world.start()
    return office


@pytest.mark.parametrize("direct_tls", [False, True], ids=["starttls", "direct-tls"])
@pytest.mark.parametrize("resumes", [False, True], ids=["without-acks", "with-acks"])
async def test_messages_arrive_once_and_in_order(office, direct_tls, resumes):
    ledger = Ledger()
    async with (
        Client(office, "alice", ledger, direct_tls=direct_tls, resumes=resumes) as alice,
        Client(office, "bob", ledger, direct_tls=direct_tls, resumes=resumes) as bob,
    ):
        for number in range(50):
            alice.send(bob.full if number % 2 else bob.bare, f"to bob {number}")
            bob.send(alice.bare, f"to alice {number}")
        await bob.until(ledger.is_complete, "all messages have arrived")
        assert ledger.report().is_clean, ledger.report()
        # Without acknowledgements bob may also get again what he read just before the end of an earlier session.
        assert {message.sender for message in bob.messages if ledger.knows(message.id)} == {alice.full}
        if resumes:
            await alice.until(lambda: not alice.unacknowledged, "all is acknowledged")


async def test_a_wrong_password_is_refused(office):
    with pytest.raises(LoginFailed, match="not-authorized"):
        await Client(office, "alice", password="not it").login()


async def test_an_unknown_user_is_refused_like_a_wrong_password(office):
    with pytest.raises(LoginFailed, match="not-authorized"):
        await Client(office, "nobody", password="whatever").login()


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1", "PLAIN", pytest.param("SCRAM-SHA-256", marks=pytest.mark.martlet)])
async def test_mechanisms(office, mechanism):
    async with Client(office, "alice", mechanism=mechanism) as alice:
        await alice.ping()


async def test_subscription_makes_contacts_see_each_other(office):
    async with Client(office, "carol") as carol:
        async with Client(office, "dora") as dora:
            await befriend(carol, dora)
            assert carol.contacts()[dora.bare] == dora.contacts()[carol.bare] == "both"
            dora.available(show="away", status="at lunch")
            await carol.until(
                lambda: (dora.full, "available", "at lunch") in carol.presence_log, "sees dora's status"
            )
        await carol.until(lambda: not carol.sees(dora.bare), "sees dora leave")
        assert (await carol.roster())[dora.bare] == "both"
        async with Client(office, "dora") as dora:
            await carol.until(lambda: carol.sees(dora.bare), "sees dora come back")
            await dora.until(lambda: dora.sees(carol.bare), "is told that carol is there")


@pytest.mark.martlet
async def test_after_unsubscribing_the_contact_is_shown_offline(office):
    """RFC 6121 §3.3.3"""
    async with Client(office, "gina") as gina, Client(office, "hugo") as hugo:
        await befriend(gina, hugo)
        gina.unsubscribe(hugo.bare)
        await gina.until(lambda: gina.contacts().get(hugo.bare) == "from", "is not subscribed any more")
        await gina.until(lambda: not gina.sees(hugo.bare), "does not see hugo any more")
        await hugo.until(lambda: hugo.contacts().get(gina.bare) == "to", "knows")
        assert hugo.sees(gina.bare)


async def test_a_request_waits_for_an_offline_contact(office):
    async with Client(office, "erik") as erik:
        erik.subscribe(office.jid("fred"))
        await erik.ping()
    async with Client(office, "fred") as fred:
        await fred.until(lambda: fred.requested_by(office.jid("erik")), "is asked when he logs in")


async def test_offline_messages_are_kept_and_stamped(office):
    ledger = Ledger()
    async with Client(office, "alice", ledger) as alice:
        for number in range(20):
            alice.send(office.jid("bob"), f"while you were away {number}")
        await alice.until(lambda: not alice.unacknowledged, "all is acknowledged")
    async with Client(office, "bob", ledger) as bob:
        await bob.until(ledger.is_complete, "all messages have arrived")
        assert ledger.report().is_clean, ledger.report()
        for message in bob.messages:
            assert len(message.stamps) == 1 and message.stamps[0][0] == office.domain, message
        # A round trip, so that what arrived is acknowledged: a client that leaves without a word may get it again.
        await bob.ping()
    async with Client(office, "bob", ledger) as bob:
        await bob.ping()
        assert not bob.messages, "offline messages are delivered once"


@pytest.mark.martlet
async def test_who_closes_in_good_order_does_not_get_the_last_words_again(office):
    """Without stream management: TCP has brought them, and the client took its leave."""
    ledger = Ledger()
    async with Client(office, "alice", ledger, resumes=False) as alice:
        for number in range(5):
            async with Client(office, "bob", ledger, resumes=False) as bob:
                alice.send(bob.bare, f"last words {number}")
                await bob.until(ledger.is_complete, "the message has arrived")
                assert len(bob.messages) == 1, bob.texts()
        async with Client(office, "bob", ledger, resumes=False) as bob:
            await bob.ping()
            assert not bob.messages
    assert ledger.report().is_clean, ledger.report()


def slow_reader(office, user):
    """A client whose kernel takes little that it does not read. Returns it and its full JID."""
    stream = RawStream(office.address, office.client_tls_port, receive_buffer=4096)
    stream.begin_tls(office.domain, office.trust)
    return stream, stream.log_in(office.domain, user, office.passwords[user])


def write_messages(office, to, count, body):
    with RawStream(office.address, office.client_tls_port) as alice:
        alice.begin_tls(office.domain, office.trust)
        alice.log_in(office.domain, "alice", office.passwords["alice"])
        for number in range(count):
            alice.send(f"<message to='{to}' type='chat' id='late{number}'><body>{body}</body></message>")
        alice.send(PING.format("sent"))
        assert alice.read().get("id") == "sent"


def messages_at_login(office, user):
    with RawStream(office.address, office.client_tls_port) as stream:
        stream.begin_tls(office.domain, office.trust)
        stream.log_in(office.domain, user, office.passwords[user])
        stream.send("<presence/>" + PING.format("all"))
        ids = []
        while (element := stream.read()).get("id") != "all":
            ids.append(element.get("id"))
        return [one for one in ids if one and one.startswith("late")]


PING = "<iq type='get' id='{}'><ping xmlns='urn:xmpp:ping'/></iq>"


@pytest.mark.martlet
def test_who_closes_while_something_else_is_under_way_does_not_get_messages_again(office):
    """What counts is how much the client's machine had when it said good-bye, not whether it had everything."""
    stream, full = slow_reader(office, "bob")
    with stream:
        write_messages(office, full, 12, "read")
        # With the first of them comes a question, which is not answered.
        read = [stream.read() for _ in range(13)]
        assert [one.get("id") for one in read if one.tag.endswith("message")] == [f"late{number}" for number in range(12)]
        stream.send("".join(f"<iq type='get' id='{'x' * 1000}{number}'><no xmlns='urn:x'/></iq>" for number in range(60)))
        # Until their answers are under way; if they are not yet, nothing is proven.
        time.sleep(0.5)
        stream.send("</stream:stream>")
        while stream.read() is not None:
            pass
    assert messages_at_login(office, "bob") == []


@pytest.mark.martlet
def test_who_closes_before_messages_have_come_gets_them_at_the_next_login(office):
    stream, full = slow_reader(office, "carol")
    with stream:
        write_messages(office, full, 12, "x" * 4000)
        stream.send("</stream:stream>")
    assert messages_at_login(office, "carol") == [f"late{number}" for number in range(12)]


@pytest.mark.martlet
async def test_an_office_with_several_threads(make_world):
    """`site.threads`: connections on three event loops, the site on a thread of its own."""
    world = make_world()
    office = world.add("threads.example", Martlet, users=USERS, threads=3)
    world.start()
    ledger = Ledger()
    async with contextlib.AsyncExitStack() as stack:
        people = [
            await stack.enter_async_context(Client(office, user, ledger, resumes=number % 2 == 0))
            for number, user in enumerate(USERS)
        ]
        for number in range(40):
            for one, other in zip(people, people[1:] + people[:1]):
                one.send(other.bare, f"{one.bare} {number}")
        await people[0].until(ledger.is_complete, "all messages have arrived")
        assert ledger.report().is_clean, ledger.report()


async def test_a_broken_connection_is_resumed_without_loss(office):
    ledger = Ledger()
    async with Client(office, "alice", ledger) as alice, Client(office, "bob", ledger) as bob:
        for round in range(4):
            for number in range(20):
                alice.send(bob.bare, f"{round}.{number}")
                bob.send(alice.bare, f"{round}.{number}")
                if number == 7:
                    (bob if round % 2 else alice).drop()
            await bob.until(ledger.is_complete, "all messages have arrived")
        assert alice.resumptions == 2 and bob.resumptions == 2, (alice.story(), bob.story())
        assert (alice.logins, bob.logins) == (1, 1)
        assert ledger.report().is_clean, ledger.report()


@pytest.mark.martlet
async def test_sessions_are_resumed_after_the_server_was_killed(office):
    ledger = Ledger()
    async with Client(office, "alice", ledger) as alice, Client(office, "bob", ledger) as bob:
        for round in range(3):
            for number in range(40):
                alice.send(bob.bare, f"{round}.{number}")
                bob.send(alice.bare, f"{round}.{number}")
            office.kill()
            for number in range(40, 60):
                alice.send(bob.bare, f"{round}.{number}")
            office.start()
            await alice.until(lambda: alice.resumptions == round + 1, "has resumed")
            await bob.until(lambda: bob.resumptions == round + 1, "has resumed")
            await bob.until(ledger.is_complete, "all messages have arrived")
        assert (alice.logins, bob.logins) == (1, 1), (alice.story(), bob.story())
        report = ledger.report(taken_late=True)
        assert report.is_clean, report
