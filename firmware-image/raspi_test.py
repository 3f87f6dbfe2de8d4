"""Boots the Raspberry Pi images as far as qemu's boards go: kernel, card, slot, data partition, and the page as the box itself sees it.

    python3 firmware-image/raspi_test.py DIST VERSION

The firmware is qemu's own: it is given the kernel, initramfs and device tree of the boot partition, with its command line. qemu's
network for these boards is not relied on: the line that is waited for comes from the image's own health check, over TLS on loopback."""

import os
import subprocess
import sys
import tempfile

import test as card

# board: emulator, machine, kernel, device tree
BOARDS = {
    "rpi1": ("qemu-system-arm", "raspi0", "kernel.img", "bcm2835-rpi-zero.dtb"),
    "rpi2": ("qemu-system-arm", "raspi2b", "kernel7.img", "bcm2836-rpi-2-b.dtb"),
    "rpi64": ("qemu-system-aarch64", "raspi3b", "kernel8.img", "bcm2837-rpi-3-b.dtb"),
}
PATIENCE = int(os.environ.get("PATIENCE", "600"))  # these machines are emulated down to their clocks


def boots(board, image, work):
    emulator, machine, kernel, tree = BOARDS[board]
    disk = card.flash(image, work)
    files = {}
    for name in (kernel, "initramfs", tree, "cmdline.txt"):
        files[name] = os.path.join(work, name)
        card.run("mcopy", "-n", "-o", "-i", card.card(disk), f"::/{name}", files[name])
    with open(files["cmdline.txt"], encoding="utf-8") as file:
        # qemu's model takes the start of the watchdog for the order to reset, at once, and it lacks the registers of the power domains,
        # at which the driver crashes. In the ARMv6 kernel both drivers are built in.
        command_line = file.read().strip() + " module_blacklist=bcm2835_wdt initcall_blacklist=bcm2835_power_driver_init,bcm2835_wdt_driver_init"
    consoles = [os.path.join(work, f"{board}.serial{number}") for number in (0, 1)]
    qemu = subprocess.Popen(
        [emulator, "-M", machine, "-kernel", files[kernel], "-initrd", files["initramfs"], "-dtb", files[tree]]
        + ["-append", command_line, "-drive", f"file={disk},if=sd,format=raw", "-display", "none", "-monitor", "none", "-no-reboot"]
        + [word for console in consoles for word in ("-serial", f"file:{console}")],
        stdin=subprocess.DEVNULL,
    )

    def console():
        text = ""
        for name in consoles:
            if os.path.exists(name):
                with open(name, encoding="utf-8", errors="replace") as file:
                    text += file.read()
        return text

    def says(words):
        assert qemu.poll() is None, f"qemu ended: {console()[-2000:]}"
        return words in console()

    try:
        for words in (f"slot a, image {VERSION} {board}", "the page answers after"):
            card.until(PATIENCE, f"{board} says {words!r}; it says {console()[-2000:]!r}", lambda: says(words))
    except AssertionError:
        print(console()[-4000:], file=sys.stderr)
        raise
    finally:
        qemu.kill()
        qemu.wait()
    line = next(line for line in console().splitlines() if "the page answers after" in line)
    card.report(f"{board} on qemu's {machine}: {line.removeprefix('footbridge: ')}")


def main(dist):
    for board in BOARDS:
        image = os.path.join(dist, f"footbridge-{VERSION}-{board}.img.gz")
        if not os.path.exists(image):
            print(f"no image for {board}: make image BOARDS={board}")
            continue
        with tempfile.TemporaryDirectory() as work:
            boots(board, image, work)


if __name__ == "__main__":
    VERSION = sys.argv[2]
    main(sys.argv[1])
