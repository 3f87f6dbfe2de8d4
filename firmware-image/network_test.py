"""The generic image on a wire of the test's own: found by its name, told the time, and its rescue shell on and off.

    python3 firmware-image/network_test.py IMAGE.img.gz

Runs as root in a network namespace that it makes itself, where a tap device is the guest's wire: nothing of the machine's network is
touched. The name is asked for by multicast, as a browser's computer does; the time comes from chrony, Debian's own package."""

import os
import re
import socket
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from test import UBOOT, Box, flash, on_card, put, report, run, until

OURS, GUEST = "10.77.0.1", "10.77.0.15"
# The board's clock at power on, long before the image was made: what a board without a battery has.
POWER_ON = "2001-01-01T00:00:00"


class Wired(Box):
    """The box on the tap device, with a clock that is wrong."""

    def __enter__(self):
        for old in (self.console_file, self.monitor):
            if os.path.exists(old):
                os.remove(old)
        self.talk = None
        self.qemu = subprocess.Popen(
            ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a53", "-smp", "1", "-m", "256", "-bios", UBOOT]
            + ["-drive", f"if=none,file={self.disk},format=raw,id=card", "-device", "virtio-blk-pci,drive=card"]
            + ["-netdev", "tap,id=net,ifname=tap0,script=no,downscript=no", "-device", "virtio-net-pci,netdev=net,romfile=", "-device", "virtio-rng-pci"]
            + ["-rtc", f"base={POWER_ON}", "-serial", f"file:{self.console_file}", "-display", "none", "-monitor", "none"]
            + ["-qmp", f"unix:{self.monitor},server=on,wait=off"],
            stdin=subprocess.DEVNULL,
        )
        return self


def write(disk, work, name, text):
    path = os.path.join(work, "file-for-card")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    put(disk, path, name)


def wire():
    for line in ("link set lo up", "tuntap add tap0 mode tap", f"addr add {OURS}/24 dev tap0", "link set tap0 up", "route add 224.0.0.0/4 dev tap0"):
        run("ip", *line.split())


def time_server(work):
    """chrony, which never touches the machine's clock (-x) and vouches for it to whoever asks."""
    with open(f"{work}/chrony.conf", "w", encoding="utf-8") as file:
        file.write(f"local stratum 8\nallow 10.77.0.0/24\nbindaddress {OURS}\ncmdport 0\nbindcmdaddress /\npidfile {work}/chrony.pid\n")
    return subprocess.Popen([CHRONY, "-x", "-d", "-u", "root", "-f", f"{work}/chrony.conf"], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def asked_by_multicast(name):
    """The address that answers to NAME, or None; asked as RFC 6762 says, from port 5353 to the group."""
    question = struct.pack(">6H", 0, 0, 1, 0, 0, 0) + b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0\0\1\0\1"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        line.bind(("", 5353))
        line.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton("224.0.0.251") + socket.inet_aton(OURS))
        line.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(OURS))
        line.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
        line.settimeout(3)
        line.sendto(question, ("224.0.0.251", 5353))
        try:
            while True:
                answer, sender = line.recvfrom(9000)
                if sender[0] == GUEST and answer[2] & 0x80 and question[12:-4].lower() in answer.lower():
                    return socket.inet_ntoa(answer[-4:])
        except TimeoutError:
            return None


def open_port(port):
    with socket.socket() as line:
        line.settimeout(5)
        return line.connect_ex((GUEST, port)) == 0


def ssh(key, *command, more=()):
    options = "StrictHostKeyChecking=no UserKnownHostsFile=/dev/null LogLevel=ERROR IdentitiesOnly=yes ConnectTimeout=20".split()
    words = ["ssh", "-F", "none", *(word for option in options for word in ("-o", option)), *more]
    words += ["-i", key] if key else []
    return subprocess.run([*words, f"root@{GUEST}", *command], capture_output=True, text=True, timeout=90, check=False, stdin=subprocess.DEVNULL)


def key_pair(work, name):
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "somebody@somewhere", "-f", f"{work}/{name}")
    with open(f"{work}/{name}.pub", encoding="utf-8") as file:
        return f"{work}/{name}", file.read()


def ready(box):
    box.kernel_starts()
    box.says(r"the page answers after", 180)


def first_start_without_a_key(disk, work):
    write(disk, work, "footbridge.conf", f"address = {GUEST}/24\ngateway = {OURS}\nntp = {OURS}\n")
    with Wired(disk) as box:
        ready(box)
        assert open_port(443), "the page is not on the wire"
        assert not open_port(22), "a rescue shell without a key"
        assert "RESCUE" not in box.console()
        assert asked_by_multicast("footbridge.local") == GUEST
        assert asked_by_multicast("FootBridge.Local") == GUEST
        assert asked_by_multicast("other.local") is None
    report("footbridge.local is answered by multicast; port 22 is closed without a key")


def bad_key_files(disk, work, private):
    with open(private, encoding="utf-8") as file:
        secret = file.read()
    write(disk, work, "rescue.pub", secret)
    with Wired(disk) as box:
        ready(box)
        box.says(r"rescue shell is off: rescue\.pub has a line that is no public key")
        assert not open_port(22)
        assert secret.splitlines()[2] not in box.console()
    report("a private key in place of the public one opens nothing, and is not repeated")


def strange_updates(box, private):
    """What a program that was taken over may put where its updates are looked for: none of it is installed, and none holds up the rest."""
    folder = "/data/footbridge/update"
    for what, refusal in [
        ("ln -s /data/seed program", "not signed"),
        ("ln -s /dev/zero program", "not signed"),
        ("mkdir program", "it could not be copied"),
        ("mkfifo program", "it could not be copied"),
        ("true", "it could not be copied"),
    ]:
        mark = len(box.console())
        done = ssh(private, f"mkdir -p {folder} && cd {folder} && rm -f ready && rm -rf program* && {what} && head -c 64 /dev/zero >program.sig && chown -R -h 100:100 . && : >ready")
        assert done.returncode == 0, done.stderr
        until(150, f"{what}: refused", lambda: f"update refused: {refusal}" in box.console()[mark:])
        left = ssh(private, "ls /data").stdout.split()
        assert "update.img" not in left and "seed" in left, left
    assert box.console().count("Starting kernel") == 1 and "slot a" in box.console()
    report("nothing strange in the place of an update is taken, and nothing of it holds up the box")


def rescue_shell(disk, work, private, public, stranger):
    write(disk, work, "rescue.pub", public)
    # Before the clock has been told the time it stands at the floor; nobody answers at the address of the time server yet.
    with Wired(disk) as box:
        ready(box)
        box.says(r"RESCUE SHELL IS ON: ssh root@10\.77\.0\.15, 1 key\(s\); host key (SHA256:\S+)")
        until(60, "port 22", lambda: open_port(22))
        assert ssh(private, "id -u").stdout.strip() == "0"
        refused = ssh(stranger, "id -u")
        assert refused.returncode == 255 and "Permission denied" in refused.stderr, refused
        # What the server offers is asked for, not believed: only keys.
        asked = ssh(None, "true", more=("-o", "PreferredAuthentications=none,password,keyboard-interactive", "-v"))
        offered = re.findall(r"Permission denied \((.*)\)", asked.stderr)
        assert offered == ["publickey"], asked.stderr[-500:]
        printed = re.search(r"host key (SHA256:\S+)", box.console()).group(1)
        scanned = run("ssh-keyscan", "-t", "ed25519", GUEST)
        shown = subprocess.run(["ssh-keygen", "-lf", "-"], input=scanned, capture_output=True, check=True).stdout.decode()
        assert printed in shown, (printed, shown)
        report("rescue shell: its key gets in, another is refused, passwords are not offered, the host key is the one on the console")

        made = int(ssh(private, "cat /etc/made").stdout)
        clock = int(ssh(private, "date +%s").stdout)
        assert made <= clock < time.time() - 60, f"the clock is not at its floor: {clock}, made {made}"
        logs = ssh(private, "logs").stdout
        for part in ("Linux version", "slot a, image", "RESCUE SHELL IS ON", "dropbear["):
            assert part in logs, f"{part!r} is not in the logs:\n{logs[-1500:]}"
        report(f"`logs` gives {len(logs)} bytes: kernel and supervisor; the clock stands at its floor")
        server = time_server(work)
        try:
            until(150, "the time", lambda: abs(int(ssh(private, "date +%s").stdout or 0) - time.time()) < 10)
            saved = int(ssh(private, "cat /data/clock").stdout)
            assert abs(saved - time.time()) < 300, saved
        finally:
            server.kill()
            server.wait()
        report("the time was got from chrony on the wire, and put aside")
        strange_updates(box, private)
        assert ssh(private, "sync").returncode == 0
    run("mdel", "-i", f"{disk}@@1048576", "::/rescue.pub")
    with Wired(disk) as box:
        ready(box)
        assert not open_port(22)
        assert on_card(disk, "rescue.pub") is None
    report("without the file the next start has no rescue shell")


def main(image):
    wire()
    with tempfile.TemporaryDirectory() as work:
        disk = flash(image, work)
        private, public = key_pair(work, "owner")
        stranger, _ = key_pair(work, "stranger")
        first_start_without_a_key(disk, work)
        bad_key_files(disk, work, private)
        rescue_shell(disk, work, private, public, stranger)
    report("the image is found, knows the time, and opens its rescue shell to its key alone")


if __name__ == "__main__":
    CHRONY = os.environ.get("CHRONYD", "/usr/sbin/chronyd")
    if os.environ.get("FB_OWN_WIRE") != "yes":
        os.execvpe("unshare", ["unshare", "--net", sys.executable, "-u", *sys.argv], {**os.environ, "FB_OWN_WIRE": "yes"})
    main(*sys.argv[1:])
