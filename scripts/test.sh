# Everything that must hold, in the order in which it fails soonest. Needs no network beyond the package registries.
. "$(dirname "$0")/lib.sh"
passed=0
step() {
    say "$1"
    shift
    "$@" || { echo "steps: $passed passed, 1 failed"; exit 1; }
    passed=$((passed + 1))
}

# The account that tests sign in to over SSH. Its password is in the tests too: it must not be able to sign in from elsewhere,
# so make test is for development machines.
account() {
    id fbtest >/dev/null 2>&1 || useradd --create-home --shell /bin/bash fbtest
    echo 'fbtest:correct horse battery' | chpasswd
    mkdir -p /run/sshd
}

rust_tests() {
    if have cargo-nextest; then
        cargo nextest run --locked --no-fail-fast
    else
        cargo test --locked --no-fail-fast -- --test-threads 2
    fi
}

browser_tests() {
    npm_ci tests/ui
    (cd tests/ui && FOOTBRIDGE_BIN="$root/target/debug/footbridge" npm test --silent)
}

step "what the tests need" packages gcc libc6-dev python3 openssl openssh-server openssh-client dropbear-bin nginx-light chromium util-linux mount strace vim-tiny less htop tmux
step "the account fbtest" account
step "style and lints" sh scripts/lint.sh
step "tests" rust_tests
step "a real browser" browser_tests
step "another architecture" sh scripts/arm.sh
# With the program that the step before has built and started.
step "the image, in short" env SHORT=yes IMAGE_BINARY="target/arm/footbridge-$(version)-aarch64-unknown-linux-musl" sh scripts/image-test.sh
echo
echo "steps: $passed passed, 0 failed"
