"""A component made with slixmpp, as a program: answers each message with its own words, and writes them to its output.

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

    def _answer(self, message):
        say(f"{message['type']} {message['from']} {message['body']}")
        if message["type"] in ("chat", "normal"):
            message.reply(f"you said {message['body']}").send()


def say(words):
    print(words, flush=True)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    domain, secret, address, port = sys.argv[1:]
    asyncio.set_event_loop(asyncio.new_event_loop())
    echo = Echo(domain, secret, address, int(port))
    echo.connect()
    echo.loop.run_forever()
