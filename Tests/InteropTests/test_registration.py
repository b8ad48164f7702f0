"""XEP-0077 with a real client: an account is made, gets another password, and is cancelled by its owner."""

import asyncio

import pytest
import slixmpp

from harness.clients import LIMIT, Client, LoginFailed
from harness.martlet import Martlet
from harness.rawstream import RawStream


class Newcomer(Client):
    """Registers before it logs in, as slixmpp does where `register` is among the features."""

    refusal = None

    def _make_stream(self):
        super()._make_stream()
        self.stream.register_plugin("xep_0077")
        self.stream.add_event_handler("register", self._register)

    async def _register(self, _form):
        request = self.stream.make_iq_set()
        request["register"]["username"] = self.user
        request["register"]["password"] = self._password
        try:
            await request.send(timeout=LIMIT)
        except slixmpp.exceptions.IqError as error:
            self.refusal = error.condition


@pytest.fixture(scope="module", params=[1, 3], ids=["one-loop", "three-loops"])
def office(make_world, request):
    world = make_world()
    office = world.add(
        "register.example",
        Martlet,
        users=("alice", "bob"),
        threads=request.param,
        client={"in_band_registration": True, "registrations_per_minute": 1000},
        limits={"connections_per_address": 1000},
    )
    world.start()
    return office


@pytest.mark.martlet
async def test_an_account_is_made_changed_and_cancelled(office):
    async with Newcomer(office, "newcomer", password="first") as newcomer:
        assert newcomer.refusal is None
        await newcomer.stream.plugin["xep_0077"].change_password("second", jid=office.domain, timeout=LIMIT)
        await newcomer.ping()
    with pytest.raises(LoginFailed, match="not-authorized"):
        await Client(office, "newcomer", password="first", stays=False).login()
    for mechanism in ("SCRAM-SHA-1", "SCRAM-SHA-256", "PLAIN"):
        async with Client(office, "newcomer", password="second", mechanism=mechanism) as newcomer:
            await newcomer.ping()
    async with Newcomer(office, "newcomer", password="second", stays=False) as again:
        assert again.refusal == "conflict"
        await again.stream.plugin["xep_0077"].cancel_registration(jid=office.domain, timeout=LIMIT)
    with pytest.raises(LoginFailed, match="not-authorized"):
        await Client(office, "newcomer", password="second", stays=False).login()


@pytest.mark.martlet
async def test_a_crowd_that_registers_keeps_nobody_waiting_for_ever(office):
    """Many more than may wait at a time: each gets an account or `resource-constraint`, and the others go on talking."""
    streams = [RawStream(office.address, office.client_plain_port) for _ in range(300)]
    try:
        async with Client(office, "alice") as alice, Client(office, "bob") as bob:
            for stream in streams:
                stream.open(office.domain)
            for number, stream in enumerate(streams):
                stream.send(
                    "<iq type='set' id='r'><query xmlns='jabber:iq:register'>"
                    f"<username>crowd{number}</username><password>secret</password></query></iq>"
                )
            alice.send(bob.full, "in the middle of it")
            await bob.until(lambda: bob.texts(alice.bare) == ["in the middle of it"], "the message has arrived")
            answers = [await asyncio.to_thread(stream.read) for stream in streams]
            conditions = {_condition(answer) for answer in answers}
            # How many find room depends on the machine; PasswordWorkTests have the bound.
            assert None in conditions and conditions <= {None, "resource-constraint"}, conditions
            made = [number for number, answer in enumerate(answers) if _condition(answer) is None]
        rows = office.command("user", "list").stdout
        assert sum(f"crowd{number}@" in rows for number in range(300)) == len(made)
        async with Client(office, f"crowd{made[-1]}", password="secret") as last:
            await last.ping()
    finally:
        for stream in streams:
            stream.close()


def _condition(answer):
    """The stanza error of an answer, None for a result."""
    if answer.get("type") == "result":
        return None
    error = answer.find("{jabber:client}error")
    return error[0].tag.rpartition("}")[2]
