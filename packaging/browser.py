"""What the test in a booted Debian does with a browser: `browser.py URL claim CODE`, `browser.py URL update FILE`.

The second prints whether the box has installed it, and in which words it says so."""

import sys
import time

from client import Footbridge, Refused

NAME, PASSWORD = "ada", "correct horse battery"
PATIENCE = 240


def come(url):
    """The certificate is the box's own, made a moment ago on this machine."""
    box = Footbridge(url)
    box.context.check_hostname = False
    box.context.verify_mode = 0
    return box


def last(url):
    """Nobody is signed in to a box that has started anew, and in between nobody answers."""
    try:
        box = come(url)
        box.sign_in(NAME, PASSWORD)
        return box.update_state()["last"]
    except (OSError, Refused):
        return None


def update(url, path):
    box = come(url)
    box.sign_in(NAME, PASSWORD)
    before = box.update_state()
    assert (before["kind"], before["closed"]) == ("program", None), before
    with open(path, "rb") as file, open(path + ".sig", "rb") as signature:
        box.update(file.read(), signature.read(), PASSWORD)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        time.sleep(2)
        now = last(url)
        if now and now != before["last"]:
            print(now["installed"], now["told"])
            return
    raise SystemExit("the box has not said how it went")


def main(url, word, value):
    if word == "claim":
        come(url).claim(value, NAME, PASSWORD)
    else:
        update(url, value)


if __name__ == "__main__":
    main(*sys.argv[1:])
