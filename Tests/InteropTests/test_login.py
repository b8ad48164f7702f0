"""Logins as clients of today do them: SCRAM-SHA-512 with slixmpp, and XEP-0388 with XEP-0386, XEP-0198 and XEP-0484 by hand."""

import base64
import hashlib
import hmac
import secrets
import xml.etree.ElementTree as ET

import pytest

from harness.clients import Client, LoginFailed
from harness.martlet import Martlet
from harness.rawstream import SASL, STREAMS, RawStream

pytestmark = pytest.mark.martlet

SASL2 = "urn:xmpp:sasl:2"
BIND2 = "urn:xmpp:bind:0"
FAST = "urn:xmpp:fast:0"
SM = "urn:xmpp:sm:3"
PHONE = "d4565fa7-4d72-4749-b3d3-740edbf87770"


@pytest.fixture(scope="module")
def office(make_world):
    world = make_world()
    office = world.add("login.example", Martlet, users=("alice", "bob"))
    world.start()
    return office


class Login(RawStream):
    """A stream after TLS, whose client names itself."""

    def __init__(self, office, user="alice"):
        super().__init__(office.address, office.client_port)
        self.office, self.user = office, user
        self.start_tls(office.domain, office.trust)
        self.features = self.open(office.domain, f"from='{user}@{office.domain}'")

    def authenticate(self, mechanism, response, more=""):
        encoded = base64.b64encode(response).decode()
        self.send(
            f"<authenticate xmlns='{SASL2}' mechanism='{mechanism}'><initial-response>{encoded}</initial-response>"
            f"<user-agent id='{PHONE}'><software>by hand</software></user-agent>{more}</authenticate>"
        )
        return self.read()

    def scram(self, digest, password, more="", binding=None, type_="tls-server-end-point"):
        """SCRAM with that digest, bound to the channel where `binding` is given. Checks the server's signature."""
        name = f"SCRAM-{digest.upper().replace('SHA', 'SHA-')}" + ("-PLUS" if binding else "")
        header = f"p={type_},," if binding else "n,,"
        first = f"n={self.user},r={secrets.token_hex(16)}"
        challenge = self.authenticate(name, (header + first).encode(), more)
        assert challenge.tag == f"{{{SASL2}}}challenge", ET.tostring(challenge)
        text = base64.b64decode(challenge.text).decode()
        parts = dict(part.split("=", 1) for part in text.split(","))
        salted = hashlib.pbkdf2_hmac(digest, password.encode(), base64.b64decode(parts["s"]), int(parts["i"]))
        key = hmac.digest(salted, b"Client Key", digest)
        channel = base64.b64encode(header.encode() + (binding or b"")).decode()
        final = f"c={channel},r={parts['r']}"
        message = f"{first},{text},{final}".encode()
        signature = hmac.digest(hashlib.new(digest, key).digest(), message, digest)
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature))).decode()
        self.send(f"<response xmlns='{SASL2}'>{base64.b64encode(f'{final},p={proof}'.encode()).decode()}</response>")
        answer = self.read()
        if answer.tag == f"{{{SASL2}}}success":
            verifier = hmac.digest(hmac.digest(salted, b"Server Key", digest), message, digest)
            data = base64.b64decode(answer.findtext(f"{{{SASL2}}}additional-data"))
            assert data == b"v=" + base64.b64encode(verifier)
        return answer, parts

    def token(self, token, mechanism="HT-SHA-256-NONE", binding=b"", more="", fast=""):
        code = hmac.digest(token.encode(), b"Initiator" + binding, "sha256")
        return self.authenticate(mechanism, self.user.encode() + b"\0" + code, f"<fast xmlns='{FAST}' {fast}/>{more}")

    def end_point(self):
        """tls-server-end-point: the SHA-256 of the certificate (RFC 5929)."""
        return hashlib.sha256(self.socket.getpeercert(binary_form=True)).digest()


def identity(success):
    assert success.tag == f"{{{SASL2}}}success", ET.tostring(success)
    return success.findtext(f"{{{SASL2}}}authorization-identifier")


async def test_scram_sha_512_with_slixmpp(office):
    async with Client(office, "alice", mechanism="SCRAM-SHA-512") as alice:
        await alice.ping()
        assert "SCRAM-SHA-512-PLUS" in alice.stream.plugin["feature_mechanisms"].mech_list
    with pytest.raises(LoginFailed, match="not-authorized"):
        await Client(office, "alice", password="wrong", mechanism="SCRAM-SHA-512", stays=False).login()


@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha512"])
def test_one_step_from_password_to_session(office, digest):
    with Login(office) as stream:
        offered = [element.text for element in stream.features.find(f"{{{SASL2}}}authentication").findall(f"{{{SASL2}}}mechanism")]
        assert offered[0] == "SCRAM-SHA-512-PLUS"
        more = f"<bind xmlns='{BIND2}'><tag>Hand</tag><enable xmlns='{SM}' resume='true'/></bind>"
        success, parts = stream.scram(digest, office.passwords["alice"], more, stream.end_point())
        assert identity(success).startswith("alice@login.example/Hand/")
        assert success.find(f"{{{BIND2}}}bound/{{{SM}}}enabled").get("resume") == "true"
        # XEP-0474: what both have seen is what was offered.
        types = [element.get("type") for element in stream.features.iter("{urn:xmpp:sasl-cb:0}channel-binding")]
        seen = "\x1e".join(sorted(offered)) + "\x1f" + "\x1e".join(sorted(types))
        assert base64.b64decode(parts["h"]) == hashlib.new(digest, seen.encode()).digest()
        assert parts["t"] == {"TLSv1.3": "0304", "TLSv1.2": "0303"}[stream.socket.version()]
        assert stream.read().tag == f"{{{STREAMS}}}features"
        stream.send("<iq type='get' id='p' to='login.example'><ping xmlns='urn:xmpp:ping'/></iq>")
        assert stream.read().get("type") == "result"


def test_a_wrong_password_is_a_failure_and_the_stream_goes_on(office):
    with Login(office) as stream:
        failure, _ = stream.scram("sha256", "wrong")
        assert failure.tag == f"{{{SASL2}}}failure" and failure.find(f"{{{SASL}}}not-authorized") is not None
        success, _ = stream.scram("sha256", office.passwords["alice"])
        assert identity(success) == "alice@login.example"


def test_a_token_logs_in_bound_to_its_channel_and_resumes(office):
    want = f"<request-token xmlns='{FAST}' mechanism='HT-SHA-256-ENDP'/>"
    bind = f"<bind xmlns='{BIND2}'><tag>Hand</tag><enable xmlns='{SM}' resume='true'/></bind>"
    with Login(office) as stream:
        success, _ = stream.scram("sha256", office.passwords["alice"], want + bind)
        jid = identity(success)
        token = success.find(f"{{{FAST}}}token").get("token")
        session = success.find(f"{{{BIND2}}}bound/{{{SM}}}enabled").get("id")
    office.stop()
    office.start()
    with Login(office) as stream:
        resume = f"<resume xmlns='{SM}' previd='{session}' h='0'/>"
        success = stream.token(token, "HT-SHA-256-ENDP", stream.end_point(), resume + bind, "count='1'")
        assert identity(success) == jid
        assert success.find(f"{{{SM}}}resumed").get("previd") == session
        answer = base64.b64decode(success.findtext(f"{{{SASL2}}}additional-data"))
        assert answer == hmac.digest(token.encode(), b"Responder" + stream.end_point(), "sha256")
    for binding, mechanism, count in [
        (b"elsewhere", "HT-SHA-256-ENDP", 2),
        (b"", "HT-SHA-256-NONE", 2),
        (None, "HT-SHA-256-ENDP", 1),
    ]:
        with Login(office) as stream:
            binding = stream.end_point() if binding is None else binding
            failure = stream.token(token, mechanism, binding, fast=f"count='{count}'")
            assert failure.tag == f"{{{SASL2}}}failure" and failure.find(f"{{{SASL}}}not-authorized") is not None


def test_a_client_is_shut_out_with_another_password(office):
    want = f"<request-token xmlns='{FAST}' mechanism='HT-SHA-256-NONE'/>"
    with Login(office, "bob") as stream:
        success, _ = stream.scram("sha512", office.passwords["bob"], want + f"<bind xmlns='{BIND2}'/>")
        token = success.find(f"{{{FAST}}}token").get("token")
        stream.read()
        stream.send("<iq type='get' id='l'><list xmlns='urn:xmpp:cam:0'/></iq>")
        client = stream.read().find("{urn:xmpp:cam:0}clients/{urn:xmpp:cam:0}client")
        assert client.get("connected") == "true" and client.findtext(".//{urn:xmpp:cam:0}software") == "by hand"
        assert PHONE not in client.get("id")
    with Login(office, "bob") as stream:
        assert identity(stream.token(token)) == "bob@login.example"
    assert office.command("user", "passwd", office.jid("bob"), input="another one\n").returncode == 0
    with Login(office, "bob") as stream:
        failure = stream.token(token)
        assert failure.find(f"{{{SASL}}}not-authorized") is not None


async def test_an_invitation_makes_an_account_once(office):
    done = office.command("invite", "carol@login.example", "--days", "2")
    assert done.returncode == 0, done.stderr
    link = done.stdout.split()[0]
    assert link.startswith("xmpp:carol@login.example?register;preauth=")
    token = link.rpartition("=")[2]

    def register(token):
        with Login(office, "carol") as stream:
            assert stream.features.find("{urn:xmpp:ibr-token:0}register") is not None
            stream.send(f"<iq type='set' id='p'><preauth xmlns='urn:xmpp:pars:0' token='{token}'/></iq>")
            if stream.read().get("type") != "result":
                return False
            stream.send(
                "<iq type='set' id='r'><query xmlns='jabber:iq:register'><username>carol</username>"
                "<password>a new secret</password></query></iq>"
            )
            return stream.read().get("type") == "result"

    assert not register("0" * 32)
    assert register(token)
    assert not register(token)
    async with Client(office, "carol", password="a new secret", mechanism="SCRAM-SHA-512") as carol:
        await carol.ping()


def test_a_client_from_before_xmpp_1(office):
    with RawStream(office.address, office.client_tls_port) as stream:
        stream.begin_tls(office.domain, office.trust)
        stream.send(stream.header(office.domain, version=None))
        stream.send("<iq type='get' id='f'><query xmlns='jabber:iq:auth'/></iq>")
        fields = [field.tag for field in stream.read().find("{jabber:iq:auth}query")]
        assert fields == [f"{{jabber:iq:auth}}{name}" for name in ("username", "password", "resource")]
        login = (
            "<iq type='set' id='l'><query xmlns='jabber:iq:auth'><username>alice</username><password>{}</password>"
            "<resource>old</resource></query></iq>"
        )
        stream.send(login.format("wrong"))
        assert stream.read().find("{jabber:client}error").get("code") == "401"
        stream.send(login.format(office.passwords["alice"]))
        assert stream.read().get("type") == "result"
        stream.send("<message to='alice@login.example/old' type='chat'><body>1999</body></message>")
        assert stream.read().findtext("{jabber:client}body") == "1999"


def test_whoever_says_more_than_the_login_is_disconnected(office):
    with Login(office) as stream:
        stream.authenticate("SCRAM-SHA-256", b"n,,n=alice,r=abc")
        stream.send("<presence/>")
        assert stream.read_error() == "policy-violation"
