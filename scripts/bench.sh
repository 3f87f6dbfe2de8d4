# The figures of the product, each beside a yardstick measured in the same run (tests/bench says how).
. "$(dirname "$0")/lib.sh"
packages gcc libc6-dev musl-tools openssh-server openssh-client procps util-linux htop
rust_target x86_64-unknown-linux-musl || fail "std for x86_64-unknown-linux-musl is missing"
sh scripts/dist.sh x86_64-unknown-linux-musl
mkdir -p /run/sshd
FOOTBRIDGE_BIN=${FOOTBRIDGE_BIN:-$root/dist/footbridge-$(version)-x86_64-unknown-linux-musl}
export FOOTBRIDGE_BIN
say "measuring $FOOTBRIDGE_BIN"
cargo bench --locked --profile quick --bench bench
