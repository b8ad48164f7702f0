"""Passwords beyond ASCII, with a client that prepares them with SASLprep (RFC 5802 §2.2), and mechanisms that are named one by one."""

import os
import subprocess

import pytest

from harness import processes
from harness.clients import Client, LoginFailed
from harness.martlet import Martlet, binary

pytestmark = pytest.mark.martlet

#: A superscript, a fraction, a ligature, fullwidth letters, a no-break space, a combining accent, an emoji.
PASSWORDS = ["pass²", "½ pint", "ﬁsh and ﬂour", "ＷＩＤＥ１", "a\u00a0b", "cafe\u0301", "key 🔑"]


@pytest.fixture(scope="module")
def office(make_world):
    world = make_world()
    office = world.add(
        "words.example", Martlet, users=(), client={"in_band_registration": True}, limits={"connections_per_address": 1000}
    )
    world.start()
    return office


@pytest.mark.parametrize("number", range(len(PASSWORDS)))
async def test_a_password_beyond_ascii_logs_in_with_every_mechanism(office, number):
    password = PASSWORDS[number]
    assert office.user_add(f"user{number}", password).returncode == 0
    for mechanism in ("SCRAM-SHA-1", "SCRAM-SHA-256", "PLAIN"):
        async with Client(office, f"user{number}", password=password, mechanism=mechanism) as client:
            await client.ping()
    with pytest.raises(LoginFailed, match="not-authorized"):
        await Client(office, f"user{number}", password=password + "x", stays=False).login()


def test_a_password_that_cannot_be_prepared_is_refused_in_words(office):
    for password, words in [("left\u200eright", "it has U+200E"), ("tab\tbed", "it has U+0009"), ("שלום a", "mixes letters")]:
        done = office.user_add("nobody", password)
        assert done.returncode == 1
        assert "this password cannot be used: " in done.stderr and words in done.stderr, done.stderr


def test_what_is_not_utf_8_is_refused_in_words(office):
    def add(name, password):
        return subprocess.run(
            [binary(), "user", "add", name, "--config", os.fsencode(office.configuration)],
            input=password,
            capture_output=True,
            timeout=processes.LIMIT,
            cwd=office.directory,
        )

    done = add(b"ren\xe9@words.example", b"a good password\n")
    assert done.returncode != 0 and b"argument 3 is not UTF-8" in done.stderr, done.stderr
    done = add(b"rene@words.example", b"caf\xe9\n")
    assert done.returncode != 0 and b"standard input is not UTF-8" in done.stderr, done.stderr
    assert b"rene" not in office.command("user", "list").stdout.encode() and "ren" not in office.command("user", "list").stdout


async def test_what_is_named_is_what_is_offered(make_world):
    world = make_world()
    office = world.add("named.example", Martlet, users=("alice",), client={"sasl_mechanisms": ["SCRAM-SHA-256"]})
    world.start()
    async with Client(office, "alice", mechanism="SCRAM-SHA-256") as alice:
        assert alice.stream.plugin["feature_mechanisms"].mech_list == {"SCRAM-SHA-256"}
    world.close()
