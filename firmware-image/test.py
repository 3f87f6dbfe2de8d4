"""Boots the generic image under qemu and treats it as an owner and as bad luck would: flash, claim, use, update, break, pull the plug.

    python3 firmware-image/test.py IMAGE.img.gz UPDATE.img KEY.pem [CUTS]

UPDATE.img is the root file system of a second build, whose version ends in "second"; KEY.pem signed nothing yet but made both images.
With SHORT in the environment only what CI has time for. IDLE_SECONDS (180) is how long the card is watched for writes. What a qemu that is killed cannot show: a disk that loses what it said it had written. Everything the guest handed over stays."""

import base64
import getpass
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

# The client of docs/API.md, in one file.
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests"))
from client import Footbridge

UBOOT = "/usr/lib/u-boot/qemu_arm64/u-boot.bin"
PASSWORD = "correct horse battery"
BOOT = 120  # seconds until the page must answer, on a busy machine without acceleration
BOOT_PARTITION = 1048576
# What the figures must not exceed. Sizes and memory are facts of the image; seconds are only printed.
IMAGE_MIB = 24
MEMORY_MIB = 40
BEGAN = time.monotonic()


def report(line):
    print(f"[{time.monotonic() - BEGAN:6.1f} s] {line}")


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
        self.talk = None
        self.qemu = subprocess.Popen(
            ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a53", "-smp", "1", "-m", "256", "-bios", UBOOT]
            + ["-drive", f"if=none,file={self.disk},format=raw,id=card", "-device", "virtio-blk-pci,drive=card"]
            + ["-netdev", f"user,id=net,{forward}", "-device", "virtio-net-pci,netdev=net,romfile=", "-device", "virtio-rng-pci"]
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
        """Seconds since the kernel was entered."""
        # A question that comes before the guest has an address hangs until its time is over: short ones first.
        self.kernel_starts()
        early = time.monotonic() + 40

        def answers():
            answer = self.ask("GET", "/health", timeout=1 if time.monotonic() < early else 10)
            return answer is not None and answer[0] == 200

        until(seconds, "the page answers", answers)
        return time.monotonic() - self.kernel

    def kernel_starts(self):
        until(BOOT, "the firmware enters the kernel", lambda: "Starting kernel" in self.console())
        self.kernel = time.monotonic()

    def fingerprint(self):
        served = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", self.https)))
        return hashlib.sha256(served).hexdigest()

    def signed_in(self, answer):
        status, headers, body = answer
        assert status in (200, 201), (status, body)
        return {"Cookie": headers["Set-Cookie"].split(";")[0], "X-Footbridge-Csrf": json.loads(body)["csrf"]}

    def claim(self, code):
        """With the second factor, which the box requires."""
        half = self.signed_in(self.ask("POST", "/api/claim", {"code": code, "name": "ada", "password": PASSWORD}, timeout=60))
        Box.factor = json.loads(self.send_form("/api/factor/begin", {}, half)[2])["secret"]
        return self.signed_in(self.send_form("/api/factor/finish", {"code": self.one_time_code()}, half))

    def send_form(self, path, body, session):
        """What changes security wants a token that is good once."""
        form = json.loads(self.ask("POST", "/api/form", {}, session)[2])["form"]
        return self.ask("POST", path, body, {**session, "X-Footbridge-Form": form})

    def login(self):
        half = self.signed_in(self.ask("POST", "/api/login", {"name": "ada", "password": PASSWORD}, timeout=60))
        return self.signed_in(self.ask("POST", "/api/factor/verify", {"code": self.one_time_code()}, half))

    def one_time_code(self):
        """RFC 6238. A code works once, and one of the next half minute is taken too: only the third sign-in in a row waits.
        The guest's clock may be some seconds behind ours, and one of the step after the next is refused."""
        until(40, "the next code", lambda: time.time() - 5 >= Box.last_step * 30)
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
        (stats,) = [one["stats"] for one in self.order("query-blockstats") if one["device"] == "card"]
        return stats["wr_operations"], stats["wr_bytes"]

    def order(self, what):
        """To qemu itself, over one line that stays open: it takes one at a time, and is slow to take the next."""
        if self.talk is None:
            line = socket.socket(socket.AF_UNIX)
            line.settimeout(BOOT)
            line.connect(self.monitor)
            self.talk = line.makefile("rw")
            self.talk.readline()
            self.order("qmp_capabilities")
        self.talk.write(json.dumps({"execute": what}) + "\n")
        self.talk.flush()
        answer = json.loads(self.talk.readline())
        # Events come in between.
        while "return" not in answer:
            assert "error" not in answer, answer
            answer = json.loads(self.talk.readline())
        return answer["return"]


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
        report(f"first start: the page answers {seconds:.1f} s after the kernel was entered, making the data partition included")
        code = box.says(r"claim-code ([0-9A-Z-]+)").group(1)
        printed = box.says(r"certificate sha256:([0-9a-f]{64})").group(1)
        assert box.fingerprint() == printed, "the console prints another fingerprint than the page has"
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
        report("claimed; the code left the card; the data partition fills it")
        memory = int(box.says(r"the page answers after .*; (\d+) KiB").group(1))
        report(f"memory in use after the first start: {memory / 1024:.1f} MiB")
        assert memory <= MEMORY_MIB * 1024


def start_beside_plain_kernel(disk, update, work):
    """The same kernel by the same firmware from the same card, once with an init that only says that it is there."""
    with Box(disk) as box:
        ours = box.wait_for_page()
        box.says(r"the page answers after .*; (\d+) KiB")
        memory = int(re.search(r"; (\d+) KiB", box.console()).group(1))
    tree, plain = os.path.join(work, "plain-tree"), os.path.join(work, "plain")
    run("unsquashfs", "-q", "-n", "-d", tree, update, "bin/busybox")
    init = os.path.join(tree, "init")
    with open(init, "w", encoding="utf-8") as file:
        file.write("#!/bin/busybox sh\necho empty-init\nexec /bin/busybox sleep 2147483647\n")
    os.chmod(init, 0o755)
    os.mkdir(os.path.join(tree, "dev"))
    initramfs = os.path.join(work, "plain-initramfs")
    with open(initramfs, "wb") as file:
        names = b"\n".join(os.fsencode(os.path.relpath(path, tree)) for path in [tree, init, tree + "/bin", tree + "/bin/busybox", tree + "/dev"])
        packed = subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], cwd=tree, input=names, check=True, capture_output=True)
        file.write(gzip.compress(packed.stdout))
    run("cp", "--sparse=always", disk, plain)
    put(plain, initramfs, "initramfs")
    with Box(plain) as box:
        box.kernel_starts()
        until(BOOT, "the empty init speaks", lambda: "empty-init" in box.console())
        empty = time.monotonic() - box.kernel
    os.remove(plain)
    report(f"from kernel to page: {ours:.1f} s; the plain kernel to an empty init: {empty:.1f} s; memory in use {memory / 1024:.1f} MiB")
    assert memory <= MEMORY_MIB * 1024


def terminal(disk, work):
    """From a browser through the box to an SSH server on this machine, which the guest reaches at its gateway's address."""
    port, server = free_port(), os.path.join(work, "sshd")
    os.makedirs(server, exist_ok=True)
    os.makedirs("/run/sshd", exist_ok=True)  # Debian's sshd, as root, wants it
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{server}/host_key")
    settings = {"ListenAddress": f"127.0.0.1:{port}", "HostKey": f"{server}/host_key", "AuthorizedKeysFile": f"{server}/authorized_keys"}
    settings |= {"PidFile": "none", "StrictModes": "no", "UsePAM": "no", "PasswordAuthentication": "no"}
    with open(f"{server}/config", "w", encoding="utf-8") as file:
        file.writelines(f"{key} {value}\n" for key, value in settings.items())
    sshd = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", f"{server}/config"], stderr=subprocess.DEVNULL)
    try:
        with Box(disk) as box:
            box.wait_for_page()
            client = Footbridge(f"https://127.0.0.1:{box.https}", fingerprint=box.fingerprint())
            client.sign_in("ada", PASSWORD, box.one_time_code)
            # The box makes the key itself; its private half never leaves it.
            key = client.generate_key("made in the image")
            with open(f"{server}/authorized_keys", "w", encoding="utf-8") as file:
                file.write(key["public_key"] + "\n")
            host_key = run("ssh-keygen", "-lf", f"{server}/host_key.pub").decode().split()[1]
            with client.open(address="10.0.2.2", port=port, user=getpass.getuser(), credential_id=key["id"]) as shell:
                shell.until_live(expected_key=host_key)
                shell.send(b"echo $((6 * 7))-$(uname -m)\r")
                shell.expect(f"42-{os.uname().machine}".encode())
    finally:
        sshd.kill()
        sshd.wait()
    report("a terminal to an SSH server on this machine, by a key that was made in the box")


def idle(disk, seconds):
    """Nothing is written in steady state."""
    with Box(disk) as box:
        box.wait_for_page()
        assert "kept" in box.hosts(box.login())
        # What a start and a sign-in change goes to the journal at once and to its place within 40 s (dirty_expire_centisecs, and
        # the flusher's round); on a slow machine a little later. Quiet for longer than that means that it is done.
        quiet = {"since": time.monotonic(), "written": box.written()}

        def settled():
            now = box.written()
            if now != quiet["written"]:
                quiet.update(since=time.monotonic(), written=now)
            time.sleep(1)
            return time.monotonic() - quiet["since"] > 60

        until(600, "the card comes to rest", settled)
        before = box.written()
        time.sleep(seconds)
        after = box.written()
        report(f"idle for {seconds} s: {after[0] - before[0]} writes, which makes {(after[0] - before[0]) * 3600 / seconds:.0f} in an hour")
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
            before = len(acknowledged)
            writer.start()
            # In the midst of it: some writes are acknowledged, and more are on their way at a moment that nobody has chosen.
            until(BOOT, "a write is acknowledged", lambda: len(acknowledged) > before)
            time.sleep(random.uniform(0, 1.5))
            box.pull_the_plug()
            stop.set()
            writer.join()
        assert "damaged" not in box.console(), box.console()
    with Box(disk) as box:
        box.wait_for_page()
        there = box.hosts(box.login())
        assert acknowledged <= there, f"lost: {acknowledged - there}"
    report(f"the plug was pulled {times} times while it wrote: all {len(acknowledged)} acknowledged hosts are there")


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
    report("an update with a foreign signature is refused")


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
    report("updated to slot b; it stays there after the next start, with all data")


def broken_updates(disk, update, key, work):
    """One whose program does not serve, one that is no file system at all."""
    broken = os.path.join(work, "broken")
    variant(update, key, work, "broken", no_program)
    put_update(disk, broken, sign(key, broken))
    with Box(disk) as box:
        box.says("writing the update to slot a")
        box.says("slot a does not serve; going back", 300)
        until(BOOT, "slot b again", lambda: re.search("going back.*slot b, image .*second", box.console(), re.S))
        box.wait_for_page()
        assert "kept" in box.hosts(box.login())
    report("an update that does not serve is rolled back by itself")

    with open(broken, "wb") as file:
        file.write(os.urandom(1 << 20))
    put_update(disk, broken, sign(key, broken))
    with Box(disk) as box:
        box.says("writing the update to slot a")
        box.says("update refused: it is no root file system")
        box.says("slot b, image .*second")
        box.wait_for_page()
    report("an update that is no file system is refused")

    # What the scripts keep out all the same: a slot that shall be tried and cannot even be mounted.
    with open(disk, "r+b") as file:
        file.seek(512)
        file.write(b"FBSLOT good=b try=a\n".ljust(512, b"\0"))
    with Box(disk) as box:
        box.says("slot b, image .*second")
        box.wait_for_page()
    report("a slot that cannot be mounted is passed over")


def owner(box):
    """Signed in by the client of docs/API.md, with a code."""
    client = Footbridge(f"https://127.0.0.1:{box.https}", fingerprint=box.fingerprint())
    client.sign_in("ada", PASSWORD, box.one_time_code)
    return client


def variant(update, key, work, name, change):
    """Another root file system, signed: `change(path)` changes the files of this one."""
    tree, image = os.path.join(work, f"tree-{name}"), os.path.join(work, name)
    run("unsquashfs", "-q", "-n", "-d", tree, update)
    change(tree)
    run("mksquashfs", tree, image, "-quiet", "-no-progress", "-all-root", "-noappend", "-comp", "xz", "-b", "256K")
    shutil.rmtree(tree)
    with open(image, "rb") as content, open(sign(key, image), "rb") as signature:
        return content.read(), signature.read()


def written_anew(name, change):
    """A file of /etc in a tree, as `change` makes it from what it was."""

    def do(tree):
        path = os.path.join(tree, "etc", name)
        with open(path, encoding="utf-8") as file:
            text = change(file.read().strip())
        with open(path, "w", encoding="utf-8") as file:
            file.write(text + "\n")

    return do


def no_program(tree):
    shutil.copyfile(os.path.join(tree, "bin/helper"), os.path.join(tree, "bin/footbridge"))


def page_updates(disk, update, key, work):
    """By an administrator's browser, from slot b: what is refused, what does not serve, and what takes over."""

    def last(client, before):
        told = until(BOOT, "the page says how the update went", lambda: next((one for one in [client.update_state()["last"]] if one != before), None))
        return told["installed"], told["told"]

    def after(pattern, mark, seconds=BOOT):
        until(seconds, f"the console says {pattern!r}", lambda: re.search(pattern, box.console()[mark:]))

    older = variant(update, key, work, "older", written_anew("made", lambda made: str(int(made) - 1)))
    foreign = variant(update, key, work, "foreign", written_anew("version", lambda text: text.replace(" virt", " rpi64")))
    broken = variant(update, key, work, "broken", no_program)
    third = variant(update, key, work, "third", written_anew("version", lambda text: text.replace("second", "third")))
    with Box(disk) as box:
        box.wait_for_page()
        client = owner(box)
        state = client.update_state()
        assert (state["kind"], state["closed"]) == ("image", None), state
        # The card's own updates are told in the same place: the last one was no file system.
        before = until(30, "how the last update went", lambda: client.update_state()["last"])
        assert before["installed"] is False and "no root file system" in before["told"], before
        for image, words in [(older, "it is older than the image in use"), (foreign, "it is for rpi64, and this is virt")]:
            client.update(*image, box.one_time_code())
            installed, told = last(client, before)
            assert not installed and words in told, told
            before = client.update_state()["last"]
        assert box.console().count("Starting kernel") == 1
        report("from the page: an older image and one of another board are refused in words, and nobody was disturbed")

        mark = len(box.console())
        client.update(*broken, box.one_time_code())
        after("slot a does not serve; going back", mark, 300)
        after("going back(.|\n)*the page answers", mark)
        client = owner(box)
        installed, told = last(client, before)
        assert not installed and "did not serve; the one of before is back" in told, told
        before = client.update_state()["last"]
        report("from the page: an image that does not serve is rolled back, and the page says so")

        mark = len(box.console())
        client.update(*third, box.one_time_code())
        after("slot a, image .*third", mark)
        after("slot a is good from now on", mark)
        client = owner(box)
        installed, told = last(client, before)
        assert installed and "third virt is installed and serves" in told, told
        assert "kept" in {host["label"] for host in client.hosts()}
        report("from the page: a newer image takes over, with all data, and the page says so")


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
    report("a reset to factory state forgets everything, and once")


def main(image, update, key, times=20):
    size = os.path.getsize(image) / (1 << 20)
    report(f"the image has {size:.2f} MiB compressed")
    assert size <= IMAGE_MIB
    with tempfile.TemporaryDirectory() as work:
        disk = flash(image, work)
        first_start(disk)
        if os.environ.get("SHORT"):
            terminal(disk, work)
            refused_update(disk, update, key, work)
            good_update(disk, update, key)
            report("the image does what it should, as far as the short form goes")
            return
        start_beside_plain_kernel(disk, update, work)
        terminal(disk, work)
        idle(disk, int(os.environ.get("IDLE_SECONDS", "180")))
        refused_update(disk, update, key, work)
        good_update(disk, update, key)
        broken_updates(disk, update, key, work)
        page_updates(disk, update, key, work)
        cuts(disk, int(times))
        factory_reset(disk, work)
    report("the image does what it should")


if __name__ == "__main__":
    main(*sys.argv[1:])
