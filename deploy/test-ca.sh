#!/usr/bin/env bash
# A CA and a certificate for each server of a zone, for tests and for trying things out: not for a zone that matters,
# whose CA's key belongs elsewhere (docs/operations.md).
#
#   test-ca.sh DIR CLUSTER_ID NAME[=HOST]...
#
# Writes DIR/ca.crt and DIR/ca.key, unless they are there, and DIR/NAME.crt and DIR/NAME.key anew, also where they are:
# that renews them. A server's certificate serves for both [peer_tls] and [tls]. HOST is the name or address in its
# endpoint, by default NAME. DAYS in the environment: how long certificates are valid, by default 90.
set -euo pipefail

usage() { echo "usage: $0 DIR CLUSTER_ID NAME[=HOST]..." >&2; exit 2; }
[ $# -ge 3 ] || usage
dir=$1 cluster=$2
shift 2
days=${DAYS:-90}

command -v openssl >/dev/null || { echo "$0: openssl is missing: deploy/setup.sh base installs it" >&2; exit 1; }

for server in "$@"; do
    case "${server/=/}" in "" | *[!A-Za-z0-9.:_-]*) usage ;; esac
done

# Keys are their owner's.
umask 077
mkdir -p "$dir"
cd "$dir"
work=$(mktemp -d ./.making.XXXXXX)
trap 'rm -rf "$work"' EXIT

# openssl talks when all is well.
quiet() { "$@" 2>"$work/said" || { cat "$work/said" >&2; exit 1; }; }
new_key() { quiet openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"; }
serial() { echo "0x$(openssl rand -hex 16 | sed 's/^./4/')"; }

if [ ! -e ca.key ]; then
    new_key "$work/ca.key"
    openssl req -x509 -new -key "$work/ca.key" -days 3650 -subj "/CN=Quorate test CA" \
        -addext "keyUsage=critical,keyCertSign,cRLSign" -out "$work/ca.crt"
    chmod 644 "$work/ca.crt"
    mv "$work/ca.crt" ca.crt
    mv "$work/ca.key" ca.key
fi

for server in "$@"; do
    name=${server%%=*} host=${server#*=}
    # An address is another kind of name.
    case "$host" in *[!0-9.]*) kind=DNS ;; *) kind=IP ;; esac
    case "$host" in *:*) kind=IP ;; esac
    new_key "$work/key"
    openssl req -new -key "$work/key" -subj "/CN=$name" -out "$work/csr"
    cat >"$work/extensions" <<END
subjectAltName = DNS:$cluster.quorate.internal, $kind:$host
extendedKeyUsage = serverAuth, clientAuth
keyUsage = critical, digitalSignature
basicConstraints = critical, CA:FALSE
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
END
    quiet openssl x509 -req -in "$work/csr" -CA ca.crt -CAkey ca.key -set_serial "$(serial)" \
        -days "$days" -extfile "$work/extensions" -out "$work/crt"
    chmod 644 "$work/crt"
    mv "$work/key" "$name.key"
    mv "$work/crt" "$name.crt"
done
echo "test-ca: $PWD: ca.crt, $(printf '%s.crt ' "${@%%=*}")for zone $cluster, valid for $days days"
