# Style and lints: what a reviewer should not have to say.
. "$(dirname "$0")/lib.sh"
packages python3
say "rustfmt"
cargo fmt --check
say "the page's types"
npm_ci src/ui
(cd src/ui && npm run --silent check)
sh scripts/page.sh
say "clippy"
cargo clippy --locked --all-targets -- -D warnings
say "licences, sources, banned crates"
python3 scripts/licences.py
