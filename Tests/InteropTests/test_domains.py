"""One office that serves the people of two domains: among themselves, with another server, and what its operator sees."""

import pytest

from harness import certificates, martlet, peers, server
from harness.clients import Client, LoginFailed

pytestmark = pytest.mark.martlet

FIRST, SECOND, THIRD = "first.example", "second.example", "third.example"


def succeeds(done):
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def fails(done):
    assert done.returncode != 0, done.stdout
    return done.stdout + done.stderr


def add_second(first):
    """People of the second domain, one of whom has a namesake at the first."""
    second = first.at(SECOND)
    for user in ("alice", "carol"):
        succeeds(second.user_add(user, f"{user} of the second domain"))
    return second


@pytest.fixture(
    scope="module",
    params=[(server.DIALBACK, martlet.Martlet), (server.EXTERNAL, martlet.Martlet), (server.DIALBACK, peers.Prosody)],
    ids=["dialback", "external", "prosody"],
)
def site(make_world, request):
    mode, partner = request.param
    world = make_world()
    first = world.add(FIRST, martlet.Martlet, mode=mode, more_domains=[SECOND], users=("alice", "anna"))
    other = world.add("other.example", partner, mode=mode, users=("bob",))
    world.start()
    yield first, add_second(first), other
    world.close()


async def exchange(one, another):
    """A message each way."""
    for sender, receiver in ((one, another), (another, one)):
        words = f"{sender.bare} to {receiver.bare}"
        sender.send(receiver.bare, words)
        await receiver.until(lambda: words in receiver.texts(sender.bare), f"has the message of {sender.bare}")
    assert not one.bounces and not another.bounces


async def test_people_of_both_domains_write_to_each_other(site):
    first, second, _ = site
    async with Client(first, "anna") as anna, Client(second, "carol") as carol:
        await exchange(anna, carol)
    assert SECOND not in succeeds(first.command("queue", "list")), "what stays in the office needs no link"


async def test_people_of_both_domains_write_to_another_server_and_back(site):
    first, second, other = site
    async with Client(first, "anna") as anna, Client(second, "carol") as carol, Client(other, "bob") as bob:
        await exchange(anna, bob)
        await exchange(carol, bob)
        bob.send(anna.bare, "to the first")
        bob.send(carol.bare, "to the second")
        await anna.until(lambda: "to the first" in anna.texts(bob.bare), "has the message to the first domain")
        await carol.until(lambda: "to the second" in carol.texts(bob.bare), "has the message to the second domain")
    links = succeeds(first.command("link", "list"))
    assert f"{FIRST} → {other.domain}" in links and f"{SECOND} → {other.domain}" in links, links


async def test_namesakes_are_two_people(site):
    first, second, _ = site
    async with Client(first, "alice") as one, Client(second, "alice") as two:
        await exchange(one, two)
    for there, password in ((first, second.passwords["alice"]), (second, first.passwords["alice"])):
        with pytest.raises(LoginFailed, match="not-authorized"):
            await Client(there, "alice", password=password).login()
    with pytest.raises(LoginFailed, match="not-authorized"):
        await Client(second, "anna", password=first.passwords["anna"]).login()


async def test_the_operator_sees_both_domains(site):
    first, second, _ = site
    assert f"{FIRST} and {SECOND}: running" in succeeds(first.command("status"))
    accounts = succeeds(first.command("user", "list"))
    assert first.jid("alice") in accounts and second.jid("alice") in accounts
    refused = fails(first.command("user", "add", f"dora@{THIRD}", input="a password of dora\n"))
    assert f"this site serves {FIRST} and {SECOND}, not {THIRD}" in refused
    checked = first.command("check").stdout
    assert f"names {FIRST} and {SECOND}" in checked, checked


# Changes


@pytest.fixture
def alone(make_world):
    world = make_world()
    office = world.add(FIRST, martlet.Martlet, more_domains=[SECOND])
    world.start()
    yield office
    world.close()


def rewrite(office, domains):
    office.more_domains = domains
    office.configuration.write_text(office.configuration_text())


async def test_a_reload_serves_a_new_domain(alone):
    rewrite(alone, [SECOND, THIRD])
    # The certificate in place names two domains: that is said, and the others are served on.
    assert f"does not name {THIRD}" in succeeds(alone.command("reload"))
    assert f"not {THIRD}" in fails(alone.command("check"))
    fresh = certificates.self_signed(alone.directory / "fresh", FIRST, names=(SECOND, THIRD))
    for old, new in (
        (alone.certificate.certificate, fresh.certificate),
        (alone.certificate.key, fresh.key),
    ):
        old.write_bytes(new.read_bytes())
    assert "read anew" == succeeds(alone.command("reload")).strip()
    third = alone.at(THIRD)
    succeeds(third.user_add("dora", "dora of the third domain"))
    async with Client(alone, "alice") as alice, Client(third, "dora") as dora:
        await exchange(alice, dora)


async def test_a_domain_that_was_removed_is_served_until_a_restart(alone):
    second = add_second(alone)
    async with Client(alone, "alice") as alice, Client(second, "carol") as carol:
        rewrite(alone, [])
        words = succeeds(alone.command("reload"))
        assert f"site.more_domains ({SECOND} served until then)" in words, words
        await exchange(alice, carol)
    alone.stop()
    alone.start()
    outsider = Client(second, "carol", stays=False)
    with pytest.raises(TimeoutError):
        await outsider.login(limit=3)
    assert "host-unknown" in outsider.stream_errors
    await outsider.go_away()
    assert second.jid("carol") in succeeds(alone.command("user", "list")), "the account stays in the store"
    rewrite(alone, [SECOND])
    succeeds(alone.command("reload"))
    async with Client(second, "carol") as carol:
        await carol.roster()
    rewrite(alone, [])
    alone.stop()
    alone.start()
    succeeds(alone.command("user", "remove", second.jid("carol")))
    assert second.jid("carol") not in succeeds(alone.command("user", "list"))


def test_a_first_start_for_several_domains(tmp_path, alone):
    words = ["--domain", FIRST, "--domain", SECOND]
    made = martlet.run("init", "--directory", "office", *words, cwd=tmp_path)
    assert f"{FIRST} and {SECOND}" in succeeds(made)
    checked = martlet.run("check", "--config", "office/martlet.toml", cwd=tmp_path)
    assert f"names {FIRST} and {SECOND}" in checked.stdout, checked.stdout
