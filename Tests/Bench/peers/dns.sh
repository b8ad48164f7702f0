#!/bin/bash
# A private name server for the peers of this directory.
#
# usage: dns.sh start DIR DOMAIN=HOST:S2S_PORT... | stop DIR | status DIR | pid DIR
# environment: DNS=ADDRESS@PORT, which is also written to DIR/addr
#
# For every DOMAIN it serves  _xmpp-server._tcp.DOMAIN SRV -> xmpp.DOMAIN:S2S_PORT  and  xmpp.DOMAIN A HOST; every other
# name does not exist, nothing is forwarded. DIR/hosts has the addresses as /etc/hosts would. Give DIR to the other scripts
# as DNS_DIR. Use names under .example: libunbound itself answers .test and the like with "does not exist".
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/common.sh"
command=${1:?start|stop|status|pid}; dir=${2:?DIR}
[ "$command" = start ] || { stop_pid_status "$command" "$dir" 10; exit; }

shift 2
: "${DNS:?ADDRESS@PORT}"
case $DNS in 127.*@*) ;; *) echo "only loopback addresses" >&2; exit 2 ;; esac
mkdir -p "$dir"; dir=$(cd "$dir" && pwd)
echo "127.0.0.1 localhost" >"$dir/hosts"
{
    printf 'server:\n  interface: %s\n  access-control: 127.0.0.0/8 allow\n  do-ip6: no\n  num-threads: 1\n' "$DNS"
    printf '  module-config: "iterator"\n  directory: "%s"\n  chroot: ""\n  username: ""\n  pidfile: ""\n' "$dir"
    printf '  use-syslog: no\n  logfile: ""\n  local-zone: "." static\n'
    for record in "$@"; do
        domain=${record%%=*}; place=${record#*=}
        case $place in 127.*:*) ;; *) echo "bad record $record (DOMAIN=127.x.y.z:PORT)" >&2; exit 2 ;; esac
        printf '  local-data: "_xmpp-server._tcp.%s. 300 IN SRV 0 5 %s xmpp.%s."\n' "$domain" "${place#*:}" "$domain"
        printf '  local-data: "xmpp.%s. 300 IN A %s"\n' "$domain" "${place%:*}"
        echo "${place%:*} xmpp.$domain" >>"$dir/hosts"
    done
    printf 'remote-control:\n  control-enable: no\n'
} >"$dir/unbound.conf" || exit 2
setsid unbound -d -c "$dir/unbound.conf" </dev/null >"$dir/unbound.log" 2>&1 &
pid=$!
echo "$pid" >"$dir/pid"; echo "$DNS" >"$dir/addr"
if ! wait_port "${DNS%@*}" "${DNS#*@}" 10 "$pid"; then
    echo "unbound did not start:" >&2; tail -5 "$dir/unbound.log" >&2
    exit 1
fi
echo "$pid"
