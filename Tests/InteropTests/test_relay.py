"""The relay that the outage tests rest on does what its modes say."""

import socket
import threading

import pytest

from harness import ports, processes, relay


class Echo:
    """Sends back what it gets; remembers how its connections ended."""

    def __init__(self, address, port):
        self.listener = socket.create_server((address, port))
        self.ends = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            while data := connection.recv(65536):
                connection.sendall(data)
            self.ends.append("closed")
        except ConnectionResetError:
            self.ends.append("reset")
        connection.close()


@pytest.fixture
def line(tmp_path):
    network = ports.Network()
    echo = Echo(network.address(), 7000)
    listen = (network.address(), 7000)
    process = relay.Relay(tmp_path)
    process.start()
    forward = process.open("line", listen, echo.listener.getsockname())
    yield listen, forward, echo
    process.stop()
    echo.listener.close()
    network.close()


def dial(listen, timeout=5.0):
    return socket.create_connection(listen, timeout=timeout)


def echoes(connection, text, timeout=10.0):
    connection.settimeout(timeout)
    connection.sendall(text)
    answer = b""
    while len(answer) < len(text):
        data = connection.recv(65536)
        if not data:
            return False
        answer += data
    return answer == text


def test_pass_forwards_both_ways_and_counts(line):
    listen, forward, _ = line
    connection = dial(listen)
    assert echoes(connection, b"x" * 300_000)
    statistics = forward.statistics()
    assert (statistics["accepted"], statistics["open"]) == (1, 1)
    assert statistics["forward"] == statistics["backward"] == 300_000
    connection.close()
    processes.wait_until(lambda: forward.statistics()["open"] == 0, "the end of the connection is passed on")


def test_refuse_resets_old_connections_and_refuses_new_ones_until_healed(line):
    listen, forward, echo = line
    connection = dial(listen)
    assert echoes(connection, b"hello")
    forward.mode(relay.REFUSE)
    with pytest.raises(ConnectionResetError):
        connection.recv(1)
    processes.wait_until(lambda: echo.ends == ["reset"], "the far end is reset")
    with pytest.raises(ConnectionRefusedError):
        dial(listen)
    forward.mode(relay.PASS)
    assert echoes(dial(listen), b"again")


def test_black_hole_says_nothing_and_keeps_what_tcp_holds(line):
    listen, forward, echo = line
    connection = dial(listen)
    assert echoes(connection, b"hello")
    forward.mode(relay.BLACK_HOLE)
    connection.sendall(b"into the dark")
    connection.settimeout(1)
    with pytest.raises(TimeoutError):
        connection.recv(1)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            dial(listen, timeout=1.2)
    assert echo.ends == []
    forward.mode(relay.PASS)
    connection.settimeout(10)
    assert connection.recv(100) == b"into the dark"
    assert echoes(dial(listen), b"again")


def test_what_was_given_up_in_a_black_hole_is_lost(line):
    listen, forward, echo = line
    kept, given_up = dial(listen), dial(listen)
    assert echoes(kept, b"hello") and echoes(given_up, b"hello")
    forward.mode(relay.BLACK_HOLE)
    given_up.sendall(b"lost")
    given_up.close()
    kept.sendall(b"kept")
    forward.mode(relay.PASS)
    kept.settimeout(10)
    assert kept.recv(100) == b"kept"
    processes.wait_until(lambda: echo.ends == ["reset"], "the far end is reset")
    assert forward.statistics()["forward"] == len(b"hello" * 2 + b"kept")


def test_half_open_is_seen_by_the_far_end_only_and_stays_dead(line):
    listen, forward, echo = line
    connection = dial(listen)
    assert echoes(connection, b"hello")
    forward.mode(relay.HALF_OPEN)
    processes.wait_until(lambda: echo.ends == ["reset"], "the far end is reset")
    connection.sendall(b"x" * 1_000_000)
    with pytest.raises(TimeoutError):
        dial(listen, timeout=1.2)
    forward.mode(relay.PASS)
    connection.settimeout(1)
    with pytest.raises(TimeoutError):
        connection.recv(1)
    assert echoes(dial(listen), b"again")


def test_delay_and_rate_hold_bytes_back_and_keep_their_order(line):
    listen, forward, _ = line
    forward.slow(delay=0.2, rate=200_000)
    connection = dial(listen)
    text = bytes(range(256)) * 400
    start = processes.time.monotonic()
    assert echoes(connection, text, timeout=30)
    assert processes.time.monotonic() - start > 0.4
    forward.slow()
    assert echoes(connection, b"fast again")


@pytest.mark.parametrize("mode", [relay.LOST_FORWARD, relay.LOST_BACKWARD])
def test_one_way_only_the_other_direction_passes(line, mode):
    listen, forward, echo = line
    connection, given_up = dial(listen), dial(listen)
    assert echoes(connection, b"hello") and echoes(given_up, b"hello")
    forward.mode(mode)
    connection.sendall(b"into the dark")
    given_up.sendall(b"the same")
    arrived = len(b"hello" * 2) + (len(b"into the darkthe same") if mode == relay.LOST_BACKWARD else 0)
    processes.wait_until(lambda: forward.statistics()["forward"] == arrived, "only that arrives")
    connection.settimeout(1)
    with pytest.raises(TimeoutError):
        connection.recv(1)
    with pytest.raises(TimeoutError):
        dial(listen, timeout=1.2)
    given_up.close()
    forward.mode(relay.PASS)
    connection.settimeout(10)
    assert connection.recv(100) == b"into the dark"
    processes.wait_until(lambda: len(echo.ends) == 1, "the end of the other is told")


def test_small_passes_only_what_fits_unless_small_segments_were_asked_for(line):
    listen, forward, _ = line
    connection = dial(listen)
    forward.mode(relay.SMALL)
    assert echoes(connection, b"x" * 1000)
    connection.sendall(b"y" * 3000)
    connection.settimeout(1)
    with pytest.raises(TimeoutError):
        connection.recv(1)
    with socket.socket() as cautious:
        cautious.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1000)
        cautious.settimeout(10)
        cautious.connect(listen)
        assert echoes(cautious, b"z" * 100_000)
    assert echoes(dial(listen), b"small")
    forward.mode(relay.PASS)
    connection.settimeout(10)
    assert connection.recv(1) == b"y"


def test_forgotten_connections_stay_dead_and_new_ones_work(line):
    listen, forward, echo = line
    connection = dial(listen)
    assert echoes(connection, b"hello")
    forward.forget()
    connection.sendall(b"into the dark")
    connection.settimeout(1)
    with pytest.raises(TimeoutError):
        connection.recv(1)
    # Kept: one that is thrown away is closed, and its end is told.
    another = dial(listen)
    assert echoes(another, b"again")
    assert echo.ends == []
