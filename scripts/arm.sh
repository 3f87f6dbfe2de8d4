# The aarch64 build under qemu, far enough to serve the sign-in page over TLS. Proves that nothing assumes x86.
. "$(dirname "$0")/lib.sh"
packages qemu-user-static gcc-aarch64-linux-gnu libc6-dev-arm64-cross
DIST_PROFILE=quick DIST_OUT=$root/target/arm sh scripts/dist.sh aarch64-unknown-linux-musl
sh scripts/serves.sh qemu-aarch64-static "target/arm/footbridge-$(version)-aarch64-unknown-linux-musl"
