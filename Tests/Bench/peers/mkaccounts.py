#!/usr/bin/env python3
"""Makes user0..userN-1 with the password "secret" in bulk, as each server stores them.

usage: mkaccounts.py prosody  DATA_DIRECTORY DOMAIN N    files of its internal storage
       mkaccounts.py ejabberd FILE DOMAIN N              a file of Erlang terms for ejabberd.sh
       mkaccounts.py martlet  CONTROL_SOCKET DOMAIN N    adds them to the running node

All accounts of a server share one salt, so that PBKDF2 is computed once here and once in the load generator, as real
clients keep what they computed. With SCRAM a server computes none, and its work does not depend on the salt. The iteration
counts are each server's default.
"""

import base64
import concurrent.futures
import hashlib
import hmac
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from yardstick import control  # noqa: E402

PREFIX, PASSWORD = "user", b"secret"


def keys(digest, salt, iterations):
    """StoredKey and ServerKey (RFC 5802 section 3)."""
    salted = hashlib.pbkdf2_hmac(digest, PASSWORD, salt, iterations)
    client = hmac.new(salted, b"Client Key", digest).digest()
    return hashlib.new(digest, client).digest(), hmac.new(salted, b"Server Key", digest).digest()


def prosody(directory, domain, count):
    salt, iterations = "6b7a1c52-7f35-4f0e-9d0f-c0ffee000001", 10000
    stored, server = keys("sha1", salt.encode(), iterations)
    accounts = pathlib.Path(directory, domain.replace(".", "%2e"), "accounts")
    accounts.mkdir(parents=True, exist_ok=True)
    text = (
        f'return {{\n\t["iteration_count"] = {iterations};\n\t["salt"] = "{salt}";\n'
        f'\t["server_key"] = "{server.hex()}";\n\t["stored_key"] = "{stored.hex()}";\n}};\n'
    )
    for number in range(count):
        (accounts / f"{PREFIX}{number}.dat").write_text(text)


def ejabberd(file, domain, count):
    salt, iterations = b"0123456789abcdef", 4096
    texts = [base64.b64encode(part).decode() for part in (*keys("sha1", salt, iterations), salt)]
    scram = ",".join(f'<<"{text}">>' for text in texts)
    pathlib.Path(file).write_text(
        f'{{accounts,<<"{PREFIX}">>,<<"{domain}">>,{count},{{scram,{scram},sha,{iterations}}}}}.\n'
    )


def martlet(socket, domain, count):
    salt, iterations = b"0123456789abcdef", 10000

    def made(digest):
        stored, server = keys(digest, salt, iterations)
        return {"salt": list(salt), "iterations": iterations, "storedKey": list(stored), "serverKey": list(server)}

    secrets = {"sha1": made("sha1"), "sha256": made("sha256")}
    node = control.Control(socket)

    def add(number):
        node.ask("addUser", account=f"{PREFIX}{number}@{domain}", keys=secrets)

    # Several at a time, so that one commit serves many.
    with concurrent.futures.ThreadPoolExecutor(16) as several:
        for _ in several.map(add, range(count)):
            pass


if __name__ == "__main__":
    kinds = {function.__name__: function for function in (prosody, ejabberd, martlet)}
    if len(sys.argv) != 5 or sys.argv[1] not in kinds or not 0 < int(sys.argv[4]) <= 1_000_000:
        sys.exit(__doc__)
    kinds[sys.argv[1]](sys.argv[2], sys.argv[3], int(sys.argv[4]))
