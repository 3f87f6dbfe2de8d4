# Debian packages from the binaries in dist/, for amd64, arm64 and armhf. `scripts/deb.sh ARCH...` builds only those.
# The same binaries give the same bytes: every file carries the time of the commit, and belongs to root.
. "$(dirname "$0")/lib.sh"
packages dpkg gzip
out=${DIST_OUT:-$root/dist}
[ $# -gt 0 ] || set -- amd64 arm64 armhf
SOURCE_DATE_EPOCH=$(epoch)
export SOURCE_DATE_EPOCH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# armhf is Debian's ARMv7 with a floating-point unit. A Raspberry Pi Zero or 1 calls itself armhf too: it takes the tarball.
target() {
    case $1 in
        amd64) echo x86_64-unknown-linux-musl ;;
        arm64) echo aarch64-unknown-linux-musl ;;
        armhf) echo armv7-unknown-linux-musleabihf ;;
        *) fail "no binary for Debian's $1" ;;
    esac
}

# put MODE FILE PLACE : as install(1), with folders that others may enter.
put() { install -D -m "$1" "$2" "$tree$3"; }

documentation() {
    doc=/usr/share/doc/footbridge
    put 644 docs/OPERATING.md "$doc/OPERATING.md"
    put 644 docs/DEFAULTS.md "$doc/DEFAULTS.md"
    put 644 systemd/own-certificate.conf "$doc/examples/own-certificate.conf"
    put 644 "$out/sbom.json" "$doc/sbom.json"
    # The licence's text, indented as the format of copyright files wants it.
    sed -e '1,/^$/d' -e 's/^$/./' -e 's/^/ /' LICENSE-MIT >"$work/mit"
    sed -e "/@MIT@/{r $work/mit" -e 'd}' packaging/deb/copyright.in >"$work/copyright"
    put 644 "$work/copyright" "$doc/copyright"
    printf 'footbridge (%s) stable; urgency=medium\n\n  * Release %s; what changed is in CHANGELOG.md.\n\n -- %s  %s\n' "$(version)" \
        "$(version)" "Footbridge maintainers <maintainers@footbridge.invalid>" "$(date -u -R -d "@$SOURCE_DATE_EPOCH")" >"$work/changelog"
    gzip -9n <"$work/changelog" >"$work/changelog.gz"
    put 644 "$work/changelog.gz" "$doc/changelog.gz"
    gzip -9n <packaging/common/footbridge.8 >"$work/footbridge.8.gz"
    put 644 "$work/footbridge.8.gz" /usr/share/man/man8/footbridge.8.gz
    put 644 packaging/deb/lintian-overrides /usr/share/lintian/overrides/footbridge
}

control() {
    size=$(du -sk --apparent-size "$tree" | cut -f 1)
    install -d -m 755 "$tree/DEBIAN"
    sed -e "s/@VERSION@/$(version)/" -e "s/@ARCH@/$1/" -e "s/@SIZE@/$size/" packaging/deb/control.in >"$tree/DEBIAN/control"
    echo /etc/footbridge/footbridge.toml >"$tree/DEBIAN/conffiles"
    (cd "$tree" && find etc usr lib -type f ! -path etc/footbridge/footbridge.toml | LC_ALL=C sort | xargs md5sum) >"$tree/DEBIAN/md5sums"
    chmod 644 "$tree/DEBIAN/"*
    for script in postinst prerm postrm; do put 755 "packaging/deb/$script" "/DEBIAN/$script"; done
}

umask 022
for arch in "$@"; do
    binary=$out/footbridge-$(version)-$(target "$arch")
    [ -f "$binary" ] || fail "$binary is missing: make dist first"
    say "Debian package for $arch"
    tree=$work/$arch
    install -d -m 755 "$tree"
    put 755 "$binary" /usr/bin/footbridge
    put 644 systemd/footbridge.service /lib/systemd/system/footbridge.service
    put 644 systemd/footbridge.socket /lib/systemd/system/footbridge.socket
    put 644 packaging/common/footbridge.toml /etc/footbridge/footbridge.toml
    documentation
    control "$arch"
    find "$tree" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
    dpkg-deb --root-owner-group -Zxz --build "$tree" "$out/footbridge_$(version)_$arch.deb"
done
