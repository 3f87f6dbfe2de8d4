# Build and serve. Data goes to ./data; FOOTBRIDGE_* variables are handed on, so FOOTBRIDGE_LISTEN=0.0.0.0:8443 make run works.
. "$(dirname "$0")/lib.sh"
sh scripts/build.sh
FOOTBRIDGE_DATA=${FOOTBRIDGE_DATA:-$root/data}
export FOOTBRIDGE_DATA
say "serving, data in $FOOTBRIDGE_DATA; Ctrl-C ends it"
exec target/quick/footbridge serve
