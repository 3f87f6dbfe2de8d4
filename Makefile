# Everything a person needs, each in one word. Each target sets up what it needs (on Debian, as root) and says what it does.
.PHONY: help run demo test bench dist page lint

help:
	@echo "make run     build and serve, data in ./data (prints the address, the fingerprint and the claim code)"
	@echo "make demo    the same with a throwaway SSH server on loopback, already in the host list; gone on Ctrl-C"
	@echo "make test    everything that must hold: style, lints, tests, a real browser, another architecture"
	@echo "make bench   the figures, beside their yardsticks"
	@echo "make dist    static binaries for x86_64, aarch64, ARMv7 and ARMv6, in dist/"
	@echo "make page    the page only (src/ui/dist, embedded by build.rs)"
	@echo "make lint    rustfmt, clippy, the page's type check, licences"

run demo test bench dist page lint:
	@sh scripts/$@.sh
