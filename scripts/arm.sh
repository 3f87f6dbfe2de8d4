# The aarch64 build under qemu, far enough to serve the sign-in page over TLS. Proves that nothing assumes x86.
. "$(dirname "$0")/lib.sh"
packages qemu-user-static curl gcc-aarch64-linux-gnu libc6-dev-arm64-cross
DIST_PROFILE=quick DIST_OUT=$root/target/arm sh scripts/dist.sh aarch64-unknown-linux-musl

work=$(mktemp -d)
server=
clean_up() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

say "serving under qemu-aarch64"
FOOTBRIDGE_DATA=$work/data FOOTBRIDGE_LISTEN=127.0.0.1:0 \
    qemu-aarch64-static "target/arm/footbridge-$(version)-aarch64-unknown-linux-musl" serve >"$work/out" 2>"$work/err" &
server=$!
touch "$work/out"
tries=0
until grep -q '^listening ' "$work/out"; do
    kill -0 "$server" 2>/dev/null && [ "$tries" -lt 600 ] || { cat "$work/out" "$work/err" >&2; fail "it does not serve"; }
    tries=$((tries + 1))
    sleep 0.2
done
address=$(sed -n 's/^listening //p' "$work/out")
curl -sS --fail --cacert "$work/data/tls/ca.pem" "$address/ca.pem" >"$work/ca.pem" 2>/dev/null ||
    curl -sS --fail --insecure "$address/ca.pem" >"$work/ca.pem"
curl -sS --fail --cacert "$work/ca.pem" --compressed "$address/" | grep -q '<html' || fail "no page came"
curl -sS --fail --cacert "$work/ca.pem" "$address/api/state" | grep -q '"claimed":false' || fail "the interface does not answer"
echo "the sign-in page came from $address, checked against the box's own CA"
