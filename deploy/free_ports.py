#!/usr/bin/env python3
"""Runs a command with a base port for `quorate dev` that nobody else has, and nobody gets until it ends.

    free_ports.py NODES COMMAND [ARGUMENT...]

In the arguments {port} is the base port, {endpoints} the XML-RPC endpoints of so many nodes, separated by commas.
For whoever has to know the ports before the zone starts; others let the kernel choose with `--base-port 0`.
"""
import random
import socket
import subprocess
import sys

# As node/src/ports.rs has it.
PEER_OFFSET = 50
LOWEST, HIGHEST = 10000, 60000


def hold(port):
    """A socket that is bound and does not listen: the kernel gives its port to nobody, the node can listen on it."""
    held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        held.bind(("127.0.0.1", port))
    except OSError:
        held.close()
        return None
    # Only now: bound without it, it is the only one, and with it a listener that has it set as well is let in beside it.
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return held


def take(nodes):
    """A base port, and what holds its ports."""
    while True:
        base = random.randrange(LOWEST, HIGHEST)
        held = [hold(base + offset + node) for node in range(nodes) for offset in (0, PEER_OFFSET)]
        if all(held):
            return base, held
        for socket_ in filter(None, held):
            socket_.close()


def main():
    nodes, command = int(sys.argv[1]), sys.argv[2:]
    base, held = take(nodes)
    endpoints = ",".join(f"http://127.0.0.1:{base + node}/RPC2" for node in range(nodes))
    filled = [word.replace("{port}", str(base)).replace("{endpoints}", endpoints) for word in command]
    try:
        return subprocess.run(filled, check=False).returncode
    finally:
        for socket_ in held:
            socket_.close()


if __name__ == "__main__":
    sys.exit(main())
