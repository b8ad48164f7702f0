"""Profanity, a client that people use, in a terminal: chat, what another device writes, a block list, pictures.

It would ask for the archive (0.13.1) only where the server's own domain had one, as it has with nobody."""

import asyncio
import base64

import pytest

from harness import profanity, server
from harness.clients import Client

PICTURE = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")


@pytest.fixture
def office(make_world, office_kind):
    world = make_world()
    office = world.add("office.example", office_kind, mode=server.EXTERNAL, users=("alice", "bob"))
    world.start()
    yield office
    world.close()


@pytest.fixture
def start(office, tmp_path):
    """Starts Profanity for somebody, logged in."""
    started = profanity.Started(tmp_path)
    yield lambda user, security="force": started(office, user, security)
    started.close()


@pytest.mark.parametrize("security", ["force", "legacy"], ids=["starttls", "direct-tls"])
async def test_profanity_logs_in_and_chats(office, start, security):
    screen = await asyncio.to_thread(start, "alice", security)
    async with Client(office, "bob") as bob:
        bob.send(office.jid("alice"), "hello from a library")
        await asyncio.to_thread(screen.until, "chat message: bob@office.example")
        screen.type("/win 2")
        await asyncio.to_thread(screen.until, "hello from a library")
        screen.type(f"/msg {bob.bare} hello from a terminal ✓")
        await bob.until(lambda: "hello from a terminal ✓" in bob.texts(office.jid("alice")), "has got the answer")
        screen.type("/quit")


@pytest.mark.martlet
async def test_profanity_shows_what_another_device_writes_and_reads(office, start):
    """XEP-0280."""
    screen = await asyncio.to_thread(start, "alice")
    screen.type("/carbons on")
    await asyncio.to_thread(screen.until, "Message carbons preference enabled.")
    async with Client(office, "alice", resource="phone") as phone, Client(office, "bob") as bob:
        await phone.ping()
        phone.send(bob.bare, "written on the telephone")
        screen.type(f"/msg {bob.bare}")
        await asyncio.to_thread(screen.until, "written on the telephone")
        bob.send(phone.full, "read on the telephone")
        await asyncio.to_thread(screen.until, "read on the telephone")
        screen.type("answered in the terminal")
        await bob.until(lambda: bob.texts(phone.bare) == ["written on the telephone", "answered in the terminal"], "has got both")


@pytest.mark.martlet
async def test_profanity_blocks(office, start):
    """XEP-0191, with a report (XEP-0377)."""
    screen = await asyncio.to_thread(start, "alice")
    async with Client(office, "bob") as bob:
        screen.type(f"/blocked report-spam {bob.bare} offers us ladders")
        await asyncio.to_thread(screen.until, f"User {bob.bare} successfully blocked.")
        screen.type("/blocked")
        await asyncio.to_thread(screen.until, "Blocked users:")
        id = bob.send(office.jid("alice"), "do you need a ladder?")
        await bob.until(lambda: (id, "service-unavailable") in bob.bounces, "hears that nobody is there")
        screen.type(f"/blocked remove {bob.bare}")
        await asyncio.to_thread(screen.until, f"User {bob.bare} successfully unblocked.")
        bob.send(office.jid("alice"), "and now?")
        await asyncio.to_thread(screen.until, "chat message: bob@office.example")
    assert "offers us ladders" in office.process.output()


@pytest.mark.martlet
async def test_profanity_shows_and_fetches_pictures(office, start, tmp_path):
    """XEP-0084, from one terminal to another."""
    alice = await asyncio.to_thread(start, "alice")
    bob = await asyncio.to_thread(start, "bob")
    for screen, other in ((alice, "bob"), (bob, "alice")):
        screen.type(f"/sub request {office.jid(other)}")
    for screen, other in ((alice, "bob"), (bob, "alice")):
        screen.type(f"/sub allow {office.jid(other)}")
        await asyncio.to_thread(screen.until, f"{office.jid(other)}")
    (tmp_path / "picture.png").write_bytes(PICTURE)
    alice.type(f"/avatar set {tmp_path / 'picture.png'}")
    await asyncio.to_thread(alice.until, "Avatar updated successfully")
    bob.type(f"/avatar get {office.jid('alice')}")
    await asyncio.to_thread(bob.until, "Avatar saved as")
    saved = list((tmp_path / "bob1").glob("data/profanity/**/avatars/*"))
    assert len(saved) == 1 and saved[0].read_bytes().startswith(b"\x89PNG")
