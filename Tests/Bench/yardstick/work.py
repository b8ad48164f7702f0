"""The work: what is done to one kind of server, for each step of the comparison.

Each function here takes the bench, the kind of server and the number of runs, sets up what it needs, yields the figures of
one run after the other, and takes down what it set up.
"""

#: What a saturated chat is: pairs, messages under way of each, bytes of a body.
PAIRS, WINDOW, BODY = 200, 5, 100


def login(bench, kind, runs):
    users = bench.amount(2000)
    with bench.room.server(kind, users) as server:
        # Not measured: everything was used once.
        bench.load.run("connect", "-n", min(users, 200), servers=[server])
        for _ in range(runs):
            yield bench.measure("connect", "-n", users, "--concurrency", 64, servers=[server])


def chat(bench, kind, runs, *words, messages=40000, archives=False):
    pairs = bench.amount(PAIRS, least=4)
    words = ("--pairs", pairs, "--window", WINDOW, "--body", BODY, *words)
    if "--rate" not in words:
        words += ("--messages", bench.amount(messages))
    with bench.room.server(kind, 2 * pairs, archives) as server:
        for _ in range(runs):
            yield bench.measure("chat", *words, servers=[server])


def in_clear(bench, kind, runs):
    yield from chat(bench, kind, runs, "--plain")


def durable(bench, kind, runs):
    yield from chat(bench, kind, runs, "--sm")


def archived(bench, kind, runs):
    yield from chat(bench, kind, runs, "--sm", archives=True)


def light(bench, kind, runs, *words):
    yield from chat(bench, kind, runs, "--rate", 200, "--seconds", max(2, 20 * bench.scale), *words)


def light_durable(bench, kind, runs):
    yield from light(bench, kind, runs, "--sm")


def offline(bench, kind, runs):
    recipients = bench.amount(1000, least=20)
    for _ in range(runs):
        with bench.room.server(kind, 10 + recipients) as server:
            yield bench.measure(
                "offline", "--messages", 20 * recipients, "--recipients", recipients, "--senders", 10, "--window", 20,
                servers=[server],
            )  # fmt: skip


def fanout(bench, kind, runs, *words):
    contacts = bench.amount(200, least=5)
    with bench.room.server(kind, contacts + 1) as server:
        for _ in range(runs):
            yield bench.measure("fanout", "--contacts", contacts, "--toggles", bench.amount(200), *words, servers=[server])


def publishing(bench, kind, runs):
    yield from fanout(bench, kind, runs, "--publish")


def pages(bench, kind, runs):
    """Forty people with a thousand messages each leaf through them."""
    pairs = bench.amount(20, least=2)
    with bench.room.server(kind, 2 * pairs, archives=True) as server:
        # Not measured: what there is to be read.
        bench.load.run("chat", "--pairs", pairs, "--window", 5, "--body", BODY, "--messages", 1000 * pairs, servers=[server])
        for _ in range(runs):
            yield bench.measure("pages", "-n", 2 * pairs, "--messages", bench.amount(2000), servers=[server])


def between(bench, kind, runs, *words):
    pairs = bench.amount(PAIRS, least=4)
    words = ("--cross-domain", "--pairs", pairs, "--window", WINDOW, "--body", BODY, *words)
    with bench.room.pair(kind, 2 * pairs) as servers:
        # Not measured: the link is made and was used.
        bench.load.run("chat", *words, "--messages", bench.amount(2000), servers=servers)
        for _ in range(runs):
            yield bench.measure("chat", *words, "--messages", bench.amount(20000), servers=servers)


def between_durable(bench, kind, runs):
    yield from between(bench, kind, runs, "--sm")


def idle(bench, kind, runs, *words):
    connections = bench.amount(bench.idle, least=10)
    hold = max(1, 60 * min(1, bench.scale))
    for _ in range(runs):
        with bench.room.server(kind, connections) as server:
            yield bench.measure(
                "connect", "-n", connections, "--concurrency", 64, "--stall", 60, "--hold", hold, "--abrupt", *words,
                servers=[server], limit=900,
            )  # fmt: skip


def idle_in_clear(bench, kind, runs):
    yield from idle(bench, kind, runs, "--plain")
