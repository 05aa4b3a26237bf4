#!/usr/bin/env python3
"""The story of the demo, told by a real client: pyone, through every node of a three-node zone in turn.

    pyone_story.py PATH-OF-QUORATE [--base-port P] [--encrypted]

pyone parses each reply with types generated from OpenNebula's XML schemas, so an object it can read back has the right
form. Ends with exit code 1 and a clear error at the first thing that is not as it should be.
"""
import argparse
import itertools
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import pyone

WAIT_SECONDS = 30


def until(what, check):
    end = time.monotonic() + WAIT_SECONDS
    while not check():
        if time.monotonic() > end:
            sys.exit(f"pyone story: {what} not reached in {WAIT_SECONDS} s")
        time.sleep(0.05)


def tell(urls):
    clients = [pyone.OneServer(url, session="oneadmin:opennebula") for url in urls]
    turn = itertools.cycle(clients)
    one = lambda: next(turn)

    print("system", one().system.version())
    cluster = one().cluster.allocate("pyone-cluster")
    host = one().host.allocate("pyone-host", "dummy", "dummy", -1)
    system = one().datastore.allocate("NAME=pyone-system\nTYPE=SYSTEM_DS\nTM_MAD=dummy", -1)
    images = one().datastore.allocate({"NAME": "pyone-images", "DS_MAD": "dummy", "TM_MAD": "dummy"}, -1)
    network = one().vn.allocate(
        "NAME=pyone-net\nVN_MAD=dummy\nBRIDGE=br0\nAR=[TYPE=IP4,IP=10.0.0.1,SIZE=10]", -1)
    image = one().image.allocate("NAME=pyone-image\nPATH=/dev/null", images, False)
    until("image READY", lambda: one().image.info(image).STATE == 1)
    until("host MONITORED", lambda: one().host.info(host).STATE == 2)
    until("network READY", lambda: one().vn.info(network).STATE == 1)
    template = one().template.allocate(
        f"NAME=pyone-template\nCPU=1\nMEMORY=128\nDISK=[IMAGE_ID={image}]\nNIC=[NETWORK_ID={network}]")
    vm = one().template.instantiate(template, "pyone-vm", False, "", False)
    one().vm.deploy(vm, host, False, system, "")
    until("VM RUNNING", lambda: one().vm.info(vm).LCM_STATE == 3)
    for client in clients:
        seen = client.vm.info(vm)
        assert seen.LCM_STATE == 3 and seen.NAME == "pyone-vm", seen
        assert [v.ID for v in client.vmpool.info(-2, -1, -1, -1).VM] == [vm]
    user = one().user.allocate("pyone-user", "secret", "core", [])
    group = one().group.allocate("pyone-group")
    document = one().document.allocate("NAME=pyone-document", 100)

    read_back = {
        "user": one().user.info(user), "userpool": one().userpool.info(),
        "group": one().group.info(group), "grouppool": one().grouppool.info(),
        "cluster": one().cluster.info(cluster), "clusterpool": one().clusterpool.info(),
        "host": one().host.info(host), "hostpool": one().hostpool.info(),
        "datastore": one().datastore.info(images), "datastorepool": one().datastorepool.info(),
        "image": one().image.info(image), "imagepool": one().imagepool.info(-2, -1, -1),
        "vn": one().vn.info(network), "vnpool": one().vnpool.info(-2, -1, -1),
        "template": one().template.info(template, False, False), "templatepool": one().templatepool.info(-2, -1, -1),
        "document": one().document.info(document), "documentpool": one().documentpool.info(-2, -1, -1, 100),
        "zone": one().zone.info(0), "zonepool": one().zonepool.info(),
        "acl": one().acl.info(), "vdcpool": one().vdcpool.info(), "marketpool": one().marketpool.info(),
        "secgrouppool": one().secgrouppool.info(-2, -1, -1), "raftstatus": one().zone.raftstatus(),
    }
    for name, read in read_back.items():
        assert read is not None, name
    print("read back:", ", ".join(sorted(read_back)))

    one().vm.action("poweroff", vm)
    until("VM POWEROFF", lambda: one().vm.info(vm).STATE == 8)
    one().vm.action("terminate", vm)
    until("VM DONE", lambda: one().vm.info(vm).STATE == 6)
    try:
        one().vm.info(999)
    except pyone.OneNoExistsException as refusal:
        print("refusal:", refusal)
    else:
        sys.exit("pyone story: a VM that does not exist was shown")


def encrypt(port, directory):
    """Arguments for an encrypted zone, whose CA pyone is made to believe."""
    script = pathlib.Path(__file__).with_name("test-ca.sh")
    servers = [f"node-{index}=127.0.0.1" for index in range(3)]
    subprocess.run([script, directory, f"local-{port}", *servers], check=True)
    os.environ["REQUESTS_CA_BUNDLE"] = os.path.join(directory, "ca.crt")
    return ["--certificates", directory]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--base-port", type=int, default=0, help="0: at ports that the kernel gives")
    parser.add_argument("--encrypted", action="store_true", help="over HTTPS, the nodes among each other over TLS")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        more = encrypt(options.base_port, directory) if options.encrypted else []
        run(options, more)
    print("pyone story: done")


def run(options, more):
    command = [options.binary, "dev", "--nodes", "3", "--base-port", str(options.base_port), "--ephemeral", *more]
    zone = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        urls = []
        for line in zone.stdout:
            if line.strip() == "ready":
                break
            urls.append(line.split()[-1])
        else:
            sys.exit("pyone story: quorate dev ended before its nodes were ready")
        tell(urls)
    finally:
        zone.terminate()
        zone.wait(30)


if __name__ == "__main__":
    main()
