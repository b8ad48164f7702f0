"""A page with strophe.js in a headless Chromium, which does what a test says and tells what happens to it."""

import asyncio
import pathlib

from aiohttp import web

from . import processes

HERE = pathlib.Path(__file__).parent
STROPHE = pathlib.Path("/usr/share/javascript/strophe/strophe.js")
#: Seconds within which a browser has started, on a machine that has much else to do.
START = max(180, processes.LIMIT)


class Page:
    """One page of one browser, which finds the offices where they are."""

    def __init__(self, directory, *offices):
        self.directory = directory
        self.offices = offices
        self.told = []
        self._orders = asyncio.Queue()
        self._news = asyncio.Event()

    async def __aenter__(self):
        application = web.Application()
        application.add_routes(
            [
                web.get("/", lambda _: self._file(HERE / "strophe.html", "text/html")),
                web.get("/strophe.js", lambda _: self._file(STROPHE, "text/javascript")),
                web.get("/order", self._order),
                web.post("/told", self._told),
            ]
        )
        self._runner = web.AppRunner(application)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        rules = ",".join(f"MAP {office.domain} {office.address}" for office in self.offices)
        self._browser = processes.Process(
            "chromium",
            ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage",
             "--disable-background-networking", "--disable-component-update", "--no-proxy-server",
             "--ignore-certificate-errors", f"--host-resolver-rules={rules}",
             f"--user-data-dir={self.directory / 'chromium'}", f"http://127.0.0.1:{port}/"],
            self.directory,
        )  # fmt: skip
        self._browser.start()
        await self.until(lambda event: "ready" in event, limit=START)
        return self

    async def __aexit__(self, *error):
        await asyncio.to_thread(self._browser.stop)
        await self._runner.cleanup()

    async def _file(self, path, kind):
        return web.Response(body=path.read_bytes(), content_type=kind)

    async def _order(self, request):
        return web.json_response(await self._orders.get())

    async def _told(self, request):
        self.told.append(await request.json())
        self._news.set()
        return web.Response()

    def do(self, what, **order):
        self._orders.put_nowait({"do": what, **order})

    async def until(self, condition, limit=processes.LIMIT):
        """The first event for which that holds that was not looked at; those before it are forgotten."""

        async def wait():
            while True:
                while self.told:
                    event = self.told.pop(0)
                    assert "error" not in event, event
                    if condition(event):
                        return event
                self._news.clear()
                await self._news.wait()

        return await asyncio.wait_for(wait(), limit)

    async def status(self, name):
        return await self.until(lambda event: event.get("status") == name)

    async def body(self, text):
        return await self.until(lambda event: event.get("body") == text)
