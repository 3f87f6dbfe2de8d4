"""Checks the crates this program is made of against deny.toml: licences, sources, banned crates and double versions.

`cargo deny check` says the same and more where it is installed (it is run too, if it is). Its advisory check needs a database
that a build machine without the internet at large cannot fetch, so this file does not pretend to one."""

import json
import re
import shutil
import subprocess
import sys
import tomllib


def metadata():
    # Only what ends up in a Linux binary: no Windows or macOS crates.
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", "x86_64-unknown-linux-musl"]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def allowed(expression, allow):
    """True if the SPDX expression can be satisfied by the allowed licences. `A/B` is an old spelling of `A OR B`."""
    words = re.findall(r"[()]|[A-Za-z0-9.+-]+", expression.replace("/", " OR "))
    as_python, position = [], 0
    while position < len(words):
        word = words[position]
        if word in ("(", ")"):
            as_python.append(word)
        elif word in ("AND", "OR"):
            as_python.append(word.lower())
        elif words[position + 1 : position + 2] == ["WITH"]:
            as_python.append(str(" ".join(words[position : position + 3]) in allow))
            position += 2
        else:
            as_python.append(str(word in allow))
        position += 1
    return eval(" ".join(as_python), {})


def complaints(rules, packages):
    allow = set(rules["licenses"]["allow"])
    exceptions = {e["crate"]: set(e["allow"]) for e in rules["licenses"].get("exceptions", [])}
    banned = {b["crate"]: b.get("reason", "") for b in rules["bans"].get("deny", [])}
    known_twice = {s["crate"] for s in rules["bans"].get("skip", [])}
    versions = {}
    for package in packages:
        name, version = package["name"], package["version"]
        versions.setdefault(name, set()).add(version)
        if package["source"] is None:
            continue
        if not package["source"].startswith("registry+"):
            yield f"{name} {version}: from {package['source']}"
        licence = package["license"] or "none"
        if not allowed(licence, allow | exceptions.get(name, set())):
            yield f"{name} {version}: licence {licence}"
        if name in banned:
            yield f"{name} {version}: banned: {banned[name]}"
    for name, several in versions.items():
        if len(several) > 1 and name not in known_twice:
            yield f"{name}: in {len(several)} versions ({', '.join(sorted(several))}); add it to bans.skip with a reason, or mend it"
    for name in sorted(known_twice):
        if len(versions.get(name, ())) < 2:
            yield f"{name}: in bans.skip, but not there twice any more"


def main():
    with open("deny.toml", "rb") as file:
        rules = tomllib.load(file)
    everything = metadata()
    in_use = {node["id"] for node in everything["resolve"]["nodes"]}
    packages = [package for package in everything["packages"] if package["id"] in in_use]
    found = sorted(complaints(rules, packages))
    for complaint in found:
        print(complaint)
    print(f"{len(packages)} crates, {len(found)} complaints")
    if shutil.which("cargo-deny"):
        found += [1] * subprocess.run(["cargo", "deny", "check", "licenses", "bans", "sources"]).returncode
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
