"""Builds the packages that are only archives: OpenWrt's .ipk and .apk, Synology's .spk, and plain .tar.gz with an installer.

    python3 packaging/build.py DIST VERSION EPOCH

The same inputs give the same bytes: files in order, owned by root, all of one time, gzip without a name and a time."""

import gzip
import hashlib
import io
import pathlib
import struct
import sys
import tarfile
import zlib

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent
TARGETS = {
    "x86_64": "x86_64-unknown-linux-musl",
    "aarch64": "aarch64-unknown-linux-musl",
    "armv7": "armv7-unknown-linux-musleabihf",
    "armv6": "arm-unknown-linux-musleabihf",
}
# OpenWrt names a package's processor exactly; these are the usual ones that each of our binaries runs on.
OPENWRT = {
    "x86_64": ["x86_64"],
    "aarch64": ["aarch64_generic", "aarch64_cortex-a53", "aarch64_cortex-a72"],
    "armv7": ["arm_cortex-a7_neon-vfpv4", "arm_cortex-a9_vfpv3-d16", "arm_cortex-a15_neon-vfpv4"],
    "armv6": ["arm_arm1176jzf-s_vfp"],
}
# Synology's families of processors. The ARMv7 ones differ in more than the name; these have a VFPv3 unit and a 3.x or newer kernel.
SYNOLOGY = {"x86_64": "x86_64", "aarch64": "armv8 rtd1296 rtd1619b armada37xx", "armv7": "alpine alpine4k armada375 armada38x monaco"}
DESCRIPTION = "Web SSH terminal appliance: SSH terminals in the browser, credentials sealed, one static program."


class Tree:
    """What goes into an archive: a place, its mode and its bytes."""

    def __init__(self):
        self.files = {}

    def put(self, place, data, mode=0o644):
        self.files[place] = (data.encode() if isinstance(data, str) else data, mode)

    def put_folder(self, folder, place=""):
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                executable = path.stat().st_mode & 0o100
                self.put(place + str(path.relative_to(folder)), path.read_bytes(), 0o755 if executable else 0o644)

    def size(self):
        return sum(len(data) for data, _ in self.files.values())

    def folders(self):
        found = {str(parent) for place in self.files for parent in pathlib.PurePosixPath(place).parents}
        return sorted(found - {"."})

    def tar(self, epoch, dot=True, checksums=False, end=True):
        """`dot`: names begin with ./ as opkg and dpkg write them. `checksums`: apk wants the SHA-1 of each file. `end`: the final zeros."""
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT if checksums else tarfile.GNU_FORMAT) as archive:
            for folder in self.folders():
                archive.addfile(entry(folder, dot, epoch, 0o755, tarfile.DIRTYPE))
            for place, (data, mode) in sorted(self.files.items()):
                file = entry(place, dot, epoch, mode, tarfile.REGTYPE)
                file.size = len(data)
                if checksums:
                    file.pax_headers = {"APK-TOOLS.checksum.SHA1": hashlib.sha1(data).hexdigest()}
                archive.addfile(file, io.BytesIO(data))
            length = archive.offset
        return out.getvalue() if end else out.getvalue()[:length]


def entry(place, dot, epoch, mode, kind):
    file = tarfile.TarInfo(("./" if dot else "") + place)
    file.mode, file.mtime, file.type = mode, epoch, kind
    file.uname = file.gname = "root"
    return file


def packed(data):
    return gzip.compress(data, 9, mtime=0)


def openwrt_files(binary):
    tree = Tree()
    tree.put_folder(HERE / "openwrt/files")
    tree.put("usr/bin/footbridge", binary, 0o755)
    return tree


def ipk(binary, arch, version, epoch):
    """A gzipped tar of three members (opkg's format; not the ar archive that Debian uses)."""
    tree, control, whole = openwrt_files(binary), Tree(), Tree()
    control.put(
        "control",
        f"Package: footbridge\nVersion: {version}-r1\nDepends: procd\nSection: net\nPriority: optional\n"
        f"Maintainer: Footbridge maintainers <maintainers@footbridge.invalid>\nLicense: MIT OR Apache-2.0\nArchitecture: {arch}\n"
        f"Installed-Size: {tree.size()}\nDescription: {DESCRIPTION}\n",
    )
    control.put("conffiles", "/etc/config/footbridge\n")
    control.put_folder(HERE / "openwrt/control")
    whole.put("debian-binary", "2.0\n")
    whole.put("data.tar.gz", packed(tree.tar(epoch)))
    whole.put("control.tar.gz", packed(control.tar(epoch)))
    return packed(whole.tar(epoch))


def apk(binary, arch, version, epoch):
    """Two gzip streams, one after the other (apk's version 2 format, which apk 3 reads too): what it is, and its files."""
    tree, control = openwrt_files(binary), Tree()
    data = packed(tree.tar(epoch, dot=False, checksums=True))
    control.put(
        ".PKGINFO",
        f"pkgname = footbridge\npkgver = {version}-r1\npkgdesc = {DESCRIPTION}\nurl = https://github.com/footbridge/footbridge\n"
        f"builddate = {epoch}\npackager = Footbridge maintainers <maintainers@footbridge.invalid>\nsize = {tree.size()}\narch = {arch}\n"
        f"origin = footbridge\nlicense = MIT OR Apache-2.0\ndatahash = {hashlib.sha256(data).hexdigest()}\n",
    )
    scripts = HERE / "openwrt/control"
    control.put(".post-install", (scripts / "postinst").read_bytes(), 0o755)
    control.put(".post-upgrade", (scripts / "postinst").read_bytes(), 0o755)
    control.put(".pre-deinstall", (scripts / "prerm").read_bytes(), 0o755)
    return packed(control.tar(epoch, dot=False, end=False)) + data


def spk(binary, arch, version, epoch):
    """A plain tar (Synology's developer guide, "Package Introduction"); what is installed is package.tgz inside it."""
    tree, whole = Tree(), Tree()
    tree.put("bin/footbridge", binary, 0o755)
    package = packed(tree.tar(epoch, dot=False))
    info = {
        "package": "footbridge",
        "version": f"{version}-0001",
        "os_min_ver": "7.0-40000",
        "displayname": "Footbridge",
        "description": DESCRIPTION,
        "arch": arch,
        "maintainer": "Footbridge maintainers",
        "thirdparty": "yes",
        "ctl_stop": "yes",
        "adminprotocol": "https",
        "adminport": "8443",
        "adminurl": "/",
        "checkport": "yes",
        "extractsize": str(tree.size() // 1024),
        "checksum": hashlib.md5(package).hexdigest(),
    }
    whole.put("INFO", "".join(f'{key}="{value}"\n' for key, value in info.items()))
    whole.put("package.tgz", package)
    whole.put_folder(HERE / "synology/scripts", "scripts/")
    whole.put_folder(HERE / "synology/conf", "conf/")
    whole.put("LICENSE", (ROOT / "LICENSE-MIT").read_bytes())
    whole.put("PACKAGE_ICON.PNG", icon(64))
    whole.put("PACKAGE_ICON_256.PNG", icon(256))
    return whole.tar(epoch, dot=False)


def icon(side):
    """A footbridge: a deck on an arch, white on slate. Drawn, so that no binary file has to be kept."""
    def lit(x, y):
        x, y = (x + 0.5) / side, (y + 0.5) / side
        deck = 0.42 < y < 0.50 and 0.08 < x < 0.92
        radius = ((x - 0.5) ** 2 + (y - 0.78) ** 2) ** 0.5
        arch = 0.26 < radius < 0.34 and 0.50 <= y < 0.78
        rail = 0.28 < y < 0.42 and 0.08 < x < 0.92 and (x - 0.08) % 0.14 < 0.03
        return deck or arch or rail or (0.26 < y < 0.29 and 0.08 < x < 0.92)

    rows = b"".join(b"\0" + b"".join(b"\xff\xff\xff" if lit(x, y) else b"\x33\x41\x55" for x in range(side)) for y in range(side))
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def plain(binary, name, dist, epoch):
    tree = Tree()
    tree.put(f"{name}/footbridge", binary, 0o755)
    tree.put_folder(HERE / "tarball", f"{name}/")
    for path in ("packaging/common/footbridge.toml", "packaging/common/footbridge.8", "systemd/footbridge.service", "systemd/footbridge.socket",
                 "systemd/footbridge-update.path", "systemd/footbridge-update.service", "systemd/handover.conf"):
        tree.put(f"{name}/{pathlib.Path(path).name}", (ROOT / path).read_bytes())
    for path in ("LICENSE-MIT", "LICENSE-APACHE", "docs/OPERATING.md", "docs/DEFAULTS.md"):
        tree.put(f"{name}/{pathlib.Path(path).name}", (ROOT / path).read_bytes())
    tree.put(f"{name}/sbom.json", (dist / "sbom.json").read_bytes())
    return packed(tree.tar(epoch, dot=False))


def main(dist, version, epoch):
    dist, epoch = pathlib.Path(dist), int(epoch)
    for kind, target in TARGETS.items():
        file = dist / f"footbridge-{version}-{target}"
        if not file.exists():
            print(f"no binary for {target}: its packages are left out")
            continue
        binary = file.read_bytes()
        made = {f"{file.name}.tar.gz": plain(binary, file.name, dist, epoch)}
        for arch in OPENWRT[kind]:
            made[f"footbridge_{version}-r1_{arch}.ipk"] = ipk(binary, arch, version, epoch)
            made[f"footbridge-{version}-r1.{arch}.apk"] = apk(binary, arch, version, epoch)
        if kind in SYNOLOGY:
            made[f"footbridge-{version}-{kind}.spk"] = spk(binary, SYNOLOGY[kind], version, epoch)
        for name, data in made.items():
            (dist / name).write_bytes(data)
            (dist / name).chmod(0o644)
            print(f"{len(data):9} {name}")


if __name__ == "__main__":
    main(*sys.argv[1:])
