"""The foreign servers, from Debian, as any user, without their system services: Prosody 0.12 and ejabberd 23.01."""

import shutil

from . import desktop, processes
from .server import DIALBACK, EXTERNAL, Server


class Prosody(Server):
    """Prosody. `server_acks`: stream management (XEP-0198) towards other servers; it offers it only after EXTERNAL.
    `bidi`: streams between servers in both directions (XEP-0288). `stanza_limit`: bytes of a stanza from a server."""

    def __init__(self, *arguments, server_acks=True, bidi=False, stanza_limit=512 << 10, **named):
        super().__init__(*arguments, **named)
        self.server_acks = server_acks
        self.bidi = bidi
        self.stanza_limit = stanza_limit

    def prepare(self):
        accounts = self.directory / "data" / self.domain.replace(".", "%2e").replace("-", "%2d") / "accounts"
        accounts.mkdir(parents=True, exist_ok=True)
        for user, password in self.passwords.items():
            file = accounts / f"{user}.dat"
            if not file.exists():
                file.write_text(f'return {{ ["password"] = "{password}"; }};\n')
        configuration = self.directory / "prosody.cfg.lua"
        configuration.write_text(self._configuration())
        if self.process is None:
            self.process = processes.Process("prosody", ["prosody", "-F", "--config", configuration], self.directory)

    def _configuration(self):
        modules = ["disco", "roster", "saslauth", "tls", "ping", "smacks", "version", "time", "carbons", "posix", "offline"]
        modules += ["dialback"] if self.mode == DIALBACK else ["s2s_auth_certs"]
        modules += ["s2s_bidi"] if self.bidi else []
        refused = [] if self.bidi else ["s2s_bidi"]
        refused += [] if self.mode == DIALBACK else ["dialback"]
        listed, disabled = ("; ".join(f'"{module}"' for module in names) for names in (modules, refused))
        trust = f'cafile = "{self.authority.certificate}";' if self.authority else ""
        return f"""\
run_as_root = true
daemonize = false
pidfile = "{self.directory}/prosody.pid"
data_path = "{self.directory}/data"
certificates = "{self.directory}"
plugin_paths = {{}}
interfaces = {{ "{self.address}" }}
local_interfaces = {{ "{self.address}" }}
c2s_ports = {{ {self.client_port} }}
c2s_direct_tls_ports = {{ {self.client_tls_port} }}
s2s_ports = {{ {self.server_port} }}
s2s_direct_tls_ports = {{ {self.server_tls_port or ""} }}
http_ports = {{}}
https_ports = {{}}
modules_enabled = {{ {listed} }}
modules_disabled = {{ {disabled} }}
authentication = "internal_plain"
storage = "internal"
c2s_require_encryption = true
s2s_require_encryption = true
s2s_stanza_size_limit = {self.stanza_limit}
s2s_secure_auth = {str(self.mode == EXTERNAL).lower()}
smacks_enabled_s2s = {str(self.server_acks).lower()}
smacks_s2s_resend = {str(self.server_acks).lower()}
-- nothing but the name server of this site; it is on a loopback address and does not sign
unbound = {{
  resolvconf = false; hoststxt = false; forward = {{ "{self.view.server}" }};
  options = {{ ["do-not-query-localhost:"] = "no"; ["module-config:"] = "iterator" }};
}}
ssl = {{ certificate = "{self.certificate.certificate}"; key = "{self.certificate.key}"; {trust} }}
log = {{ debug = "{self.directory}/prosody.debug.log" }}
VirtualHost "{self.domain}"
"""


class Ejabberd(Server):
    """ejabberd, without Erlang distribution. It asks the name server for SRV only; for addresses it asks the C library,
    which is why nss_wrapper gives it the hosts of the view."""

    def prepare(self):
        spool, logs = self.directory / "spool", self.directory / "logs"
        spool.mkdir(exist_ok=True)
        logs.mkdir(exist_ok=True)
        self._done = self.directory / "accounts.done"
        self._done.unlink(missing_ok=True)
        configuration = self.directory / "ejabberd.yml"
        configuration.write_text(self._configuration())
        resolver = self.directory / "inetrc"
        numbers = self.view.address.replace(".", ",")
        resolver.write_text(
            '{resolv_conf, ""}.\n{hosts_file, ""}.\n{lookup, [dns]}.\n'
            f"{{nameserver, {{{numbers}}}, {self.view.port}}}.\n"
        )
        register = ", ".join(
            f'ejabberd_auth:try_register(<<"{user}">>, <<"{self.domain}">>, <<"{password}">>)'
            for user, password in self.passwords.items()
        )
        script = (
            "spawn(fun() -> {ok, _} = application:ensure_all_started(ejabberd), "
            f'{register}, file:write_file("{self._done}", <<"ok">>) end)'
        )
        if self.process is None:
            self.process = processes.Process(
                "ejabberd",
                ["erl", "+K", "true", "+sbwt", "none", "-noinput", "-mnesia", "dir", f'"{spool}"', "-s", "ejabberd",
                 "-eval", script],
                self.directory,
                {
                    "HOME": str(self.directory),
                    "EJABBERD_CONFIG_PATH": str(configuration),
                    "EJABBERD_LOG_PATH": str(logs / "ejabberd.log"),
                    "ERL_LIBS": "/usr/lib/x86_64-linux-gnu",
                    "ERL_CRASH_DUMP": str(logs / "crash.dump"),
                    "ERL_INETRC": str(resolver),
                    "NSS_WRAPPER_HOSTS": str(self.view.hosts),
                    "LD_PRELOAD": "libnss_wrapper.so",
                },
            )  # fmt: skip

    def is_ready(self):
        return self._done.exists() and super().is_ready()

    def _configuration(self):
        trust = f'ca_file: "{self.authority.certificate}"' if self.authority else ""
        dialback = "mod_s2s_dialback: {}" if self.mode == DIALBACK else ""
        direct_tls = (
            f'  - {{ port: {self.server_tls_port}, ip: "{self.address}", module: ejabberd_s2s_in, tls: true }}\n'
            if self.server_tls_port
            else ""
        )
        return f"""\
loglevel: debug
log_rotate_count: 0
hosts: ["{self.domain}"]
certfiles: ["{self.certificate.both()}"]
{trust}
s2s_use_starttls: required
auth_password_format: plain
registration_timeout: infinity
outgoing_s2s_ipv4_address: "{self.address}"
listen:
  - {{ port: {self.client_port}, ip: "{self.address}", module: ejabberd_c2s, starttls_required: true, access: all }}
  - {{ port: {self.client_tls_port}, ip: "{self.address}", module: ejabberd_c2s, tls: true, access: all }}
  - {{ port: {self.server_port}, ip: "{self.address}", module: ejabberd_s2s_in }}
{direct_tls}acl: {{ local: {{ user_regexp: "" }} }}
access_rules: {{ local: {{ allow: local }} }}
shaper_rules: {{ max_user_sessions: 10, max_user_offline_messages: infinity }}
modules:
  mod_disco: {{}}
  mod_offline: {{}}
  mod_ping: {{}}
  mod_roster: {{}}
  mod_stream_mgmt: {{ resend_on_timeout: if_offline }}
  mod_version: {{ show_os: false }}
  {dialback}
"""


def missing():
    """The commands that are needed here and absent."""
    needed = ("prosody", "erl", "unbound", "openssl", "tmux", "profanity", "gajim", "chromium", *desktop.COMMANDS)
    return [command for command in needed if not shutil.which(command, path=processes.PATH)]
