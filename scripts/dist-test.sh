# The same commit gives the same bytes: two copies of it, in folders of different names and depths, each with a target folder of its own.
# `scripts/dist-test.sh TARGET...`; DIST_PROFILE=release for the program as it is shipped (takes a while), else the quicker profile.
. "$(dirname "$0")/lib.sh"
packages python3 git
[ $# -gt 0 ] || set -- x86_64-unknown-linux-musl
DIST_PROFILE=${DIST_PROFILE:-quick}
SOURCE_DATE_EPOCH=$(epoch)
export DIST_PROFILE SOURCE_DATE_EPOCH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for copy in a another/and/deeper; do
    mkdir -p "$work/$copy"
    git archive HEAD | tar -x -C "$work/$copy"
    say "building in $copy"
    # Without the other's CARGO_TARGET_DIR, and at another hour: nothing but the commit may count.
    (cd "$work/$copy" && env -u CARGO_TARGET_DIR -u DIST_OUT sh scripts/dist.sh "$@")
done
say "comparing"
(cd "$work/a/dist" && for file in *; do cmp "$file" "$work/another/and/deeper/dist/$file" && echo "equal: $file"; done)
for file in "$work/a/dist/"footbridge-*; do
    if grep -aq -e "$work" -e "$HOME/.cargo" "$file"; then fail "$(basename "$file") names a folder of this machine"; fi
done
echo "no folder of this machine is named in them"
