# The unit is as strict as it claims to be, and says why for each of its settings.
. "$(dirname "$0")/../scripts/lib.sh"
packages systemd
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# rated NAME FILE : the exposure level must not be above 1.5.
rated() {
    level=$(systemd-analyze security --offline=true --threshold=100 "$2" 2>&1 | sed -n 's/.*exposure level for [^:]*: \([0-9.]*\).*/\1/p')
    echo "$1: exposure $level (0 is best; a bare unit has 9.6)"
    awk -v level="$level" 'BEGIN { exit !(level != "" && level <= 1.5) }' || fail "$1: $level is above 1.5"
}

say "systemd: strictness"
# Offline, systemd-analyze looks for no drop-ins, so they are appended: a later setting wins there as it does in a drop-in.
cp systemd/footbridge.service "$work/footbridge.service"
rated footbridge.service "$work/footbridge.service"
{ sed '/^\[Install\]/,$d' systemd/footbridge.service; sed '/^\[Service\]/d' systemd/own-certificate.conf; } >"$work/own-certificate.service"
rated own-certificate.conf "$work/own-certificate.service"

say "systemd: every setting below a reason"
# A comment covers the settings that follow it, up to an empty line or the next comment; [Unit] and [Install] speak for themselves.
awk '/^\[/ { part = $0; reason = 0; next } /^$/ { reason = 0; next } /^#/ { reason = 1; next }
     part ~ /Service|Socket|Path/ && !reason { print FILENAME ": no reason above: " $0; bad = 1 } END { exit bad }' \
    systemd/footbridge.service systemd/footbridge.socket systemd/footbridge-update.service systemd/footbridge-update.path systemd/handover.conf || fail "say why"

say "systemd: five tries, then a person"
# seconds NAME : of a setting of the unit that is written in seconds.
seconds() { sed -n "s/^$1=\([0-9]*\)s*\$/\1/p" systemd/footbridge.service; }
interval=$(seconds StartLimitIntervalSec) burst=$(seconds StartLimitBurst) pause=$(seconds RestartSec)
# A try takes some time of its own; without any of these, systemd's defaults would hold, and those never end.
[ "${interval:-0}" -gt $((${burst:-5} * ${pause:-60})) ] || fail "$burst tries, $pause s apart, never fall into $interval s: it would be tried forever"
echo "$burst tries in $interval s, $pause s apart"

say "systemd: no unknown word"
mkdir -p "$work/root/usr/bin" "$work/verify"
sed -e 's,^ExecStart=.*,ExecStart=/bin/true,' -e '/^Documentation=/d' systemd/footbridge.service >"$work/verify/footbridge.service"
sed '/^Documentation=/d' systemd/footbridge.socket >"$work/verify/footbridge.socket"
for unit in footbridge-update.service footbridge-update.path; do
    sed -e 's,^ExecStart=.*,ExecStart=/bin/true,' -e '/^Documentation=/d' "systemd/$unit" >"$work/verify/$unit"
done
systemd-analyze verify "$work/verify/"footbridge.service "$work/verify/"footbridge.socket "$work/verify/"footbridge-update.* 2>&1 | grep -i "$work\|footbridge" && fail "systemd does not understand the unit"
echo "systemd understands every line"
