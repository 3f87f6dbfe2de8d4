# Runs inside a booted Debian that has no package of ours: the archive installed by its own script, then updates by the command and by the
# page, good, foreign and broken, and removed. $1 is the archive's folder; beside it lie update.pem, and new, broken, foreign with their .sig.
set -eux
here=$1
page=https://127.0.0.1:8443
program=/usr/local/bin/footbridge

. "$(dirname "$0")/inside-lib.sh"
same() { cmp "$1" "$2"; }
is_main() { [ "$(systemctl show -p MainPID --value footbridge)" = "$1" ]; }

sh "$here"/footbridge-*/install.sh
# The key that root trusts. The program came without one, so until now the page takes nothing and says so.
install -m 644 "$here/update.pem" /etc/footbridge/update.pem
echo 'update_key = "/etc/footbridge/update.pem"
second_factor = "optional"' >>/etc/footbridge/footbridge.toml
systemctl restart footbridge
answers
[ "$(stat -c %a /var/lib/private/footbridge/admin.sock)" = 600 ]
cp "$program" /root/first

code=$(footbridge setup | sed -n 's/^claim-code //p')
python3 /opt/browser.py "$page" claim "$code"

# ---- by the command, as root ----
before=$(systemctl show -p MainPID --value footbridge)
footbridge update "$here/new" --signature "$here/foreign.sig" 2>&1 | grep 'another key signed it'
is_main "$before"
same "$program" /root/first
[ ! -e "$program.previous" ]

footbridge update "$here/new" | grep 'is installed and serves'
answers
is_main "$before" && exit 1
same "$program" "$here/new"
same "$program.previous" /root/first
footbridge user list | grep ada

footbridge update back | grep 'is installed and serves'
answers
same "$program" /root/first

# It passes its trial and cannot serve what is there: the previous one comes back, although systemd has given up on it meanwhile.
status=0
footbridge update "$here/broken" --wait 20 2>/root/said || status=$?
[ "$status" = 1 ]
grep 'the previous one is back and serves' /root/said
answers
same "$program" /root/first

# ---- by the page: the sandboxed program leaves the file, root's own service installs it ----
python3 /opt/browser.py "$page" update "$here/new" >/root/said
grep 'True .*is installed and serves' /root/said
answers
same "$program" "$here/new"
same "$program.previous" /root/first
[ "$(ls /var/lib/private/footbridge/update)" = ending ]
python3 /opt/browser.py "$page" update "$here/broken" >/root/said
grep 'False .*the previous one is back and serves' /root/said
same "$program" "$here/new"
# A program that was taken over cannot have another one installed: root's service asks for the signature anew.
before=$(systemctl show -p MainPID --value footbridge)
folder=/var/lib/private/footbridge/update
cp /bin/true "$folder/program"
cp "$here/new.sig" "$folder/program.sig"
touch "$folder/ready"
tries=0
until journalctl -b -u footbridge-update --no-pager | grep 'another key signed it'; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || { journalctl -b -u footbridge-update --no-pager; exit 1; }
    sleep 0.2
done
[ ! -e "$folder/ready" ]
same "$program" "$here/new"
is_main "$before"
answers
footbridge audit verify

sh "$here"/footbridge-*/install.sh --remove
[ ! -e "$program" ] && [ ! -e "$program.previous" ]
[ -z "$(ls /etc/systemd/system | grep footbridge)" ]
[ -e /var/lib/private/footbridge/footbridge.redb ]
