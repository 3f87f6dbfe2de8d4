# Sourced by the tests that run inside a booted Debian.

# The page at $page comes, within twenty seconds.
answers() {
    tries=0
    until curl -fsk "$page/health"; do
        tries=$((tries + 1))
        [ "$tries" -lt 100 ] || { journalctl -u footbridge --no-pager; systemctl status footbridge --no-pager; return 1; }
        sleep 0.2
    done
    # So many starts in a minute are a test's, not a failure's: systemd's count of them begins anew.
    systemctl reset-failed footbridge
}
