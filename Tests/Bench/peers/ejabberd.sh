#!/bin/bash
# One ejabberd node, without Erlang distribution (no epmd), as the calling user.
#
# usage: ejabberd.sh start DIR PORT [DIRECT_TLS_PORT] | stop DIR | status DIR | pid DIR
# environment: DOMAIN (a.example), HOST (127.0.0.1), ACCOUNTS=N (user0..userN-1, password "secret"),
#              S2S_PORT (other servers, on HOST: STARTTLS required, dialback), DNS_DIR (of a running dns.sh),
#              ARCHIVE=1 (every message is archived for both), ERL_EXTRA (more flags of the emulator)
#
# Clients connect to PORT with STARTTLS or in clear. `start` on a DIR that was used before keeps its data. ejabberd asks the
# name server for SRV (ERL_INETRC), but takes addresses from libc's getaddrinfo: hence libnss-wrapper and the hosts file of
# dns.sh.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/common.sh"
command=${1:?start|stop|status|pid}; dir=${2:?DIR}
[ "$command" = start ] || { stop_pid_status "$command" "$dir" 60; exit; }

: "${DOMAIN:=a.example}" "${HOST:=127.0.0.1}" "${ACCOUNTS:=0}" "${ERL_EXTRA:=}"
port=${3:?PORT}; tls_port=${4:-0}; s2s_port=${S2S_PORT:-0}
mkdir -p "$dir/spool" "$dir/logs"; dir=$(cd "$dir" && pwd)
make_certificate "$dir" "$DOMAIN"

# Parts of the template between `#if NAME` and `#end` stay where the port is wanted.
without=()
[ "$tls_port" != 0 ] || without+=(-e '/^#if TPORT/,/^#end/d')
[ -n "${ARCHIVE:-}" ] || without+=(-e '/^#if ARCHIVE/,/^#end/d')
[ "$s2s_port" != 0 ] || without+=(-e '/^#if S2S/,/^#end/d')
sed "${without[@]}" -e '/^#/d' -e "s|@DOMAIN@|$DOMAIN|g; s|@HOST@|$HOST|g; s|@PORT@|$port|g; s|@TPORT@|$tls_port|g" \
    -e "s|@S2SPORT@|$s2s_port|g; s|@DIR@|$dir|g" "$here/ejabberd.yml.in" >"$dir/ejabberd.yml"

rm -f "$dir/accounts.done"
accounts=()
if [ "$ACCOUNTS" -gt 0 ]; then
    python3 "$here/mkaccounts.py" ejabberd "$dir/accounts.term" "$DOMAIN" "$ACCOUNTS" || exit 1
    # Written into the table as ejabberd itself would write each.
    accounts=(-eval "spawn(fun() -> {ok,_}=application:ensure_all_started(ejabberd), \
        mnesia:wait_for_tables([passwd],60000), {ok,[{accounts,P,D,N,S}]}=file:consult(\"$dir/accounts.term\"), \
        [mnesia:dirty_write({passwd,{<<P/binary,(integer_to_binary(I))/binary>>,D},S}) || I <- lists:seq(0,N-1)], \
        file:write_file(\"$dir/accounts.done\",<<\"ok\">>) end)")
fi

# Debian keeps ejabberd's modules outside Erlang's own tree.
libraries=$(dpkg-query -L ejabberd | sed -n 's|/ejabberd-[^/]*/ebin$||p' | head -1)
export HOME=$dir EJABBERD_CONFIG_PATH=$dir/ejabberd.yml EJABBERD_LOG_PATH=$dir/logs/ejabberd.log ERL_LIBS=$libraries \
    ERL_CRASH_DUMP=$dir/logs/crash.dump ERL_MAX_PORTS=300000 ERL_MAX_ETS_TABLES=1400
raise_descriptors
if [ -n "${DNS_DIR:-}" ]; then
    dns=$(cat "$DNS_DIR/addr") || exit 2
    printf '{resolv_conf, ""}.\n{hosts_file, ""}.\n{lookup, [dns]}.\n{nameserver, {%s}, %s}.\n' \
        "$(tr . , <<<"${dns%@*}")" "${dns#*@}" >"$dir/inetrc"
    cp "$DNS_DIR/hosts" "$dir/hosts"
    export ERL_INETRC=$dir/inetrc NSS_WRAPPER_HOSTS=$dir/hosts LD_PRELOAD=libnss_wrapper.so
fi
cd "$dir" || exit 1
# The flags of Debian's ejabberdctl (+K true), with room for 100,000 connections.
# shellcheck disable=SC2086
setsid erl +K true +P 1000000 $ERL_EXTRA -noinput -mnesia dir "\"$dir/spool\"" \
    -ejabberd log_rate_limit 100 -s ejabberd "${accounts[@]}" </dev/null >"$dir/stdout.log" 2>&1 &
pid=$!
echo "$pid" >"$dir/pid"
if ! wait_port "$HOST" "$port" 60 "$pid"; then
    echo "ejabberd did not start:" >&2; tail -5 "$dir/stdout.log" >&2
    exit 1
fi
for ((i = 0; i < 600; i++)); do
    [ "$ACCOUNTS" -gt 0 ] && [ ! -f "$dir/accounts.done" ] || break
    sleep 0.1
done
[ "$ACCOUNTS" -eq 0 ] || [ -f "$dir/accounts.done" ] || { echo "accounts were not created" >&2; exit 1; }
echo "$pid"
