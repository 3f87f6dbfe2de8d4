# A flashable image in dist/: `scripts/image.sh BOARD...`, boards as in firmware-image/boards. Made of Debian's own packages for the board's
# architecture, downloaded and unpacked; no root file system is installed, nothing is mounted, no container is used.
#
#   sector 0      partition table          p1  FAT    kernel, initramfs, settings that people write
#   sector 1      which slot is good       p2  squashfs, slot A      p3  squashfs, slot B (empty at first)
#                                          p4  ext4   data, made and stretched at the first start
. "$(dirname "$0")/lib.sh"
packages debian-archive-keyring squashfs-tools mtools dosfstools fdisk kmod cpio xz-utils gzip dpkg binutils
out=${DIST_OUT:-$root/dist}
profile=${DIST_PROFILE:-release}
[ $# -gt 0 ] || set -- virt
SOURCE_DATE_EPOCH=$(epoch)
export SOURCE_DATE_EPOCH
umask 022
# What the scripts of the image may use of busybox.
applets="[ ash awk basename blockdev cat chgrp chmod chown cp cut date dd dirname dmesg echo env expr false find findfs grep halt head hostname
    hwclock ifconfig ip kill killall ln logger logread ls mkdir mkfifo mknod modprobe mount mv nc pidof poweroff printf ps pwd readlink reboot rm
    rmdir route sed setpriv sh sha256sum sleep sort start-stop-daemon stat switch_root sync sysctl syslogd tail test timeout touch
    tr true udhcpc umount uname uniq wc watchdog xargs"

# A configuration of apt that knows only the board's architecture, beside the machine's own and without touching it.
apt_for() {
    apt=$root/target/apt-$1
    mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" "$apt/debs"
    # The mirrors that this machine uses, with the component that holds the boards' firmware.
    apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' | sort -u | while read -r uri suite; do
        echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri $suite main non-free-firmware"
    done >"$apt/sources.list"
    cat >"$apt/apt.conf" <<CONF
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "-";
APT::Architecture "$1";
APT::Architectures { "$1"; };
Dir::State "$apt/state";
Dir::State::status "/dev/null";
Dir::Cache "$apt/cache";
APT::Sandbox::User "root";
CONF
    export APT_CONFIG="$apt/apt.conf"
    [ -n "$(find "$apt/state/lists" -name '*Packages*' -mmin -1440 | head -n 1)" ] || apt-get update -q
}

# unpacked PACKAGE : the folder in which that package is unpacked; downloaded if it is not there.
unpacked() {
    if ! ls "$apt/debs/$1"_*.deb >/dev/null 2>&1; then (cd "$apt/debs" && apt-get download -q "$1" >&2); fi
    if [ ! -d "$apt/$1" ]; then
        mkdir -p "$apt/$1.new"
        dpkg-deb -x "$(ls "$apt/debs/$1"_*.deb | tail -n 1)" "$apt/$1.new"
        mv "$apt/$1.new" "$apt/$1"
    fi
    echo "$apt/$1"
}

# The meta package names the kernel that is current.
kernel_package() { apt-cache depends "$kernel" | sed -n 's/^ *Depends: \(linux-image-.*\)/\1/p' | head -n 1; }

# modules FOLDER NAME... : those kernel modules and all that they need, with an index for modprobe.
modules() {
    into=$1
    shift
    [ -e "$kernel_tree/lib/modules/$release/modules.dep" ] || depmod -b "$kernel_tree" "$release"
    for name in "$@"; do
        modprobe -d "$kernel_tree" -S "$release" --show-depends "$name" 2>/dev/null | sed -n "s,^insmod $kernel_tree/,,p"
    done | sort -u | while read -r file; do
        install -D -m 644 "$kernel_tree/$file" "$into/$file"
    done
    install -D -m 644 "$kernel_tree/lib/modules/$release/modules.builtin" "$into/lib/modules/$release/modules.builtin"
    install -D -m 644 "$kernel_tree/lib/modules/$release/modules.order" "$into/lib/modules/$release/modules.order"
    depmod -b "$into" "$release"
    # The kernel reads the text form, busybox too; the binary indexes are kmod's.
    rm -f "$into/lib/modules/$release/"*.bin "$into/lib/modules/$release/modules.order"
}

busybox() {
    mkdir -p "$1/bin"
    install -m 755 "$(unpacked busybox-static)/bin/busybox" "$1/bin/busybox"
    for applet in $applets; do ln -s busybox "$1/bin/$applet"; done
}

# What busybox does not have: ext4 tools and the rescue shell's server everywhere, wpa_supplicant where the kernel knows a radio. PACKAGE FILE,
# and the packages in which their libraries are.
tools="e2fsprogs:sbin/e2fsck e2fsprogs:sbin/mke2fs e2fsprogs:sbin/resize2fs dropbear-bin:usr/sbin/dropbear dropbear-bin:usr/bin/dropbearkey"
tool_libraries="libc6 libext2fs2 libcom-err2 libblkid1 libuuid1 libcrypt1 libtomcrypt1 libtommath1 libgmp10 zlib1g"
wifi_tools="wpasupplicant:sbin/wpa_supplicant"
wifi_libraries="libatomic1 libnl-3-200 libnl-genl-3-200 libnl-route-3-200 libssl3 libdbus-1-3 libpcsclite1 libsystemd0 libcap2 libgcrypt20 libgpg-error0 liblz4-1
    liblzma5 libzstd1"

# library NAME : where the library of that name lies in the unpacked packages.
library() {
    for package in $libraries; do
        found=$(find "$apt/$package" -name "$1" | head -n 1)
        [ -z "$found" ] || { echo "$found"; return; }
    done
    fail "no package that is unpacked has $1"
}

# with_libraries TREE FILE : the libraries that a program wants, and those that they want, under the names that are asked for.
with_libraries() {
    readelf -d "$2" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | while read -r name; do
        [ ! -e "$1/lib/$name" ] || continue
        from=$(library "$name")
        mkdir -p "$1/lib"
        # Followed, not copied as a link.
        cp -L "$from" "$1/lib/$name"
        with_libraries "$1" "$1/lib/$name"
    done
}

add_tools() {
    tree_of_tools=$1
    libraries=$tool_libraries all=$tools
    [ -z "${wifi:-}" ] || { libraries="$libraries $wifi_libraries"; all="$all $wifi_tools"; }
    for package in $libraries; do unpacked "$package" >/dev/null; done
    for tool in $all ${more_tools:-}; do
        install -D -m 755 "$(unpacked "${tool%%:*}")/${tool#*:}" "$tree_of_tools/bin/$(basename "$tool")"
        with_libraries "$tree_of_tools" "$tree_of_tools/bin/$(basename "$tool")"
    done
    # The program interpreter's place is written in every binary.
    cp -L "$(find "$apt/libc6" -name 'ld-linux*.so.*' | head -n 1)" "$tree_of_tools/lib/"
    ls "$tree_of_tools/lib/"ld-linux*.so.* >/dev/null 2>&1 || fail "no ld-linux in libc6"
}

# What a radio may send where, signed by those who keep the list, and the firmware that this board's radio loads.
radio() {
    [ -n "${wifi:-}" ] || return 0
    mkdir -p "$1/lib/firmware/brcm"
    cp -L "$(unpacked wireless-regdb)/lib/firmware/regulatory.db-debian" "$1/lib/firmware/regulatory.db"
    cp -L "$(unpacked wireless-regdb)/lib/firmware/regulatory.db.p7s-debian" "$1/lib/firmware/regulatory.db.p7s"
    for name in ${wifi_firmware:-}; do
        for file in "$(unpacked firmware-brcm80211)/lib/firmware/brcm/$name"*; do
            [ ! -e "$file" ] || cp -L "$file" "$1/lib/firmware/brcm/"
        done
    done
}

helper() {
    say "helper for $target"
    DIST_HELPER=1 sh scripts/dist.sh "$target"
}

initramfs() {
    tree=$work/initramfs
    mkdir -p "$tree/dev" "$tree/proc" "$tree/sys" "$tree/root"
    busybox "$tree"
    # shellcheck disable=SC2086
    modules "$tree" $modules_early
    echo "$modules_early" >"$tree/modules"
    install -m 755 firmware-image/initramfs/init "$tree/init"
    find "$tree" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
    (cd "$tree" && find . | LC_ALL=C sort | cpio --quiet --reproducible -o -H newc -R 0:0 | gzip -9n) >"$work/boot/initramfs"
}

root_image() {
    tree=$work/root
    mkdir -p "$tree"
    cp -R firmware-image/rootfs/. "$tree"
    busybox "$tree"
    for folder in boot data dev proc run sys tmp; do mkdir -p "$tree/$folder"; done
    ln -s bin/busybox "$tree/linuxrc"
    ln -s /run/resolv.conf "$tree/etc/resolv.conf"
    ln -s /etc/rc/logs "$tree/bin/logs"
    add_tools "$tree"
    radio "$tree"
    board_root "$tree"
    # shellcheck disable=SC2086
    modules "$tree" $modules_early $modules_later
    install -m 755 "$binary" "$tree/bin/footbridge"
    install -m 755 "$root/target/helper/$target/release/footbridge-helper" "$tree/bin/helper"
    echo "$SOURCE_DATE_EPOCH" >"$tree/etc/made"
    echo "${IMAGE_VERSION:-$(version)} $board" >"$tree/etc/version"
    # For the helper, and for the program, which reads PEM.
    if [ -n "${SIGNING_KEY:-}" ]; then
        openssl pkey -in "$SIGNING_KEY" -pubout -outform DER -out "$tree/etc/update.pub"
        openssl pkey -in "$SIGNING_KEY" -pubout -out "$tree/etc/update.pem"
    fi
    chmod -R u=rwX,go=rX "$tree"
    find "$tree" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
    rm -f "$work/root.squashfs"
    mksquashfs "$tree" "$work/root.squashfs" -quiet -no-progress -all-root -noappend -comp xz -b 256K >/dev/null
}

boot_partition() {
    cp "$kernel_tree/boot/vmlinuz-$release" "$work/boot/${kernel_file:-kernel}"
    cp firmware-image/boot/* "$work/boot/"
    board_boot "$work/boot"
    find "$work/boot" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
    truncate -s "${boot_mib}M" "$work/boot.fat"
    mkfs.vfat -F 32 -n FOOTBRIDGE -i f007b41d --invariant "$work/boot.fat" >/dev/null
    (cd "$work/boot" && find . -mindepth 1 | LC_ALL=C sort | while read -r entry; do
        if [ -d "$entry" ]; then mmd -i "$work/boot.fat" "::$entry"; else mcopy -m -i "$work/boot.fat" "$entry" "::$entry"; fi
    done)
}

# Places in mebibytes. The last partition is only a beginning; the first start stretches it.
disk() {
    image=$work/disk
    slot_a=$((1 + boot_mib)) slot_b=$((1 + boot_mib + slot_mib)) data=$((1 + boot_mib + 2 * slot_mib))
    [ "$(stat -c %s "$work/root.squashfs")" -le $((slot_mib * 1048576)) ] || fail "the root image does not fit its slot"
    truncate -s $((data + 4))M "$image"
    sfdisk --quiet "$image" <<TABLE
label: dos
label-id: 0xf007b41d
start=2048, size=$((boot_mib * 2048)), type=c, bootable
start=$((slot_a * 2048)), size=$((slot_mib * 2048)), type=83
start=$((slot_b * 2048)), size=$((slot_mib * 2048)), type=83
start=$((data * 2048)), size=8192, type=83
TABLE
    dd if="$work/boot.fat" of="$image" bs=1M seek=1 conv=notrunc,sparse 2>/dev/null
    dd if="$work/root.squashfs" of="$image" bs=1M seek="$slot_a" conv=notrunc,sparse 2>/dev/null
    printf 'FBSLOT good=a\n' | dd of="$image" bs=512 seek=1 conv=notrunc 2>/dev/null
}

for board in "$@"; do
    board_root() { :; }
    kernel_file=kernel wifi='' wifi_firmware='' more_tools=''
    . "firmware-image/boards/$board"
    say "image for $board"
    apt_for "$arch"
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    mkdir "$work/boot"
    kernel_name=$(kernel_package)
    kernel_tree=$(unpacked "$kernel_name")
    release=${kernel_name#linux-image-}
    binary=$out/footbridge-$(version)-$target
    [ -f "$binary" ] || fail "$binary is missing: make dist first"
    helper
    initramfs
    root_image
    boot_partition
    disk
    name=$out/footbridge-$(version)-$board
    gzip -9n <"$work/disk" >"$name.img.gz"
    # The same root file system by itself is what an update consists of.
    cp "$work/root.squashfs" "$name.update.img"
    sign "$name.update.img"
    chmod 644 "$name".*
    echo "root $(stat -c %s "$work/root.squashfs"), initramfs $(stat -c %s "$work/boot/initramfs"), kernel $(stat -c %s "$kernel_tree/boot/vmlinuz-$release") bytes"
    echo "$(stat -c %s "$name.img.gz") bytes: $name.img.gz"
    rm -rf "$work"
done
