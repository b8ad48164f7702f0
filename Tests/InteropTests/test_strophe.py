"""strophe.js in a headless Chromium: a page of another server logs in and chats, and with a WebSocket survives a restart of the server."""

import asyncio

import pytest

from harness import web
from harness.browser import Page
from harness.clients import Client
from harness.martlet import Martlet

pytestmark = pytest.mark.martlet

WAYS = {"websocket": "urn:xmpp:alt-connections:websocket", "bosh": "urn:xmpp:alt-connections:xbosh"}


@pytest.mark.parametrize("way", WAYS)
async def test_a_page_chats_and_comes_back(make_world, tmp_path, way):
    world = make_world()
    office = world.add("pages.example", Martlet, users=("alice", "bob"))
    world.start()
    async with Page(tmp_path, office) as page:
        page.do("find", url=web.url(office, "/.well-known/host-meta.json"))
        links = (await page.until(lambda event: "links" in event))["links"]["links"]
        service = next(link["href"] for link in links if link["rel"] == WAYS[way])
        alice = {"service": service, "jid": f"alice@{office.domain}/page", "password": office.passwords["alice"]}
        page.do("connect", **alice)
        await page.status("CONNECTED")
        assert (await page.until(lambda event: "enabled" in event))["enabled"]
        async with Client(office, "bob") as bob:
            page.do("send", to=bob.bare, body="from the page")
            await bob.until(lambda: "from the page" in bob.texts(), "hears the page")
            bob.send(f"alice@{office.domain}/page", "to the page")
            await page.body("to the page")
        if way == "bosh":
            # This version of the library goes on asking by itself for minutes before it says that it is cut off: what a BOSH session is across
            # a restart is shown by hand in test_web.py.
            return
        await asyncio.to_thread(office.stop)
        await page.status("DISCONNECTED")
        await asyncio.to_thread(office.start)
        async with Client(office, "bob") as bob:
            bob.send(f"alice@{office.domain}/page", "while it was away")
            page.do("resume", **alice)
            assert (await page.until(lambda event: "resumed" in event))["resumed"] is not None
            await page.body("while it was away")
            page.do("send", to=bob.bare, body="I am back")
            await bob.until(lambda: "I am back" in bob.texts(), "hears the page again")
        page.do("leave")
        await page.status("DISCONNECTED")
