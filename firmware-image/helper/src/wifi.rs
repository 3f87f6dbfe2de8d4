//! `wifi.conf` of the boot partition into what wpa_supplicant reads. Three words, each once; whatever else is in the file is an error that
//! says its line and never repeats what stands there, because it may be the passphrase.

use std::io::Read;

/// Three short lines and some comments; more is not a file that somebody wrote for this.
const MOST_BYTES: u64 = 4096;
/// IEEE 802.11: a name has 1 to 32 bytes; a passphrase of WPA has 8 to 63 printable ASCII characters.
const SSID_BYTES: std::ops::RangeInclusive<usize> = 1..=32;
const PASSPHRASE_BYTES: std::ops::RangeInclusive<usize> = 8..=63;

#[derive(Default)]
struct Wifi {
    ssid: Option<String>,
    passphrase: Option<String>,
    country: Option<String>,
}

/// From the file to standard output.
pub fn write(path: &str) -> Result<(), String> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    print!("{}", configuration(&bytes)?);
    Ok(())
}

fn configuration(bytes: &[u8]) -> Result<String, String> {
    if bytes.len() as u64 > MOST_BYTES {
        return Err(format!("it is larger than {MOST_BYTES} bytes"));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8 text: save it as such")?;
    let mut wifi = Wifi::default();
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        take(&mut wifi, line.trim()).map_err(|what| format!("line {}: {what}", index + 1))?;
    }
    let ssid = wifi.ssid.ok_or("'ssid = ...' is missing")?;
    let passphrase = wifi.passphrase.ok_or("'passphrase = ...' is missing")?;
    let country = wifi.country.ok_or("'country = ...' is missing: two capital letters, as in DE")?;
    Ok(for_supplicant(&ssid, &passphrase, &country))
}

fn take(wifi: &mut Wifi, line: &str) -> Result<(), String> {
    if line.is_empty() || line.starts_with('#') {
        return Ok(());
    }
    let (name, value) = line.split_once('=').ok_or("not 'name = value'")?;
    let value = value.trim();
    let (place, name) = match name.trim() {
        "ssid" => (&mut wifi.ssid, ssid(value).map(|()| "ssid")?),
        "passphrase" => (&mut wifi.passphrase, passphrase(value).map(|()| "passphrase")?),
        "country" => (&mut wifi.country, country(value).map(|()| "country")?),
        _ => return Err("only ssid, passphrase and country are known here".into()),
    };
    if place.replace(value.to_owned()).is_some() {
        return Err(format!("'{name}' stands there twice"));
    }
    Ok(())
}

fn ssid(value: &str) -> Result<(), String> {
    let well = SSID_BYTES.contains(&value.len()) && !value.chars().any(char::is_control);
    if well { Ok(()) } else { Err("an ssid has 1 to 32 bytes and no control characters".into()) }
}

fn passphrase(value: &str) -> Result<(), String> {
    let well = PASSPHRASE_BYTES.contains(&value.len()) && value.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    if well { Ok(()) } else { Err("a passphrase has 8 to 63 letters, digits and signs of ASCII".into()) }
}

fn country(value: &str) -> Result<(), String> {
    let well = value.len() == 2 && value.bytes().all(|byte| byte.is_ascii_uppercase());
    if well { Ok(()) } else { Err("a country is two capital letters, as in DE".into()) }
}

/// The name in hexadecimal, so that no sign of it means anything. A quoted passphrase ends at the last quotation mark of its line, so one
/// within it does no harm. WPA2 and WPA3 (SAE); management frames are protected wherever the access point can.
fn for_supplicant(ssid: &str, passphrase: &str, country: &str) -> String {
    let name: String = ssid.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "country={country}\nupdate_config=0\nsae_pwe=2\nnetwork={{\n\tssid={name}\n\tscan_ssid=1\n\tkey_mgmt=WPA-PSK WPA-PSK-SHA256 SAE\n\
         \tproto=RSN\n\tpairwise=CCMP\n\tgroup=CCMP\n\tieee80211w=1\n\tpsk=\"{passphrase}\"\n}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "only for friends";

    #[test]
    fn three_lines_as_any_editor_leaves_them() {
        let file = format!("\u{feff}# ours\r\nssid = Caf\u{e9} \"4\"\r\n\r\n passphrase={SECRET}\r\ncountry = DE\r\n");
        let text = configuration(file.as_bytes()).unwrap();
        assert!(text.starts_with("country=DE\n"), "{text}");
        assert!(text.contains("\tssid=436166c3a920223422\n"), "{text}");
        assert!(text.contains(&format!("\tpsk=\"{SECRET}\"\n")), "{text}");
    }

    #[test]
    fn what_is_wrong_is_said_without_the_passphrase() {
        let cases = [
            (format!("ssid = a\npassphrase = {SECRET}\n"), "'country = ...' is missing"),
            (format!("ssid = a\ncountry = DE\nssid = b\npassphrase = {SECRET}\n"), "line 3: 'ssid' stands there twice"),
            (format!("passphrase = {SECRET}\npassphrase = {SECRET}\n"), "line 2: 'passphrase' stands there twice"),
            (format!("ssid = a\npass phrase = {SECRET}\n"), "line 2: only ssid"),
            (format!("ssid = a\n{SECRET}\n"), "line 2: not 'name = value'"),
            (format!("ssid = a\npassphrase = {SECRET}\u{e9}\n"), "line 2: a passphrase has 8 to 63"),
            ("ssid = a\npassphrase = seven77\n".to_owned(), "line 2: a passphrase has 8 to 63"),
            (format!("passphrase = {}\n", "x".repeat(64)), "line 1: a passphrase has 8 to 63"),
            (format!("ssid = {}\n", "x".repeat(33)), "line 1: an ssid has 1 to 32"),
            ("ssid =\n".to_owned(), "line 1: an ssid has 1 to 32"),
            ("country = de\n".to_owned(), "line 1: a country is two capital letters"),
            (format!("psk=\"{SECRET}\"\n}}\nnetwork={{\n"), "line 1: only ssid"),
            (String::new(), "'ssid = ...' is missing"),
            ("#".repeat(4097), "larger than 4096"),
        ];
        for (file, expected) in cases {
            let said = configuration(file.as_bytes()).unwrap_err();
            assert!(said.contains(expected), "{said} for {file}");
            assert!(!said.contains(SECRET) && !said.contains("seven77"), "{said}");
        }
        assert!(configuration(b"ssid = \xff\n").unwrap_err().contains("UTF-8"));
    }

    #[test]
    fn nothing_in_a_value_adds_a_line_of_its_own() {
        let file = "ssid = \"}\rnetwork\npassphrase = \"}\\n{#\"#!\ncountry = DE\n";
        assert!(configuration(file.as_bytes()).is_err(), "a carriage return within a name");
        let file = "ssid = \"}network={\npassphrase = \"}\\n{#\"#!\ncountry = DE\n";
        let text = configuration(file.as_bytes()).unwrap();
        assert_eq!(text.lines().count(), 13, "{text}");
        assert!(text.contains("\tpsk=\"\"}\\n{#\"#!\"\n"), "{text}");
    }
}
