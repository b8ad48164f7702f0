"""Administration of a running and of a stopped node, first start, refusals in words, reload."""

import os
import re
import shutil
import signal
import socket
import ssl
import stat
import subprocess

import pytest

from harness import certificates, martlet, ports, processes
from harness.clients import Client, LoginFailed

pytestmark = pytest.mark.martlet


@pytest.fixture
def node(make_world, office_kind):
    world = make_world()
    node = world.add("office.example", office_kind, users=("alice", "bob"))
    node.view.put(node.domain, node.address, node.server_port, node.server_tls_port)
    node.view.start()
    node.directory.mkdir(parents=True, exist_ok=True)
    node.prepare()
    yield node
    world.close()


@pytest.fixture(params=["running", "stopped"])
def either(node, request):
    """The node, running or stopped."""
    if request.param == "running":
        node.start()
    return node


def test_the_way_of_a_stanza_is_explained(either):
    said = succeeds(either.command("explain", "alice@office.example", "bob@office.example"))
    assert "from client: repeated-messages looks at it" in said
    assert "bob@office.example has an account here and 0 sessions" in said
    nobody = succeeds(either.command("explain", "alice@office.example", "nobody@office.example"))
    assert "nobody@office.example has no account here" in nobody
    assert "away.example" in succeeds(either.command("explain", "alice@office.example", "bob@away.example"))
    assert "is not an address" in fails(either.command("explain", "alice@office.example", "@"))


def succeeds(done):
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def fails(done):
    assert done.returncode != 0, done.stdout
    assert done.stderr.startswith(("Error: ", "martlet: ")), done.stderr
    return done.stderr


async def can_log_in(node, user, password=None):
    client = Client(node, user, password=password, stays=False)
    try:
        await client.login()
    except LoginFailed:
        return False
    finally:
        await client.logout()
    return True


# Accounts


async def test_accounts(either):
    """The same commands work on a running node and on a stopped one's store."""
    node = either
    assert succeeds(node.user_add("carol", "carol's first password"))
    assert "exists" in fails(node.user_add("carol", "another"))
    listed = succeeds(node.command("user", "list"))
    for user in ("alice", "bob", "carol"):
        assert node.jid(user) in listed
    succeeds(node.command("user", "passwd", node.jid("alice"), input="alice's new password\n"))
    succeeds(node.command("user", "remove", node.jid("bob")))
    assert "does not exist" in fails(node.command("user", "remove", node.jid("bob")))
    assert "does not exist" in fails(node.command("user", "passwd", node.jid("nobody"), input="x" * 20 + "\n"))
    assert "elsewhere.example" in fails(node.command("user", "add", "x@elsewhere.example", input="x" * 20 + "\n"))
    if not node.process.alive:
        node.start()
    assert await can_log_in(node, "carol", "carol's first password")
    assert await can_log_in(node, "alice", "alice's new password")
    assert not await can_log_in(node, "alice", node.passwords["alice"])
    assert not await can_log_in(node, "bob")
    assert node.jid("bob") not in succeeds(node.command("user", "list"))


async def test_removing_an_account_ends_its_sessions(node):
    node.start()
    alice = Client(node, "alice", stays=False)
    await alice.login()
    succeeds(node.command("user", "remove", node.jid("alice")))
    await alice.until(lambda: alice.disconnections == 1, "is disconnected")
    await alice.go_away()


async def test_what_was_answered_is_durable(node):
    """An account that was added is there although the node was killed with the answer."""
    node.start()
    succeeds(node.user_add("carol", "carol's first password"))
    node.kill()
    node.start()
    assert await can_log_in(node, "carol", "carol's first password")


async def test_accounts_can_be_changed_while_people_chat(node):
    node.start()
    async with Client(node, "alice") as alice, Client(node, "bob") as bob:
        for number in range(5):
            alice.send(bob.bare, f"{number}")
            succeeds(node.user_add(f"new{number}", "a password of a new user"))
        await bob.until(lambda: len(bob.texts()) == 5, "has all messages")


# Views


async def test_lists_show_links_and_what_waits(node):
    node.start()
    assert "no links" in succeeds(node.command("link", "list"))
    assert "Nothing waits" in succeeds(node.command("queue", "list"))
    node.view.put("away.example", node.address.rsplit(".", 1)[0] + ".250", 5269)
    node.view.restart()
    async with Client(node, "alice") as alice:
        alice.send("bob@away.example", "hello")
        await alice.until(lambda: not alice.unacknowledged, "the office has taken it over")
        assert "away.example" in succeeds(node.command("link", "list"))
        assert "away.example" in succeeds(node.command("queue", "list"))
        queue = succeeds(node.command("queue", "list", "--entries"))
        assert "bob@away.example" in queue and node.jid("alice") in queue
        assert re.search(r"sessions +1\b", succeeds(node.command("status")))


def test_check(either):
    text = succeeds(either.command("check"))
    assert "valid" in text and "descriptors" in text
    assert ("not running" in text) != either.process.alive


def test_a_certificate_that_ends_is_told_wherever_somebody_looks(node):
    node.certificate = node.authority.issue(node.domain, days=5)
    node.prepare()
    node.start()
    assert re.search(r"warning +certificate +expires in [45] d", succeeds(node.command("check")))
    for words in (("status",), ("link", "list")):
        done = node.command(*words)
        assert done.returncode == 0 and re.search("certificate expires in [45] d", done.stderr), done.stderr
    assert "the certificate will expire soon" in node.process.log.read_text()
    over = node.authority.issue(node.domain, days=-1)
    for old, new in ((node.certificate.certificate, over.certificate), (node.certificate.key, over.key)):
        shutil.copyfile(new, old)
    succeeds(node.command("reload"))
    done = node.command("check")
    assert done.returncode != 0 and re.search(r"WRONG +certificate +expired 1 d", done.stdout), done.stdout
    assert "certificate expired 1 d" in node.command("link", "list").stderr
    assert "clients and servers refuse it" in node.process.log.read_text()


def test_a_certificate_that_was_never_shown_is_not_forgotten(either):
    done = either.command("link", "forget-certificate", "away.example", "--yes")
    assert done.returncode != 0 and "nothing is known of away.example" in done.stderr, done.stderr
    assert "dialback" in succeeds(either.command("link", "forget-certificate", "--help"))


def test_help_and_version_help(node):
    binary = martlet.binary()
    for words in (["--help"], ["help", "user"], ["user", "add", "--help"]):
        text = subprocess.run([binary, *words], capture_output=True, text=True, timeout=60).stdout
        assert "USAGE: martlet" in text
    assert re.match(r"martlet \d+\.\d+", subprocess.run([binary, "--version"], capture_output=True, text=True).stdout)


# Starting


def test_a_second_start_says_that_one_runs(node):
    node.start()
    done = node.command("serve")
    assert "already running" in fails(done) and str(node.process.pid) in done.stderr
    assert node.process.alive


def test_a_busy_port_names_the_setting(node):
    with socket.create_server((node.address, node.server_port)):
        text = fails(node.command("serve"))
    assert f"{node.server_port}" in text and "listeners.server[0].port" in text, text


REFUSED = {
    "unknown-key": ('domain = "office.example"', 'domain = "office.example"\ncolour = "red"', "site.colour"),
    "unknown-section": ("[log]", "[lag]", "lag"),
    "wrong-type": ("port = 5222", 'port = "many"', "port"),
    "out-of-range": ("port = 5222", "port = 70000", "port"),
    "wrong-word": ('security = "starttls"', 'security = "maybe"', "security"),
    "no-address": ('address = "127.', 'address = "999.', "address"),
    "no-toml": ("[log]", "[log", "martlet.toml"),
    "no-domain": ('domain = "office.example"', 'domain = "-"', "domain"),
    "no-size": ('map_size = "4GiB"', 'map_size = "4 elephants"', "limits.map_size"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_configuration_is_refused_with_file_key_and_line(node, case):
    old, new, key = REFUSED[case]
    text = node.configuration.read_text()
    assert old in text
    changed = text.replace(old, new, 1)
    line = next(
        number
        for number, (was, now) in enumerate(zip(text.splitlines() + [""], changed.splitlines()), 1)
        if was != now
    )
    node.configuration.write_text(changed)
    for command in ("serve", "check"):
        said = node.command(command)
        assert said.returncode != 0
        words = said.stdout + said.stderr
        assert f"{node.configuration}:{line}" in words and key in words, words
        assert "expected" in words, words


def test_the_node_is_its_owners_alone(node):
    node.start()
    data = node.directory / "data"
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    for file in data.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, file
    assert all(password not in node.process.output() for password in node.passwords.values())


# Ending


async def test_sigterm_tells_clients_and_ends(node):
    node.start()
    async with Client(node, "alice", stays=False) as alice:
        node.process.signal(signal.SIGTERM)
        await alice.until(lambda: alice.disconnections == 1, "is disconnected")
        assert alice.stream_errors == ["system-shutdown"]
    assert node.process.wait() == 0
    node.start()
    assert await can_log_in(node, "alice")


def test_a_second_sigterm_ends_at_once(node):
    node.start()
    node.process.signal(signal.SIGTERM)
    node.process.signal(signal.SIGTERM)
    node.process.wait()


# Reloading


def presented_certificate(node):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection((node.address, node.client_tls_port), 30) as connection:
        with context.wrap_socket(connection, server_hostname=node.domain) as secured:
            return ssl.DER_cert_to_PEM_cert(secured.getpeercert(True))


def ask_reload(node, how):
    if how == "command":
        return node.command("reload")
    node.process.signal(signal.SIGHUP)
    return None


@pytest.mark.parametrize("how", ["command", "hup"])
async def test_reload_takes_a_new_certificate_without_disconnecting(node, how, tmp_path):
    node.start()
    async with Client(node, "alice") as alice:
        fresh = certificates.self_signed(tmp_path, node.domain)
        shutil.copy(fresh.key, node.certificate.key)
        shutil.copy(fresh.certificate, node.certificate.certificate)
        done = ask_reload(node, how)
        if done is not None:
            succeeds(done)
        wanted = fresh.certificate.read_text().strip()
        processes.wait_until(lambda: presented_certificate(node).strip() == wanted, "the new certificate is presented")
        await alice.ping()
        assert alice.disconnections == 0
        assert await can_log_in(node, "bob")


async def test_a_changed_certificate_file_is_noticed(node, tmp_path):
    """Renewed by a tool that tells nobody."""
    node.start()
    fresh = certificates.self_signed(tmp_path, node.domain)
    for new, old in ((fresh.key, node.certificate.key), (fresh.certificate, node.certificate.certificate)):
        shutil.copy(new, f"{old}.new")
        os.replace(f"{old}.new", old)
    wanted = fresh.certificate.read_text().strip()
    processes.wait_until(
        lambda: presented_certificate(node).strip() == wanted, "the new certificate is presented", limit=180
    )


@pytest.mark.parametrize("how", ["command", "hup"])
async def test_a_bad_file_changes_nothing_and_says_why(node, how):
    node.start()
    async with Client(node, "alice") as alice:
        text = node.configuration.read_text()
        node.configuration.write_text(text + '\n[federation.strangers]\nmood = "bad"\n')
        done = ask_reload(node, how)
        if done is not None:
            assert "federation.strangers.mood" in fails(done)
        else:
            node.process.until(lambda: "federation.strangers.mood" in node.process.output(), "says what is wrong")
        await alice.ping()
        assert alice.disconnections == 0
        node.configuration.write_text(text)
        succeeds(node.command("reload"))


async def test_a_bad_certificate_changes_nothing_and_says_why(node):
    node.start()
    before = presented_certificate(node)
    good = node.certificate.certificate.read_text()
    node.certificate.certificate.write_text("not a certificate")
    assert str(node.certificate.certificate) in fails(node.command("reload"))
    assert presented_certificate(node) == before
    node.certificate.certificate.write_text(good)
    assert await can_log_in(node, "alice")


async def test_reload_changes_policy(node):
    """Blocking a domain takes effect without a restart."""
    node.start()
    async with Client(node, "alice") as alice:
        text = node.configuration.read_text()
        node.configuration.write_text(
            text.replace("allow_networks", 'blocked_domains = ["blocked.example"]\nallow_networks')
        )
        succeeds(node.command("reload"))
        id = alice.send("x@blocked.example", "hello")
        await alice.until(lambda: any(bounced == id for bounced, _ in alice.bounces), "is refused")


# The first start of a person who has read nothing


async def test_run_makes_everything_and_says_what_to_enter(tmp_path):
    """The default ports on all addresses: whatever else uses one of them must end first."""
    processes.wait_until(lambda: all(map(_is_free, (5222, 5223, 5269, 5270))), "the default ports are free", limit=300)
    run = processes.Process(
        "run", [martlet.binary(), "run", "--directory", "var", "--domain", "first.example"], tmp_path
    )
    run.start()
    run.until(lambda: ports.is_listening("127.0.0.1", 5222), "accepts clients")
    run.until(lambda: "admin@first.example" in run.output() and "5222" in run.output(), "says what to enter")
    var = tmp_path / "var"
    secret = var / "first-account.txt"
    assert stat.S_IMODE(var.stat().st_mode) == 0o700 and stat.S_IMODE(secret.stat().st_mode) == 0o600
    account, password = secret.read_text().splitlines()[:2]
    assert password not in run.output(), "nobody sits at a terminal: the password belongs into the file"
    for address in ("127.0.0.1", "::1"):
        server = FirstStart(address, "first.example", var / "certificate.pem")
        async with Client(server, "admin", password=password) as client:
            await client.ping()
            assert client.bare == account
    assert run.stop() == 0
    run.start()
    run.until(lambda: ports.is_listening("127.0.0.1", 5222), "takes what is there")
    async with Client(server, "admin", password=password) as client:
        await client.ping()
    again = subprocess.run(run.argv, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert "already running" in fails(again)
    assert run.stop() == 0


class FirstStart:
    """Just enough of a server for a client."""

    client_port, client_tls_port = 5222, 5223
    passwords = {}

    def __init__(self, address, domain, trust):
        self.address, self.domain, self.trust = address, domain, trust


def _is_free(port):
    with socket.socket(socket.AF_INET6) as probe:
        probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("::", port))
            probe.listen()
            return True
        except OSError:
            return False
