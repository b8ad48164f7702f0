"""A stream by hand: exactly these bytes, and what comes back, for tests that a well-behaved library cannot make."""

import base64
import socket
import ssl
import time
import xml.etree.ElementTree as ET

from . import processes

STREAMS = "http://etherx.jabber.org/streams"
STREAM_ERRORS = "urn:ietf:params:xml:ns:xmpp-streams"
TLS = "urn:ietf:params:xml:ns:xmpp-tls"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"

#: Seconds within which an answer must come.
LIMIT = processes.LIMIT


class RawStream:
    """One socket with XML on it. `source`: the loopback address to call from; `receive_buffer`: bytes that the kernel holds."""

    def __init__(self, address, port, source=None, content="jabber:client", receive_buffer=None):
        self.content = content
        self.socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        self.socket.settimeout(LIMIT)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source:
            self.socket.bind((source, 0))
        self.socket.connect((address, port))
        self._restart()
        self.is_closed = False

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        self.socket.close()

    def _restart(self):
        self._parser = ET.XMLPullParser(("start", "end"))
        self._depth = 0
        self._ready = []

    # Writing

    def send(self, data):
        self.socket.sendall(data.encode() if isinstance(data, str) else data)

    def flood(self, data, total):
        """Writes `data` again and again until `total` bytes are out or the other end has had enough. Returns the count."""
        sent = 0
        chunk = data * max(1, 65536 // len(data))
        try:
            while sent < total:
                self.socket.sendall(chunk)
                sent += len(chunk)
        except OSError:
            pass
        return sent

    def open(self, domain, extra="", version="1.0"):
        """Sends a stream header and returns the features, or None when the stream ended instead."""
        self._restart()
        self.send(self.header(domain, extra, version))
        return self.read()

    def header(self, domain, extra="", version="1.0"):
        number = f"version='{version}'" if version else ""
        return (
            f"<?xml version='1.0'?><stream:stream xmlns='{self.content}' xmlns:stream='{STREAMS}' "
            f"to='{domain}' {number} {extra}>"
        )

    def start_tls(self, domain, trust):
        """Upgrades; the caller opens the stream again."""
        self.open(domain)
        self.send(f"<starttls xmlns='{TLS}'/>")
        answer = self.read()
        assert answer.tag == f"{{{TLS}}}proceed", answer.tag
        self.begin_tls(domain, trust)

    def begin_tls(self, domain, trust, certificate=None):
        """`certificate`: what we show for ourselves."""
        context = ssl.create_default_context(cafile=str(trust))
        if certificate:
            context.load_cert_chain(certificate.certificate, certificate.key)
        self.socket = context.wrap_socket(self.socket, server_hostname=domain)

    def log_in(self, domain, user, password, resource="raw"):
        """PLAIN and binding. Returns the full JID."""
        self.authenticate(domain, user, password)
        self.open(domain)
        self.send(f"<iq type='set' id='bind'><bind xmlns='{BIND}'><resource>{resource}</resource></bind></iq>")
        return self.read().findtext(f".//{{{BIND}}}jid")

    def authenticate(self, domain, user, password):
        self.open(domain)
        secret = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        self.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{secret}</auth>")
        answer = self.read()
        assert answer.tag == f"{{{SASL}}}success", ET.tostring(answer)

    # Reading

    def read(self, limit=LIMIT):
        """The next element at depth one, or None at the end of the stream or the socket."""
        deadline = time.monotonic() + limit
        while not self._ready:
            if self.is_closed:
                return None
            self.socket.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                data = self.socket.recv(65536)
            except (ConnectionResetError, ssl.SSLError):
                data = b""
            if not data:
                self.is_closed = True
                return None
            self._feed(data)
        return self._ready.pop(0)

    def _feed(self, data):
        self._parser.feed(data)
        for event, element in self._parser.read_events():
            if event == "start":
                self._depth += 1
            else:
                self._depth -= 1
                if self._depth == 1:
                    self._ready.append(element)

    def read_error(self, limit=LIMIT):
        """The condition of the stream error that comes next (other elements are skipped), and waits for the socket's end.
        None when the socket ends without an error."""
        condition = None
        deadline = time.monotonic() + limit
        while (element := self.read(deadline - time.monotonic())) is not None:
            if element.tag == f"{{{STREAMS}}}error" and condition is None:
                condition = next(
                    (child.tag.partition("}")[2] for child in element if child.tag.startswith(f"{{{STREAM_ERRORS}}}")), ""
                )
        return condition
