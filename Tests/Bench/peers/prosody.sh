#!/bin/bash
# One Prosody.
#
# usage: prosody.sh start DIR PORT [DIRECT_TLS_PORT] | stop DIR | status DIR | pid DIR
# environment: DOMAIN (a.example), HOST (127.0.0.1), ACCOUNTS=N (user0..userN-1, password "secret"),
#              S2S_PORT (other servers, on HOST: STARTTLS required, dialback), DNS_DIR (of a running dns.sh),
#              ARCHIVE=1 (every message is archived for both)
#
# Clients connect to PORT with STARTTLS or in clear. `start` on a DIR that was used before keeps its data.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/common.sh"
command=${1:?start|stop|status|pid}; dir=${2:?DIR}
[ "$command" = start ] || { stop_pid_status "$command" "$dir" 30; exit; }

: "${DOMAIN:=a.example}" "${HOST:=127.0.0.1}" "${ACCOUNTS:=0}"
mkdir -p "$dir/data"; dir=$(cd "$dir" && pwd)
make_certificate "$dir" "$DOMAIN"
[ "$ACCOUNTS" -eq 0 ] || python3 "$here/mkaccounts.py" prosody "$dir/data" "$DOMAIN" "$ACCOUNTS" || exit 1
dns=; [ -z "${DNS_DIR:-}" ] || dns=$(cat "$DNS_DIR/addr") || exit 2
export BENCH_DIR=$dir BENCH_PORT=${3:?PORT} BENCH_TLS_PORT=${4:-0} BENCH_DOMAIN=$DOMAIN BENCH_HOST=$HOST \
    BENCH_S2S_PORT=${S2S_PORT:-0} BENCH_DNS=$dns BENCH_ARCHIVE=${ARCHIVE:-}
raise_descriptors
cd "$dir" || exit 1
setsid prosody -F --config "$here/prosody.cfg.lua" </dev/null >"$dir/stdout.log" 2>&1 &
pid=$!
echo "$pid" >"$dir/pid"
if ! wait_port "$HOST" "$3" 30 "$pid"; then
    echo "Prosody did not start:" >&2; tail -5 "$dir/stdout.log" >&2
    exit 1
fi
echo "$pid"
