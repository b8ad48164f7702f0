"""The Debian package on a fresh Debian 12: installed, set up, a first chat, a newer version, and gone again."""

import re
import shutil
import socket
import subprocess
import time

import pytest
from harness import debian, martlet, ports, processes
from harness.clients import Client

pytestmark = pytest.mark.martlet
DOMAIN = "office.example"


def build(directory):
    done = subprocess.run(
        [martlet.ROOT / "Config" / "debian" / "build", martlet.binary(), directory], capture_output=True, text=True, timeout=300
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.split()[-1]


def newer(package, directory):
    """The same with a higher version."""
    tree = directory / "newer"
    subprocess.run(["dpkg-deb", "--raw-extract", package, tree], check=True)
    control = tree / "DEBIAN" / "control"
    control.write_text(re.sub(r"(?m)^Version: (.*)$", r"Version: \1+1", control.read_text()))
    built = directory / "newer.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, built], check=True, capture_output=True)
    return built


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    return build(tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="module")
def machine(tmp_path_factory, package):
    made = debian.Debian(tmp_path_factory.mktemp("machine"))
    made.give(package, "/root/martlet.deb")
    return made


@pytest.fixture
def address(make_world):
    return make_world().network.address()


class Steps:
    """What took how long, for the reader of the log."""

    def __init__(self):
        self.start = time.monotonic()

    def done(self, what):
        now = time.monotonic()
        print(f"{what}: {now - self.start:.1f} s", flush=True)
        self.start = now


class Office:
    """Just enough of a server for a client."""

    client_port, client_tls_port, passwords, domain = 5222, 5223, {}, DOMAIN

    def __init__(self, address, trust):
        self.address, self.trust = address, trust


def stands_at(machine, address):
    """The machine shares our network: it has one address of it instead of all."""
    path = machine.path("/etc/martlet/martlet.toml")
    path.write_text(path.read_text().replace('address = "[::]"', f'address = "{address}"'))


async def test_from_nothing_to_a_chat_and_back(machine, package, address, tmp_path):
    steps = Steps()
    said = machine.run("apt-get", "install", "-y", "--no-install-recommends", "/root/martlet.deb").stdout
    assert "martlet setup" in said, "what to do next is said"
    steps.done("package installed")
    assert machine.path("/usr/share/man/man1/martlet-setup.1.gz").exists()
    assert "complete" in machine.path("/usr/share/bash-completion/completions/martlet").read_text()

    said = machine.run("martlet", "setup", "--domain", DOMAIN, "--admin", "anna", input="a password\n").stdout
    assert f"anna@{DOMAIN}" in said and "a password" not in said
    owner = machine.path("/var/lib/martlet").stat()
    for path in ("/etc/martlet/martlet.toml", "/etc/martlet/key.pem", "/var/lib/martlet/data.mdb"):
        figures = machine.path(path).stat()
        assert (figures.st_uid, figures.st_mode & 0o077) == (owner.st_uid, 0), f"{path} is the server's alone"
    assert "nothing was changed" in machine.run("martlet", "setup", "--domain", DOMAIN, check=False).stderr
    steps.done("set up")

    stands_at(machine, address)
    run = processes.Process("serve", machine.argv("martlet", "serve", user="martlet"), tmp_path)
    run.start()
    run.until(lambda: ports.is_listening(address, 5222), "accepts clients")
    machine.run("martlet", "user", "add", "bert", input="another password\n", user="martlet")
    office = Office(address, machine.path("/etc/martlet/certificate.pem"))
    async with Client(office, "anna", password="a password") as anna, Client(office, "bert", password="another password") as bert:
        anna.send(f"bert@{DOMAIN}", "the first words")
        await bert.until(lambda: any(message.body == "the first words" for message in bert.messages), "hears it")
    steps.done("first chat")
    assert "accounts         2" in machine.run("martlet", "status", user="martlet").stdout
    assert run.stop() == 0
    steps.done("stopped")

    before = machine.path("/etc/martlet/martlet.toml").read_text()
    machine.give(newer(package, tmp_path), "/root/newer.deb")
    said = machine.run("apt-get", "install", "-y", "/root/newer.deb").stdout
    assert "1 upgraded" in said and "martlet setup" not in said, "an office that is there is not to be set up"
    assert machine.path("/etc/martlet/martlet.toml").read_text() == before
    assert "accounts         2" in machine.run("martlet", "status", user="martlet").stdout
    steps.done("upgraded")

    said = machine.run("apt-get", "purge", "-y", "martlet")
    assert "kept: /var/lib/martlet" in said.stdout + said.stderr and machine.path("/var/lib/martlet/data.mdb").exists()
    left = machine.run("find", "/usr", "/lib", "/etc/systemd", "/var/cache", "-name", "*martlet*").stdout
    assert not left.strip(), "nothing else stays"
    steps.done("purged")


def test_the_unit_is_what_systemd_calls_ok(tmp_path):
    unit = martlet.ROOT / "Config" / "martlet.service"
    assert shutil.which("systemd-analyze"), "systemd is among the packages of the tests"
    said = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", unit], capture_output=True, text=True
    )  # fmt: skip
    assert said.returncode == 0 and " OK " in said.stdout.splitlines()[-1], said.stdout[-300:] + said.stderr


def test_the_service_manager_hears_of_life_and_end(make_world, tmp_path):
    """sd_notify(3): READY when it serves, WATCHDOG as often as it is wanted, STOPPING at the end."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(str(tmp_path / "notify"))
    listener.settimeout(processes.LIMIT)
    environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "900000"}
    subprocess.run([martlet.binary(), "init", "--directory", tmp_path / "site", "--domain", DOMAIN], check=True)
    configuration = tmp_path / "site" / "martlet.toml"
    configuration.write_text(configuration.read_text().replace('"[::]"', f'"{make_world().network.address()}"'))
    run = processes.Process("serve", [martlet.binary(), "serve", "--config", configuration], tmp_path, environment)
    run.start()
    said = [listener.recv(4096).decode() for _ in range(4)]
    assert said[0].startswith("READY=1") and DOMAIN in said[0]
    assert said[1:] == ["WATCHDOG=1"] * 3, "again and again"
    assert run.stop() == 0
    while not said[-1].startswith("STOPPING=1"):
        said.append(listener.recv(4096).decode())
