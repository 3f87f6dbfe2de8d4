# Everything a person needs, each in one word. Each target sets up what it needs (on Debian, as root) and says what it does.
.PHONY: help run demo test bench dist page lint deb packages packages-test image image-test image-figures dist-test shots

help:
	@echo "make run     build and serve, data in ./data (prints the address, the fingerprint and the claim code)"
	@echo "make demo    the same with a throwaway SSH server on loopback, already in the host list; gone on Ctrl-C"
	@echo "make test    everything that must hold: style, lints, tests, a real browser, another architecture"
	@echo "make bench   the figures, beside their yardsticks"
	@echo "make dist    static binaries for x86_64, aarch64, ARMv7 and ARMv6, in dist/"
	@echo "make dist-test      builds the same commit twice, in two folders, and compares the bytes"
	@echo "make deb            Debian packages of what make dist has built"
	@echo "make packages       those, and packages for OpenWrt and Synology, and plain archives"
	@echo "make packages-test  builds them if need be, checks all of them; installs, uses and purges the Debian one in a booted Debian"
	@echo "make image          flashable images (BOARDS='virt rpi1 rpi2 rpi64'), signed if SIGNING_KEY names a key"
	@echo "make image-test     boots the generic image under qemu: claim, updates good and bad, CUTS=20 power cuts, reset"
	@echo "make image-figures  sizes of binaries and images in dist/, memory of the ARMv6 program under emulation"
	@echo "make page    the page only (src/ui/dist, embedded by build.rs)"
	@echo "make shots   the pictures of the documents, by the browser tests"
	@echo "make lint    rustfmt, clippy, the page's type check, licences"

run demo test bench dist page lint shots deb packages packages-test image-test image-figures dist-test:
	@sh scripts/$@.sh

image:
	@sh scripts/image.sh $(BOARDS)
