"""What became of the messages across one fault, and the table of all."""

import dataclasses

from .strikes import FAULTS

_HEAD = ("Fault", "Delivered", "Waiting", "Returned", "Lost", "First after the heal", "Backlog after the heal",
         "Repeated at the client")  # fmt: skip


@dataclasses.dataclass
class Outcome:
    pair: str
    fault: str
    rung: str = ""
    sent: int = 0
    delivered: int = 0
    bounced: int = 0
    #: With nobody told, and still waiting when we stopped looking.
    lost: int = 0
    #: Of the lost, after the receiving server had proven to have them.
    lost_after_proof: int = 0
    duplicated: int = 0
    disordered: int = 0
    waiting: int = 0
    #: Seconds from the end of the fault to the first arrival of one that had not arrived before; until all that was accepted
    #: before the end had arrived. None: never.
    first: float | None = None
    backlog: float | None = None
    failure: str = ""
    #: For each message when it was sent and each time when it arrived, in seconds after the end of the fault.
    times: list = dataclasses.field(default_factory=list, repr=False)

    @property
    def name(self):
        return f"{self.pair}/{self.fault}"

    def count(self, ledger, ids, healed, accepted, proven, waiting):
        """`ids`: the messages of the measurement; `accepted`: those that the sending server had taken over when the fault
        ended; `proven`: how many, from the first, the receiving server had proven to have when it died."""
        report = ledger.report(stamps=False)
        returned = {id for id, _ in report.bounced}
        missing = [id for id in ids if not ledger.arrivals(id) and id not in returned]
        self.sent, self.bounced, self.lost = len(ids), len(returned & set(ids)), len(missing)
        self.delivered = sum(1 for id in ids if ledger.arrivals(id))
        self.duplicated = sum(1 for id in ids if len(ledger.arrivals(id)) > 1)
        self.disordered, self.waiting = len(report.out_of_order), waiting
        self.lost_after_proof = len(set(missing) & set(ids[:proven]))
        self.times = [
            [round(at - healed, 2) for at in (ledger.sent_at(id), *ledger.arrivals(id))] for id in ids
        ]
        firsts = {id: min(ledger.arrivals(id)) - healed for id in ids if ledger.arrivals(id)}
        self.first = min((round(at, 2) for at in firsts.values() if at > 0), default=None)
        backlog = [firsts.get(id) for id in accepted if id not in returned]
        if None not in backlog:
            self.backlog = round(max(0.0, *backlog, 0.0), 2)

    def words(self):
        """In a line, for whoever looks on."""
        fields = {**dataclasses.asdict(self), "times": None, "pair": None, "fault": None}
        told = (f"{name} {value}" for name, value in fields.items() if value not in (None, ""))
        return f"{self.name}: {', '.join(told)}"

    def row(self):
        cells = [FAULTS[self.fault].words]
        if self.failure:
            cells += ["not measured"] + [""] * (len(_HEAD) - 2)
        else:
            lost = str(max(0, self.lost - self.waiting))
            if self.lost_after_proof:
                lost += f" ({self.lost_after_proof} of them after the receiving server had acknowledged them)"
            cells += [self.delivered, self.waiting, self.bounced, lost]
            first = "–" if self.first is None and self.backlog is not None else _seconds(self.first)
            cells += [first, _seconds(self.backlog), self.duplicated]
        return _line(cells)


def table(outcomes, pairs):
    """The outcomes as Markdown; `pairs`: title by name, in order."""
    lines = []
    for name, title in pairs.items():
        rows = [outcome for outcome in outcomes if outcome.pair == name]
        if rows:
            rungs = " and ".join(sorted({row.rung for row in rows if row.rung}))
            lines += [f"**{title}**" + (f" (acknowledged by: {rungs})" if rungs else ""), ""]
            lines += [_line(_HEAD), _line(["---"] * len(_HEAD))] + [row.row() for row in rows] + [""]
    return "\n".join(lines)


def _line(cells):
    return "| " + " | ".join(map(str, cells)) + " |"


def _seconds(value):
    return "never" if value is None else f"{value:.1f} s" if value < 10 else f"{value:.0f} s"
