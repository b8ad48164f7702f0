"""A component made with slixmpp, as a program: answers each message with its own words, and writes them to its output. Each of its
addresses is a room too (XEP-0045): whoever enters is there with "echo", and hears what everybody there says.

    python echo.py DOMAIN SECRET ADDRESS PORT
"""

import asyncio
import logging
import sys

import slixmpp


class Echo(slixmpp.ComponentXMPP):
    """Without plugins: it answers a ping with an error, as every entity answers what it does not know."""

    def __init__(self, domain, secret, address, port):
        super().__init__(domain, secret, address, port)
        self.add_event_handler("session_start", lambda _: say("connected"))
        self.add_event_handler("stream_error", lambda error: say(f"stream error {error['condition']}"))
        self.add_event_handler("disconnected", lambda _: self.loop.call_later(0.2, self.connect))
        self.add_event_handler("message", self._answer)
        self.add_event_handler("presence_available", self._enter)
        self.add_event_handler("presence_unavailable", self._leave)
        self.people = {}

    def _answer(self, message):
        say(f"{message['type']} {message['from']} {message['body']}")
        if message["type"] in ("chat", "normal"):
            message.reply(f"you said {message['body']}").send()
        elif message["type"] == "groupchat" and str(message["from"]) in self.people:
            room = self.people[str(message["from"])]
            for person in [who for who, place in self.people.items() if place.bare == room.bare]:
                for nick, body in ((room.resource, message["body"]), ("echo", f"you said {message['body']}")):
                    self.send_message(mto=person, mfrom=f"{room.bare}/{nick}", mbody=body, mtype="groupchat")

    def _enter(self, presence):
        if presence.xml.find("{http://jabber.org/protocol/muc}x") is None:
            return
        room = self.people[str(presence["from"])] = presence["to"]
        for nick in ("echo", room.resource):
            self.send_presence(pto=presence["from"], pfrom=f"{room.bare}/{nick}")

    def _leave(self, presence):
        if self.people.pop(str(presence["from"]), None):
            self.send_presence(pto=presence["from"], pfrom=presence["to"], ptype="unavailable")


def say(words):
    print(words, flush=True)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    domain, secret, address, port = sys.argv[1:]
    asyncio.set_event_loop(asyncio.new_event_loop())
    echo = Echo(domain, secret, address, int(port))
    echo.connect()
    echo.loop.run_forever()
