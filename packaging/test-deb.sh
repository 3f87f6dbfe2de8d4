# The Debian package of this machine's architecture: lintian, then a Debian booted in systemd-nspawn installs, uses, upgrades and purges it.
. "$(dirname "$0")/../scripts/lib.sh"
packages lintian mmdebstrap systemd-container
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
# Kept between runs as an archive; each run has a fresh copy.
base=$root/target/debian-$arch.tar
[ -f "$base" ] || mmdebstrap --quiet --variant=minbase --include=systemd,dbus,curl,ca-certificates bookworm "$base"
box=$(mktemp -d)
trap 'rm -rf "$box"' EXIT
chmod 755 "$box"
tar -C "$box" -xf "$base"
cp "$out/footbridge_$(version)_$arch.deb" "$box/root/footbridge.deb"
cp packaging/deb/inside.sh "$box/root/inside.sh"
cat >"$box/etc/systemd/system/inside.service" <<'UNIT'
[Unit]
Description=The test
After=multi-user.target
[Service]
Type=oneshot
StandardOutput=file:/root/result
StandardError=inherit
ExecStart=/bin/sh -c 'sh /root/inside.sh /root/footbridge.deb && echo "all is well"'
ExecStopPost=/bin/systemctl --no-block poweroff
TimeoutStartSec=600
UNIT
mkdir -p "$box/etc/systemd/system/graphical.target.wants"
ln -s ../inside.service "$box/etc/systemd/system/graphical.target.wants/inside.service"

say "booting it"
# A network of its own, so that nothing of this machine is in the way and nothing of it is reached.
timeout 900 systemd-nspawn --quiet --directory="$box" --machine="footbridge-$$" --register=no --keep-unit --private-network \
    --console=pipe --boot </dev/null >"$box.console" 2>&1 || true
tail -n 1 "$box/root/result" | grep -qx 'all is well' || { tail -n 60 "$box/root/result" >&2; fail "the package does not do what it should"; }
rm -f "$box.console"
echo "installed, claimed, reloaded, upgraded, on port 443 by its socket, own certificate, hung and mended, removed, purged: all is well"
