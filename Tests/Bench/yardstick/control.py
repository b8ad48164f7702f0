"""The control socket of a running Martlet: one line of JSON each way on a connection."""

import json
import socket


class Refused(Exception):
    """The node did not do it, in its words."""


class Control:
    """Asks one node. May be used by several threads."""

    def __init__(self, path, limit=60):
        self.path = str(path)
        self.limit = limit

    def ask(self, what, **arguments):
        """The answer's content; `what` is a case of `AdminRequest`."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(self.limit)
            connection.connect(self.path)
            connection.sendall(json.dumps({what: arguments}).encode() + b"\n")
            with connection.makefile("rb") as answers:
                answer = json.loads(answers.readline())
        if "refused" in answer:
            raise Refused(answer["refused"]["words"])
        return answer

    def waiting_entries(self):
        """How many stanzas wait for other servers."""
        return self.ask("status")["status"]["_0"]["waitingEntries"]
