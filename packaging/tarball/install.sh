#!/bin/sh
# Installs Footbridge on any Linux: `sh install.sh` as root. `sh install.sh --remove` takes it away again and leaves the data.
# With DESTDIR set it only puts the files there.
set -eu
cd "$(dirname "$0")"
fail() { echo "$*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || [ -n "${DESTDIR:-}" ] || fail "run this as root"
here=${DESTDIR:-}
bin=$here/usr/local/bin/footbridge
units=$here/etc/systemd/system
unit=$units/footbridge.service
socket=$units/footbridge.socket
openrc=$here/etc/init.d/footbridge

kind() {
    if [ -n "${INIT:-}" ]; then echo "$INIT"
    elif [ -d /run/systemd/system ]; then echo systemd
    elif command -v openrc-run >/dev/null 2>&1; then echo openrc
    else echo none; fi
}

# now COMMAND... : only on a living system, not when files are staged.
now() { [ -n "$here" ] || "$@"; }

if [ "${1:-}" = --remove ]; then
    if [ -e "$unit" ]; then
        now systemctl disable --now footbridge-update.path footbridge.socket footbridge
        rm -f "$unit" "$socket" "$units/footbridge-update.path" "$units/footbridge-update.service" "$unit.d/handover.conf"
        rmdir "$unit.d" 2>/dev/null || true
        now systemctl daemon-reload
    fi
    [ ! -e "$openrc" ] || { now rc-service footbridge stop || true; now rc-update del footbridge || true; rm -f "$openrc"; }
    rm -f "$bin" "$bin.previous"
    echo "removed; the data is still in /var/lib/footbridge (with systemd: /var/lib/private/footbridge), the settings in /etc/footbridge"
    exit 0
fi

[ -n "$here" ] || ./footbridge version >/dev/null 2>&1 || fail "this archive is for another processor: $(uname -m) cannot run it"
mkdir -p "$here/usr/local/bin" "$here/etc/footbridge"
# Beside, then renamed: a program that runs is not overwritten under its own feet.
cp footbridge "$bin.new"
chmod 755 "$bin.new"
mv "$bin.new" "$bin"
[ -e "$here/etc/footbridge/footbridge.toml" ] || cp footbridge.toml "$here/etc/footbridge/footbridge.toml"
chmod 644 "$here/etc/footbridge/footbridge.toml"

case $(kind) in
    systemd)
        mkdir -p "$unit.d"
        sed 's,/usr/bin/footbridge,/usr/local/bin/footbridge,' footbridge.service >"$unit"
        # Off, until somebody wants port 443 and does what it says in there.
        cp footbridge.socket "$socket"
        # What the page takes is installed by root's own service, which checks it anew.
        cp handover.conf "$unit.d/handover.conf"
        cp footbridge-update.path "$units/"
        sed 's,/usr/bin/footbridge,/usr/local/bin/footbridge,' footbridge-update.service >"$units/footbridge-update.service"
        chmod 644 "$unit" "$socket" "$unit.d/handover.conf" "$units/footbridge-update.path" "$units/footbridge-update.service"
        now systemctl daemon-reload
        now systemctl enable footbridge
        now systemctl enable --now footbridge-update.path
        now systemctl restart footbridge
        ;;
    openrc)
        mkdir -p "$here/etc/init.d"
        cp footbridge.openrc "$openrc"
        chmod 755 "$openrc"
        now addgroup -S footbridge 2>/dev/null || true
        now adduser -S -D -H -h /var/lib/footbridge -s /sbin/nologin -G footbridge footbridge 2>/dev/null || true
        now rc-update add footbridge default
        now rc-service footbridge restart
        ;;
    *)
        echo "no systemd and no OpenRC here: start it your way with"
        echo "    FOOTBRIDGE_DATA=/var/lib/footbridge footbridge serve"
        ;;
esac
echo "Footbridge is installed. It serves on port 8443 (https)."
echo "    footbridge setup        prints the claim code that makes the first administrator"
echo "    footbridge cert show    prints the fingerprint that the browser must show"
