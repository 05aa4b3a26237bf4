#!/bin/sh
# Moves a virtual IP with the leader: a command for [raft_hooks.leader] and [raft_hooks.follower].
#   vip.sh leader   INTERFACE ADDRESS/PREFIX     takes the address and tells the neighbours
#   vip.sh follower INTERFACE ADDRESS/PREFIX     lets go of it
# Both may run at any time and any number of times. IPv4. Needs iproute2, iputils-arping, CAP_NET_ADMIN and CAP_NET_RAW.
set -eu

usage() { echo "usage: $0 leader|follower INTERFACE ADDRESS/PREFIX" >&2; exit 2; }
[ $# = 3 ] || usage
role=$1 interface=$2 address=$3

holds() { ip -o address show dev "$interface" | grep -qF " $address "; }

case $role in
leader)
    holds || ip address add "$address" dev "$interface"
    # Neighbours that remember the old leader's link address would go on sending to it.
    arping -q -c 3 -w 2 -U -I "$interface" "${address%/*}"
    ;;
follower)
    ! holds || ip address del "$address" dev "$interface"
    ;;
*) usage ;;
esac
