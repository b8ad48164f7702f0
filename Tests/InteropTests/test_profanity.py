"""Profanity, a client that people use, logs in and chats."""

import asyncio

import pytest

from harness import server, terminal
from harness.clients import Client


@pytest.fixture
def office(make_world, office_kind):
    world = make_world()
    office = world.add("office.example", office_kind, mode=server.EXTERNAL, users=("alice", "bob"))
    world.start()
    yield office
    world.close()


@pytest.mark.parametrize("security", ["force", "legacy"], ids=["starttls", "direct-tls"])
async def test_profanity_logs_in_and_chats(office, tmp_path, security):
    # Profanity trusts the test authority like any other, so its own check of the certificate is part of the test.
    configuration = tmp_path / "config" / "profanity"
    configuration.mkdir(parents=True)
    (tmp_path / "authorities").mkdir()
    (configuration / "profrc").write_text(
        f"[connection]\ncafile={office.trust}\n[ui]\nsplash=false\n[logging]\nrotate=false\n"
    )
    screen = terminal.Terminal(
        tmp_path / "terminal",
        ["profanity", "-l", "DEBUG"],
        {
            "HOME": tmp_path,
            "XDG_CONFIG_HOME": tmp_path / "config",
            "XDG_DATA_HOME": tmp_path / "data",
            "LANG": "C.UTF-8",
            "SSL_CERT_FILE": office.trust,
        },
    )
    try:
        port = office.client_tls_port if security == "legacy" else office.client_port
        await asyncio.to_thread(chat_starts, screen, office, port, security)
        async with Client(office, "bob") as bob:
            bob.send(office.jid("alice"), "hello from a library")
            await asyncio.to_thread(screen.until, "chat message: bob@office.example")
            screen.type("/win 2")
            await asyncio.to_thread(screen.until, "hello from a library")
            screen.type(f"/msg {bob.bare} hello from a terminal ✓")
            await bob.until(lambda: "hello from a terminal ✓" in bob.texts(office.jid("alice")), "has got the answer")
            screen.type("/quit")
    finally:
        screen.close()


def chat_starts(screen, office, port, security):
    screen.until("Profanity")
    screen.type(f"/connect {office.jid('alice')} server {office.address} port {port} tls {security}")
    screen.until("Enter password:")
    screen.type(office.passwords["alice"])
    screen.until("logged in successfully")
