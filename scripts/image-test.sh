# The generic image under qemu: first start, claim, idle writes, updates good and bad, CUTS (20) power cuts, factory reset.
# The two builds of the image are signed with a key made for this run.
. "$(dirname "$0")/lib.sh"
packages qemu-system-arm u-boot-qemu mtools fdisk squashfs-tools openssl python3 cpio openssh-server
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
openssl genpkey -algorithm ed25519 -out "$work/key.pem"
export SIGNING_KEY="$work/key.pem" DIST_OUT="$work"
binary=footbridge-$(version)-aarch64-unknown-linux-musl
[ -f "dist/$binary" ] || sh scripts/dist.sh aarch64-unknown-linux-musl
[ -f "$work/$binary" ] || cp "dist/$binary" "$work/"
IMAGE_VERSION="$(version)-second" sh scripts/image.sh virt
mv "$work/footbridge-$(version)-virt.update.img" "$work/second.img"
sh scripts/image.sh virt
say "booting it"
python3 -u firmware-image/test.py "$work/footbridge-$(version)-virt.img.gz" "$work/second.img" "$work/key.pem" "${CUTS:-20}"
