"""Streams over HTTP by hand: a WebSocket (RFC 7395) and a BOSH session (XEP-0124), with the same words as harness/rawstream.py."""

import asyncio
import base64
import random
import socket
import ssl
import xml.etree.ElementTree as ET

import aiohttp
from aiohttp.abc import AbstractResolver

from . import processes
from .rawstream import BIND, SASL, STREAMS

FRAMING = "urn:ietf:params:xml:ns:xmpp-framing"
BOSH = "http://jabber.org/protocol/httpbind"
XBOSH = "urn:xmpp:xbosh"
SM = "urn:xmpp:sm:3"
CLIENT = "jabber:client"
LIMIT = processes.LIMIT


class _Resolver(AbstractResolver):
    def __init__(self, address):
        self.address = address

    async def resolve(self, host, port=0, family=socket.AF_INET):
        return [dict(hostname=host, host=self.address, port=port, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self):
        pass


def session(office, source=None):
    """An HTTP client for which the office's domain is where the office is. `source`: the loopback address to call from."""
    context = ssl.create_default_context(cafile=str(office.trust))
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            resolver=_Resolver(office.address), ssl=context, local_addr=(source, 0) if source else None, limit=0
        ),
        timeout=aiohttp.ClientTimeout(total=LIMIT + 60),
    )


def url(office, path):
    return f"https://{office.domain}:{office.web_port}{path}"


class _Stream:
    """What both have in common: `send`, `read` and `open` are theirs."""

    jid = None

    async def log_in(self, user, password, resource="web"):
        await self.open()
        secret = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        await self.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{secret}</auth>")
        answer = await self.read()
        assert answer.tag == f"{{{SASL}}}success", ET.tostring(answer)
        await self.restart()

    async def bind(self, resource="web"):
        await self.send(
            f"<iq xmlns='{CLIENT}' type='set' id='bind'><bind xmlns='{BIND}'><resource>{resource}</resource></bind></iq>"
        )
        self.jid = (await self.read()).findtext(f".//{{{BIND}}}jid")
        return self.jid

    async def enable(self):
        """Stream management with resumption. Returns the id to resume by."""
        await self.send(f"<enable xmlns='{SM}' resume='true'/>")
        answer = await self.read()
        assert answer.tag == f"{{{SM}}}enabled", ET.tostring(answer)
        return answer.get("id")

    async def resume(self, previous, h):
        await self.send(f"<resume xmlns='{SM}' previd='{previous}' h='{h}'/>")
        return await self.read()

    async def available(self):
        await self.send(f"<presence xmlns='{CLIENT}'/>")
        await self.until(lambda stanza: stanza.tag == f"{{{CLIENT}}}presence")

    async def message(self, to, body, id="m"):
        await self.send(f"<message xmlns='{CLIENT}' to='{to}' type='chat' id='{id}'><body>{body}</body></message>")

    async def until(self, condition):
        """The first element for which that holds."""
        while True:
            element = await self.read()
            assert element is not None, "the stream has ended"
            if condition(element):
                return element

    async def body(self, text):
        return await self.until(lambda stanza: stanza.findtext(f"{{{CLIENT}}}body") == text)


class WebSocket(_Stream):
    def __init__(self, office, source=None):
        self.office = office
        self.http = session(office, source)
        self.socket = None

    async def connect(self, protocols=("xmpp",), **named):
        self.socket = await self.http.ws_connect(
            url(self.office, "/xmpp-websocket"), protocols=protocols, autoping=False, autoclose=False, max_msg_size=0, **named
        )
        return self

    async def open(self, to=None):
        """Returns the features."""
        if self.socket is None:
            await self.connect()
        await self.send(f"<open xmlns='{FRAMING}' to='{to or self.office.domain}' version='1.0'/>")
        header = await self.read()
        assert header.tag == f"{{{FRAMING}}}open", ET.tostring(header)
        self.header = header
        return await self.read()

    restart = open

    async def send(self, text):
        await self.socket.send_str(text)

    async def frame(self, limit=LIMIT):
        return await asyncio.wait_for(self.socket.receive(), limit)

    async def read(self, limit=LIMIT):
        """The element of the next message; None when it is over. Each message is parsed by itself."""
        while True:
            frame = await self.frame(limit)
            if frame.type == aiohttp.WSMsgType.PING:
                await self.socket.pong(frame.data)
                continue
            return ET.fromstring(frame.data) if frame.type == aiohttp.WSMsgType.TEXT else None

    async def cut(self):
        """The line is gone, without a word."""
        transport = self.socket.get_extra_info("transport") or self.socket._response.connection.transport
        transport.abort()
        await self.close()

    async def close(self):
        await self.http.close()


class Bosh(_Stream):
    def __init__(self, office, source=None, wait=30, hold=1):
        self.office = office
        self.http = session(office, source)
        self.rid = random.randrange(1, 1 << 40)
        self.sid = None
        self.wait, self.hold = wait, hold
        self.elements = asyncio.Queue()
        self.under_way = set()
        self.end = None
        self.greeting = None

    async def post(self, text):
        """One request, by itself: the body of the answer."""
        async with self.http.post(
            url(self.office, "/http-bind"), data=text.encode(), headers={"Content-Type": "text/xml; charset=utf-8"}
        ) as response:
            assert response.status == 200, await response.text()
            return ET.fromstring(await response.read())

    def request(self, payload="", more="", rid=None):
        if rid is None:
            self.rid += 1
            rid = self.rid
        sid = f"sid='{self.sid}'" if self.sid else ""
        return f"<body xmlns='{BOSH}' xmlns:xmpp='{XBOSH}' rid='{rid}' {sid} {more}>{payload}</body>"

    async def open(self, to=None, more="ver='1.11'"):
        """Begins the session. Returns the features."""
        answer = await self.post(
            self.request(
                more=f"to='{to or self.office.domain}' wait='{self.wait}' hold='{self.hold}' xmpp:version='1.0' "
                f"xml:lang='en' {more}"
            )
        )
        self.greeting = answer
        self.sid = answer.get("sid")
        self._took(answer)
        return await self.read() if self.sid else None

    async def restart(self):
        await self.send("", f"xmpp:restart='true' to='{self.office.domain}'")
        return await self.read()

    def _took(self, answer):
        for element in answer:
            self.elements.put_nowait(element)
        if answer.get("type") == "terminate":
            self.end = answer.get("condition", "")
            self.elements.put_nowait(None)

    async def _exchange(self, text):
        try:
            self._took(await self.post(text))
        finally:
            self.under_way.discard(asyncio.current_task())
            if self.end is None and not self.under_way and self.polls:
                self._begin("")

    polls = True

    def _begin(self, payload, more=""):
        task = asyncio.ensure_future(self._exchange(self.request(payload, more)))
        self.under_way.add(task)

    async def send(self, payload, more=""):
        # No more at a time than agreed.
        while len(self.under_way) >= int(self.greeting.get("requests")):
            await asyncio.wait(self.under_way, return_when=asyncio.FIRST_COMPLETED)
        self._begin(payload, more)
        # In the order of their numbers on connections of their own.
        await asyncio.sleep(0.02)

    async def read(self, limit=LIMIT):
        return await asyncio.wait_for(self.elements.get(), limit)

    async def cut(self):
        """The client is gone, without a word."""
        self.polls = False
        for task in list(self.under_way):
            task.cancel()
        await self.close()

    async def close(self):
        self.polls = False
        await self.http.close()
