"""A hand in a program that runs GLib's main loop (Gajim; `nbxmpp_client.py`): it does there what a test tells it, between two
events of that program, and answers. `Hand` is in the program, in Debian's Python; `Far` is in the test.

A request is the body of a Python function as a line of JSON, an answer its result. A result that is still being worked on (a
task of nbxmpp) is answered when it is there.
"""

import json
import socket
import textwrap
import traceback

#: Seconds for an answer: the program may be drawing.
LIMIT = 300


class Refused(Exception):
    """What was asked for failed in the program: the words that it has for that."""


class Far:
    """The test's end."""

    def __init__(self, path):
        self._path = str(path)

    def __call__(self, body, then="result", /, **names):
        """Runs `body` with `names` in the program; its result, or what `then` makes of it once it is there."""
        with socket.socket(socket.AF_UNIX) as near:
            near.settimeout(LIMIT)
            near.connect(self._path)
            near.sendall(json.dumps({"body": body, "then": then, "names": names}).encode() + b"\n")
            with near.makefile("r") as lines:
                line = lines.readline()
        if not line:
            raise Refused(f"no answer to: {body}")
        answer = json.loads(line)
        if "error" in answer:
            raise Refused(answer["error"])
        return answer["result"]


class Hand:
    """The program's end, which `names` are known to."""

    def __init__(self, path, names):
        from gi.repository import Gio

        self._names = dict(names)
        self._open = set()
        self._service = Gio.SocketService()
        self._service.add_address(
            Gio.UnixSocketAddress.new(path), Gio.SocketType.STREAM, Gio.SocketProtocol.DEFAULT, None
        )
        self._service.connect("incoming", self._arrived)
        self._service.start()

    def _arrived(self, _service, connection, _source):
        from gi.repository import Gio, GLib

        lines = Gio.DataInputStream.new(connection.get_input_stream())
        self._open.add(connection)

        def read(_stream, result):
            line, _ = lines.read_line_finish_utf8(result)
            self._act(json.loads(line), lambda answer: write(answer))

        def write(answer):
            output = connection.get_output_stream()
            output.write_all(json.dumps(answer, default=str).encode() + b"\n", None)
            connection.close(None)
            self._open.discard(connection)

        lines.read_line_async(GLib.PRIORITY_DEFAULT, None, read)
        return True

    def _act(self, request, answer):
        names = {**self._names, **request["names"]}
        try:
            exec("def act():\n" + textwrap.indent(textwrap.dedent(request["body"]), "    "), names)
            result = names["act"]()
        except Exception:
            answer({"error": traceback.format_exc()})
            return
        if not hasattr(result, "add_done_callback"):
            answer({"result": eval(request["then"], names, {"result": result})})
            return

        def done(task):
            try:
                value = eval(request["then"], names, {"result": task.finish()})
            except Exception as error:
                answer({"error": f"{getattr(error, 'condition', '')} {type(error).__name__}: {error}"})
            else:
                answer({"result": value})

        try:
            result.add_done_callback(done, weak=False)
        except RuntimeError as error:
            # It has failed at once, before anything was sent; why stands in the program's log.
            answer({"error": f"at once: {error}"})
