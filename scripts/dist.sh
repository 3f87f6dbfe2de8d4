# Static, stripped binaries in dist/, one for each kind of board. `scripts/dist.sh TARGET...` builds only those.
#
# Three routes, because std for 32-bit ARM cannot be downloaded everywhere:
#   x86_64   rustup's std, musl-gcc for ring's C
#   aarch64  rustup's std, Debian's cross gcc for ring's C, rust-lld to link
#   ARMv7/6  std built from source (component rust-src) with zig as C compiler and linker, from PyPI: no container, no toolchain
# Whoever has containers may set CROSS=1: then cross builds all of them, as cross.toml says.
#
# With SIGNING_KEY the binaries trust that key for `footbridge update`, and each has its own signature beside it, FILE.sig.
# Beside the binaries: SHA256SUMS, sbom.json (CycloneDX: what is inside), and, with SIGNING_KEY=FILE (an ed25519 private key, PEM, made by
# `openssl genpkey -algorithm ed25519`), SHA256SUMS.sig: its raw 64-byte ed25519 signature. Who trusts that trusts every file named in it.
# shellcheck disable=SC2086 # $what is several words
. "$(dirname "$0")/lib.sh"
profile=${DIST_PROFILE:-release}
# The image's helper goes the same ways: it is a package of its own beside the program.
what="--profile $profile --bin footbridge"
# One thread of the program may die, not the box; the helper has one thread.
panic=panic_unwind
if [ -n "${DIST_HELPER:-}" ]; then
    what="--profile release --manifest-path firmware-image/helper/Cargo.toml --target-dir target/helper"
    panic=panic_abort
fi
out=${DIST_OUT:-$root/dist}
[ $# -gt 0 ] || set -- x86_64-unknown-linux-musl aarch64-unknown-linux-musl armv7-unknown-linux-musleabihf arm-unknown-linux-musleabihf

# No path of the building machine in the binary: the same source gives the same file anywhere.
flags="--remap-path-prefix=$root=. --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}/registry/src=crates"
flags="$flags --remap-path-prefix=$(rustc --print sysroot)/lib/rustlib/src/rust=rust"

x86_64() {
    packages musl-tools
    rust_target "$1" || fail "std for $1 is missing: rustup target add $1"
    CC_x86_64_unknown_linux_musl=musl-gcc RUSTFLAGS=$flags \
        cargo build --locked $what --target "$1"
}

aarch64() {
    packages gcc-aarch64-linux-gnu libc6-dev-arm64-cross
    rust_target "$1" || fail "std for $1 is missing: rustup target add $1"
    CC_aarch64_unknown_linux_musl=aarch64-linux-gnu-gcc CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER=rust-lld RUSTFLAGS=$flags \
        cargo build --locked $what --target "$1"
}

# zig in a virtual environment of its own under target/: nothing of the machine's Python is touched.
zig() {
    tools=$root/target/zig-tools
    if [ ! -x "$tools/bin/cargo-zigbuild" ]; then
        packages python3 python3-venv
        say "zig and cargo-zigbuild from PyPI"
        python3 -m venv "$tools"
        "$tools/bin/pip" install --quiet ziglang==0.17.1 cargo-zigbuild==0.24.1
    fi
    [ -d "$(rustc --print sysroot)/lib/rustlib/src/rust/library" ] || rustup component add rust-src
    # build-std is a nightly flag that a stable compiler takes with RUSTC_BOOTSTRAP; link-self-contained=no, because zig brings its own
    # musl and start files.
    PATH=$tools/bin:$PATH RUSTC_BOOTSTRAP=1 RUSTFLAGS="$flags -Clink-self-contained=no" \
        cargo zigbuild -Zbuild-std=std,$panic --locked $what --target "$1"
}

cross() { CROSS_CONFIG=cross.toml RUSTFLAGS=$flags command cross build --locked $what --target "$1"; }

# The page is built unless somebody brings one, or wants none (build.rs).
[ -n "${FOOTBRIDGE_PAGE:-}${DIST_HELPER:-}" ] || sh scripts/page.sh
SOURCE_DATE_EPOCH=$(epoch)
export SOURCE_DATE_EPOCH
if [ -n "${SIGNING_KEY:-}" ]; then
    packages openssl
    FOOTBRIDGE_BUILT_IN_KEY=$(openssl pkey -in "$SIGNING_KEY" -pubout | sed '/^-/d')
    export FOOTBRIDGE_BUILT_IN_KEY
fi
mkdir -p "$out"
for target in "$@"; do
    say "footbridge for $target ($profile)"
    case ${CROSS:+cross}$target in
        cross*) cross "$target" ;;
        x86_64-*) x86_64 "$target" ;;
        aarch64-*) aarch64 "$target" ;;
        arm*) zig "$target" ;;
        *) fail "no route to $target" ;;
    esac
    [ -z "${DIST_HELPER:-}" ] || continue
    file=$out/footbridge-$(version)-$target
    cp "target/$target/$profile/footbridge" "$file"
    chmod 755 "$file"
    echo "$(wc -c <"$file") bytes: $file"
    sign "$file"
done
[ -z "${DIST_HELPER:-}" ] || exit 0
python3 scripts/sbom.py "$(version)" >"$out/sbom.json"
chmod 644 "$out/sbom.json"
release=$(version)
sums() {
    for file in footbridge-"$release"-*-linux-musl footbridge-"$release"-*-linux-musleabihf sbom.json; do [ ! -f "$file" ] || sha256sum "$file"; done
}
(cd "$out" && sums >SHA256SUMS && chmod 644 SHA256SUMS && cat SHA256SUMS)
sign "$out/SHA256SUMS"
