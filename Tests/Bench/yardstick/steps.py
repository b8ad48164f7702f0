"""The rows of the comparison: which work, which figure of it is compared, and what is aimed at."""

import dataclasses
import typing

from . import drain, work

MARTLET, PROSODY, EJABBERD = "martlet", "prosody", "ejabberd"
TITLES = {MARTLET: "Martlet", PROSODY: "Prosody", EJABBERD: "ejabberd"}
#: In this order they are started.
KINDS = (PROSODY, EJABBERD, MARTLET)


@dataclasses.dataclass(frozen=True)
class Times:
    """Martlet's figure is at most this part of the better peer's."""

    factor: float

    def __str__(self):
        return f"≥ {self.factor:g}×"

    def is_met(self, own, ratio):
        return None if ratio is None else ratio >= self.factor


@dataclasses.dataclass(frozen=True)
class AtMost:
    bound: float
    unit: str

    def __str__(self):
        return f"≤ {self.bound:g} {self.unit}"

    def is_met(self, own, ratio):
        return own <= self.bound


@dataclasses.dataclass(frozen=True)
class AtLeast:
    bound: float
    unit: str

    def __str__(self):
        return f"≥ {self.bound:g} {self.unit}"

    def is_met(self, own, ratio):
        return own >= self.bound


Goal = Times | AtMost | AtLeast


@dataclasses.dataclass(frozen=True)
class Figure:
    """One row of the table: a figure of a run, in what unit, and what is aimed at."""

    title: str
    key: str
    unit: str
    goal: Goal | None = None
    #: What the run says is divided by this.
    divisor: float = 1
    #: Less is better, and a ratio says something.
    compares: bool = True
    #: Where its rate and its quantiles of latency stand in the run.
    beside: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Step:
    """Work that is done as a whole, for one figure or several."""

    name: str
    run: typing.Callable
    #: Seconds of one run with Martlet, Prosody and ejabberd, and of setting up, roughly: for the estimate.
    seconds: tuple[int, int, int]
    setup: int
    figures: tuple[Figure, ...]
    kinds: tuple[str, ...] = KINDS
    #: Runs enough to know it, whatever is asked for: memory hardly varies, and a throttled line is its own clock.
    most_runs: int = 1000

    @property
    def is_memory(self):
        """What other work takes of the processor meanwhile does not matter."""
        return all(figure.unit == "KiB" for figure in self.figures)

    def duration(self, kind, runs):
        order = (MARTLET, PROSODY, EJABBERD)
        return self.setup + min(runs, self.most_runs) * self.seconds[order.index(kind)]


CPU, KIB = "server_cpu_us_per", 1024
RATE, LATENCY = "rate_per_s", ("rate_per_s", "p50_ms", "p99_ms")


def _message(title, factor=None):
    return Figure(title, CPU, "µs a message", Times(factor) if factor else None, beside=LATENCY)


STEPS = (
    Step("login", work.login, (5, 25, 12), 14, (
        Figure("Login: TLS 1.3, SCRAM-SHA-1", "server_cpu_ms_per_login", "ms a login", Times(4), beside=LATENCY),
    )),
    Step("chat-tls", work.chat, (8, 22, 14), 14, (_message("Chat over TLS", 10),)),
    Step("chat-plain", work.in_clear, (8, 20, 12), 14, (_message("Chat in clear"),)),
    Step("chat-tls-sm", work.durable, (10, 26, 16), 14, (
        _message("Chat over TLS, stream management on both ends", 8),
    )),
    Step("chat-archive", work.archived, (10, 40, 24), 14, (
        _message("The same, every message in the archives of both", 30),
    )),
    Step("pages", work.pages, (6, 60, 60), 60, (
        Figure("A page of 50 out of an archive", CPU, "µs a page", Times(10), beside=LATENCY),
    )),
    Step("light", work.light, (26, 26, 26), 14, (
        _message("200 messages a second over TLS", 10),
        Figure("the same, half of the messages within", "p50_ms", "ms", AtMost(2, "ms"), compares=False),
    )),
    Step("light-sm", work.light_durable, (26, 26, 26), 14, (
        _message("200 messages a second with stream management", 4),
        Figure("the same, half of the messages within", "p50_ms", "ms", AtMost(2, "ms"), compares=False),
    )),
    Step("offline", work.offline, (30, 55, 45), 0, (
        Figure("Offline messages, stored", CPU, "µs a message", Times(15), beside=LATENCY),
        Figure("Offline messages, read back", "read_cpu_us_per", "µs a message", Times(10), beside=("read_rate_per_s",)),
        Figure("the same with the logins of their readers", "read_with_logins_cpu_us_per", "µs a message", Times(10)),
    )),
    Step("fanout", work.fanout, (8, 18, 12), 18, (
        Figure("Presence to 200 contacts", CPU, "µs a delivery", Times(6), beside=LATENCY),
    )),
    Step("publish", work.publishing, (8, 25, 15), 18, (
        Figure("An item of a node (XEP-0163) to 200 contacts", CPU, "µs a delivery", Times(6), beside=LATENCY),
    )),
    Step("s2s", work.between, (8, 12, 8), 30, (_message("Between two servers over TLS, both together", 10),)),
    Step("s2s-sm", work.between_durable, (8, 14, 9), 30, (
        _message("Between two servers, clients with stream management", 10),
    )),
    Step("idle-plain", work.idle_in_clear, (90, 90, 90), 0, most_runs=1, figures=(
        Figure("Memory of an idle connection in clear", "pss_bytes_per_conn", "KiB", AtMost(8, "KiB"), KIB),
        Figure("of that anonymous", "anon_bytes_per_conn", "KiB", None, KIB),
    )),
    Step("idle-tls", work.idle, (90, 100, 95), 0, most_runs=1, figures=(
        Figure("Memory of an idle connection over TLS", "pss_bytes_per_conn", "KiB", AtMost(24, "KiB"), KIB),
        Figure("of that anonymous", "anon_bytes_per_conn", "KiB", None, KIB),
    )),
    Step("drain", drain.fast, (12, 0, 0), 25, kinds=(MARTLET,), figures=(
        Figure("A queue after an outage, both servers together", CPU, "µs an entry", beside=(RATE,), compares=False),
    )),
    Step("drain-slow", drain.slow, (160, 0, 0), 25, kinds=(MARTLET,), most_runs=1, figures=(
        Figure("The same at 1 Mbit/s and 50 ms: speed of a plain TLS copy", "of_copy", "%", AtLeast(80, "%"), 0.01,
               compares=False, beside=(RATE,)),
    )),
)  # fmt: skip
BY_NAME = {step.name: step for step in STEPS}
