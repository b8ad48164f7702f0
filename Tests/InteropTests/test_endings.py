"""How the server ends when it cannot go on: the last line says why and what to do, the status which kind it was."""

import json
import os
import random
import shutil
import signal
import socket
import subprocess

import pytest

from harness import martlet, processes
from harness.rawstream import RawStream

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


def serve(node):
    """A second `serve` of the same site, which ends by itself."""
    return subprocess.run(
        [martlet.binary(), "serve", "--config", node.configuration],
        capture_output=True,
        text=True,
        timeout=processes.LIMIT,
        cwd=node.directory,
    )


@pytest.mark.parametrize("number", [signal.SIGILL, signal.SIGTRAP, signal.SIGABRT, signal.SIGSEGV, signal.SIGFPE, signal.SIGBUS])
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


def last_line(node):
    return node.process.output().splitlines()[-1]


def poke(node):
    """Somebody logs in and writes to somebody; whatever becomes of it."""
    try:
        with RawStream(node.address, node.client_plain_port) as stream:
            stream.log_in(node.domain, "alice", node.passwords["alice"])
            stream.send("<presence/>")
            for number in range(20):
                stream.send(f"<message to='alice@office.example/x' id='{number}'><body>{number}</body></message>")
            stream.send("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
            while stream.read(limit=10) is not None:
                pass
    except (OSError, AssertionError, AttributeError, TimeoutError):
        pass


def test_a_store_that_loses_its_pages_under_the_server_leaves_a_line(node):
    node.prepare()
    node.start()
    os.truncate(node.store / "data.mdb", 8192)
    poke(node)
    node.process.wait()
    assert "did not give back what the store had written (SIGBUS)" in last_line(node), node.process.tail()
    # The next start does not die of it again, but says so.
    done = serve(node)
    assert done.returncode == 74 and "is not a store or is damaged" in done.stderr, done.stderr
    assert "are in use" in done.stderr
    assert "martlet store check" not in done.stdout


SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>
static int broken(void) { const char *p = getenv("BROKEN"); return p && access(p, F_OK) == 0 ? atoi(getenv("BROKEN_ERRNO")) : 0; }
#define TRY int e = broken(); if (e) { errno = e; return -1; }
ssize_t pwrite(int f, const void *b, size_t n, off_t o) { TRY return ((ssize_t(*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite"))(f, b, n, o); }
ssize_t pwrite64(int f, const void *b, size_t n, off_t o) { TRY return ((ssize_t(*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite64"))(f, b, n, o); }
ssize_t pwritev(int f, const struct iovec *v, int n, off_t o) { TRY return ((ssize_t(*)(int, const struct iovec *, int, off_t))dlsym(RTLD_NEXT, "pwritev"))(f, v, n, o); }
int fdatasync(int f) { TRY return ((int(*)(int))dlsym(RTLD_NEXT, "fdatasync"))(f); }
"""


@pytest.mark.parametrize("error, status, words", [("EIO", 74, "Input/output error"), ("ENOSPC", 75, "no space left on the disk")])
def test_a_write_that_fails_leaves_a_line(node, error, status, words, tmp_path):
    import errno

    (tmp_path / "shim.c").write_text(SHIM)
    shim, broken = tmp_path / "shim.so", node.directory / "broken"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", shim, tmp_path / "shim.c", "-ldl"], check=True)
    node.prepare()
    node.process.environment = {
        **(node.process.environment or os.environ),
        "LD_PRELOAD": str(shim), "BROKEN": str(broken), "BROKEN_ERRNO": str(getattr(errno, error)),
    }
    node.start()
    broken.touch()
    node.command("user", "add", "bob", input="some password\n")
    assert node.process.wait() == status
    assert words in last_line(node) and "Nothing that was acknowledged is lost" in last_line(node), last_line(node)


@pytest.mark.parametrize("seed", range(6))
def test_flipped_bytes_are_found_by_the_check_and_never_end_the_server_without_a_line(node, seed):
    node.prepare()
    node.start()
    poke(node)
    check = node.command("store", "check", "--json")
    assert check.returncode == 0 and json.loads(check.stdout)["findings"] == [], check.stdout + check.stderr
    node.stop()
    file = node.store / "data.mdb"
    content = bytearray(file.read_bytes())
    chance = random.Random(seed)
    # Not the two heads: what becomes of those is another test's.
    for place in (chance.randrange(8192, len(content)) for _ in range(len(content) // 64)):
        content[place] ^= 1 << chance.randrange(8)
    file.write_bytes(content)
    found = node.command("store", "check", "--json")
    assert found.returncode in (74, 76), found.stdout + found.stderr
    # What cannot be opened at all is said in words alone.
    assert found.returncode == 76 or "damaged" in found.stderr or json.loads(found.stdout)["findings"], found.stderr
    node.process.start()
    processes.wait_until(lambda: "serving" in node.process.output() or not node.process.alive, "starts or ends")
    poke(node)
    if not node.process.alive:
        end = node.process.wait()
        assert end != 0
        line = last_line(node)
        assert "martlet: ended" in line or "Error:" in line or "cannot be opened" in line, line


@pytest.mark.parametrize("what", ["gone", "empty", "new", "foreign"])
def test_another_store_in_the_place_of_a_sites_own_is_refused(node, what):
    node.prepare()
    file = node.store / "data.mdb"
    backup = node.directory / "backup"
    shutil.copy(file, backup)
    file.unlink()
    if what == "empty":
        file.touch()
    if what in ("new", "foreign"):
        mark = (node.store / "store.id").read_text()
        (node.store / "store.id").unlink()
        assert node.user_add("bob", "some password").returncode == 0
        (node.store / "store.id").write_text(mark)
    done = serve(node)
    assert done.returncode == 74 and "Restore data.mdb from the last backup" in done.stderr, done.stderr
    assert "store.id" in done.stderr
    if what in ("gone", "empty"):
        assert "WRONG    store" in node.command("check").stdout
    shutil.copy(backup, file)
    assert "martlet store check" in node.command("check").stdout
    node.start()
    assert "alice" in node.command("user", "list").stdout
    node.stop()
    # On purpose it can be begun anew.
    file.unlink()
    (node.store / "store.id").unlink()
    assert node.user_add("carol", "some password").returncode == 0


def test_a_dump_of_the_memory_has_no_secrets_unless_the_operator_wants_one(node):
    node.prepare()
    node.start()

    def facts():
        process = f"/proc/{node.process.pid}"
        limits = open(f"{process}/limits").read()
        core = next(line for line in limits.splitlines() if line.startswith("Max core file size")).split()[4]
        return core, int(open(f"{process}/coredump_filter").read(), 16)

    assert facts() == ("0", 0)
    text = node.configuration.read_text()
    node.configuration.write_text(text.replace("[site]\n", "[site]\ncore_dumps = true\n"))
    assert node.command("reload").returncode == 0
    core, memory = facts()
    assert core != "0" and memory == 0x33
