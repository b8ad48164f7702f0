"""What two federating servers must be able to do, whoever they are."""

from .clients import Client, befriend
from .ledger import Ledger


async def messages(here, there, count=20):
    """alice@here writes to bob@there: once, in order, from her full JID; he answers to that."""
    ledger = Ledger()
    async with Client(here, "alice", ledger) as alice, Client(there, "bob", ledger) as bob:
        for number in range(count):
            alice.send(bob.bare if number % 2 else bob.full, f"across {number}")
        await bob.until(ledger.is_complete, "all messages have arrived")
        assert {message.sender for message in bob.messages} == {alice.full}
        for number in range(count):
            bob.send(alice.full, f"back {number}")
        await alice.until(ledger.is_complete, "all answers have arrived")
    report = ledger.report()
    assert report.is_clean, report


async def offline_message(here, there):
    """A message for somebody at the other server who is not there waits with that server."""
    ledger = Ledger()
    async with Client(here, "alice", ledger) as alice:
        alice.send(there.jid("bob"), "for later")
        # Behind it on the same stream: when this is answered the message has been taken over.
        await alice.ping(there.domain)
    async with Client(there, "bob", ledger) as bob:
        await bob.until(ledger.is_complete, "the message has arrived")
        assert bob.messages[0].stamps, "a message from the store is stamped"
    assert ledger.report(stamps=False).is_clean


async def subscriptions(here, there, asker="carol", asked="dora"):
    """A subscription across servers, presence by it, probes at login, and its end."""
    async with Client(here, asker) as one:
        async with Client(there, asked) as other:
            await befriend(one, other)
            assert one.contacts()[other.bare] == other.contacts()[one.bare] == "both"
            other.available(show="dnd", status="in a meeting")
            await one.until(
                lambda: (other.full, "available", "in a meeting") in one.presence_log, f"sees {other.bare}'s status"
            )
        await one.until(lambda: not one.sees(other.bare), f"sees {other.bare} leave")
        async with Client(there, asked) as other:
            await other.until(lambda: other.sees(one.bare), f"learns by a probe that {one.bare} is there")
            await one.until(lambda: one.sees(other.bare), f"sees {other.bare} come back")
            one.unsubscribe(other.bare)
            await one.until(lambda: one.contacts().get(other.bare) == "from", "is not subscribed any more")
            await other.until(lambda: other.contacts().get(one.bare) == "to", "is told")


async def request_waits(here, there, asker="erik", asked="fred"):
    """A subscription request waits at the other server until its user comes."""
    async with Client(here, asker) as one:
        one.subscribe(there.jid(asked))
        await one.ping(there.domain)
        async with Client(there, asked) as other:
            await other.until(lambda: other.requested_by(one.bare), "is asked at login")
            other.approve(one.bare)
            await one.until(lambda: one.sees(other.bare), "sees who agreed")


async def queries(here, there):
    """IQs to the other server itself and to a user of it."""
    async with Client(here, "alice") as alice, Client(there, "bob") as bob:
        assert (await alice.ping(there.domain))["type"] == "result"
        assert (await alice.ping(bob.full))["type"] == "result"
        assert await alice.version(there.domain)
        assert await alice.version(bob.full)


ALL = {
    "messages": messages,
    "offline": offline_message,
    "subscriptions": subscriptions,
    "request-waits": request_waits,
    "queries": queries,
}
USERS = ("alice", "bob", "carol", "dora", "erik", "fred")
