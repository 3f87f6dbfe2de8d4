# All packages of the binaries in dist/: Debian, OpenWrt (.ipk, .apk), Synology (.spk), plain archives.
. "$(dirname "$0")/lib.sh"
packages python3
out=${DIST_OUT:-$root/dist}
set --
[ ! -f "$out/footbridge-$(version)-x86_64-unknown-linux-musl" ] || set -- "$@" amd64
[ ! -f "$out/footbridge-$(version)-aarch64-unknown-linux-musl" ] || set -- "$@" arm64
[ ! -f "$out/footbridge-$(version)-armv7-unknown-linux-musleabihf" ] || set -- "$@" armhf
[ $# -gt 0 ] || fail "there is no binary in $out: make dist first"
sh scripts/deb.sh "$@"
say "OpenWrt, Synology, archives"
python3 packaging/build.py "$out" "$(version)" "$(epoch)"
