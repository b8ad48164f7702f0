"""Reads Topologies/*.toml: sites, foreign servers, the lines between them, and what goes wrong when."""

import dataclasses
import re
import tomllib

from . import peers, relay

SOFTWARE = {"prosody": peers.Prosody, "ejabberd": peers.Ejabberd}
KINDS = {"refused": relay.REFUSE, "refuse": relay.REFUSE, "black_hole": relay.BLACK_HOLE, "half_open": relay.HALF_OPEN}
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclasses.dataclass
class Server:
    name: str
    domain: str
    users: list
    software: str


@dataclasses.dataclass
class Outage:
    between: tuple
    start: float
    end: float
    kind: str


@dataclasses.dataclass
class Crash:
    site: str
    at: float
    downtime: float


class Topology:
    def __init__(self, path):
        with open(path, "rb") as file:
            data = tomllib.load(file)
        self.servers = {}
        for entry in data.get("sites", []):
            self.servers[entry["name"]] = Server(entry["name"], entry["domain"], entry.get("users", []), "martlet")
        for entry in data.get("foreign_servers", []):
            self.servers[entry["name"]] = Server(
                entry["name"], entry["domain"], entry.get("users", []), entry["software"]
            )
        self.delays = {}
        self.outages = []
        for link in data.get("links", []):
            between = tuple(link["between"])
            self.delays[between] = seconds(link.get("delay", "0s"))
            for outage in link.get("outages", []):
                start = seconds(outage["start"])
                self.outages.append(
                    Outage(between, start, start + seconds(outage["duration"]), KINDS[outage["kind"]])
                )
        self.crashes = [
            Crash(entry["site"], seconds(entry["at"]), seconds(entry["downtime"])) for entry in data.get("crashes", [])
        ]
        self.messages = data["traffic"]["messages"]
        self.rate = data["traffic"]["rate_per_second"]

    @property
    def sites(self):
        """Our own, in the order of the file."""
        return [server for server in self.servers.values() if server.software == "martlet"]

    @property
    def foreign(self):
        return [server for server in self.servers.values() if server.software != "martlet"]


def seconds(text):
    """A duration such as 20ms or 1m."""
    number, unit = re.fullmatch(r"([0-9.]+)(ms|s|m|h|d)", text).groups()
    return float(number) * _UNITS[unit]
