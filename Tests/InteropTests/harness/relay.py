"""A line that can fail: TCP forwarding in user space, in a process of its own, with a control socket.

A forward is in one of these modes:

pass        bytes go through, after `delay` seconds and at most `rate` bytes a second if these are set; of `loss` of the
            segments the first copy is lost, and everything behind waits for the second, as TCP has it
refuse      nobody listens any more: new connections are refused, existing ones reset
black-hole  nothing moves and nothing is said: existing connections stay open and stand still, new ones hang because
            their first packet is not answered (the listening queue is full); what TCP holds moves on afterwards, but
            not on a connection that one end has given up meanwhile: its packets are lost
half-open   existing connections are dead for ever and only the far end knows: it sees a reset, while what the dialling
            end writes is read and thrown away; new ones hang as in a black hole until the mode changes
lost-forward, lost-backward
            only what the dialling end (the far end) sends stands still; the other direction passes, more of it than on a
            real line, where a window without acknowledgements is soon full; new connections hang
small       only packets of up to 1280 bytes pass, and nobody is told (an MTU black hole): what comes in a larger one stands
            still with everything behind it, unless the dialling end has asked for segments that fit (TCP_MAXSEG)

This file is both the process (`python relay.py SOCKET`) and, as `Relay` and `Forward`, its remote control.
"""

import asyncio
import collections
import json
import os
import pathlib
import random
import select
import socket
import struct
import sys
import time

PASS = "pass"
REFUSE = "refuse"
BLACK_HOLE = "black-hole"
HALF_OPEN = "half-open"
LOST_FORWARD = "lost-forward"
LOST_BACKWARD = "lost-backward"
SMALL = "small"
_MODES = (PASS, REFUSE, BLACK_HOLE, HALF_OPEN, LOST_FORWARD, LOST_BACKWARD, SMALL)
#: In which what was given up meanwhile ends badly, because the line has not kept its packets.
_DARK = (BLACK_HOLE, LOST_FORWARD, LOST_BACKWARD, SMALL)

# What a side may hold back for delay and rate before it stops reading, in bytes.
_HELD_BYTES_MAX = 1 << 18

# What slow lines carry and lose at a time, in bytes.
_SEGMENT = 512

# What a packet of 1280 bytes carries, with time stamps in the header of TCP.
_SMALL_SEGMENT = 1228

# States of a socket (tcp(7), include/net/tcp_states.h).
_TCP_CLOSE, _TCP_CLOSE_WAIT = 7, 8


# Remote control


class Relay:
    """The relay process."""

    def __init__(self, directory):
        from . import processes

        self._path = pathlib.Path(directory) / "relay.sock"
        self._process = processes.Process("relay", [sys.executable, "-S", __file__, self._path], directory)
        self._socket = None

    def start(self):
        self._process.start()
        self._process.until(self._is_reached, "its control socket listens")
        self._socket.settimeout(60)
        self._answers = self._socket.makefile()

    def _is_reached(self):
        """Connects, if it listens already: its socket's file is there a moment earlier."""
        attempt = socket.socket(socket.AF_UNIX)
        try:
            attempt.connect(str(self._path))
        except OSError:
            attempt.close()
            return False
        self._socket = attempt
        return True

    def stop(self):
        if self._socket is not None:
            self._socket.close()
        self._process.stop()

    @property
    def pid(self):
        return self._process.pid

    def open(self, name, listen, target, source=None):
        """Forwards what connects to `listen` on to `target` (both (address, port)), calling from `source`."""
        self.ask(command="open", name=name, listen=listen, target=target, source=source)
        return Forward(self, name)

    def ask(self, **request):
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        line = self._answers.readline()
        if not line:
            raise RuntimeError(f"the relay has gone\n{self._process.tail()}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"relay: {answer['error']}")
        return answer


class Forward:
    """One direction of dialling through the relay."""

    def __init__(self, relay, name):
        self._relay = relay
        self.name = name

    def mode(self, mode):
        self._relay.ask(command="mode", name=self.name, mode=mode)

    def forget(self):
        """The connections of now are dead for ever, and nobody is told; new ones work."""
        self._relay.ask(command="forget", name=self.name)

    def slow(self, delay=0.0, rate=0, loss=0.0):
        """From now on every byte takes `delay` seconds more; at most `rate` bytes a second each way (0: no limit); a part
        of the segments is lost (0 to 1)."""
        self._relay.ask(command="slow", name=self.name, delay=delay, rate=rate, loss=loss)

    def statistics(self):
        """accepted: connections ever; open: those open now; forward, backward: bytes from and to the dialling end."""
        return self._relay.ask(command="statistics", name=self.name)


class Line:
    """The line between two sites: everything that either dials to the other."""

    def __init__(self, name, forwards):
        self.name = name
        self.forwards = forwards

    def cut(self, mode=BLACK_HOLE):
        for forward in self.forwards:
            forward.mode(mode)

    def heal(self):
        self.cut(PASS)

    def forget(self):
        for forward in self.forwards:
            forward.forget()

    def lose_from(self, domain):
        """From now on what `domain` sends vanishes; what is sent to it arrives."""
        for forward in self.forwards:
            forward.mode(LOST_FORWARD if forward.name.startswith(f"{domain} to ") else LOST_BACKWARD)

    def refuse_calls_to(self, domain):
        """From now on nobody can connect to `domain`, as if it were behind NAT; it can connect itself. Gives the line as it
        is from there."""
        inward = [forward for forward in self.forwards if f" to {domain}:" in forward.name]
        for forward in inward:
            forward.mode(REFUSE)
        return Line(f"{self.name}, from {domain}", [forward for forward in self.forwards if forward not in inward])

    def slow(self, delay=0.0, rate=0, loss=0.0):
        for forward in self.forwards:
            forward.slow(delay, rate, loss)

    def is_used(self):
        """Whether a connection is open on it."""
        return any(forward.statistics()["open"] for forward in self.forwards)


# The process


class _Side(asyncio.Protocol):
    """One socket of a forwarded connection."""

    def __init__(self, forward, is_dialler):
        self.forward = forward
        self.is_dialler = is_dialler
        self.transport = None
        self.peer = None
        self.early = []
        self.held = collections.deque()
        self.held_bytes = 0
        self.due = 0.0
        self.is_throttled = False
        self.is_dead = False
        #: Its program has gone and the other end could not be told.
        self.is_gone = False
        #: What came in a packet that was too large.
        self.stuck = b""
        #: Whether the dialling end has asked for segments that fit through a narrow line.
        self.is_cautious = False

    def connection_made(self, transport):
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.settle()

    def data_received(self, data):
        if self.is_dead:
            return
        if self.forward.mode == SMALL and len(data) > _SMALL_SEGMENT and not self.is_cautious:
            self.stuck = data
            self.settle()
            return
        if self.is_dialler:
            self.forward.bytes_forward += len(data)
        else:
            self.forward.bytes_backward += len(data)
        forward = self.forward
        if not (forward.delay or forward.rate or forward.loss or self.held):
            self.peer.take(data)
            return
        for start in range(0, len(data), _SEGMENT):
            self.hold(data[start : start + _SEGMENT])
        self.settle()

    def hold(self, segment):
        forward = self.forward
        self.due = max(self.due, time.monotonic() + forward.delay)
        if forward.rate:
            self.due += len(segment) / forward.rate
        if forward.random.random() < forward.loss:
            # The sender's retransmission timer: two round trips, and not under a second (RFC 6298).
            self.due += max(1.0, 4 * forward.delay)
        self.held.append(segment)
        self.held_bytes += len(segment)
        asyncio.get_running_loop().call_at(self.due, self.release)

    def release(self):
        if self.held:
            data = self.held.popleft()
            self.held_bytes -= len(data or b"")
            if data is None:
                self.peer.finish()
            elif not self.is_dead:
                self.peer.take(data)
        self.settle()

    def let_go(self):
        """What stuck passes, as after a repetition by TCP."""
        if self.stuck and self.forward.mode == PASS:
            data, self.stuck = self.stuck, b""
            self.data_received(data)

    def take(self, data):
        """Writes what the other end sent, as soon as this end is connected."""
        if self.transport is None:
            self.early.append(data)
        elif not self.transport.is_closing():
            self.transport.write(data)

    def finish(self):
        if self.transport is not None:
            self.transport.close()

    def pause_writing(self):
        self.peer.is_throttled = True
        self.peer.settle()

    def resume_writing(self):
        self.peer.is_throttled = False
        self.peer.settle()

    def settle(self):
        """Reads, or does not read, as the circumstances are now."""
        if self.transport is None or self.transport.is_closing():
            return
        if self.stands_still or self.is_throttled or self.held_bytes > _HELD_BYTES_MAX or self.peer.transport is None:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    @property
    def stands_still(self):
        """Whether what this end sends does not arrive."""
        mode = LOST_FORWARD if self.is_dialler else LOST_BACKWARD
        return not self.is_dead and (bool(self.stuck) or self.forward.mode in (BLACK_HOLE, mode))

    def connection_lost(self, error):
        self.forward.sides.discard(self)
        if self.is_dead or self.peer.is_dead:
            return
        if self.stands_still:
            self.is_gone = True
            return
        if error is not None:
            self.peer.reset()
        elif self.held:
            self.held.append(None)
            asyncio.get_running_loop().call_at(self.due, self.release)
        else:
            self.peer.finish()

    def is_given_up(self):
        """Whether the program at the other end of this socket has closed it, read or not."""
        if self.transport is None or self.transport.is_closing():
            return False
        state = self.transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
        return state in (_TCP_CLOSE, _TCP_CLOSE_WAIT)

    def reset(self):
        """Ends this socket with RST."""
        if self.transport is not None and not self.transport.is_closing():
            linger = struct.pack("ii", 1, 0)
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.transport.abort()


class _Forward:
    def __init__(self, listen, target, source):
        self.listen, self.target, self.source = tuple(listen), tuple(target), source
        self.mode = PASS
        self.delay = 0.0
        self.rate = 0
        self.loss = 0.0
        self.random = random.Random(repr(self.listen))
        self.sides = set()
        self.accepted = 0
        self.bytes_forward = self.bytes_backward = 0
        self.listener = None
        self.fillers = []
        self.filler_names = set()
        self.tasks = set()
        self.begin_listening()

    def set_mode(self, mode):
        if mode not in _MODES:
            raise ValueError(f"no such mode: {mode}")
        if mode == self.mode:
            return
        if self.mode in _DARK:
            self.lose()
        self.mode = mode
        if mode in (PASS, SMALL):
            self.begin_listening()
        elif mode == REFUSE:
            self.end_listening()
            for side in list(self.sides):
                side.reset()
        else:
            self.begin_listening()
            self.fill()
            if mode == HALF_OPEN:
                self.halve()
        for side in list(self.sides):
            side.let_go()
            side.settle()

    def begin_listening(self):
        if self.listener is None:
            self.listener = socket.socket()
            self.listener.setblocking(False)
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.listener.bind(self.listen)
        for filler in self.fillers:
            filler.close()
        self.fillers = []
        self.listener.listen(128)
        asyncio.get_running_loop().add_reader(self.listener, self.accept)

    def end_listening(self):
        if self.listener is not None:
            asyncio.get_running_loop().remove_reader(self.listener)
            self.listener.close()
            self.listener = None
        for filler in self.fillers:
            filler.close()
        self.fillers = []

    def fill(self):
        """Fills the queue of the listening socket with our own connections: then first packets are not answered."""
        asyncio.get_running_loop().remove_reader(self.listener)
        self.listener.listen(0)
        for _ in range(200):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(self.listen)
            self.fillers.append(filler)
            self.filler_names.add(filler.getsockname())
            if not select.select([], [filler], [], 0.05)[1]:
                return
        raise RuntimeError("the queue of the listening socket does not fill up")

    def lose(self):
        """Ends what one end has closed in the dark. A real line has not kept its packets: we have, in the kernel."""
        for side in list(self.sides):
            if not side.is_dead and (side.peer.is_gone or side.is_given_up()):
                side.is_dead = side.peer.is_dead = True
                side.reset()
                side.peer.reset()

    def forget(self):
        """What either end writes is read and thrown away."""
        for side in self.sides:
            side.is_dead = True

    def halve(self):
        """The far ends are reset; the dialling ends go on without knowing."""
        for side in list(self.sides):
            side.is_dead = side.is_dialler
        for side in list(self.sides):
            if not side.is_dialler:
                side.reset()

    def accept(self):
        try:
            connection, name = self.listener.accept()
        except OSError:
            return
        if name in self.filler_names:
            self.filler_names.discard(name)
            connection.close()
            return
        self.accepted += 1
        segment = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
        connection.setblocking(False)
        task = asyncio.get_running_loop().create_task(self.connect(connection, segment <= _SMALL_SEGMENT))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def connect(self, connection, is_cautious):
        loop = asyncio.get_running_loop()
        near, far = _Side(self, True), _Side(self, False)
        near.peer, far.peer = far, near
        near.is_cautious = far.is_cautious = is_cautious
        self.sides |= {near, far}
        await loop.connect_accepted_socket(lambda: near, connection)
        try:
            source = (self.source, 0) if self.source else None
            await loop.create_connection(lambda: far, *self.target, local_addr=source)
        except OSError:
            self.sides.discard(far)
            near.reset()
            return
        if near.transport.is_closing():
            far.finish()
        near.settle()

    def statistics(self):
        return {
            "accepted": self.accepted,
            "open": sum(side.is_dialler for side in self.sides),
            "forward": self.bytes_forward,
            "backward": self.bytes_backward,
        }


class _Control(asyncio.Protocol):
    forwards = {}

    def __init__(self):
        self.buffer = b""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        for line in lines:
            try:
                answer = self.perform(json.loads(line))
            except Exception as error:
                answer = {"error": repr(error)}
            self.transport.write(json.dumps(answer or {}).encode() + b"\n")

    def perform(self, request):
        command, name = request["command"], request["name"]
        if command == "open":
            self.forwards[name] = _Forward(request["listen"], request["target"], request["source"])
            return None
        forward = self.forwards[name]
        if command == "mode":
            forward.set_mode(request["mode"])
        elif command == "forget":
            forward.forget()
        elif command == "slow":
            forward.delay, forward.rate, forward.loss = request["delay"], request["rate"], request["loss"]
        elif command == "statistics":
            return forward.statistics()
        else:
            raise ValueError(command)
        return None


async def _main(path):
    server = await asyncio.get_running_loop().create_unix_server(_Control, path)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    os.umask(0o077)
    try:
        asyncio.run(_main(sys.argv[1]))
    except KeyboardInterrupt:
        pass
