# The image's shell scripts where no machine needs to be started for it: what a person has written, and what goes wrong with the card.
#     sh firmware-image/rc_test.sh
# They run in busybox, as in the image, with their paths led into a folder.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin" "$work/boot" "$work/run" "$work/data" "$work/net" "$work/net/eth0" "$work/etc"
for applet in sh tr sed tail dd rm mv mkdir cat echo head sync ip logger hostname touch basename cut stat sha256sum env; do
    ln -s "$(command -v busybox)" "$work/bin/$applet"
done
ln -s "$(PATH=$PATH:/sbin:/usr/sbin command -v mke2fs)" "$work/bin/mke2fs"
echo 'echo "asks by DHCP"' >"$work/bin/udhcpc"
echo 'echo "stays"' >"$work/bin/sleep"
echo 'echo "starts anew"' >"$work/bin/reboot"
# shellcheck disable=SC2016
echo '[ "$1" = verify ]' >"$work/bin/helper"
chmod 755 "$work/bin/udhcpc" "$work/bin/sleep" "$work/bin/reboot" "$work/bin/helper"
mkdir "$work/rc"
for script in lib network dhcp update watch; do
    sed -e "s,/bin/mke2fs,mke2fs,; s,PATH=/bin,PATH=$work/bin," -e "s,/etc/rc,$work/rc,g" -e "s,/boot,$work/boot,g" -e "s,/run/,$work/run/,g" \
        -e "s,/data,$work/data,g" -e "s,/sys/class/,$work/,g" -e "s,cat /etc/,cat $work/etc/,g; s, /etc/update.pub, $work/etc/update.pub,g" -e "1s,#!/bin/sh,#!$work/bin/sh," "rootfs/etc/rc/$script" >"$work/rc/$script"
    chmod 755 "$work/rc/$script"
done
# The consoles; and the boot partition, which can be written (yes), cannot (no), or only seems to (seems: what was removed is there again).
cat >>"$work/rc/lib" <<STUBS
tell() { echo "told: \$*"; }
mount() { case \$* in *remount,rw*) [ "\$CARD" != no ] ;; esac; }
umount() { [ "\$CARD" != seems ] || touch $work/boot/factory-reset; }
STUBS

# in_image COMMANDS : with what rc/lib has.
in_image() { CARD=${2:-yes} FB_DISK="$work/disk" FB_PART="$work/p" FB_SLOT=a FB_TRIAL=no "$work/bin/sh" -euc ". $work/rc/lib; $1"; }
# is WANTED TOLD
is() { [ "$1" = "$2" ] || { printf 'wanted:\n%s\nis:\n%s\n' "$1" "$2" >&2; exit 1; }; }

# ---- settings ----
printf 'hostname = box \t\r\n\taddress\t=\t192.168.1.5/24 \r\n#dns = 1.1.1.1\nntp = one\nntp = two words' >"$work/boot/footbridge.conf"
# shellcheck disable=SC2016
is '[box][192.168.1.5/24][none][two words]' \
    "$(in_image 'for name in hostname address dns ntp; do printf "[%s]" "$(setting $name none)"; done')"
echo "settings are read without the blanks around them"

# ---- a reset to factory state ----
reset() { in_image "take_wish && grant_wish && echo open || echo closed" "$1"; }
new_data() { dd if=/dev/zero of="$work/p4" bs=1M count=4 2>/dev/null; echo precious | dd of="$work/p4" bs=1M seek=2 conv=notrunc 2>/dev/null; }
# Where ext4 has its magic number.
is_made() { [ "$(dd if="$work/p4" bs=1 skip=1080 count=2 2>/dev/null)" = "$(printf '\123\357')" ]; }
new_data
is open "$(reset yes)"
! is_made || { echo "a data partition is made without being asked for" >&2; exit 1; }
touch "$work/boot/factory-reset"
is "told: making a new, empty data partition
open" "$(reset yes)"
is_made && [ ! -e "$work/boot/factory-reset" ]
is open "$(reset no)"
for card in no seems; do
    new_data
    touch "$work/boot/factory-reset"
    for _ in 1 2; do
        is "told: factory-reset cannot be removed; take it away on a computer. Until then the data partition is left alone
closed" "$(reset $card)"
    done
    ! is_made || { echo "wiped, and so again at every start" >&2; exit 1; }
    rm "$work/boot/factory-reset"
    is open "$(reset no)"
done
# The power fails after the wish was taken, and before or after the file system was made.
in_image 'mark FBRESET'
is "told: making a new, empty data partition
open" "$(reset no)"
is_made
in_image 'mark FBRESET'
is "told: making a new, empty data partition
open" "$(reset no)"
echo "a reset happens once, over power cuts too, and not at all if its file cannot be removed"

# ---- a fixed address ----
network() {
    echo no >"$work/run/radio"
    rm -f "$work/run/address"
    printf '%s\n' "address = $1" >"$work/boot/footbridge.conf"
    # A network of its own; "lo" is the one interface that is there.
    unshare -n "$work/bin/sh" "$work/rc/network" 2>/dev/null
}
rmdir "$work/net/eth0" && mkdir "$work/net/elo"
# shellcheck disable=SC2016
sed -i 's,\$(basename "\$candidate"),lo,' "$work/rc/network"
is stays "$(network '192.168.1.5/24 ')"
is 192.168.1.5 "$(cat "$work/run/address")"
for address in 192.168.1.5 192.168.1.5/33 192.168.1.500/24 /24 nonsense; do
    told=$(network "$address")
    is "told: address = $address in footbridge.conf is not used, DHCP is: it is written like 192.168.1.5/24
asks by DHCP" "$(echo "$told" | grep -v 'cannot be set$')"
    [ ! -e "$work/run/address" ] || { echo "$address is shown, and nobody has it" >&2; exit 1; }
done
echo "an address that cannot be set is refused in words, and DHCP asked"

# ---- an update from the card ----
mkdir -p "$work/block/p3" "$work/run/new/etc"
echo 64 >"$work/block/p3/size"
for place in etc run/new/etc; do echo "2 virt" >"$work/$place/version" && echo 1 >"$work/$place/made"; done
echo key >"$work/etc/update.pub"
update() {
    echo image >"$work/boot/update.img"
    rm -f "$work/data/ending" "$work/disk"
    in_image "$work/rc/update card" "$1" || true
}
is "told: writing the update to slot b
told: starting it
starts anew" "$(update yes)"
is "tried b 2 virt" "$(cat "$work/data/ending")"
grep -q '^FBSLOT good=a try=b' "$work/disk" && [ ! -e "$work/boot/update.img" ]
is "told: writing the update to slot b
told: update refused: the image cannot be removed; take it away on a computer" "$(update no)"
grep -q ^refused "$work/data/ending" && [ ! -e "$work/disk" ]
# The power fails just before the slots are written.
sed -i 's,^slots ,exit 9; slots ,' "$work/rc/update"
update yes >/dev/null
is "begun b 2 virt" "$(cat "$work/data/ending")"
# The same of one that a browser has brought: it fails while the image is copied.
sed -i 's,^        timeout 120,        exit 9; timeout 120,' "$work/rc/update"
rm "$work/data/ending"
in_image "$work/rc/update page" || true
is "begun b that was brought" "$(cat "$work/data/ending")"
echo "an update that cannot be taken off the card is not begun anew at every start"

# ---- how an update ended ----
ending() {
    echo "$1" >"$work/data/ending"
    sed -n '/^ended()/,/^}/p' "$work/rc/watch" >"$work/ended"
    in_image "good=1; footbridge() { echo \"\$3: \$4\"; }; . $work/ended; ended"
}
is "installed: The image 2 virt is installed and serves." "$(ending 'tried a 2 virt')"
is "kept: The image 2 virt did not serve; the one of before is back." "$(ending 'tried b 2 virt')"
is "installed: The image 2 virt is installed and serves." "$(ending 'begun a 2 virt')"
is "kept: The power failed before the image 2 virt was tried; bring it again." "$(ending 'begun b 2 virt')"
is "kept: The power failed before the image that was brought was tried; bring it again." "$(ending 'begun b that was brought')"
is "kept: The image was refused: not signed." "$(ending 'refused - not signed')"
[ ! -e "$work/data/ending" ]
echo "how an update ended is told, and a power cut before it was tried is told apart"
