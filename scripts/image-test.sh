# The generic image under qemu: first start, claim, idle writes, updates good and bad, CUTS (20) power cuts, factory reset.
# Then on a wire of the test's own (name, time, rescue shell), and with radios of air (Wi-Fi), for which a third image is built.
# The two builds of the image are signed with a key made for this run. With SHORT only a first start, the claim, a terminal, a refused update
# and a good one; IMAGE_BINARY is another program than the one in dist/.
. "$(dirname "$0")/lib.sh"
packages qemu-system-arm u-boot-qemu mtools fdisk squashfs-tools openssl python3 cpio openssh-server openssh-client iproute2 util-linux
say "the image's scripts, without a machine"
packages busybox e2fsprogs
sh firmware-image/rc_test.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
openssl genpkey -algorithm ed25519 -out "$work/key.pem"
export SIGNING_KEY="$work/key.pem" DIST_OUT="$work"
binary=footbridge-$(version)-aarch64-unknown-linux-musl
program=${IMAGE_BINARY:-dist/$binary}
[ -f "$program" ] || sh scripts/dist.sh aarch64-unknown-linux-musl
[ -f "$work/$binary" ] || cp "$program" "$work/"
IMAGE_VERSION="$(version)-second" sh scripts/image.sh virt
mv "$work/footbridge-$(version)-virt.update.img" "$work/second.img"
sh scripts/image.sh virt
say "booting it"
python3 -u firmware-image/test.py "$work/footbridge-$(version)-virt.img.gz" "$work/second.img" "$work/key.pem" "${CUTS:-20}"
[ -z "${SHORT:-}" ] || exit 0
# chrony is unpacked, not installed: as a service it would set this machine's clock.
if [ ! -x target/chrony/usr/sbin/chronyd ]; then
    packages libnettle8 libcap2 libedit2 libseccomp2
    mkdir -p target/chrony
    (cd target/chrony && apt-get download -q chrony && dpkg-deb -x chrony_*.deb .)
fi
export CHRONYD="$root/target/chrony/usr/sbin/chronyd"
python3 -u firmware-image/network_test.py "$work/footbridge-$(version)-virt.img.gz"
say "Wi-Fi"
sh scripts/image.sh test-radio
python3 -u firmware-image/radio_test.py "$work/footbridge-$(version)-test-radio.img.gz"
