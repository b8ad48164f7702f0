"""Test certificates, made with the openssl command."""

import pathlib
import subprocess

SERVER_ONLY = "serverAuth"
BOTH_WAYS = "serverAuth,clientAuth"


class Certificate:
    """A certificate (with its chain) and a key, as PEM files."""

    def __init__(self, certificate, key):
        self.certificate = pathlib.Path(certificate)
        self.key = pathlib.Path(key)

    def both(self):
        """One file with certificate and key, as ejabberd wants it."""
        path = self.certificate.with_suffix(".both.pem")
        path.write_bytes(self.certificate.read_bytes() + self.key.read_bytes())
        path.chmod(0o600)
        return path


class Authority:
    """A certification authority that exists for one run."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.certificate = self.directory / "ca.pem"
        self._key = self.directory / "ca.key"
        self._serial = 1
        _openssl(
            "req", "-x509", *_KEY, "-keyout", self._key, "-out", self.certificate, "-days", "30",
            "-subj", "/CN=Test authority",
            "-addext", "basicConstraints=critical,CA:TRUE",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign",
        )  # fmt: skip

    def issue(self, domain, usage=BOTH_WAYS, names=(), days=30):
        """A certificate for `domain` and further DNS `names`, signed by this authority."""
        self._serial += 1
        stem = self.directory / f"{domain}.{self._serial}"
        request, extensions = stem.with_name(stem.name + ".csr"), stem.with_name(stem.name + ".ext")
        certificate, key = stem.with_name(stem.name + ".pem"), stem.with_name(stem.name + ".key")
        extensions.write_text(f"subjectAltName={_alternatives(domain, names)}\nextendedKeyUsage={usage}\n")
        _openssl("req", *_KEY, "-keyout", key, "-out", request, "-subj", f"/CN={domain}")
        _openssl(
            "x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self._key, "-set_serial", self._serial,
            "-days", days, "-extfile", extensions, "-out", certificate,
        )  # fmt: skip
        return Certificate(certificate, key)


def self_signed(directory, domain, names=()):
    """A certificate that nobody can verify: federation then rests on dialback."""
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    certificate, key = directory / f"{domain}.self.pem", directory / f"{domain}.self.key"
    _openssl(
        "req", "-x509", *_KEY, "-keyout", key, "-out", certificate, "-days", "30", "-subj", f"/CN={domain}",
        "-addext", f"subjectAltName={_alternatives(domain, names)}",
    )  # fmt: skip
    return Certificate(certificate, key)


_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def _alternatives(domain, names):
    # COMPAT(ejabberd 23.01): an XmppAddr otherName as openssl writes it crashes its s2s listener, so DNS names only.
    return ",".join(f"DNS:{name}" for name in (domain, *names))


def _openssl(*words):
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {words[0]}: {done.stderr}")
