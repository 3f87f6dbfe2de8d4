# The pictures of the documents, rendered by the browser tests.
. "$(dirname "$0")/lib.sh"
packages openssh-server openssh-client chromium
npm_ci tests/ui
sh scripts/page.sh
cargo build --locked
(cd tests/ui && npm test --silent)
mkdir -p docs/screenshots
while read -r from to; do
    cp "tests/ui/out/$from.png" "docs/screenshots/$to.png"
done <<END
terminal terminal
hosts-wide-dark hosts
hosts-phone-light hosts-phone
phone-terminal terminal-phone
fingerprint fingerprint
changed-key changed-key
broadcast broadcast
splits-light splits-light
claim claim
empty empty
reconnecting reconnecting
restarted restarted
failed failed
END
ls -l docs/screenshots
