//! What time is it? One question and one answer of SNTP (RFC 4330). The clock is set by the caller.

use std::net::UdpSocket;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds between 1900, where NTP begins, and 1970.
const TO_1970: u64 = 2_208_988_800;

pub fn ask(server: &str) -> Result<u64, String> {
    let told = |error: std::io::Error| format!("{server}: {error}");
    let socket = UdpSocket::bind("[::]:0").or_else(|_| UdpSocket::bind("0.0.0.0:0")).map_err(told)?;
    socket.set_read_timeout(Some(Duration::from_secs(3))).map_err(told)?;
    let server_port = if server.contains(':') { server.to_owned() } else { format!("{server}:123") };
    socket.connect(&server_port).map_err(told)?;
    let cookie = cookie();
    socket.send(&question(cookie)).map_err(told)?;
    let mut answer = [0; 48];
    let length = socket.recv(&mut answer).map_err(told)?;
    read(&answer[..length], cookie).ok_or_else(|| format!("{server}: not an answer to our question"))
}

/// The server sends our own transmit time back, so it may be any number that a stranger cannot know.
fn cookie() -> [u8; 8] {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64;
    let mut random = [0; 8];
    let filled =
        std::fs::File::open("/dev/urandom").and_then(|mut file| std::io::Read::read_exact(&mut file, &mut random));
    if filled.is_ok() { random } else { clock.to_be_bytes() }
}

/// Version 4, mode 3 (client), and nothing else but the cookie.
fn question(cookie: [u8; 8]) -> [u8; 48] {
    let mut packet = [0; 48];
    packet[0] = 0x23;
    packet[40..].copy_from_slice(&cookie);
    packet
}

/// Seconds since 1970, from a server (mode 4) that knows the time (stratum 1 to 15, no alarm) and heard our question.
fn read(packet: &[u8], cookie: [u8; 8]) -> Option<u64> {
    let packet: &[u8; 48] = packet.try_into().ok()?;
    let (leap, mode, stratum) = (packet[0] >> 6, packet[0] & 7, packet[1]);
    if leap == 3 || mode != 4 || !(1..16).contains(&stratum) || packet[24..32] != cookie {
        return None;
    }
    let seconds = u64::from(u32::from_be_bytes([packet[40], packet[41], packet[42], packet[43]]));
    // The counter turns over in 2036: a small number is of the next era.
    let era = if seconds < 1 << 31 { 1 << 32 } else { 0 };
    (seconds + era).checked_sub(TO_1970)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(seconds: u32) -> [u8; 48] {
        let mut packet = [0; 48];
        (packet[0], packet[1]) = (0x24, 2);
        packet[24..32].copy_from_slice(b"ourtime!");
        packet[40..44].copy_from_slice(&seconds.to_be_bytes());
        packet
    }

    #[test]
    fn both_sides_of_2036_are_read() {
        assert_eq!(read(&answer(3_975_000_000), *b"ourtime!"), Some(1_766_011_200));
        assert_eq!(read(&answer(100), *b"ourtime!"), Some((1 << 32) + 100 - TO_1970));
    }

    #[test]
    fn a_stranger_an_alarm_and_a_refusal_are_no_time() {
        assert_eq!(read(&answer(3_975_000_000), *b"othertim"), None);
        let mut alarm = answer(3_975_000_000);
        alarm[0] |= 0xc0;
        assert_eq!(read(&alarm, *b"ourtime!"), None);
        let mut kiss_of_death = answer(3_975_000_000);
        kiss_of_death[1] = 0;
        assert_eq!(read(&kiss_of_death, *b"ourtime!"), None);
        assert_eq!(read(&[0x24; 47], *b"ourtime!"), None);
    }
}
