"""Counts messages where it matters: at the clients.

What was sent, what arrived, how often, in which order, and whether what came late says so (XEP-0203).
"""

import dataclasses
import datetime
import time

#: A message that took longer than this is late, in seconds. Far above what a busy machine needs.
LATE = 10.0

#: How far a delay stamp may be from the moment of sending, in seconds.
STAMP_ERROR_MAX = 3.0


@dataclasses.dataclass
class _Sent:
    number: int
    sender: str
    recipient: str
    at: float


@dataclasses.dataclass
class _Arrival:
    id: str
    at: float
    stamps: list


@dataclasses.dataclass(repr=False)
class Report:
    sent: int
    delivered: int
    lost: list
    duplicated: list
    bounced: list
    out_of_order: list
    wrong_stamps: list

    @property
    def is_clean(self):
        return not (self.lost or self.duplicated or self.bounced or self.out_of_order or self.wrong_stamps)

    def line(self):
        return f"sent {self.sent}, delivered {self.delivered}, lost {len(self.lost)}, duplicated {len(self.duplicated)}"

    def __repr__(self):
        return str(self)

    def __str__(self):
        parts = [self.line()]
        for name in ("lost", "duplicated", "bounced", "out_of_order", "wrong_stamps"):
            found = getattr(self, name)
            if found:
                parts.append(f"{name.replace('_', ' ')} ({len(found)}): " + ", ".join(map(str, found[:10])))
        return "; ".join(parts)


class Ledger:
    """One run's messages, by id. Clients write into it; ids are unique in a run."""

    def __init__(self):
        self._sent = {}
        self._arrivals = {}
        self._order = []
        self._bounced = []
        self.origin = time.time()

    def record_sent(self, id, sender, recipient):
        """The moment a person pressed return; repeats by the client are the same message."""
        self._sent.setdefault(id, _Sent(len(self._sent), sender, recipient, time.time()))

    def record_arrival(self, id, stamps):
        if id in self._sent:
            arrival = _Arrival(id, time.time(), stamps)
            self._arrivals.setdefault(id, []).append(arrival)
            self._order.append(arrival)

    def record_bounce(self, id, condition):
        if id in self._sent:
            self._bounced.append((id, condition))

    def knows(self, id):
        return id in self._sent

    def ids_of(self, account):
        """The messages that an account has sent, or that are for it."""
        return [id for id, sent in self._sent.items() if account in (_bare(sent.sender), _bare(sent.recipient))]

    def has_arrived(self, id):
        return id in self._arrivals

    @property
    def sent_count(self):
        return len(self._sent)

    @property
    def delivered_count(self):
        return len(self._arrivals)

    def is_complete(self):
        return len(self._arrivals) == len(self._sent)

    def arrivals(self, id):
        """When it arrived, each time, in seconds since 1970."""
        return [arrival.at for arrival in self._arrivals.get(id, ())]

    def sent_at(self, id):
        return self._sent[id].at

    @property
    def movements(self):
        """How much has happened: arrivals, repeated ones too, and returns."""
        return len(self._order) + len(self._bounced)

    def latency(self, id):
        """Seconds from sending to the first arrival."""
        return self._arrivals[id][0].at - self._sent[id].at

    def late(self):
        """The ids of messages that took longer than LATE."""
        return [id for id in self._arrivals if self.latency(id) > LATE]

    def stamps(self, id):
        return self._arrivals[id][0].stamps

    def story_of(self, id):
        """When one message was sent, and each time when it arrived."""
        sent = self._sent[id]
        arrivals = " ".join(_clock(arrival.at) for arrival in self._arrivals.get(id, ()))
        return f"{id} #{sent.number} {sent.sender} to {sent.recipient} sent {_clock(sent.at)} arrived {arrivals or 'never'}"

    def story(self):
        """The same of all, a line for each, to be held against the logs."""
        return "".join(f"{self.story_of(id)}\n" for id in self._sent)

    def report(self, stamps=True, taken_late=False):
        """`stamps` False: do not judge delay stamps (foreign servers rarely set them). `taken_late`: the sender's own
        server was away, so that it may have taken messages over at any time between sending and arrival."""
        return Report(
            sent=len(self._sent),
            delivered=len(self._arrivals),
            lost=[id for id in self._sent if id not in self._arrivals],
            duplicated=[id for id, arrivals in self._arrivals.items() if len(arrivals) > 1],
            bounced=list(self._bounced),
            out_of_order=self._disorder(),
            wrong_stamps=self._wrong_stamps(taken_late) if stamps else [],
        )

    def _disorder(self):
        """First arrivals that came after one sent later, for each (sender, recipient); numbers count all sent."""
        last, found, seen = {}, [], set()
        for arrival in self._order:
            if arrival.id in seen:
                continue
            seen.add(arrival.id)
            sent = self._sent[arrival.id]
            pair = (sent.sender, sent.recipient)
            if sent.number < last.get(pair, -1):
                found.append(f"{sent.sender} to {sent.recipient} #{sent.number} after #{last[pair]}")
            last[pair] = max(last.get(pair, -1), sent.number)
        return found

    def _wrong_stamps(self, taken_late):
        """Late messages without a stamp that tells when they were sent, and stamps of moments when they were not under way.
        Each server on the way may add one (XEP-0203)."""
        found = []
        for id, arrivals in self._arrivals.items():
            sent, arrival = self._sent[id], arrivals[0]
            errors = [stamp - sent.at for _, stamp in arrival.stamps]
            latency = arrival.at - sent.at
            is_told = any(taken_late or abs(error) <= STAMP_ERROR_MAX for error in errors)
            if not all(-STAMP_ERROR_MAX <= error <= latency + STAMP_ERROR_MAX for error in errors) or (
                (latency > LATE or errors) and not is_told
            ):
                stamps = ", ".join(f"{origin} {stamp - sent.at:+.1f} s" for origin, stamp in arrival.stamps)
                found.append(f"#{sent.number} arrived after {latency:.1f} s, stamped: {stamps or 'not at all'}")
        return found


def _bare(address):
    return str(address).split("/")[0]


def _clock(at):
    return time.strftime("%H:%M:%S", time.gmtime(at)) + f".{int(at * 1000) % 1000:03}"


def parse_stamp(text):
    """Seconds since 1970 of an XEP-0082 date and time."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
