# Runs inside a booted Debian that has just got the package: installed, used, upgraded, removed, purged. Any failure ends it.
set -eux
package=$1
page=https://127.0.0.1:8443
. "$(dirname "$0")/inside-lib.sh"

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

# Started means served: no second try is needed. The watchdog is on, with the signs of life that it wants.
systemctl restart footbridge
curl -fsk "$page/health"
[ "$(systemctl show -p Type --value footbridge)" = notify ]
[ "$(systemctl show -p WatchdogUSec --value footbridge)" = 30s ]
pid=$(systemctl show -p MainPID --value footbridge)

# What belongs to the package is not changed behind its back.
footbridge update /bin/true 2>&1 | grep 'belongs to the Debian package'

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

# The audit's copy goes to the journal, through the sandbox.
echo 'audit_syslog = "/dev/log"' >>/etc/footbridge/footbridge.toml
systemctl restart footbridge
journalctl -b -t footbridge -o cat --no-pager | grep '"event":"serve.start"'

# Another device key, as docs/platforms/debian.md says; the users are there, and the audit is whole.
before=$(sha256sum </var/lib/private/footbridge/device.key)
systemctl stop footbridge
chown -R root: /var/lib/private/footbridge
footbridge device-key rotate --data /var/lib/private/footbridge
systemctl start footbridge
answers
[ "$(sha256sum </var/lib/private/footbridge/device.key)" != "$before" ]
footbridge user list | grep ada
footbridge audit verify
footbridge audit tail 20 | grep device-key.rotate

# Port 443, as the socket's own comment says: no capability, and the socket is systemd's.
systemctl stop footbridge
systemctl enable --now footbridge.socket
systemctl start footbridge
page=https://127.0.0.1
curl -fsk "$page/health"
grep -q '^CapEff:.0000000000000000$' "/proc/$(systemctl show -p MainPID --value footbridge)/status"
# Only the handed-over port: the configured one is not opened besides.
curl -sk --max-time 5 https://127.0.0.1:8443/health && exit 1
# An upgrade keeps it on. A browser that comes while nobody serves waits until somebody does.
dpkg -i "$package"
answers
systemctl is-enabled footbridge.socket
systemctl stop footbridge
curl -fsk --max-time 60 "$page/health"
systemctl is-active footbridge

# A certificate of the owner's whose key only root can read.
mkdir -p /etc/ssl/footbridge
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=box.example -addext subjectAltName=DNS:box.example \
    -keyout /etc/ssl/footbridge/privkey.pem -out /etc/ssl/footbridge/fullchain.pem
chmod 600 /etc/ssl/footbridge/privkey.pem
install -D -m 644 /usr/share/doc/footbridge/examples/own-certificate.conf /etc/systemd/system/footbridge.service.d/own-certificate.conf
systemctl daemon-reload
echo 'names = ["box.example"]' >>/etc/footbridge/footbridge.toml
systemctl restart footbridge
curl -fsS --cacert /etc/ssl/footbridge/fullchain.pem --resolve box.example:443:127.0.0.1 https://box.example/health
rm -r /etc/systemd/system/footbridge.service.d /etc/ssl/footbridge
systemctl daemon-reload
systemctl restart footbridge
answers

# A program that hangs is noticed and started anew; its data is there.
before=$(systemctl show -p MainPID --value footbridge)
kill -STOP "$before"
tries=0
until [ "$(systemctl show -p NRestarts --value footbridge)" -ge 1 ] && curl -fsk --max-time 5 "$page/health"; do
    tries=$((tries + 1))
    [ "$tries" -lt 200 ] || { journalctl -u footbridge --no-pager; exit 1; }
    sleep 1
done
journalctl -b -u footbridge --no-pager | grep -i 'watchdog timeout'
footbridge user list | grep ada
page=https://127.0.0.1:8443
systemctl disable --now footbridge.socket
systemctl restart footbridge
answers

dpkg -r footbridge
[ ! -e /usr/bin/footbridge ]
[ -e /etc/footbridge/footbridge.toml ]
[ -e /var/lib/private/footbridge/footbridge.redb ]
dpkg -P footbridge
left=$(find / -xdev -name '*footbridge*' -not -path '/root/*' -not -path '/opt/*' -not -path '/proc/*' -not -path '/sys/*' -not -path '/var/log/*' -not -path '/run/*')
[ -z "$left" ]
