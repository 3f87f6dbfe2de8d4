# The Debian package of this machine's architecture: lintian, then a Debian booted in systemd-nspawn installs, uses, upgrades and purges it.
# In another one the plain archive is installed, and updated by the command and by the page, with good, foreign and broken programs.
. "$(dirname "$0")/../scripts/lib.sh"
packages lintian mmdebstrap openssl systemd-container
arch=$(dpkg --print-architecture)
out=${DIST_OUT:-$root/dist}
[ -f "$out/footbridge_$(version)_$arch.deb" ] || fail "the package is missing: make deb"

say "lintian"
for package in "$out/footbridge_$(version)_"*.deb; do
    echo "$package"
    lintian --allow-root --fail-on error --tag-display-limit 0 "$package"
done

# The same inputs give the same bytes, later and in another folder.
say "the same bytes again"
again=$(mktemp -d)
cp "$out/footbridge-$(version)-"*-linux-* "$out/sbom.json" "$again/"
DIST_OUT=$again sh scripts/deb.sh "$arch" >/dev/null
cmp "$again/footbridge_$(version)_$arch.deb" "$out/footbridge_$(version)_$arch.deb"
rm -rf "$again"

say "a Debian to install it in"
# Kept between runs as an archive; each boot has a fresh copy.
base=$root/target/debian-python-$arch.tar
[ -f "$base" ] || mmdebstrap --quiet --variant=minbase --include=systemd,dbus,curl,ca-certificates,python3 bookworm "$base"
box=$(mktemp -d)
work=$(mktemp -d)
trap 'rm -rf "$box" "$work"' EXIT

# booted SCRIPT ARGUMENT FILE... : a fresh Debian with these files in /opt runs the script as its last service, and must be content.
booted() {
    script=$1 argument=$2
    shift 2
    rm -rf "$box"
    mkdir -m 755 "$box"
    tar -C "$box" -xf "$base"
    cp -R "$@" "$script" packaging/inside-lib.sh "$box/opt/"
    cat >"$box/etc/systemd/system/inside.service" <<UNIT
[Unit]
Description=The test
After=multi-user.target
[Service]
Type=oneshot
StandardOutput=file:/root/result
StandardError=inherit
ExecStart=/bin/sh -c 'sh /opt/$(basename "$script") $argument && echo "all is well"'
ExecStopPost=/bin/systemctl --no-block poweroff
TimeoutStartSec=600
UNIT
    mkdir -p "$box/etc/systemd/system/graphical.target.wants"
    ln -s ../inside.service "$box/etc/systemd/system/graphical.target.wants/inside.service"
    # A network of its own, so that nothing of this machine is in the way and nothing of it is reached.
    timeout 900 systemd-nspawn --quiet --directory="$box" --machine="footbridge-$$" --register=no --keep-unit --private-network \
        --console=pipe --boot </dev/null >"$work/console" 2>&1 || true
    tail -n 1 "$box/root/result" | grep -qx 'all is well' || { tail -n 60 "$box/root/result" >&2; fail "$script: it does not do what it should"; }
}

say "the package, booted"
cp "$out/footbridge_$(version)_$arch.deb" "$work/footbridge.deb"
booted packaging/deb/inside.sh /opt/footbridge.deb "$work/footbridge.deb"
echo "installed, claimed, reloaded, upgraded, on port 443 by its socket, own certificate, hung and mended, removed, purged: all is well"

say "the archive and its updates, booted"
case $arch in
    amd64) name=footbridge-$(version)-x86_64-unknown-linux-musl ;;
    arm64) name=footbridge-$(version)-aarch64-unknown-linux-musl ;;
    *) fail "no archive for $arch" ;;
esac
mkdir "$work/archive"
tar -C "$work/archive" -xf "$out/$name.tar.gz"
# A second build; and a program that serves an empty box in its trial, and nothing else.
{ cat "$out/$name"; echo 'a second build'; } >"$work/archive/new"
cp "$out/$name" "$work/archive/real"
cat >"$work/archive/broken" <<'BROKEN'
#!/bin/sh
[ "$1" = version ] && echo 'footbridge 99.0.0' && exit
case "$*" in *footbridge-trial-*) exec /opt/archive/real "$@" ;; esac
exit 1
BROKEN
chmod 755 "$work/archive/real"
for maker in ours theirs; do openssl genpkey -algorithm ed25519 -out "$work/$maker.pem"; done
openssl pkey -in "$work/ours.pem" -pubout -out "$work/archive/update.pem"
for file in new broken; do openssl pkeyutl -sign -rawin -inkey "$work/ours.pem" -in "$work/archive/$file" -out "$work/archive/$file.sig"; done
openssl pkeyutl -sign -rawin -inkey "$work/theirs.pem" -in "$work/archive/new" -out "$work/archive/foreign.sig"
chmod -R u=rwX,go=rX "$work/archive"
booted packaging/inside-archive.sh /opt/archive "$work/archive" packaging/browser.py tests/client.py
echo "installed, updated by command and page, foreign and broken ones refused and taken back, removed: all is well"
