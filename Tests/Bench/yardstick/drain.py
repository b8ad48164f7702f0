"""A queue after an outage, between two Martlets: what an entry costs when the line is back, and how well a slow line is used.

Only Martlet is measured: other servers do not keep what they could not send.
"""

import contextlib
import os
import socket
import ssl
import threading
import time

from harness import ports, relay

from . import load, machine

MESSAGES, SENDERS, RECIPIENTS = 20000, 10, 1000
#: A slow line: bytes a second each way, and seconds each way.
RATE, DELAY = 125_000, 0.05
#: Seconds until a queue is empty at full speed.
LIMIT = 300


def fast(bench, kind, runs):
    yield from _drain(bench, kind, runs)


def slow(bench, kind, runs):
    yield from _drain(bench, kind, runs, slow=True)


def _drain(bench, kind, runs, slow=False):
    messages = bench.amount(MESSAGES)
    with contextlib.ExitStack() as stack:
        line = stack.enter_context(_Line(bench.room))
        pair = stack.enter_context(bench.room.pair(kind, SENDERS + RECIPIENTS, line.between))
        # Not measured: the two know each other.
        bench.load.run("chat", "--cross-domain", "--pairs", 4, "--messages", 100, servers=pair)
        for _ in range(runs):
            yield bench.attempt(lambda: _once(bench, pair, line, messages, slow))


def _once(bench, pair, line, messages, slow):
    here, there = pair
    line.cut(relay.REFUSE)
    bench.load.run(
        "offline", "--phase", "store", "--cross-domain", "--messages", messages, "--recipients", RECIPIENTS,
        "--senders", SENDERS, "--window", 100, servers=pair,
    )  # fmt: skip
    waiting = here.control.waiting_entries()
    if waiting < messages:
        raise load.Failed(f"{waiting} entries wait of {messages}")
    if slow:
        line.slow(DELAY, RATE)
    before, crossed, start = _Costs(pair, line), line.bytes_to(1), time.monotonic()
    line.heal()
    here.control.ask("retryLinks", peer=there.domain)
    deadline = start + LIMIT + (4 * 1000 * messages / RATE if slow else 0)
    while here.control.waiting_entries():
        if time.monotonic() > deadline:
            raise load.Failed(f"{here.control.waiting_entries()} entries still wait after {deadline - start:.0f} s")
        # Each look costs the node a little.
        time.sleep(0.5 if slow else 0.1)
    seconds = time.monotonic() - start
    for server in pair:
        server.check()
    after, crossed = _Costs(pair, line), line.bytes_to(1) - crossed
    costs = [b - a for a, b in zip(before.servers, after.servers)]
    figures = {
        "count": waiting,
        "seconds": seconds,
        "rate_per_s": waiting / seconds,
        "server_cpu_us_per": sum(costs) / waiting * 1e6,
        "server1_cpu_us_per": costs[0] / waiting * 1e6,
        "server2_cpu_us_per": costs[1] / waiting * 1e6,
        "bytes_per_entry": crossed / waiting,
        "other_cpu_s": after.other - before.other,
    }
    if slow:
        copied = line.copy(crossed, here.directory)
        figures |= {"copy_seconds": copied, "of_copy": copied / seconds}
        line.slow()
    return figures


class _Costs:
    """Processor seconds until now: of each server, and of everybody who is neither server, relay nor we."""

    def __init__(self, pair, line):
        self.servers = [machine.process_seconds(server.pid) for server in pair]
        known = sum(self.servers) + machine.process_seconds(line.relay.pid) + time.process_time()
        self.other = machine.busy_seconds() - known


class _Line(relay.Line):
    """The line between two servers, and beside it one for a copy: all through the same relay."""

    def __init__(self, room):
        super().__init__("the line", [])
        self.room = room
        self.stack = contextlib.ExitStack()

    def __enter__(self):
        directory = self.stack.enter_context(self.room.directory_of("relay"))
        self.addresses = [self.stack.enter_context(self.room.network_address()) for _ in range(4)]
        self.relay = relay.Relay(directory)
        self.stack.callback(self.relay.stop)
        self.relay.start()
        return self

    def __exit__(self, *error):
        self.stack.close()

    def between(self, *servers):
        """Leads the traffic of both directions through the relay; gives the addresses at which each is called."""
        seen = self.addresses[: len(servers)]
        self.forwards = [
            self.relay.open(f"to {server.domain}", (address, ports.SERVER), (server.address, ports.SERVER))
            for server, address in zip(servers, seen)
        ]
        return seen

    def bytes_to(self, number):
        """Bytes that the server of that number has been sent, by whoever opened the connection."""
        statistics = [forward.statistics() for forward in self.forwards]
        return statistics[number]["forward"] + statistics[1 - number]["backward"]

    def copy(self, count, directory):
        """Seconds in which a plain TLS connection carries `count` bytes over as slow a line."""
        entrance, exit = ((address, ports.SERVER) for address in self.addresses[2:])
        forward = self.relay.open("copy", entrance, exit)
        forward.slow(DELAY, RATE)
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(directory / "cert.pem", directory / "key.pem")
        client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client.check_hostname, client.verify_mode = False, ssl.CERT_NONE

        def send():
            with socket.create_connection(entrance) as connection:
                with client.wrap_socket(connection) as stream:
                    stream.sendall(os.urandom(count))
                    # Until the other end has everything and closes.
                    stream.recv(1)

        with socket.create_server(exit) as listener:
            listener.settimeout(60)
            start = time.monotonic()
            sender = threading.Thread(target=send, daemon=True)
            sender.start()
            connection, _ = listener.accept()
            connection.settimeout(60)
            with server.wrap_socket(connection, server_side=True) as stream:
                left = count
                while left > 0:
                    got = len(stream.recv(1 << 16))
                    if not got:
                        raise load.Failed("the copy ended early")
                    left -= got
                seconds = time.monotonic() - start
        sender.join(60)
        forward.mode(relay.REFUSE)
        return seconds
