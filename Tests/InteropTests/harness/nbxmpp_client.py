"""A client made of nbxmpp, the library of Gajim, without a window: run by Debian's Python, moved by a hand (hand.py).

usage: nbxmpp_client.py SETTINGS (JSON: domain, username, password, resource, host, port, certificate, hand, features)
"""

import base64
import json
import logging
import sys

from gi.repository import Gio, GLib
from nbxmpp.client import Client
from nbxmpp.const import ConnectionProtocol, ConnectionType
from nbxmpp.namespaces import Namespace
from nbxmpp.protocol import JID, Iq, Message, Node, Presence
from nbxmpp.structs import BookmarkData, DiscoIdentity, StanzaHandler

from hand import Hand


def main():
    settings = json.loads(sys.argv[1])
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s %(message)s")
    client = Client(log_context=settings["username"])
    client.set_domain(settings["domain"])
    client.set_username(settings["username"])
    client.set_password(settings["password"])
    client.set_resource(settings["resource"])
    client.set_custom_host(f"{settings['host']}:{settings['port']}", ConnectionProtocol.TCP, ConnectionType.START_TLS)
    # The one that the test has made for this server, and no other.
    client.set_accepted_certificates([Gio.TlsCertificate.new_from_file(settings["certificate"])])

    messages, presences = [], []

    def message_arrived(_client, _stanza, properties):
        event = properties.pubsub_event
        messages.append(
            {
                "from": str(properties.from_) if properties.from_ else None,
                "to": str(properties.to) if properties.to else None,
                "id": properties.id,
                "body": properties.body,
                "carbon": properties.carbon.type if properties.carbon else None,
                "archive": properties.mam.id if properties.mam else None,
                "stanza_ids": [one.id for one in properties.stanza_ids],
                "error": properties.error.condition if properties.error else None,
                "node": event.node if event else None,
                "item": event.id if event else None,
                "data": event.data if event else None,
                "retracted": bool(event and event.retracted),
            }
        )

    def presence_arrived(_client, _stanza, properties):
        presences.append(
            {"from": str(properties.jid), "type": properties.type.value, "picture": properties.avatar_sha}
        )

    client.register_handler(StanzaHandler("message", message_arrived, priority=100))
    client.register_handler(StanzaHandler("presence", presence_arrived, priority=100))
    features = [Namespace.DISCO_INFO, *settings["features"]]
    identity = DiscoIdentity(category="client", type="pc", name="nbxmpp")
    client.get_module("EntityCaps").set_caps([identity], features, "https://example.org/nbxmpp")
    client.connect()
    names = {
        "client": client, "module": client.get_module, "messages": messages, "presences": presences, "JID": JID, "Iq": Iq,
        "Message": Message, "Node": Node, "Presence": Presence, "Namespace": Namespace, "BookmarkData": BookmarkData, "base64": base64,
    }  # fmt: skip
    hand = Hand(settings["hand"], names)
    GLib.MainLoop().run()
    del hand


main()
