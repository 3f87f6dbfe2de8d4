# Sizes of binaries and images in dist/, and what the ARMv6 program takes under emulation. Builds nothing: make dist and make image first.
. "$(dirname "$0")/lib.sh"
packages python3 qemu-user-static file
python3 firmware-image/figures.py "${DIST_OUT:-$root/dist}" "$(version)"
