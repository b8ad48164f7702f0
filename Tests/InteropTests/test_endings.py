"""How the server ends when it cannot go on: the last line says why and what to do, the status which kind it was."""

import signal
import socket
import subprocess

import pytest

from harness import martlet, processes

pytestmark = pytest.mark.martlet


@pytest.fixture
def node(make_world):
    world = make_world()
    node = world.add("office.example", martlet.Martlet, users=("alice",))
    node.view.put(node.domain, node.address, node.server_port, node.server_tls_port)
    node.view.start()
    node.directory.mkdir(parents=True, exist_ok=True)
    yield node
    world.close()


@pytest.fixture
def small_disk(node):
    """The node's data on a file system of its own, of 40 MiB."""
    data = node.directory / "data"
    data.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m,mode=0700", "none", data], check=True)
    yield data
    if node.process is not None:
        node.process.kill()
    subprocess.run(["umount", data], check=True)


def serve(node):
    """A second `serve` of the same site, which ends by itself."""
    return subprocess.run(
        [martlet.binary(), "serve", "--config", node.configuration],
        capture_output=True,
        text=True,
        timeout=processes.LIMIT,
        cwd=node.directory,
    )


def test_a_full_disk_ends_the_server_in_words_and_the_next_start_waits_for_room(node, small_disk):
    node.prepare()
    node.start()
    filler = small_disk / "filler"
    with open(filler, "wb", buffering=0) as file:
        try:
            while file.write(b"\0" * 65536):
                pass
        except OSError:
            pass
    number = 0
    while node.process.alive and number < 2000:
        number += 1
        subprocess.run(
            [martlet.binary(), "user", "add", f"user{number}", "--config", node.configuration],
            input=b"some password\n",
            capture_output=True,
            timeout=processes.LIMIT,
        )
    assert node.process.wait() == 75
    last = node.process.output().splitlines()[-1]
    assert "no space left on the disk" in last and "Make room" in last, last

    # It does not end again and again: the next start waits.
    node.process.start()
    waiting = "nothing is served before there is room"
    processes.wait_until(lambda: waiting in node.process.output(), "the next start says that it waits")
    assert node.process.alive
    filler.unlink()
    processes.wait_until(lambda: node.process.output().count(" serving") == 2, lambda: node.process.tail())
    assert node.command("user", "add", "late", input="some password\n").returncode == 0


@pytest.mark.parametrize("number", [signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS])
def test_an_error_of_its_own_leaves_a_line(node, number):
    node.prepare()
    node.start()
    node.process.signal(number)
    assert node.process.wait() == -number
    last = node.process.output().splitlines()[-1]
    assert ("the disk" if number == signal.SIGBUS else "an error of its own") in last, last


def test_what_keeps_it_from_starting_has_words_and_a_status(node):
    node.prepare()
    node.start()
    done = serve(node)
    assert done.returncode == 76 and "already running" in done.stderr, done.stderr
    node.stop()

    # A port that somebody has.
    with socket.create_server((node.address, node.client_port)):
        done = serve(node)
    assert done.returncode == 71 and "listeners.client" in done.stderr, done.stderr

    text = node.configuration.read_text()
    node.configuration.write_text(text + "\n[limit]\n")
    done = serve(node)
    assert done.returncode == 78 and "limit" in done.stderr, done.stderr

    # Keys as people have them.
    key = str(node.certificate.key)
    for name, words, arguments in (
        ("der", "is binary (DER", ["-outform", "DER"]),
        ("enc", "is under a passphrase", ["-aes256", "-passout", "pass:secret"]),
    ):
        other = node.directory / f"key.{name}"
        subprocess.run(["openssl", "pkey", "-in", key, "-out", other, *arguments], check=True)
        node.configuration.write_text(text.replace(key, str(other)))
        done = serve(node)
        assert done.returncode == 78 and words in done.stderr, done.stderr
    node.configuration.write_text(text)

    # Somebody who may not look into the directory is not told that there is nothing.
    done = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", martlet.binary(), "status", "--config", node.configuration],
        capture_output=True,
        text=True,
        timeout=processes.LIMIT,
        cwd="/",
    )
    assert done.returncode == 77 and "may not read" in done.stderr, done.stderr


def test_a_reload_tells_what_needs_a_restart_until_there_was_one(node):
    node.prepare()
    node.start()
    text = node.configuration.read_text()
    changed = text.replace(f"port = {node.server_tls_port}", "port = 1")
    assert changed != text
    node.configuration.write_text(changed)
    for _ in range(2):
        said = node.command("reload").stdout
        assert "needs a restart to take effect: listeners" in said, said
    node.configuration.write_text(text)
    assert "restart" not in node.command("reload").stdout
