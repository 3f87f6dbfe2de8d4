# Builds the packages if there are none. The unit's strictness, the structure of every package, the same bytes twice, the arm programs under
# qemu, and the Debian package and the archive used in a booted Debian.
. "$(dirname "$0")/lib.sh"
packages python3 busybox
out=${DIST_OUT:-$root/dist}
sh systemd/check.sh
if ! ls "$out/"*.ipk >/dev/null 2>&1; then
    sh scripts/dist.sh
    sh scripts/packages.sh
fi
say "OpenWrt, Synology, archives"
python3 packaging/test_build.py "$out" "$(version)"
say "the same bytes again"
again=$(mktemp -d)
trap 'rm -rf "$again"' EXIT
cp "$out/footbridge-$(version)-"*-linux-musl* "$out/sbom.json" "$again/"
rm -f "$again/"*.tar.gz
python3 packaging/build.py "$again" "$(version)" "$(epoch)" >/dev/null
for file in "$again/"*.ipk "$again/"*.apk "$again/"*.spk "$again/"*.tar.gz; do cmp "$file" "$out/$(basename "$file")"; done
echo "all equal"
# What is in the packages of other architectures is started too.
for pair in arm64:qemu-aarch64-static armhf:qemu-arm-static; do
    package=$out/footbridge_$(version)_${pair%%:*}.deb
    [ -f "$package" ] || { echo "not there, and so not tried: $(basename "$package")"; continue; }
    dpkg-deb -x "$package" "$again/${pair%%:*}"
    sh scripts/serves.sh "${pair#*:}" "$again/${pair%%:*}/usr/bin/footbridge"
done
sh packaging/test-deb.sh
