# Runs inside a booted Debian that has just got the package: installed, used, upgraded, removed, purged. Any failure ends it.
set -eux
package=$1
page=https://127.0.0.1:8443

answers() {
    tries=0
    until curl -fsk "$page/health"; do
        tries=$((tries + 1))
        [ "$tries" -lt 100 ] || { journalctl -u footbridge --no-pager; systemctl status footbridge --no-pager; return 1; }
        sleep 0.2
    done
}

dpkg -i "$package"
answers
systemctl is-active footbridge
systemctl is-enabled footbridge
# A user of its own, one directory that nobody else enters, no way to write elsewhere, no capability.
pid=$(systemctl show -p MainPID --value footbridge)
uid=$(awk '/^Uid:/ { print $2 }' "/proc/$pid/status")
[ "$uid" -ge 61184 ] && [ "$uid" -le 65519 ]
grep -q '^CapEff:.0000000000000000$' "/proc/$pid/status"
grep -q '^NoNewPrivs:.1$' "/proc/$pid/status"
grep -q '^Seccomp:.2$' "/proc/$pid/status"
[ "$(stat -c %a /var/lib/private/footbridge)" = 700 ]
[ "$(stat -c %u /var/lib/private/footbridge)" = "$uid" ]

# The claim code comes from the command line, as root, and never stood in the journal.
code=$(footbridge setup | sed -n 's/^claim-code //p')
[ -n "$code" ]
journalctl -b --no-pager | grep -i 'claim-code' && exit 1
claim() {
    curl -sk -o /dev/null -w '%{http_code}' -H "Origin: $page" -H 'Content-Type: application/json' \
        -d "{\"code\":\"$1\",\"name\":\"ada\",\"password\":\"correct horse battery\"}" "$page/api/claim"
}
[ "$(claim AAAA-AAAA)" = 401 ]
[ "$(claim "$code")" = 201 ]
footbridge user list | grep ada

# SIGHUP reaches it through the sandbox, and it lives on.
systemctl reload footbridge
[ "$(systemctl show -p MainPID --value footbridge)" = "$pid" ]

# A configuration of the owner's survives an upgrade; so do the users.
echo 'terminals_per_user = 3' >>/etc/footbridge/footbridge.toml
dpkg -i "$package"
answers
grep -q 'terminals_per_user = 3' /etc/footbridge/footbridge.toml
footbridge user list | grep ada
[ "$(systemctl show -p MainPID --value footbridge)" != "$pid" ]

# The drop-in for 443, as its own comment says.
install -D -m 644 /usr/share/doc/footbridge/examples/port-443.conf /etc/systemd/system/footbridge.service.d/port-443.conf
systemctl daemon-reload
systemctl restart footbridge
page=https://127.0.0.1 answers
rm -r /etc/systemd/system/footbridge.service.d
systemctl daemon-reload
systemctl restart footbridge
answers

dpkg -r footbridge
[ ! -e /usr/bin/footbridge ]
[ -e /etc/footbridge/footbridge.toml ]
[ -e /var/lib/private/footbridge/footbridge.redb ]
dpkg -P footbridge
left=$(find / -xdev -name '*footbridge*' -not -path '/root/*' -not -path '/proc/*' -not -path '/sys/*' -not -path '/var/log/*' -not -path '/run/*')
[ -z "$left" ]
