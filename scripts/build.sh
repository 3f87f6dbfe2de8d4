# The page, then the program for this machine: optimised as it is shipped, but without the wait of the full link-time pass.
. "$(dirname "$0")/lib.sh"
have cc || packages gcc libc6-dev
sh scripts/page.sh
say "building footbridge (the first time takes some minutes)"
cargo build --locked --profile quick --bin footbridge
