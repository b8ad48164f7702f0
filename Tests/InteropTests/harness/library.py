"""nbxmpp in a process of its own (nbxmpp_client.py), and what a test has it do."""

import itertools
import json
import pathlib
import tempfile

from . import processes
from .hand import Far

_numbers = itertools.count(1)
HERE = pathlib.Path(__file__).parent


class Library:
    """One resource of one account. `features` are told by entity capabilities (XEP-0115)."""

    def __init__(self, directory, server, user, features=()):
        path = pathlib.Path(tempfile.mkdtemp(prefix="martlet-hand-")) / "socket"
        resource = f"nbxmpp{next(_numbers)}"
        self.bare = server.jid(user)
        self.full = f"{self.bare}/{resource}"
        settings = {
            "domain": server.domain,
            "username": user,
            "password": server.passwords[user],
            "resource": resource,
            "host": server.address,
            "port": server.client_port,
            "certificate": str(server.certificate.certificate),
            "hand": str(path),
            "features": list(features),
        }
        self._path = path
        self._process = processes.Process(
            resource, ["/usr/bin/python3", HERE / "nbxmpp_client.py", json.dumps(settings)], directory
        )
        self.do = Far(path)

    def __enter__(self):
        self._process.start()
        self._process.until(
            lambda: self._path.exists() and self.do("return client.state.name") == "ACTIVE", "is logged in"
        )
        self.do("module('BasePresence').send(caps=module('EntityCaps').caps._asdict())")
        return self

    def __exit__(self, *error):
        self._process.kill()

    def until(self, condition, what):
        """Waits for `condition()`; returns it."""
        return processes.wait_until(condition, lambda: f"{self.full} {what}; {self.messages()}\n{self._process.tail()}")

    def messages(self):
        """Everything that arrived as a message, in its order."""
        return self.do("return messages")

    def presences(self):
        return self.do("return presences")
