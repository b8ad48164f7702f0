"""What goes wrong between two servers: each fault with its words, what it needs, and how it begins and ends.

A fault is told what it strikes: a `faults.Cell` (its servers, line, clients and times).
"""

import asyncio
import dataclasses
import time
import typing

from . import relay

SENDER, RECEIVER = "sender", "receiver"
#: Seconds: how long a line is broken (longer than any timeout as shipped, so that who waits for it has given up and dials),
#: how long a server is down, how long the longer silences are, how long a line flaps.
BROKEN, DOWN, LONG, LONGER, FLAPPING = 50, 5, 120, 600, 60
#: A line that flaps: so long silent, so long good; the part of its segments that is lost.
SILENT, GOOD, LOSS = 4, 3, 0.05
#: After this many messages a store is copied; the addressee goes; the fault strikes.
COPY, AWAY, STRIKE = 20, 40, 60


@dataclasses.dataclass(frozen=True)
class Fault:
    words: str
    #: Coroutine function of a cell, from the beginning of the fault to its end.
    strike: typing.Callable
    #: Who must be a Martlet.
    ours: tuple = ()
    #: Messages a second, and which of them are larger than any packet: each so-many-th.
    rate: float = 20
    large: int = 0
    #: What else happens, after how many messages.
    before: dict = dataclasses.field(default_factory=dict)
    #: A store does not know any more what was delivered, so that it may be delivered again.
    forgets: bool = False
    is_long: bool = False
    #: A matter of packets: the kernel drops them (`wire`), unless the line is slow.
    packets: bool = False


def _line(mode, seconds=None):
    async def strike(cell):
        cell.line.cut(mode)
        await asyncio.sleep(seconds or cell.broken)
        cell.line.heal()

    return strike


async def _half_open(cell):
    """Of the sender's connections only."""
    for forward in cell.line.forwards:
        if forward.name.startswith(cell.sender.domain):
            forward.mode(relay.HALF_OPEN)
    await asyncio.sleep(cell.broken)
    cell.line.heal()


async def _forgotten(cell):
    """The fault ends when what was on its way has arrived; what remains is to find it out."""
    cell.line.forget()
    await asyncio.sleep(1)


def _one_way(role):
    async def strike(cell):
        cell.line.lose_from(getattr(cell, role).domain)
        await asyncio.sleep(cell.broken)
        cell.line.heal()

    return strike


def _down(role, is_kill):
    async def strike(cell):
        victim = getattr(cell, role)
        await asyncio.to_thread(victim.kill if is_kill else victim.stop)
        end = time.monotonic() + cell.down
        if role == RECEIVER:
            # Nothing comes from the dead any more but what stands in the socket.
            await asyncio.sleep(1)
            await cell.note_proven()
        await asyncio.sleep(max(0, end - time.monotonic()))
        await asyncio.to_thread(victim.start)

    return strike


async def _denied(cell):
    """The name server denies on when the line is back: what is remembered must do."""
    await asyncio.to_thread(cell.sender.view.deny)
    cell.line.cut(relay.REFUSE)
    end = time.monotonic() + cell.broken
    await asyncio.to_thread(cell.sender.stop)
    await asyncio.to_thread(cell.sender.start)
    await asyncio.sleep(max(0, end - time.monotonic()))
    cell.line.heal()


def _flapping(kills=()):
    async def strike(cell):
        cell.slow(loss=LOSS)
        begin = time.monotonic()
        deaths = asyncio.gather(*(_die(cell, role, begin + after) for role, after in kills if cell.is_ours(role)))
        while time.monotonic() < begin + FLAPPING:
            cell.line.cut(relay.BLACK_HOLE)
            await asyncio.sleep(SILENT)
            cell.line.heal()
            await asyncio.sleep(GOOD)
        # Its last silence.
        cell.line.cut(relay.BLACK_HOLE)
        await asyncio.sleep(SILENT)
        await deaths
        cell.slow()
        cell.line.heal()

    return strike


async def _die(cell, role, at):
    await asyncio.sleep(max(0, at - time.monotonic()))
    victim = getattr(cell, role)
    await asyncio.to_thread(victim.kill)
    await asyncio.to_thread(victim.start)


def _copy(role):
    async def copy(cell):
        await asyncio.to_thread(getattr(cell, role).copy_store, cell.copy)

    return copy


async def _receiver_restored(cell):
    """bob has read what came between the copy and his going; the rest waited for him in the store that is replaced."""
    await asyncio.to_thread(cell.receiver.stop)
    await asyncio.to_thread(cell.receiver.restore_store, cell.copy)
    await asyncio.to_thread(cell.receiver.start)


async def _receiver_lost(cell):
    await asyncio.to_thread(cell.receiver.stop)
    await asyncio.to_thread(cell.receiver.lose_store)
    await asyncio.to_thread(cell.receiver.start)


async def _sender_restored(cell):
    """Everything that was written has arrived: what is in no store and has not left is gone, whatever anybody does."""
    cell.may_write.clear()
    await cell.until_all_arrived()
    await cell.alice.logout()
    await asyncio.to_thread(cell.sender.stop)
    await asyncio.to_thread(cell.sender.restore_store, cell.copy)
    await asyncio.to_thread(cell.sender.start)


async def _bob_goes(cell):
    await cell.bob.logout()


_BOTH = (SENDER, RECEIVER)
_KILLS = ((SENDER, 15), (RECEIVER, 26), (SENDER, 37), (RECEIVER, 48))

FAULTS = {
    "receiver-killed": Fault("receiving server killed (SIGKILL), back after 5 s", _down(RECEIVER, True)),
    "receiver-restarted": Fault("receiving server stopped properly, back after 5 s", _down(RECEIVER, False)),
    "sender-killed": Fault("sending server killed (SIGKILL), back after 5 s", _down(SENDER, True)),
    "black-hole": Fault("line silent for 50 s", _line(relay.BLACK_HOLE), packets=True),
    "black-hole-long": Fault("line silent for 2 minutes", _line(relay.BLACK_HOLE, LONG), packets=True),
    "black-hole-longer": Fault(
        "line silent for 10 minutes", _line(relay.BLACK_HOLE, LONGER), packets=True, is_long=True
    ),
    "half-open": Fault("the sender's connections half-open for 50 s", _half_open),
    "half-open-both": Fault("the connections of both half-open for 50 s", _line(relay.HALF_OPEN)),
    "forgotten": Fault(
        "all connections dead and nobody told, new ones work at once (a NAT that restarts)", _forgotten, packets=True
    ),
    "refused": Fault("connections refused for 50 s", _line(relay.REFUSE)),
    "lost-to": Fault("what the sending server sends vanishes for 50 s", _one_way(SENDER), packets=True),
    "lost-back": Fault("what the receiving server sends vanishes for 50 s", _one_way(RECEIVER), packets=True),
    "small": Fault(
        "packets over 1280 bytes vanish for 50 s (MTU black hole)", _line(relay.SMALL), packets=True, large=5
    ),
    "denied": Fault(
        "connections refused for 50 s, the sender restarted, its name server denies every name", _denied, ours=(SENDER,)
    ),
    "flapping": Fault("line silent for 4 of every 7 s for a minute, 5 % lost", _flapping(), packets=True, rate=2),
    "flapping-killed": Fault("the same, and each Martlet killed twice", _flapping(_KILLS), packets=True, rate=2),
    "receiver-restored": Fault(
        "receiving server gets an older copy of its store",
        _receiver_restored,
        ours=_BOTH,
        before={COPY: _copy(RECEIVER), AWAY: _bob_goes},
        forgets=True,
    ),
    "receiver-lost": Fault(
        "receiving server loses its store", _receiver_lost, ours=_BOTH, before={AWAY: _bob_goes}, forgets=True
    ),
    "sender-restored": Fault(
        "sending server gets an older copy of its store", _sender_restored, ours=_BOTH, before={COPY: _copy(SENDER)}
    ),
}
