//! Answers "who is NAME.local?" on the local network (RFC 6762): A records only, no probing, no services.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::time::Duration;

const GROUP: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(224, 0, 0, 251), 5353);
/// RFC 6762 section 10: host names live two minutes.
const TTL_SECONDS: u32 = 120;
const TYPE_A: u16 = 1;
const TYPE_ANY: u16 = 255;
const UNICAST_WANTED: u16 = 0x8000;

pub fn serve(name: &str) -> Result<(), String> {
    let told = |error: std::io::Error| error.to_string();
    let socket = UdpSocket::bind(("0.0.0.0", 5353)).map_err(told)?;
    socket.join_multicast_v4(GROUP.ip(), &Ipv4Addr::UNSPECIFIED).map_err(told)?;
    // Everything that RFC 6762 sends has this hop count; it never leaves the link anyway.
    socket.set_multicast_ttl_v4(255).map_err(told)?;
    announce(&socket, name);
    let mut packet = [0; 9000];
    loop {
        // A network that went away for a while is no reason to end.
        let Ok((length, from)) = socket.recv_from(&mut packet) else {
            std::thread::sleep(Duration::from_secs(1));
            continue;
        };
        if let (Some(asked), Some(own)) = (question(&packet[..length], name), towards(from)) {
            let id = u16::from_be_bytes([packet[0], packet[1]]);
            reply(&socket, name, own, from, id, asked);
        }
    }
}

/// Twice, a second apart, as section 8.3 wants.
fn announce(socket: &UdpSocket, name: &str) {
    for _ in 0..2 {
        if let Some(own) = towards(GROUP.into()) {
            let _ = socket.send_to(&answer(name, own, 0), GROUP);
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// A resolver that does not speak mDNS itself asks from another port and wants its id back (section 6.7).
fn reply(socket: &UdpSocket, name: &str, own: Ipv4Addr, from: SocketAddr, id: u16, asked: Asked) {
    let legacy = from.port() != 5353;
    let to = if legacy || asked.unicast { from } else { GROUP.into() };
    let _ = socket.send_to(&answer(name, own, if legacy { id } else { 0 }), to);
}

/// Our address on the way to somebody: connecting a datagram socket only asks the kernel for the route.
fn towards(peer: SocketAddr) -> Option<Ipv4Addr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect(peer).ok()?;
    match socket.local_addr().ok()? {
        SocketAddr::V4(own) if !own.ip().is_unspecified() => Some(*own.ip()),
        _ => None,
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Asked {
    unicast: bool,
}

/// Does this packet ask for our address? Names in questions are never compressed by those who ask in earnest; others are passed over.
fn question(packet: &[u8], name: &str) -> Option<Asked> {
    let word = |at: usize| Some(u16::from_be_bytes([*packet.get(at)?, *packet.get(at + 1)?]));
    if word(2)? & 0x8000 != 0 {
        return None;
    }
    let ours = [name.to_ascii_lowercase(), "local".into()];
    let mut at = 12;
    for _ in 0..word(4)? {
        let (labels, end) = labels(packet, at)?;
        let (kind, class) = (word(end)?, word(end + 2)?);
        if labels == ours && (kind == TYPE_A || kind == TYPE_ANY) && class & !UNICAST_WANTED == 1 {
            return Some(Asked { unicast: class & UNICAST_WANTED != 0 });
        }
        at = end + 4;
    }
    None
}

/// The labels of a name in lower case, and where it ends.
fn labels(packet: &[u8], mut at: usize) -> Option<(Vec<String>, usize)> {
    let mut found = Vec::new();
    loop {
        let length = usize::from(*packet.get(at)?);
        match length {
            0 => return Some((found, at + 1)),
            1..=63 => found.push(String::from_utf8_lossy(packet.get(at + 1..at + 1 + length)?).to_ascii_lowercase()),
            _ => return None,
        }
        at += 1 + length;
    }
}

fn answer(name: &str, own: Ipv4Addr, id: u16) -> Vec<u8> {
    let mut packet = id.to_be_bytes().to_vec();
    // An authoritative response with one answer.
    packet.extend([0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
    for label in [name, "local"] {
        packet.push(label.len().min(63) as u8);
        packet.extend(label.bytes().take(63));
    }
    packet.push(0);
    packet.extend(TYPE_A.to_be_bytes());
    // Class IN with the bit that says: forget what you knew of this name.
    packet.extend([0x80, 1]);
    packet.extend(TTL_SECONDS.to_be_bytes());
    packet.extend([0, 4]);
    packet.extend(own.octets());
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(name: &[&str], kind: u16, class: u16) -> Vec<u8> {
        let mut packet = vec![0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name {
            packet.push(label.len() as u8);
            packet.extend(label.bytes());
        }
        packet.push(0);
        packet.extend(kind.to_be_bytes());
        packet.extend(class.to_be_bytes());
        packet
    }

    #[test]
    fn our_name_is_known_in_any_case_and_others_are_not() {
        assert_eq!(question(&ask(&["FootBridge", "local"], TYPE_A, 1), "footbridge"), Some(Asked { unicast: false }));
        assert_eq!(
            question(&ask(&["footbridge", "local"], TYPE_ANY, 0x8001), "footbridge"),
            Some(Asked { unicast: true })
        );
        assert_eq!(question(&ask(&["printer", "local"], TYPE_A, 1), "footbridge"), None);
        assert_eq!(question(&ask(&["footbridge", "local"], 28, 1), "footbridge"), None);
    }

    #[test]
    fn an_answer_is_not_taken_for_a_question() {
        assert_eq!(question(&answer("footbridge", Ipv4Addr::LOCALHOST, 0), "footbridge"), None);
    }

    #[test]
    fn no_cut_or_twisted_packet_does_harm() {
        let whole = ask(&["footbridge", "local"], TYPE_A, 1);
        for end in 0..whole.len() {
            assert_eq!(question(&whole[..end], "footbridge"), None, "{end} bytes");
        }
        for at in 0..whole.len() {
            let mut twisted = whole.clone();
            twisted[at] = 0xff;
            let _ = question(&twisted, "footbridge");
        }
    }

    #[test]
    fn the_answer_is_as_the_rfc_draws_it() {
        let packet = answer("fb", Ipv4Addr::new(10, 0, 2, 15), 0);
        assert_eq!(
            packet,
            [
                b"\0\0\x84\0\0\0\0\x01\0\0\0\0\x02fb\x05local\0\0\x01\x80\x01\0\0\0\x78\0\x04".as_slice(),
                &[10, 0, 2, 15]
            ]
            .concat()
        );
    }
}
