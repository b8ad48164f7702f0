#!/bin/bash
# One Martlet.
#
# usage: martlet.sh start DIR PORT [DIRECT_TLS_PORT] | stop DIR | status DIR | pid DIR
# environment: DOMAIN (a.example), HOST (127.0.0.1), ACCOUNTS=N (user0..userN-1, password "secret"),
#              S2S_PORT (other servers, on HOST: STARTTLS required, dialback), DNS_DIR (of a running dns.sh),
#              ARCHIVE=1 (every message is archived for both), MARTLET (the command; default: the release build of this checkout)
#
# Clients connect to PORT with STARTTLS or in clear. `start` on a DIR that was used before keeps its data. The control socket
# is DIR/martlet.sock.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/common.sh"
command=${1:?start|stop|status|pid}; dir=${2:?DIR}
[ "$command" = start ] || { stop_pid_status "$command" "$dir" 30; exit; }

: "${DOMAIN:=a.example}" "${HOST:=127.0.0.1}" "${ACCOUNTS:=0}" "${MARTLET:=$here/../../../.build/release/martlet}"
port=${3:?PORT}; tls_port=${4:-0}; s2s_port=${S2S_PORT:-0}
mkdir -p "$dir"; dir=$(cd "$dir" && pwd)
make_certificate "$dir" "$DOMAIN"
dns=; [ -z "${DNS_DIR:-}" ] || dns=$(cat "$DNS_DIR/addr") || exit 2

listener() { # KIND PORT SECURITY
    printf '[[listeners.%s]]\naddress = "%s"\nport = %s\nsecurity = "%s"\n' "$1" "$HOST" "$2" "$3"
}
{
    printf '[site]\ndomain = "%s"\n[tls]\ncertificate = "cert.pem"\nkey = "key.pem"\n' "$DOMAIN"
    listener client "$port" starttls
    # Offers what the other servers offer on their one port: TLS, and to go on without.
    echo "allow_plain_auth_without_tls = true"
    [ "$tls_port" = 0 ] || listener client "$tls_port" direct
    [ "$s2s_port" = 0 ] || listener server "$s2s_port" starttls
    # All clients come from a few addresses here.
    printf '[limits]\nconnections_per_address = 1000000\n'
    printf '[archive]\nenabled = %s\n' "$([ -n "${ARCHIVE:-}" ] && echo true || echo false)"
    printf '[federation]\n'
    if [ "$s2s_port" = 0 ]; then
        echo "enabled = false"
    else
        printf 'source_address = "%s"\nallow_networks = ["127.0.0.0/8"]\n' "$HOST"
        [ -z "$dns" ] || printf 'dns_servers = ["%s"]\n' "$dns"
    fi
} >"$dir/martlet.toml"

raise_descriptors
cd "$dir" || exit 1
setsid "$MARTLET" serve --config "$dir/martlet.toml" </dev/null >"$dir/martlet.log" 2>&1 &
pid=$!
echo "$pid" >"$dir/pid"
if ! wait_port "$HOST" "$port" 60 "$pid"; then
    echo "Martlet did not start:" >&2; tail -5 "$dir/martlet.log" >&2
    exit 1
fi
# The control socket comes after the ports.
for ((i = 0; i < 600; i++)); do [ -S "$dir/martlet.sock" ] && break; sleep 0.1; done
[ "$ACCOUNTS" -eq 0 ] || python3 "$here/mkaccounts.py" martlet "$dir/martlet.sock" "$DOMAIN" "$ACCOUNTS" || exit 1
echo "$pid"
