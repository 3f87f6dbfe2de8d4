# The page: TypeScript and xterm.js, bundled and compressed into src/ui/dist, which build.rs embeds.
. "$(dirname "$0")/lib.sh"
npm_ci src/ui

# Newer than every source: nothing to do.
if [ -f src/ui/dist/index.html.gz ] && [ -z "$(find src/ui -newer src/ui/dist/index.html.gz -type f \
    -not -path '*/node_modules/*' -not -path '*/dist/*' | head -n 1)" ]; then
    exit 0
fi
say "building the page"
(cd src/ui && npm run --silent build)
