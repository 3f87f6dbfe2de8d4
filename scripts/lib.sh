# Sourced by the other scripts: where we are, how we speak, and how missing tools are installed. Run from anywhere.
set -eu
cd "$(dirname "$0")/.."
root=$PWD
# Files made by the tests and the demo are nobody else's business.
umask 077

say() { printf '\n== %s\n' "$*"; }
fail() { printf '%s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

have cargo || fail "cargo is missing: install Rust (rustup.rs), then run this again"

# packages NAME... : installs those Debian packages that are missing. Elsewhere it only says which are wanted.
packages() {
    have dpkg-query || { echo "not Debian: please see to it that these are installed: $*"; return 0; }
    missing=
    for package in "$@"; do
        dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    [ "$(id -u)" = 0 ] || fail "missing:$missing (install them, or run this as root)"
    say "installing$missing"
    # The list of packages may be old or missing on a fresh machine; a second try follows an update.
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing ||
        { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing; }
}

# npm_ci FOLDER : installs exactly what the lock file says, once per lock file.
npm_ci() {
    have npm || fail "npm is missing: install Node.js 20 or newer, then run this again"
    if ! cmp -s "$1/package-lock.json" "$1/node_modules/.installed-lock"; then
        say "npm packages of $1"
        (cd "$1" && npm ci --no-audit --no-fund && cp package-lock.json node_modules/.installed-lock)
    fi
}

# rust_target NAME : true if std for that target is there or could be fetched.
rust_target() {
    [ -d "$(rustc --print sysroot)/lib/rustlib/$1" ] && return 0
    have rustup && rustup target add "$1"
}

version() { sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1; }

# The moment that all files of a release carry: that of the commit, unless the caller says another.
epoch() { echo "${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date -r Cargo.lock +%s)}"; }

# sign FILE : FILE.sig beside it, if SIGNING_KEY names a key; read back before anybody relies on it.
sign() {
    rm -f "$1.sig"
    [ -n "${SIGNING_KEY:-}" ] || { echo "not signed: SIGNING_KEY names no key"; return 0; }
    packages openssl
    openssl pkeyutl -sign -rawin -inkey "$SIGNING_KEY" -in "$1" -out "$1.sig"
    chmod 644 "$1.sig"
    openssl pkey -in "$SIGNING_KEY" -pubout | openssl pkeyutl -verify -rawin -pubin -inkey /dev/stdin -sigfile "$1.sig" -in "$1"
}
