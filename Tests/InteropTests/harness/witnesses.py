"""What a campaign looks at besides messages: another device with copies of everything, and what an account keeps at its server."""

import asyncio
import collections
from xml.etree import ElementTree

from . import clients

FORWARDED = "{urn:xmpp:forward:0}forwarded/{jabber:client}message"
COPIES = [f"{{urn:xmpp:carbons:2}}{kind}/{FORWARDED}" for kind in ("received", "sent")]
NODE = "urn:example:campaign"
PUBSUB = "http://jabber.org/protocol/pubsub"
#: More than the newest item is kept, and nobody is told.
OPTIONS = (
    "<publish-options><x xmlns='jabber:x:data' type='submit'>"
    "<field var='FORM_TYPE' type='hidden'><value>http://jabber.org/protocol/pubsub#publish-options</value></field>"
    "<field var='pubsub#max_items'><value>10</value></field>"
    "<field var='pubsub#access_model'><value>whitelist</value></field></x></publish-options>"
)


class Mirror(clients.Client):
    """A second device that is there only to have copies (XEP-0280); with a negative priority nothing else comes to it."""

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self.copies = collections.Counter()

    def available(self, show=None, status=None, priority=-1):
        super().available(show, status, priority)

    def _session_began(self):
        super()._session_began()
        request = self.stream.make_iq_set()
        request.append(clients._element("{urn:xmpp:carbons:2}enable"))
        self.tasks = [asyncio.ensure_future(_quietly(request.send(timeout=clients.LIMIT)))]

    def _message_arrived(self, stanza):
        for path in COPIES:
            for message in stanza.xml.findall(path):
                self.copies[message.get("id")] += 1

    @property
    def is_whole(self):
        """Whether it was one session all the time: a new one has copies from its beginning only, the rest is the archive's."""
        return self.logins == 1

    def missing(self, ledger):
        return [id for id in ledger.ids_of(self.bare) if not self.copies[id]]

    def repeated(self, ledger):
        return [id for id, count in self.copies.items() if count > 1 and ledger.knows(id)]


class Keeping:
    """One account's contacts and items (XEP-0060), written over and over; what was answered may not be less at the end.

    Few of each, so that each is overwritten often. Values count up: at the end each is one that was written, and none that is older
    than the last that was answered."""

    KEYS = 4

    def __init__(self, client):
        self.client = client
        self.written = collections.defaultdict(list)
        self.answered = {}
        self._value = 0

    async def write(self):
        """One contact and one item, answered or not."""
        self._value += 1
        name = f"{self._value % self.KEYS}"
        await asyncio.gather(
            self._ask(("contact", name), self._roster_set(name)), self._ask(("item", name), self._publish(name))
        )

    async def _ask(self, key, request):
        value = self._value
        self.written[key].append(value)
        try:
            await request.send(timeout=clients.LIMIT)
        except Exception:
            return  # Lost with a session, or not answered: it may be there or not.
        self.answered[key] = max(value, self.answered.get(key, 0))

    def _roster_set(self, name):
        request = self.client.stream.make_iq_set()
        query = clients._element("{jabber:iq:roster}query")
        item = clients._element("{jabber:iq:roster}item")
        item.set("jid", f"contact{name}@elsewhere.example")
        item.set("name", str(self._value))
        query.append(item)
        request.append(query)
        return request

    def _publish(self, name):
        request = self.client.stream.make_iq_set()
        request.append(
            ElementTree.fromstring(
                f"<pubsub xmlns='{PUBSUB}'><publish node='{NODE}'><item id='{name}'><value xmlns='{NODE}'>{self._value}</value></item>"
                f"</publish>{OPTIONS}</pubsub>"
            )
        )
        return request

    async def audit(self, reader):
        """What is wrong with what the server has, in words; how many answered values there are."""
        found = {}
        # Without a version: all of it comes.
        request = reader.stream.make_iq_get()
        request.append(clients._element("{jabber:iq:roster}query"))
        answer = await request.send(timeout=clients.LIMIT)
        for item in answer.xml.iter("{jabber:iq:roster}item"):
            if item.get("jid").endswith("@elsewhere.example"):
                found["contact", item.get("jid")[len("contact")]] = item.get("name")
        request = reader.stream.make_iq_get()
        request.append(ElementTree.fromstring(f"<pubsub xmlns='{PUBSUB}'><items node='{NODE}'/></pubsub>"))
        if any(kind == "item" for kind, _ in self.answered):
            answer = await request.send(timeout=clients.LIMIT)
            for item in answer.xml.iter(f"{{{PUBSUB}}}item"):
                key = ("item", item.get("id"))
                if key in found:
                    yield f"{key} of {reader.bare} stands there twice"
                found[key] = item.findtext(f"{{{NODE}}}value")
        for key, value in self.answered.items():
            if key not in found:
                yield f"{key} of {reader.bare}, answered at {value}, is not there"
        for key, text in found.items():
            if int(text) not in self.written[key]:
                yield f"{key} of {reader.bare} is {text}, which nobody has written"
            elif int(text) < self.answered.get(key, 0):
                yield f"{key} of {reader.bare} is {text}, older than {self.answered[key]}, which was answered"


async def _quietly(request):
    try:
        await request
    except Exception:
        pass
