"""A line that fails in the kernel: packets between two addresses vanish, and TCP does with it what it does in the world.

Unlike the relay nobody stands between: what is not acknowledged is sent again after ever longer pauses, and a sign of life
does not come from a process that only forwards. It needs a network of one's own (`enter`), and cannot delay.
"""

import ipaddress
import os
import subprocess
import sys

from . import processes, relay

_ENTERED = "INTEROP_OWN_NETWORK"
#: The Ethernet's packets; and no larger ones for TCP to cut later: the filter would see them whole.
_SETUP = (
    "ip link set lo up mtu 1500",
    "ip link set dev lo gso_max_segs 1",
    "tc qdisc add dev lo clsact",
)
#: What passes through a narrow line.
_SMALL = 1280

# Instructions of the classic packet filter (linux/bpf_common.h), and where things stand in a frame.
_LOAD_WORD, _LOAD_HALF, _RETURN = 0x20, 0x28, 0x06
_IF_EQUAL, _IF_GREATER = 0x15, 0x25
_SOURCE, _TARGET, _LENGTH, _SOURCE_PORT, _TARGET_PORT = 26, 30, 16, 34, 36
#: A random number instead of a place.
_RANDOM = 0xFFFFF000 + 56
# What becomes of the packet (linux/pkt_cls.h); the first asks the next filter.
_GO_ON, _DROP = 0xFFFFFFFF, 2


def enter():
    """Begins this program anew in a network of its own, where it may drop packets; as any user."""
    if os.environ.get(_ENTERED):
        return
    private = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]
    if subprocess.run([*private, "true"], env={**os.environ, "PATH": processes.PATH}).returncode != 0:
        sys.exit("no network of our own: user namespaces are forbidden here; run this as root")
    words = " && ".join(_SETUP)
    environment = {**os.environ, "PATH": processes.PATH, _ENTERED: "1"}
    os.execvpe(private[0], [*private, "sh", "-c", f'{words} && exec "$@"', "sh", sys.executable, *sys.argv], environment)


class Wire:
    """Everything between two addresses. Its modes are the relay's, as far as they are a matter of packets."""

    _made = 0

    def __init__(self, one, other):
        """`one`, `other`: domain and address."""
        Wire._made += 1
        self._preference = Wire._made
        self._addresses = dict((one, other))
        self._both = (one[1], other[1]), (other[1], one[1])
        self._loss = 0.0
        self._lost = []
        self._over = 0
        self._forgotten = []

    def cut(self, mode):
        if mode not in (relay.PASS, relay.BLACK_HOLE, relay.SMALL):
            raise ValueError(f"not a matter of packets: {mode}")
        self._lost = [] if mode == relay.PASS else list(self._both)
        self._over = _SMALL if mode == relay.SMALL else 0
        self._apply()

    def heal(self):
        self.cut(relay.PASS)

    def lose_from(self, domain):
        """From now on what `domain` sends vanishes."""
        self._lost = [pair for pair in self._both if pair[0] == self._addresses[domain]]
        self._apply()

    def forget(self):
        """The connections of now are dead for ever, and nobody is told; new ones work."""
        for source, target in self._both:
            listed = _run("ss", "--tcp", "--numeric", "--no-header", f"src {source} and dst {target}")
            for line in listed.splitlines():
                ports = [int(end.rsplit(":", 1)[1]) for end in line.split()[3:5]]
                self._forgotten.append((source, target, *ports))
        self._apply()

    def slow(self, delay=0.0, rate=0, loss=0.0):
        if delay or rate:
            raise ValueError("a wire cannot delay: take a line through the relay")
        self._loss = loss
        self._apply()

    def _apply(self):
        program = []
        for *pair, port, other in self._forgotten:
            ports = [(_LOAD_HALF, _SOURCE_PORT, _IF_EQUAL, port), (_LOAD_HALF, _TARGET_PORT, _IF_EQUAL, other)]
            program += _dropping(*pair, ports)
        for pair in self._lost:
            program += _dropping(*pair, [(_LOAD_HALF, _LENGTH, _IF_GREATER, self._over)] if self._over else [])
        for pair in self._both if self._loss else ():
            program += _dropping(*pair, [(_LOAD_WORD, _RANDOM, _IF_GREATER, int((1 - self._loss) * 0xFFFFFFFF))])
        program.append((_RETURN, 0, 0, _GO_ON))
        # Where they arrive: who drops what is about to leave tells TCP of it, which then gives up within seconds.
        words = ",".join(" ".join(map(str, instruction)) for instruction in program)
        _run("tc", "filter", "replace", "dev", "lo", "ingress", "prio", str(self._preference), "handle", "1", "bpf",
             "direct-action", "bytecode", f"{len(program)},{words}")  # fmt: skip


def _run(*words):
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, "PATH": processes.PATH})
    if done.returncode != 0:
        raise RuntimeError(f"{words[0]}: {done.stderr}")
    return done.stdout


def _dropping(source, target, conditions):
    """Instructions that drop what goes from `source` to `target` and meets the conditions (load, place, comparison, value)."""
    tests = [
        (_LOAD_WORD, _SOURCE, _IF_EQUAL, int(ipaddress.ip_address(source))),
        (_LOAD_WORD, _TARGET, _IF_EQUAL, int(ipaddress.ip_address(target))),
        *conditions,
    ]
    program = []
    for number, (load, place, comparison, value) in enumerate(tests):
        # Past the rest of the tests, of two instructions each, and past the end.
        past = 2 * (len(tests) - number - 1) + 1
        program += [(load, 0, 0, place), (comparison, 0, past, value)]
    return [*program, (_RETURN, 0, 0, _DROP)]
