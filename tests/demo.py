"""The part of `make demo` that talks to the box: claims it, has it make a key, and adds the throwaway SSH server to the host list.

    PASSWORD=… demo.py FOLDER SSH_PORT SSH_USER

FOLDER holds `out` (what `footbridge serve` prints), the server's `host_key.pub`, and its `authorized_keys`."""

import os
import pathlib
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from client import Footbridge


def announced(folder):
    """The three lines of `serve`, as a dictionary, as soon as they are there."""
    for _ in range(600):
        pairs = [line.split(" ", 1) for line in (folder / "out").read_text().splitlines() if " " in line]
        found = {key: value.strip() for key, value in pairs}
        if {"listening", "certificate", "claim-code"} <= found.keys():
            return found
        time.sleep(0.1)
    sys.exit("footbridge does not start; what it said is above")


def main():
    folder, port, user = pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    lines = announced(folder)
    box = Footbridge(lines["listening"], fingerprint=lines["certificate"].removeprefix("sha256:"))
    box.claim(lines["claim-code"], "demo", os.environ["PASSWORD"])
    # The box makes the key itself; its private half never leaves it.
    key = box.generate_key("demo key")
    (folder / "authorized_keys").write_text(key["public_key"] + "\n")
    box.trust(f"[127.0.0.1]:{port} {(folder / 'host_key.pub').read_text()}")
    box.add_host("127.0.0.1", port, user, "this machine (demo)", key["id"])
    box.sign_out()


if __name__ == "__main__":
    main()
