# Sourced by the scripts of this directory: certificate, waiting, life and end of one process.

# A self-signed P-256 certificate for a domain: cert.pem, key.pem and both.pem in DIR.
make_certificate() { # DIR DOMAIN
    [ -f "$1/cert.pem" ] && return 0
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1/key.pem" -out "$1/cert.pem" \
        -days 3650 -subj "/CN=$2" -addext "subjectAltName=DNS:$2,DNS:conference.$2" >/dev/null 2>&1
    cat "$1/cert.pem" "$1/key.pem" >"$1/both.pem"
    chmod 600 "$1/key.pem" "$1/both.pem"
}

raise_descriptors() {
    ulimit -n 300000 2>/dev/null || ulimit -n "$(ulimit -Hn)"
}

# Waits until HOST:PORT accepts connections; fails when the process ends first.
wait_port() { # HOST PORT SECONDS PID
    local i
    for ((i = 0; i < $3 * 10; i++)); do
        if (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null; then return 0; fi
        kill -0 "$4" 2>/dev/null || return 1
        sleep 0.1
    done
    return 1
}

# Ends the process whose id is in a file.
stop_pid() { # PIDFILE SECONDS
    local pid i
    [ -f "$1" ] || return 0
    pid=$(cat "$1")
    kill -TERM "$pid" 2>/dev/null
    for ((i = 0; i < $2 * 10; i++)); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    if kill -0 "$pid" 2>/dev/null; then
        kill -KILL "$pid"
        echo "process $pid had to be killed" >&2
    fi
    rm -f "$1"
}

# The other commands that each script has.
stop_pid_status() { # COMMAND DIR SECONDS
    case $1 in
    stop) stop_pid "$2/pid" "$3" ;;
    pid) cat "$2/pid" ;;
    status)
        if [ -f "$2/pid" ] && kill -0 "$(cat "$2/pid")" 2>/dev/null; then
            echo "running $(cat "$2/pid")"
        else
            echo "stopped"
            exit 3
        fi
        ;;
    *)
        echo "unknown command $1" >&2
        exit 2
        ;;
    esac
}
