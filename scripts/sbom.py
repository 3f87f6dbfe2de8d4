"""Prints what the binary is made of as CycloneDX 1.5: name, version, licence and checksum of every crate that is linked in.

The same commit prints the same bytes: no time, no random serial number."""

import json
import subprocess
import sys
import tomllib


def metadata():
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", "x86_64-unknown-linux-musl"]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def linked(tree):
    """Ids reachable from our package over normal dependencies: tests and build scripts ship nothing."""
    nodes = {node["id"]: node for node in tree["resolve"]["nodes"]}
    found, todo = set(), [tree["resolve"]["root"]]
    while todo:
        one = todo.pop()
        if one not in found:
            found.add(one)
            todo += [dep["pkg"] for dep in nodes[one]["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"])]
    return found - {tree["resolve"]["root"]}


def component(package, checksums):
    name, version = package["name"], package["version"]
    entry = {"type": "library", "name": name, "version": version, "purl": f"pkg:cargo/{name}@{version}"}
    if package.get("license"):
        entry["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    if checksums.get((name, version)):
        entry["hashes"] = [{"alg": "SHA-256", "content": checksums[name, version]}]
    return entry


def main(version):
    tree = metadata()
    with open("Cargo.lock", "rb") as file:
        checksums = {(p["name"], p["version"]): p.get("checksum") for p in tomllib.load(file)["package"]}
    inside = linked(tree)
    # A procedural macro runs while compiling and leaves nothing of itself.
    macros = {p["id"] for p in tree["packages"] if any("proc-macro" in target["kind"] for target in p["targets"])}
    packages = sorted((p for p in tree["packages"] if p["id"] in inside - macros), key=lambda p: (p["name"], p["version"]))
    top = {"type": "application", "name": "footbridge", "version": version, "licenses": [{"expression": "MIT OR Apache-2.0"}]}
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": top},
        "components": [component(package, checksums) for package in packages],
    }
    json.dump(bill, sys.stdout, indent=1)
    print()


main(sys.argv[1])
