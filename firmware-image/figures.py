"""Sizes of what was built, and the memory of the ARMv6 program under emulation, as rows of a table.

    python3 firmware-image/figures.py DIST VERSION

What is missing in DIST is said to be missing. Ends with 1 if something is larger than it must be. What only a booted image can tell
(memory, seconds, writes) is printed by firmware-image/test.py."""

import os
import pathlib
import re
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request

MIB = 1 << 20
BINARIES = {
    "aarch64-unknown-linux-musl": 6,
    "armv7-unknown-linux-musleabihf": None,
    "arm-unknown-linux-musleabihf": None,
    "x86_64-unknown-linux-musl": None,
}
IMAGES = {"virt": (24, 14), "rpi64": (64, 32), "rpi1": (64, 32), "rpi2": (64, 32)}
too_large = []


def row(what, value, must="", aim=""):
    print(f"| {what} | {value} | {must} | {aim} |")


def size(what, path, must, aim=""):
    if not path.exists():
        row(what, "not built")
        return
    mib = path.stat().st_size / MIB
    row(what, f"{mib:.2f} MiB", f"<= {must} MiB" if must else "", f"{aim} MiB" if aim else "")
    if must and mib > must:
        too_large.append(what)


def is_static(path):
    said = subprocess.run(["file", "-b", path], check=True, capture_output=True, text=True).stdout
    return ("statically linked" in said or "static-pie linked" in said) and "stripped" in said and "not stripped" not in said


def emulated(path, *words, **more):
    return subprocess.Popen(["qemu-arm-static", "-cpu", "arm1176", str(path), *words], stdout=subprocess.PIPE, text=True, **more)


def resident(process):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{process.pid}/status").read_text()).group(1))


def resident_while_waiting_for_input(path):
    """KiB. Mostly the emulator itself and what it translated: the yardstick for the number beside it."""
    child = emulated(path, "hostkey", "add", "-", stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        asleep = 0
        while asleep < 20:
            state = pathlib.Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0]
            assert state != "Z", "it does not wait for input"
            asleep = asleep + 1 if state == "S" else 0
            time.sleep(0.05)
        return resident(child)
    finally:
        child.kill()
        child.wait()


def resident_while_serving(path):
    """KiB, after the first page was served."""
    with tempfile.TemporaryDirectory() as data:
        os.chmod(data, 0o700)
        box = emulated(path, "serve", "--data", data, "--listen", "127.0.0.1:0", stderr=subprocess.DEVNULL)
        try:
            address = next(line.split()[1] for line in box.stdout if line.startswith("listening "))
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            request = urllib.request.Request(address, headers={"Accept-Encoding": "gzip"})
            with urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)).open(request) as page:
                assert page.status == 200 and page.read()
            return resident(box)
        finally:
            box.kill()
            box.wait()


def main(dist, version):
    dist = pathlib.Path(dist)
    print("| figure | seen | must | aim |\n| --- | --- | --- | --- |")
    for target, must in BINARIES.items():
        path = dist / f"footbridge-{version}-{target}"
        size(f"binary, {target}, static, stripped", path, must)
        assert not path.exists() or is_static(path), f"{path} is not static and stripped"
    for board, (must, aim) in IMAGES.items():
        size(f"image for {board}, gzipped", dist / f"footbridge-{version}-{board}.img.gz", must, aim)
    armv6 = dist / f"footbridge-{version}-arm-unknown-linux-musleabihf"
    if armv6.exists():
        row("RSS of qemu-arm (arm1176) with our program serving", f"{resident_while_serving(armv6) / 1024:.1f} MiB")
        row("the same, waiting for standard input", f"{resident_while_waiting_for_input(armv6) / 1024:.1f} MiB")
    if too_large:
        sys.exit(f"larger than it must be: {', '.join(too_large)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
