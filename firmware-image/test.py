"""Boots the generic image under qemu and treats it as an owner and as bad luck would: flash, claim, use, update, break, pull the plug.

    python3 firmware-image/test.py IMAGE.img.gz UPDATE.img KEY.pem [CUTS]

UPDATE.img is the root file system of a second build, whose version ends in "second"; KEY.pem signed nothing yet but made both images.
What a qemu that is killed cannot show: a disk that loses what it said it had written. Everything the guest handed over stays."""

import base64
import gzip
import hashlib
import hmac
import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time

UBOOT = "/usr/lib/u-boot/qemu_arm64/u-boot.bin"
PASSWORD = "correct horse battery"
BOOT = 120  # seconds until the page must answer, on a busy machine without acceleration
BOOT_PARTITION = 1048576


def run(*command):
    return subprocess.run(command, check=True, capture_output=True).stdout


def until(seconds, what, probe):
    """Waits for `probe` to give something; never longer than `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = probe()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds} s: {what}")


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Box:
    """One virtual board with its card. `with Box(disk) as box:` is power on and, at the end, the plug pulled."""

    factor, last_step = "", 0  # of the one user there is, over all boots

    def __init__(self, disk):
        self.disk, self.https, self.http = disk, free_port(), free_port()
        self.console_file = disk + ".console"
        self.monitor = disk + ".qmp"

    def __enter__(self):
        for old in (self.console_file, self.monitor):
            if os.path.exists(old):
                os.remove(old)
        forward = f"hostfwd=tcp:127.0.0.1:{self.https}-:443,hostfwd=tcp:127.0.0.1:{self.http}-:80"
        self.started = time.monotonic()
        self.qemu = subprocess.Popen(
            ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a53", "-smp", "1", "-m", "256", "-bios", UBOOT]
            + ["-drive", f"if=none,file={self.disk},format=raw,id=card", "-device", "virtio-blk-pci,drive=card"]
            + ["-netdev", f"user,id=net,{forward}", "-device", "virtio-net-pci,netdev=net", "-device", "virtio-rng-pci"]
            + ["-serial", f"file:{self.console_file}", "-display", "none", "-monitor", "none"]
            + ["-qmp", f"unix:{self.monitor},server=on,wait=off"],
            stdin=subprocess.DEVNULL,
        )
        return self

    def __exit__(self, kind, *_):
        self.pull_the_plug()
        if kind:
            print("---- the console's end ----", self.console()[-3000:], sep="\n", file=sys.stderr)

    def pull_the_plug(self):
        if self.qemu.poll() is None:
            self.qemu.send_signal(signal.SIGKILL)
        self.qemu.wait()

    def console(self):
        try:
            with open(self.console_file, encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def says(self, pattern, seconds=BOOT):
        return until(seconds, f"the console says {pattern!r}", lambda: re.search(pattern, self.console()))

    def ask(self, method, path, body=None, headers=None, timeout=20):
        """Status, headers, body; None if nobody answers."""
        connection = http.client.HTTPSConnection("127.0.0.1", self.https, timeout=timeout, context=ssl._create_unverified_context())
        send = {"Origin": f"https://127.0.0.1:{self.https}", **(headers or {})}
        try:
            if body is not None:
                send["Content-Type"] = "application/json"
                body = json.dumps(body)
            connection.request(method, path, body, send)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def wait_for_page(self, seconds=BOOT):
        until(seconds, "the page answers", lambda: (self.ask("GET", "/health", timeout=5) or [0])[0] == 200)
        return time.monotonic() - self.started

    def signed_in(self, answer):
        status, headers, body = answer
        assert status in (200, 201), (status, body)
        return {"Cookie": headers["Set-Cookie"].split(";")[0], "X-Footbridge-Csrf": json.loads(body)["csrf"]}

    def claim(self, code):
        """With the second factor, which the box requires."""
        half = self.signed_in(self.ask("POST", "/api/claim", {"code": code, "name": "ada", "password": PASSWORD}, timeout=60))
        Box.factor = json.loads(self.ask("POST", "/api/factor/begin", {}, half)[2])["secret"]
        return self.signed_in(self.ask("POST", "/api/factor/finish", {"code": self.one_time_code()}, half))

    def login(self):
        half = self.signed_in(self.ask("POST", "/api/login", {"name": "ada", "password": PASSWORD}, timeout=60))
        return self.signed_in(self.ask("POST", "/api/factor/verify", {"code": self.one_time_code()}, half))

    def one_time_code(self):
        """RFC 6238. A code works once, and one of the next half minute is taken too: only the third sign-in in a row waits."""
        until(40, "the next code", lambda: int(time.time()) // 30 >= Box.last_step)
        Box.last_step = max(Box.last_step + 1, int(time.time()) // 30)
        digest = hmac.digest(base64.b32decode(Box.factor), struct.pack(">Q", Box.last_step), "sha1")
        at = digest[19] & 15
        return f"{(int.from_bytes(digest[at : at + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06}"

    def hosts(self, session):
        status, _, body = self.ask("GET", "/api/hosts", headers=session)
        assert status == 200, (status, body)
        return {host["label"] for host in json.loads(body)["hosts"]}

    def add_host(self, session, label):
        answer = self.ask("POST", "/api/hosts", {"label": label, "address": "192.0.2.1", "user": "root"}, session)
        return bool(answer) and answer[0] == 201

    def written(self):
        """Write operations and bytes that the card has seen, as qemu counts them."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(10)
            line.connect(self.monitor)
            talk = line.makefile("rw")
            talk.readline()
            for order in ("qmp_capabilities", "query-blockstats"):
                talk.write(json.dumps({"execute": order}) + "\n")
                talk.flush()
                answer = json.loads(talk.readline())
                while "return" not in answer:
                    answer = json.loads(talk.readline())
            stats = [one["stats"] for one in answer["return"] if one.get("qdev", "").find("virtio") >= 0 or one.get("device") == "card"]
            return sum(one["wr_operations"] for one in stats), sum(one["wr_bytes"] for one in stats)


def card(disk):
    return f"{disk}@@{BOOT_PARTITION}"


def on_card(disk, name):
    """A file of the boot partition, as another computer would read it; None if it is not there."""
    found = subprocess.run(["mcopy", "-n", "-i", card(disk), f"::/{name}", "-"], capture_output=True, check=False)
    return found.stdout.decode() if found.returncode == 0 else None


def put(disk, path, name):
    run("mcopy", "-o", "-i", card(disk), path, f"::/{name}")


def put_update(disk, image, signature):
    put(disk, signature, "update.img.sig")
    put(disk, image, "update.img")


def sign(key, path):
    run("openssl", "pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", path, "-out", path + ".sig")
    return path + ".sig"


def flash(image, work):
    """Onto a card of one gibibyte, which is larger than the image."""
    disk = os.path.join(work, "card")
    with gzip.open(image) as source, open(disk, "wb") as target:
        shutil.copyfileobj(source, target)
    os.truncate(disk, 1 << 30)
    return disk


def first_start(disk):
    with Box(disk) as box:
        seconds = box.wait_for_page()
        print(f"page after {seconds:.1f} s, firmware and making of the data partition included")
        code = box.says(r"claim-code ([0-9A-Z-]+)").group(1)
        printed = box.says(r"certificate sha256:([0-9a-f]{64})").group(1)
        served = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", box.https)))
        assert hashlib.sha256(served).hexdigest() == printed, "the console prints another fingerprint than the page has"
        until(30, "the claim code is on the card", lambda: code in (on_card(disk, "claim.txt") or ""))
        assert on_card(disk, "factory-reset") is None

        plain = http.client.HTTPConnection("127.0.0.1", box.http, timeout=20)
        plain.request("GET", "/")
        assert plain.getresponse().status in (301, 302, 307, 308), "port 80 does not lead to the page"

        assert box.ask("POST", "/api/claim", {"code": "AAAAA", "name": "eve", "password": PASSWORD}, timeout=60)[0] == 401
        session = box.claim(code)
        assert box.add_host(session, "kept")
        until(30, "the claim code is gone from the card", lambda: on_card(disk, "claim.txt") is None)
        table = json.loads(run("sfdisk", "--json", disk))["partitiontable"]["partitions"]
        assert table[3]["size"] * 512 > 850 << 20, f"the data partition did not grow: {table[3]}"
        print("claimed; the code left the card; the data partition fills it")
        print(box.says(r"the page answers after .*").group(0))


def idle(disk, seconds=90):
    with Box(disk) as box:
        box.wait_for_page()
        assert "kept" in box.hosts(box.login())
        # What a start and a sign-in write is written within half a minute (ext4 commits every five seconds).
        time.sleep(45)
        before = box.written()
        time.sleep(seconds)
        after = box.written()
        print(f"idle for {seconds} s: {after[0] - before[0]} writes")
        assert after == before and before[0] > 0, (before, after)


def cuts(disk, times):
    acknowledged = {"kept"}
    for number in range(times):
        with Box(disk) as box:
            box.wait_for_page()
            session = box.login()
            there = box.hosts(session)
            assert acknowledged <= there, f"lost after cut {number}: {acknowledged - there}"
            stop = threading.Event()

            def write(box=box, session=session, number=number, stop=stop):
                for serial in range(10_000):
                    label = f"{number}-{serial}"
                    if stop.is_set() or not box.add_host(session, label):
                        return
                    acknowledged.add(label)

            writer = threading.Thread(target=write)
            writer.start()
            time.sleep(random.uniform(0.2, 1.5))
            box.pull_the_plug()
            stop.set()
            writer.join()
        assert "damaged" not in box.console(), box.console()
    with Box(disk) as box:
        box.wait_for_page()
        there = box.hosts(box.login())
        assert acknowledged <= there, f"lost: {acknowledged - there}"
    print(f"the plug was pulled {times} times while it wrote: all {len(acknowledged)} acknowledged hosts are there")


def refused_update(disk, update, key, work):
    strange = os.path.join(work, "strange")
    shutil.copyfile(update, strange)
    with open(strange, "r+b") as file:
        file.seek(4096)
        file.write(b"not what was signed")
    put_update(disk, strange, sign(key, update))
    with Box(disk) as box:
        box.says("update refused: not signed")
        box.says("slot a, image")
        box.wait_for_page()
    assert on_card(disk, "update.img") is None
    print("an update with a foreign signature is refused")


def good_update(disk, update, key):
    put_update(disk, update, sign(key, update))
    with Box(disk) as box:
        box.says("writing the update to slot b")
        box.says("slot b, image .*second")
        box.says("slot b is good from now on")
        assert "kept" in box.hosts(box.login())
    with Box(disk) as box:
        box.says("slot b, image .*second")
        box.wait_for_page()
    print("updated to slot b; it stays there after the next start, with all data")


def broken_updates(disk, update, key, work):
    """One whose program does not serve, one that is no file system at all."""
    tree, broken = os.path.join(work, "tree"), os.path.join(work, "broken")
    run("unsquashfs", "-q", "-n", "-d", tree, update)
    shutil.copyfile(os.path.join(tree, "bin/helper"), os.path.join(tree, "bin/footbridge"))
    run("mksquashfs", tree, broken, "-quiet", "-no-progress", "-all-root", "-noappend", "-comp", "xz")
    put_update(disk, broken, sign(key, broken))
    with Box(disk) as box:
        box.says("writing the update to slot a")
        box.says("slot a does not serve; going back", 300)
        until(BOOT, "slot b again", lambda: re.search("going back.*slot b, image .*second", box.console(), re.S))
        box.wait_for_page()
        assert "kept" in box.hosts(box.login())
    print("an update that does not serve is rolled back by itself")

    with open(broken, "wb") as file:
        file.write(os.urandom(1 << 20))
    put_update(disk, broken, sign(key, broken))
    with Box(disk) as box:
        box.says("writing the update to slot a")
        until(BOOT, "slot b again", lambda: re.search("starting it.*slot b, image .*second", box.console(), re.S))
        box.wait_for_page()
    print("an update that cannot even be mounted is passed over")


def factory_reset(disk, work):
    wish = os.path.join(work, "wish")
    with open(wish, "w", encoding="utf-8") as file:
        file.write("yes\n")
    put(disk, wish, "factory-reset")
    with Box(disk) as box:
        box.wait_for_page()
        assert json.loads(box.ask("GET", "/api/state")[2])["claimed"] is False
        box.says("claim-code ")
    assert on_card(disk, "factory-reset") is None
    print("a reset to factory state forgets everything, and once")


def main(image, update, key, times=20):
    with tempfile.TemporaryDirectory() as work:
        disk = flash(image, work)
        first_start(disk)
        idle(disk)
        refused_update(disk, update, key, work)
        good_update(disk, update, key)
        broken_updates(disk, update, key, work)
        cuts(disk, int(times))
        factory_reset(disk, work)
    print("the image does what it should")


if __name__ == "__main__":
    main(*sys.argv[1:])
