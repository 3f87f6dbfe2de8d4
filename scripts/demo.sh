# `make run` with a throwaway SSH server on loopback that is already in the host list, and an administrator already made.
# Everything lives in one temporary folder and is gone on Ctrl-C. Loopback only, because whoever signs in gets a shell here.
. "$(dirname "$0")/lib.sh"
packages openssh-server python3
sh scripts/build.sh

work=$(mktemp -d)
pids=
clean_up() {
    trap - EXIT INT TERM
    # shellcheck disable=SC2086
    [ -z "$pids" ] || kill $pids 2>/dev/null || true
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

say "a throwaway SSH server"
ssh-keygen -q -t ed25519 -N '' -f "$work/host_key"
: >"$work/authorized_keys"
# As root, sshd wants this folder; Debian's service makes it at boot.
[ "$(id -u)" != 0 ] || mkdir -p /run/sshd
ssh_port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$work/sshd_config" <<END
ListenAddress 127.0.0.1:$ssh_port
HostKey $work/host_key
AuthorizedKeysFile $work/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
AllowUsers $(id -un)
END
/usr/sbin/sshd -D -e -f "$work/sshd_config" 2>"$work/sshd.log" &
pids=$!

say "footbridge"
FOOTBRIDGE_DATA=$work/data FOOTBRIDGE_LISTEN=${FOOTBRIDGE_LISTEN:-127.0.0.1:8443} \
    FOOTBRIDGE_TARGETS_ALLOW=127.0.0.0/8 FOOTBRIDGE_SECOND_FACTOR=optional target/quick/footbridge serve >"$work/out" &
server=$!
pids="$pids $server"

password=$(python3 -c 'import secrets; print(secrets.token_urlsafe(12))')
PASSWORD=$password python3 tests/demo.py "$work" "$ssh_port" "$(id -un)"
cat <<END

   open      $(sed -n 's/^listening //p' "$work/out")
   user      demo
   password  $password
   $(grep '^certificate ' "$work/out")

A real box also asks everybody for a second factor; this one, on loopback and gone in a minute, does not.

Ctrl-C ends the demo and removes everything it made.
END
wait "$server"
