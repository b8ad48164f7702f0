-- Prosody 0.12 under load: the module set of the Debian package without administration and invitations, limits off.
-- The values come from prosody.sh.
local env = os.getenv
local dir, host = env("BENCH_DIR"), env("BENCH_DOMAIN")
local tls_port, s2s_port = tonumber(env("BENCH_TLS_PORT")), tonumber(env("BENCH_S2S_PORT"))
local federates = s2s_port > 0

run_as_root = true
daemonize = false
pidfile = dir .. "/prosody.pid"
data_path = dir .. "/data"
certificates = dir
network_backend = "epoll"
network_settings = { tcp_backlog = 4096 }

interfaces = { env("BENCH_HOST") }
local_interfaces = { env("BENCH_HOST") }
c2s_ports = { tonumber(env("BENCH_PORT")) }
c2s_direct_tls_ports = tls_port > 0 and { tls_port } or {}
s2s_ports = federates and { s2s_port } or {}

-- A local, because a setting cannot be read back in a configuration of Prosody.
local modules = {
	"disco"; "roster"; "saslauth"; "tls"; "blocklist"; "bookmarks"; "carbons"; "pep"; "private";
	"smacks"; "vcard4"; "vcard_legacy"; "csi_simple"; "ping"; "register"; "time"; "uptime"; "version"; "posix";
}
if env("BENCH_ARCHIVE") ~= "" then modules[#modules + 1] = "mam" end
default_archive_policy = true
archive_expires_after = "1y"
if federates then modules[#modules + 1] = "dialback" end
modules_enabled = modules
modules_disabled = federates and {} or { "s2s" }

c2s_require_encryption = false
allow_unencrypted_plain_auth = true
s2s_require_encryption = federates
s2s_secure_auth = false -- self-signed certificates: dialback over TLS
local dns = env("BENCH_DNS")
if dns and dns ~= "" then
	-- Nothing but that server; it is on a loopback address and does not sign.
	unbound = {
		resolvconf = false; hoststxt = false; forward = { dns };
		options = { ["do-not-query-localhost:"] = "no"; ["module-config:"] = "iterator" };
	}
end
authentication = "internal_hashed"
default_storage = "internal"

ssl = { certificate = dir .. "/cert.pem"; key = dir .. "/key.pem" }
log = { info = dir .. "/prosody.log" }

VirtualHost(host)
	ssl = { certificate = dir .. "/cert.pem"; key = dir .. "/key.pem" }

Component("conference." .. host) "muc"
	restrict_room_creation = false
