"""Real processes, real DNS, real clients: what the interoperation tests and the demonstration are made of.

Everything runs on loopback addresses that belong to one run (ports.Network), as any user, with nothing outside the
standard library but slixmpp.
"""
