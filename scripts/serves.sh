# `scripts/serves.sh EMULATOR PROGRAM`: another architecture's program under qemu, far enough to serve the sign-in page over TLS.
. "$(dirname "$0")/lib.sh"
packages qemu-user-static curl
emulator=$1 program=$2
work=$(mktemp -d)
server=
clean_up() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

say "serving under $emulator"
FOOTBRIDGE_DATA=$work/data FOOTBRIDGE_LISTEN=127.0.0.1:0 "$emulator" "$program" serve >"$work/out" 2>"$work/err" &
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
