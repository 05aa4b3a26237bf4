#!/usr/bin/env python3
"""The demo: a three-node zone on this machine does its main job and survives the death of its leader.

    demo.py PATH-OF-QUORATE [--base-port P]

Every step is a line; a step that fails ends the demo with a clear error and exit code 1. Only the standard
library: the calls are those that any OpenNebula client makes.
"""
import argparse
import os
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
import xmlrpc.client

SESSION = "oneadmin:opennebula"
NODES = 3
WAIT_SECONDS = 30


class Failed(Exception):
    """A step did not do what it should; the text says why."""


def say(text):
    print(f"==> {text}", flush=True)


class Zone:
    """The zone's processes and its endpoints."""

    def __init__(self, binary, base_port):
        self.binary = binary
        self.urls, self.pids = {}, {}
        command = [binary, "dev", "--nodes", str(NODES), "--base-port", str(base_port), "--ephemeral"]
        command += ["--restart-after", "5"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)

    def until_ready(self):
        for line in self.process.stdout:
            print(f"    {line}", end="", flush=True)
            self.note(line)
            if line.strip() == "ready":
                return
        raise Failed("quorate dev ended before its nodes were ready")

    def note(self, line):
        if match := re.match(r"node (\d+) pid (\d+) xmlrpc (\S+)", line):
            self.pids[int(match[1])], self.urls[int(match[1])] = int(match[2]), match[3]

    def until_restarted(self, node):
        old = self.pids[node]
        for line in self.process.stdout:
            print(f"    {line}", end="", flush=True)
            self.note(line)
            if self.pids[node] != old:
                return
        raise Failed("quorate dev ended before it restarted the node")

    def call(self, node, method, *args):
        """One call through one node; a refusal or a fault is a failed step."""
        proxy = xmlrpc.client.ServerProxy(self.urls[node])
        try:
            reply = getattr(proxy, method)(SESSION, *args)
        except (OSError, xmlrpc.client.Error) as error:
            raise Failed(f"{method} through node {node}: {error}") from error
        if reply[0] is not True:
            raise Failed(f"{method} through node {node}: {reply[1]}")
        return reply[1]

    def wait(self, node, method, oid, path, value):
        """Waits until an element of an object has a value."""
        end = time.monotonic() + WAIT_SECONDS
        while (text := ET.fromstring(self.call(node, method, oid)).findtext(path)) != value:
            if time.monotonic() > end:
                raise Failed(f"{method} {oid}: {path} is {text}, not {value}, after {WAIT_SECONDS} s")
            time.sleep(0.02)

    def leader(self, nodes):
        """The node among `nodes` that leads, or None."""
        for node in nodes:
            try:
                status = ET.fromstring(self.call(node, "one.zone.raftstatus"))
            except Failed:
                continue
            if status.findtext("STATE") == "3":
                return node
        return None

    def status(self, node):
        done = subprocess.run([self.binary, "zone", "status", "--endpoint", self.urls[node]], text=True,
                              capture_output=True, check=False)
        if done.returncode != 0:
            raise Failed(f"quorate zone status: {done.stderr.strip()}")
        print("    " + done.stdout.rstrip().replace("\n", "\n    "), flush=True)

    def stop(self):
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGTERM)
            self.process.wait(30)


def run_vm(zone):
    say("node 0 adds a host with dummy drivers")
    host = zone.call(0, "one.host.allocate", "demo-host", "dummy", "dummy", -1)
    say("node 1 adds a system and an image datastore")
    system = zone.call(1, "one.datastore.allocate", "NAME=demo-system\nTYPE=SYSTEM_DS\nTM_MAD=dummy", -1)
    images = zone.call(1, "one.datastore.allocate", "NAME=demo-images\nDS_MAD=dummy\nTM_MAD=dummy", -1)
    say("node 2 registers an image")
    image = zone.call(2, "one.image.allocate", "NAME=demo-image\nPATH=/dev/null", images, False)
    zone.wait(0, "one.image.info", image, "STATE", "1")
    zone.wait(1, "one.host.info", host, "STATE", "2")
    say("node 0 creates a template, node 1 instantiates it")
    text = f"NAME=demo-template\nCPU=1\nMEMORY=128\nDISK=[IMAGE_ID={image}]"
    template = zone.call(0, "one.template.allocate", text)
    vm = zone.call(1, "one.template.instantiate", template, "demo-vm", False, "", False)
    say(f"node 2 deploys VM {vm}")
    zone.call(2, "one.vm.deploy", vm, host, False, system, "")
    zone.wait(0, "one.vm.info", vm, "LCM_STATE", "3")
    say(f"VM {vm} is RUNNING, and every node says so")
    for node in range(NODES):
        zone.wait(node, "one.vm.info", vm, "LCM_STATE", "3")
    return vm


def fail_over(zone):
    say("quorate zone status")
    zone.status(0)
    dead = zone.leader(range(NODES))
    if dead is None:
        raise Failed("no node says that it leads")
    survivors = [node for node in range(NODES) if node != dead]
    say(f"node {dead} leads: killing it with SIGKILL")
    os.kill(zone.pids[dead], signal.SIGKILL)
    killed = time.monotonic()
    zone.call(survivors[0], "one.document.allocate", "NAME=after-failover", 100)
    pause = time.monotonic() - killed
    say(f"node {zone.leader(survivors)} leads now; the first write was acknowledged {1000 * pause:.0f} ms after the kill")
    return dead, survivors


def come_back(zone, node, survivors):
    say(f"node {node} is started again")
    zone.until_restarted(node)
    end = time.monotonic() + WAIT_SECONDS
    while True:
        behind = ET.fromstring(zone.call(survivors[0], "one.zone.raftstatus")).findtext("COMMIT")
        try:
            commit = ET.fromstring(zone.call(node, "one.zone.raftstatus")).findtext("COMMIT")
            if int(commit) >= int(behind):
                break
        except Failed:
            pass
        if time.monotonic() > end:
            raise Failed(f"node {node} did not catch up in {WAIT_SECONDS} s")
        time.sleep(0.05)
    say(f"node {node} has caught up")
    zone.status(node)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--base-port", type=int, default=0, help="0: at ports that the kernel gives")
    options = parser.parse_args()
    say("starting a zone of three nodes")
    zone = Zone(options.binary, options.base_port)
    try:
        zone.until_ready()
        vm = run_vm(zone)
        dead, survivors = fail_over(zone)
        say(f"node {survivors[1]} powers VM {vm} off and terminates it")
        zone.call(survivors[1], "one.vm.action", "poweroff", vm)
        zone.wait(survivors[0], "one.vm.info", vm, "STATE", "8")
        zone.call(survivors[1], "one.vm.action", "terminate", vm)
        zone.wait(survivors[0], "one.vm.info", vm, "STATE", "6")
        come_back(zone, dead, survivors)
    except Failed as error:
        print(f"demo failed: {error}", file=sys.stderr)
        return 1
    finally:
        zone.stop()
    say("the zone is stopped; nothing is left behind")
    return 0


if __name__ == "__main__":
    sys.exit(main())
