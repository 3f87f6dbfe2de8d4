"""Are the archives what opkg, apk, DSM and a person with tar expect? Read back by other means than they were written where there are some.

    python3 packaging/test_build.py DIST VERSION"""

import gzip
import hashlib
import io
import os
import pathlib
import re
import struct
import subprocess
import sys
import tarfile
import tempfile
import zlib

BINARIES = {"x86_64": (2, 62), "aarch64": (2, 183), "arm": (1, 40)}  # ELF class and machine


def members(data, mode="r:"):
    with tarfile.open(fileobj=io.BytesIO(data), mode=mode) as archive:
        found = archive.getmembers()
        assert all(one.uid == one.gid == 0 for one in found), "something does not belong to root"
        assert all(not one.name.startswith("/") and ".." not in one.name for one in found)
        return {one.name.removeprefix("./"): (one, archive.extractfile(one).read() if one.isfile() else None) for one in found}


def right_machine(binary, arch):
    kind = next(value for key, value in BINARIES.items() if arch.startswith(key))
    assert binary[:4] == b"\x7fELF" and (binary[4], struct.unpack_from("<H", binary, 18)[0]) == kind, f"not a program for {arch}"


def shell_is_sound(name, data):
    if data and data.startswith(b"#!") and b"sh" in data.split(b"\n")[0]:
        with tempfile.NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            shell = ["busybox", "ash"] if b"rc.common" in data.split(b"\n")[0] else ["sh"]
            subprocess.run([*shell, "-n", file.name], check=True)


def openwrt_tree(files, arch):
    for place, mode in {"usr/bin/footbridge": 0o755, "etc/init.d/footbridge": 0o755, "etc/config/footbridge": 0o644}.items():
        assert files[place][0].mode == mode, (place, oct(files[place][0].mode))
    right_machine(files["usr/bin/footbridge"][1], arch)
    for name, (_, data) in files.items():
        shell_is_sound(name, data)
    assert b"USE_PROCD=1" in files["etc/init.d/footbridge"][1]
    # The init script hands on every key that the program knows, or the others would be ignored without a word; and no other one.
    words = re.search(rb"KEYS='([^']*)'\nLISTS='([^']*)'", files["etc/init.d/footbridge"][1])
    known = set(re.findall(r"^\| `(\w+)`", pathlib.Path("docs/DEFAULTS.md").read_text(), re.M))
    handed = {word.decode() for word in b" ".join(words.groups()).split()}
    assert handed == known - {"data", "update_handover"}, handed ^ (known - {"data", "update_handover"})


def check_ipk(path):
    arch = path.stem.split("_", 2)[2]
    outer = members(path.read_bytes(), "r:gz")
    assert set(outer) == {"debian-binary", "control.tar.gz", "data.tar.gz"} and outer["debian-binary"][1] == b"2.0\n"
    control = members(outer["control.tar.gz"][1], "r:gz")
    fields = dict(line.split(": ", 1) for line in control["control"][1].decode().splitlines())
    assert fields["Architecture"] == arch and {"Package", "Version", "Maintainer", "Description"} <= set(fields), fields
    assert control["conffiles"][1] == b"/etc/config/footbridge\n" and control["postinst"][0].mode == control["prerm"][0].mode == 0o755
    files = members(outer["data.tar.gz"][1], "r:gz")
    openwrt_tree(files, arch)
    assert int(fields["Installed-Size"]) == sum(one.size for one, _ in files.values())


def streams(data):
    """The gzip streams of a file, each as it stands and unpacked."""
    while data:
        one = zlib.decompressobj(31)
        plain = one.decompress(data)
        yield data[: len(data) - len(one.unused_data)], plain
        data = one.unused_data


def check_apk(path):
    arch = path.name.split("-r1.")[1].removesuffix(".apk")
    (_, control), (data, plain) = streams(path.read_bytes())
    assert not control.endswith(bytes(1024)), "the first archive must not end, or apk never sees the second"
    info = members(control + bytes(1024))[".PKGINFO"][1].decode()
    fields = dict(line.split(" = ", 1) for line in info.splitlines())
    assert fields["datahash"] == hashlib.sha256(data).hexdigest() and fields["arch"] == arch
    files = members(plain)
    openwrt_tree(files, arch)
    for name, (one, content) in files.items():
        assert content is None or one.pax_headers["APK-TOOLS.checksum.SHA1"] == hashlib.sha1(content).hexdigest(), name


def check_spk(path):
    files = members(path.read_bytes())
    info = dict(line.split("=", 1) for line in files["INFO"][1].decode().splitlines())
    info = {key: value.strip('"') for key, value in info.items()}
    assert {"package", "version", "os_min_ver", "description", "arch", "maintainer"} <= set(info), "fields that DSM 7 demands"
    assert re.fullmatch(r"[\d._]+-\d+", info["version"]) and int(info["os_min_ver"].split("-")[1]) >= 40000
    assert info["checksum"] == hashlib.md5(files["package.tgz"][1]).hexdigest()
    assert b'"run-as": "package"' in files["conf/privilege"][1], "DSM 7 refuses packages that do not lower their privilege"
    for script in ("preinst", "postinst", "preuninst", "postuninst", "preupgrade", "postupgrade", "start-stop-status"):
        assert files[f"scripts/{script}"][0].mode == 0o755
        shell_is_sound(script, files[f"scripts/{script}"][1])
    for name, side in (("PACKAGE_ICON.PNG", 64), ("PACKAGE_ICON_256.PNG", 256)):
        assert files[name][1][:8] == b"\x89PNG\r\n\x1a\n" and struct.unpack(">II", files[name][1][16:24]) == (side, side)
    inside = members(files["package.tgz"][1], "r:gz")
    right_machine(inside["bin/footbridge"][1], path.stem.split("-")[-1].replace("armv7", "arm"))


def check_plain(path):
    """Unpacked with tar, installed with its own script into an empty root, for each kind of init, and taken away again."""
    with tempfile.TemporaryDirectory() as work:
        subprocess.run(["tar", "-xf", path, "-C", work, "--no-same-owner"], check=True)
        (folder,) = pathlib.Path(work).iterdir()
        right_machine((folder / "footbridge").read_bytes(), path.name.split("-")[2])
        for init, file in (("systemd", "etc/systemd/system/footbridge.service"), ("openrc", "etc/init.d/footbridge"), ("none", None)):
            root = pathlib.Path(work, init)
            there = {**os.environ, "DESTDIR": str(root), "INIT": init}
            for _ in range(2):  # the second time is an upgrade
                subprocess.run(["sh", folder / "install.sh"], check=True, env=there, stdout=subprocess.DEVNULL)
            binary = root / "usr/local/bin/footbridge"
            assert binary.stat().st_mode & 0o777 == 0o755
            assert file is None or "/usr/local/bin/footbridge" in (root / file).read_text()
            units = root / "etc/systemd/system"
            if init == "systemd":
                assert "/usr/local/bin/footbridge update" in (units / "footbridge-update.service").read_text()
                assert "HANDOVER=program" in (units / "footbridge.service.d/handover.conf").read_text()
            subprocess.run(["sh", folder / "install.sh", "--remove"], check=True, env=there, stdout=subprocess.DEVNULL)
            assert not binary.exists() and (file is None or not (root / file).exists())
            assert not units.exists() or list(units.iterdir()) == []
            assert (root / "etc/footbridge/footbridge.toml").exists()


def run_start_stop(dist, version):
    """Synology's start-stop-status with the program of this machine, in folders as DSM gives them."""
    path = dist / f"footbridge-{version}-x86_64.spk"
    if not path.exists() or os.uname().machine != "x86_64":
        return
    files = members(path.read_bytes())
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        (work / "bin").mkdir()
        (work / "var").mkdir()
        (work / "bin/footbridge").write_bytes(members(files["package.tgz"][1], "r:gz")["bin/footbridge"][1])
        (work / "bin/footbridge").chmod(0o755)
        (work / "sss").write_bytes(files["scripts/start-stop-status"][1])
        there = {**os.environ, "SYNOPKG_PKGDEST": str(work), "SYNOPKG_PKGVAR": str(work / "var"), "FOOTBRIDGE_LISTEN": "127.0.0.1:0"}
        call = lambda word: subprocess.run(["sh", work / "sss", word], env=there, check=False).returncode
        assert call("status") == 3
        assert call("start") == 0 and call("status") == 0 and call("start") == 0
        assert "claim-code " in (work / "var/announced").read_text() and (work / "var/data").stat().st_mode & 0o777 == 0o700
        assert call("stop") == 0 and call("status") == 3


def main(dist, version):
    dist = pathlib.Path(dist)
    checks = {"*.ipk": check_ipk, "*.apk": check_apk, "*.spk": check_spk, f"footbridge-{version}-*.tar.gz": check_plain}
    for pattern, check in checks.items():
        found = sorted(dist.glob(pattern))
        assert found, f"no {pattern} in {dist}: make packages"
        for path in found:
            check(path)
        print(f"{len(found)} {pattern}: as they should be")
    run_start_stop(dist, version)
    print("Synology's script starts, reports and stops the program")


if __name__ == "__main__":
    main(*sys.argv[1:])
