"""Clients: slixmpp, with a memory of everything that arrived.

    async with Client(office, "alice", ledger) as alice:
        alice.send(office.jid("bob"), "hello")
        await alice.until(lambda: alice.texts_from(...), "an answer")
"""

import asyncio
import dataclasses
import itertools
import logging
import ssl
import uuid

import slixmpp
from slixmpp.plugins.xep_0198.stanza import RequestAck

from . import ledger as ledgers
from .processes import LIMIT, eventually

logging.getLogger("slixmpp").setLevel(logging.CRITICAL)

# slixmpp waits for the answer to <resume/>, even when the connection breaks meanwhile, and forgets the session when this
# has taken so many seconds: after an outage of the server the client would not resume.
slixmpp.xmlstream.RESPONSE_TIMEOUT = 3600

_DELAY = "{urn:xmpp:delay}delay"
_numbers = itertools.count(1)


@dataclasses.dataclass
class Received:
    """A message as it arrived."""

    id: str
    sender: str
    kind: str
    body: str
    stamps: list
    xml: object


class LoginFailed(Exception):
    """The server refused the credentials or the resource."""


class _Stream(slixmpp.ClientXMPP):
    """slixmpp with short waits between attempts to connect: servers of the tests come back within seconds. Unlike
    slixmpp it notices a connection that breaks during the TLS handshake."""

    def reschedule_connection_attempt(self):
        self._connect_loop_wait = 0.2
        return super().reschedule_connection_attempt()

    async def start_tls(self):
        transport = self.transport
        is_secure = await super().start_tls()
        if not is_secure:
            self.cancel_connection_attempt()
            self.forget(transport)
        return is_secure

    def forget(self, transport):
        """Ends a connection although its transport does not say that it is gone."""
        if transport is not None and self.transport is transport:
            transport.abort()
            self.connection_lost(None)


class Client:
    """One resource of one account.

    direct_tls  TLS at once on the direct TLS port, else STARTTLS
    resumes     stream management (XEP-0198) with resumption; what the server has not acknowledged is sent again,
                in order, with the same id, whether the stream could be resumed or not
    stays       connects again by itself when the connection breaks
    """

    def __init__(self, server, user, ledger=None, resource=None, direct_tls=False, resumes=True, stays=True, password=None,
                 mechanism=None):  # fmt: skip
        self.server = server
        self.user = user
        self.ledger = ledger if ledger is not None else ledgers.Ledger()
        self.resumes = resumes
        self.stays = stays
        self.direct_tls = direct_tls
        self.messages = []
        self.bounces = []
        self.presences = {}
        self.presence_log = []
        self.requests = []
        self.logins = 0
        self.resumptions = 0
        self.disconnections = 0
        self.stream_errors = []
        self.failure = None
        self._outbox = {}
        self._is_open = False
        self._asks = False
        self._closing = False
        self._resource = resource or f"r{next(_numbers)}"
        self._password = password or server.passwords.get(user, "")
        self._mechanism = mechanism
        self.stream = None

    # Life

    async def __aenter__(self):
        await self.login()
        return self

    async def __aexit__(self, *error):
        await self.logout()

    @property
    def bare(self):
        return f"{self.user}@{self.server.domain}"

    @property
    def full(self):
        return str(self.stream.boundjid)

    @property
    def is_open(self):
        """Whether stanzas can be sent now."""
        return self._is_open

    @property
    def is_gone(self):
        """Whether it has left for good."""
        return self._closing

    async def login(self, presence=True, limit=LIMIT):
        """Connects, authenticates, binds, fetches the roster, becomes available."""
        self._make_stream()
        self._dial()
        await self.until(lambda: self._is_open or self.failure, "is logged in", limit)
        if self.failure:
            raise LoginFailed(self.failure)
        await self.roster()
        if presence:
            self.available()

    async def logout(self):
        """Closes the stream properly: what was read is acknowledged first."""
        self._closing = True
        if self.stream is not None:
            if self.stream.transport is not None:
                if self.resumes and self._is_open:
                    self.stream.plugin["xep_0198"].send_ack()
                self.stream.disconnect(wait=2)
                await self._quietly(lambda: self.stream.transport is None)
            self.stream.cancel_connection_attempt()
            self._end_tasks()

    def drop(self):
        """The connection is gone without a word (the client's side closes its socket); a client that stays comes back."""
        if self.stream.transport is not None:
            self.stream.transport.abort()

    def redial(self):
        """Ends whatever the library is waiting for, and connects."""
        if self.stream.transport is not None:
            self.stream.forget(self.stream.transport)
        else:
            self.stream.cancel_connection_attempt()
            self._dial()

    async def go_away(self):
        """Drops the connection and does not come back."""
        self._closing = True
        self.drop()
        await self._quietly(lambda: self.stream.transport is None)
        self.stream.cancel_connection_attempt()
        self._end_tasks()

    # Doing

    def available(self, show=None, status=None, priority=0):
        self.stream.send_presence(pshow=show, pstatus=status, ppriority=priority)

    def unavailable(self):
        self.stream.send_presence(ptype="unavailable")

    def send(self, to, body, kind="chat", id=None):
        """Writes a message; it leaves now or when the stream is there again. Returns its id."""
        id = id or uuid.uuid4().hex
        message = self.stream.make_message(mto=to, mbody=body, mtype=kind)
        message["id"] = id
        message["origin_id"]["id"] = id
        self.ledger.record_sent(id, self.bare, slixmpp.JID(to).bare)
        self._outbox[id] = message
        if self._is_open:
            self._write(id, message)
        return id

    def subscribe(self, jid):
        self.stream.send_presence(pto=jid, ptype="subscribe")

    def approve(self, jid):
        self.stream.send_presence(pto=jid, ptype="subscribed")

    def unsubscribe(self, jid):
        self.stream.send_presence(pto=jid, ptype="unsubscribe")

    async def roster(self):
        """The roster as the server has it: bare JID to (subscription, ask)."""
        answer = await self.stream.get_roster(timeout=LIMIT)
        self._fetched = {str(jid): item for jid, item in answer["roster"]["items"].items()}
        return self.contacts()

    def contacts(self):
        """The roster as pushes have kept it."""
        known = {}
        for jid in self.stream.client_roster.keys():
            item = self.stream.client_roster[jid]
            known[str(jid)] = _subscription(item["from"], item["to"])
        known.pop(self.bare, None)
        return known

    async def ping(self, jid=None, limit=LIMIT):
        """XEP-0199; raises slixmpp.exceptions.IqError or IqTimeout."""
        request = self.stream.make_iq_get(ito=jid)
        request.append(_element("{urn:xmpp:ping}ping"))
        return await request.send(timeout=limit)

    async def version(self, jid, limit=LIMIT):
        """XEP-0092: the name of the software at `jid`."""
        request = self.stream.make_iq_get(ito=jid)
        request.append(_element("{jabber:iq:version}query"))
        answer = await request.send(timeout=limit)
        return answer.xml.findtext(".//{jabber:iq:version}name")

    # Seeing

    async def until(self, condition, what, limit=LIMIT):
        def told():
            return f"{self.bare}: {what() if callable(what) else what}; {self.story()}"

        return await eventually(condition, told, limit)

    def texts(self, sender=None):
        """The bodies that arrived, in order; of one bare JID if given."""
        return [m.body for m in self.messages if m.body and (sender is None or slixmpp.JID(m.sender).bare == sender)]

    def sees(self, jid):
        """Whether a resource of `jid` is available as far as this client knows."""
        return any(slixmpp.JID(full).bare == jid and kind == "available" for full, kind in self.presences.items())

    def requested_by(self, jid):
        return any(slixmpp.JID(sender).bare == jid for sender in self.requests)

    def story(self):
        return (
            f"logins {self.logins}, resumed {self.resumptions}, open {self._is_open}, "
            f"connected {self.stream.transport is not None}, connecting {self.stream.is_connecting()}, "
            f"messages {len(self.messages)}, bounces {len(self.bounces)}, unacknowledged {len(self._outbox)}, "
            f"stream errors {self.stream_errors}, failure {self.failure}"
        )

    @property
    def unacknowledged(self):
        """Ids that the server has not acknowledged; without stream management those not yet written."""
        return list(self._outbox)

    # Inside

    def _make_stream(self):
        context = ssl.create_default_context(cafile=str(self.server.trust))
        stream = _Stream(f"{self.bare}/{self._resource}", self._password, sasl_mech=self._mechanism, ssl_context=context)
        stream.loop = asyncio.get_running_loop()
        stream.use_ipv6 = ":" in self.server.address
        stream.enable_direct_tls, stream.enable_starttls = self.direct_tls, not self.direct_tls
        stream.auto_authorize = None
        stream.auto_subscribe = False
        for plugin in ("xep_0030", "xep_0199", "xep_0203", "xep_0092", "xep_0359"):
            stream.register_plugin(plugin)
        if self.resumes:
            # slixmpp's own requests leave before the stanza they are meant to cover: never ask by that window.
            stream.register_plugin("xep_0198", {"window": 1 << 30})
            stream.add_event_handler("sm_enabled", lambda _: self._session_began())
            stream.add_event_handler("session_resumed", lambda _: self._session_resumed())
            stream.add_event_handler("stanza_acked", lambda stanza: self._outbox.pop(stanza["id"], None))
            stream.add_event_handler("session_start", lambda _: self._check_management())
        else:
            stream.add_event_handler("session_start", lambda _: self._session_began())
        stream.add_event_handler("disconnected", lambda _: self._disconnected())
        stream.add_event_handler("failed_auth", lambda failure: self._failed(failure["condition"]))
        stream.add_event_handler("stream_error", lambda error: self.stream_errors.append(error["condition"]))
        # A filter sees every stanza, in order, before anything else does.
        stream.add_filter("in", self._stanza_arrived)
        self.stream = stream

    def _dial(self):
        port = self.server.client_tls_port if self.direct_tls else self.server.client_port
        self.stream.connect(host=self.server.address, port=port)

    def _check_management(self):
        """A server without stream management would leave us waiting."""

        before = self.disconnections

        def check():
            if self.disconnections == before and not self._is_open and "stream_management" not in self.stream.features:
                self._failed("no stream management")

        self.stream.loop.call_later(30, check)

    def _session_began(self):
        self.logins += 1
        self._is_open = True
        for id, message in list(self._outbox.items()):
            self._write(id, message)
        if self.logins > 1:
            self.stream.get_roster(timeout=LIMIT)
            self.available()

    def _session_resumed(self):
        self.resumptions += 1
        self._is_open = True
        # slixmpp has just resent what it tracked; what it does not track was written into a dead socket or never.
        tracked = {stanza["id"] for _, stanza in self.stream.plugin["xep_0198"].unacked_queue}
        for id, message in list(self._outbox.items()):
            if id not in tracked:
                self._write(id, message)
        self._ask()

    def _write(self, id, message):
        self.stream.send(message)
        if not self.resumes:
            self._outbox.pop(id, None)
        elif not self._asks:
            self._asks = True
            self.stream.loop.call_soon(self._ask)

    def _ask(self):
        """One request for an acknowledgement behind everything that was just written."""
        self._asks = False
        if self._is_open:
            self.stream.send(RequestAck(self.stream))

    def _disconnected(self):
        self.disconnections += 1
        self._is_open = False
        if self.stays and not self._closing and self.failure is None:
            self.stream.loop.call_later(0.2, self._dial_again)

    def _dial_again(self):
        if not self._closing and self.stream.transport is None and not self.stream.is_connecting():
            self._dial()

    def _failed(self, condition):
        self.failure = condition

    def _stanza_arrived(self, stanza):
        if isinstance(stanza, slixmpp.Message):
            self._message_arrived(stanza)
        elif isinstance(stanza, slixmpp.Presence):
            kind = stanza.xml.get("type") or "available"
            sender = str(stanza["from"])
            self.presence_log.append((sender, kind, stanza["status"]))
            if kind == "subscribe":
                self.requests.append(sender)
            elif kind in ("available", "unavailable"):
                self.presences[sender] = kind
        return stanza

    def _message_arrived(self, stanza):
        id, sender = stanza["id"], str(stanza["from"])
        if stanza["type"] == "error":
            condition = stanza["error"]["condition"]
            self.bounces.append((id, condition))
            self.ledger.record_bounce(id, condition)
            return
        stamps = [(delay.get("from"), ledgers.parse_stamp(delay.get("stamp"))) for delay in stanza.xml.findall(_DELAY)]
        self.messages.append(Received(id, sender, stanza["type"], stanza["body"], stamps, stanza.xml))
        self.ledger.record_arrival(id, stamps)

    async def _quietly(self, condition):
        try:
            await eventually(condition, "the connection is closed", 10)
        except TimeoutError:
            pass

    def _end_tasks(self):
        if self.stream._run_out_filters is not None:
            self.stream._run_out_filters.cancel()


async def befriend(one, other):
    """Mutual subscription, by the ordinary stanzas; returns when both see each other."""
    for asker, asked in ((one, other), (other, one)):
        asker.subscribe(asked.bare)
        await asked.until(lambda: asked.requested_by(asker.bare), f"is asked by {asker.bare}")
        asked.approve(asker.bare)
        await asker.until(
            lambda: asker.contacts().get(asked.bare) in ("to", "both"), f"is subscribed to {asked.bare}"
        )
    await one.until(lambda: one.sees(other.bare), f"sees {other.bare}")
    await other.until(lambda: other.sees(one.bare), f"sees {one.bare}")


def _subscription(is_from, is_to):
    return {(False, False): "none", (True, False): "from", (False, True): "to", (True, True): "both"}[is_from, is_to]


def _element(name):
    import xml.etree.ElementTree

    return xml.etree.ElementTree.Element(name)
