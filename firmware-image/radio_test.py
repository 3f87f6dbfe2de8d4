"""Wi-Fi from wifi.conf, with two radios of air (mac80211_hwsim) in one guest and Debian's hostapd as the access point.

    python3 firmware-image/radio_test.py IMAGE.img.gz      (the image of boards/test-radio)

What this cannot show: a real radio, its firmware, and how far it reaches."""

import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from network_test import write
from test import Box, flash, report, until

NAME, PASSPHRASE = 'Café "4"', 'only "for" #friends\\'
WPA2 = "wpa=2\nwpa_key_mgmt=WPA-PSK\nrsn_pairwise=CCMP\n"
WPA3 = "wpa=2\nwpa_key_mgmt=SAE\nrsn_pairwise=CCMP\nieee80211w=2\n"


def access_point(kind, passphrase=PASSPHRASE):
    return f"interface=wlan1\ndriver=nl80211\nssid2={NAME.encode().hex()}\nhw_mode=g\nchannel=6\ncountry_code=DE\n{kind}wpa_passphrase={passphrase}\n"


def wifi(passphrase=PASSPHRASE):
    return f"# ours\r\nssid = {NAME}\r\npassphrase = {passphrase}\r\ncountry = DE\r\n"


def silent(box):
    for word in (PASSPHRASE, "never this one"):
        assert word not in box.console(), "a passphrase is on the console"


def joined(disk, work, what, kind):
    write(disk, work, "air.conf", access_point(kind))
    write(disk, work, "wifi.conf", wifi())
    with Box(disk) as box:
        box.says(r"Wi-Fi: joining by wlan0")
        box.says(r"air: .*AP-STA-CONNECTED", 180)
        # Only a radio that has joined gets its address, and only then the way in is shown.
        box.says(r"https://10\.99\.0\.2 and compare", 180)
        silent(box)
    report(f"joined a network that has {what} only")


def wrong_passphrase(disk, work):
    write(disk, work, "air.conf", access_point(WPA2))
    write(disk, work, "wifi.conf", wifi("never this one"))
    with Box(disk) as box:
        box.says(r"Wi-Fi: not joined: the network refuses the passphrase", 240)
        assert "10.99.0.2" not in box.console()
        silent(box)
    report("a wrong passphrase is said, and not repeated")


def bad_file(disk, work):
    write(disk, work, "wifi.conf", f"ssid = {NAME}\npass word = {PASSPHRASE}\ncountry = DE\n")
    with Box(disk) as box:
        box.says(r"wifi\.conf is not used, the cable is: line 2: only ssid, passphrase and country are known here")
        until(180, "the cable's address", lambda: re.search(r"https://10\.99\.0\.2 and compare", box.console()))
        silent(box)
    report("a bad file is refused with its line, and the cable is used")


def main(image):
    with tempfile.TemporaryDirectory() as work:
        disk = flash(image, work)
        write(disk, work, "footbridge.conf", "address = 10.99.0.2/24\n")
        joined(disk, work, "WPA2", WPA2)
        joined(disk, work, "WPA3", WPA3)
        wrong_passphrase(disk, work)
        bad_file(disk, work)
    report("Wi-Fi does what it should")


if __name__ == "__main__":
    main(*sys.argv[1:])
