"""What a client gets again that logs in anew, without resuming, after its server was stopped or killed while messages came."""

import asyncio

import pytest

from harness.clients import Client
from harness.ledger import Ledger
from harness.martlet import Martlet

USERS = ("alice", "bob", "carol")
pytestmark = pytest.mark.martlet


@pytest.fixture(scope="module")
def office(make_world):
    world = make_world()
    office = world.add("office.example", Martlet, users=USERS)
    world.start()
    return office


async def around_the_end(office, reader, resumes, end):
    """Alice writes twenty messages a second to a reader while the server comes to its end and is started again. Returns what the
    reader had got before and what at the next login, as ids in order, and everything that was written."""
    ledger = Ledger()
    async with Client(office, "alice") as alice:
        first = Client(office, reader, ledger, resumes=resumes, stays=False)
        await first.login()
        written = []

        async def write():
            while True:
                written.append(alice.send(first.bare, f"{len(written)}"))
                await asyncio.sleep(0.05)

        writing = asyncio.create_task(write())
        await first.until(lambda: len(first.messages) >= 40, "messages flow")
        await asyncio.to_thread(end)
        await first.until(lambda: first.stream.transport is None, "the connection is gone")
        await asyncio.sleep(0.2)
        writing.cancel()
        await first.go_away()
        office.start()
        await alice.until(lambda: not alice.unacknowledged, "everything was taken over")
        async with Client(office, reader, resumes=resumes, stays=False) as second:
            await second.until(
                lambda: written[-1] in [message.id for message in second.messages], "the last message has arrived"
            )
            await second.ping()
            return [m.id for m in first.messages], [m.id for m in second.messages], written


@pytest.mark.parametrize("reader, resumes", [("bob", True), ("carol", False)], ids=["with-acks", "without-acks"])
async def test_nothing_that_was_read_comes_again_when_the_server_stops(office, reader, resumes):
    before, after, written = await around_the_end(office, reader, resumes, office.stop)
    assert before + after == written


@pytest.mark.parametrize("reader, resumes", [("bob", True), ("carol", False)], ids=["with-acks", "without-acks"])
async def test_little_comes_again_when_the_server_is_killed(office, reader, resumes):
    """What came after the last question that was answered, and no more: sixteen messages at most, and what was under way."""
    before, after, written = await around_the_end(office, reader, resumes, office.kill)
    repeated = [id for id in before if id in after]
    print(f"repeated: {len(repeated)}")
    assert sorted(set(before) | set(after), key=written.index) == written
    assert repeated == before[len(before) - len(repeated):]
    assert len(repeated) <= 24, repeated
