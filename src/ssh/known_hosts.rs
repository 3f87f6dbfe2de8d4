//! known_hosts as OpenSSH writes it (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT). Pure.

use crate::limits;
use russh::keys::{HashAlg, PublicKey};
use serde::Serialize;

/// One name of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub address: String,
    pub port: u16,
    pub algorithm: String,
    pub fingerprint: String,
}

/// A line that could not be taken, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    pub line: usize,
    pub why: &'static str,
}

/// Comments and empty lines are nobody's business; everything else is taken, or skipped with its reason.
pub fn parse(text: &str) -> (Vec<Line>, Vec<Skipped>) {
    let (mut taken, mut skipped) = (Vec::new(), Vec::new());
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match read(line) {
            Ok(mut lines) if taken.len() + lines.len() <= limits::HOST_KEYS_PER_USER => taken.append(&mut lines),
            Ok(_) => skipped.push(Skipped { line: number + 1, why: "there is no place for more" }),
            Err(why) => skipped.push(Skipped { line: number + 1, why }),
        }
    }
    (taken, skipped)
}

fn read(line: &str) -> Result<Vec<Line>, &'static str> {
    if line.starts_with('@') {
        return Err("markers (@cert-authority, @revoked) are not supported yet");
    }
    let mut fields = line.split_ascii_whitespace();
    let (Some(names), Some(kind), Some(blob)) = (fields.next(), fields.next(), fields.next()) else {
        return Err("a line is: names, kind of key, key");
    };
    if names.starts_with('|') {
        return Err("its name is hashed, so nobody can tell which host it is; ssh-keyscan gives a plain line");
    }
    let key = PublicKey::from_openssh(&format!("{kind} {blob}")).map_err(|_| "the key cannot be read")?;
    let (algorithm, fingerprint) = (key.algorithm().to_string(), key.fingerprint(HashAlg::Sha256).to_string());
    let line = |(address, port)| Line { address, port, algorithm: algorithm.clone(), fingerprint: fingerprint.clone() };
    names.split(',').map(|name| name_and_port(name).map(line)).collect()
}

/// `host`, `[host]:port`.
fn name_and_port(name: &str) -> Result<(String, u16), &'static str> {
    if name.contains(['*', '?', '!']) {
        return Err("patterns are not supported; write the host's own name");
    }
    let (address, port) = match name.strip_prefix('[').and_then(|rest| rest.split_once("]:")) {
        Some((address, port)) => (address, port.parse().map_err(|_| "the port is not a number")?),
        None => (name, 22),
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:%-".contains(&byte);
    let fits = (1..=limits::HOST_NAME_BYTES).contains(&address.len())
        && address.bytes().all(plain)
        && !address.starts_with('-')
        && port != 0;
    if fits { Ok((address.to_owned(), port)) } else { Err("the name is not one of a host") }
}

/// `SHA256:` and 43 characters of Base64, as `ssh-keygen -lf` prints it.
pub fn is_fingerprint(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    text.strip_prefix("SHA256:").is_some_and(|hash| hash.len() == 43 && hash.bytes().all(plain))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG1N6dzbPpgjmvzCqlLo0Zk6bi3qd2vSqMBtd1Uj5dc9";

    #[test]
    fn plain_lines_are_taken_name_by_name() {
        let text =
            format!("# home\n\nrouter,192.168.1.1 {KEY} comment here\n[box.example]:2222 {KEY}\r\n2001:db8::1 {KEY}\n");
        let (lines, skipped) = parse(&text);
        let names: Vec<_> = lines.iter().map(|line| (line.address.as_str(), line.port)).collect();
        assert_eq!(names, [("router", 22), ("192.168.1.1", 22), ("box.example", 2222), ("2001:db8::1", 22)]);
        assert!(
            skipped.is_empty()
                && lines.iter().all(|line| line.algorithm == "ssh-ed25519" && is_fingerprint(&line.fingerprint))
        );
    }

    #[test]
    fn what_is_not_taken_says_why() {
        let text = format!(
            "|1|abc=|def= {KEY}\n@cert-authority *.x {KEY}\n*.example {KEY}\nhost\nhost ssh-ed25519 AAAA\nhost ssh-rsa {}\n-o {KEY}\n[h]:0 {KEY}\n[h]:x {KEY}\n",
            KEY.split(' ').nth(1).unwrap()
        );
        let (lines, skipped) = parse(&text);
        assert!(lines.is_empty(), "{lines:?}");
        assert_eq!(skipped.iter().map(|line| line.line).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert!(skipped[0].why.contains("hashed") && skipped[2].why.contains("patterns"));
    }

    #[test]
    fn fingerprints_are_those_of_ssh_keygen() {
        use std::process::Command;
        let dir = tempfile::tempdir().unwrap();
        for kind in [&["-t", "ed25519"][..], &["-t", "ecdsa"], &["-t", "rsa", "-b", "2048"]] {
            let path = dir.path().join(kind[1]);
            assert!(
                Command::new("ssh-keygen")
                    .args(["-q", "-N", "", "-f"])
                    .arg(&path)
                    .args(kind)
                    .status()
                    .unwrap()
                    .success()
            );
            let public = std::fs::read_to_string(path.with_extension("pub")).unwrap();
            let printed = Command::new("ssh-keygen").arg("-lf").arg(&path).output().unwrap().stdout;
            let (lines, _) = parse(&format!("h {public}"));
            assert!(String::from_utf8(printed).unwrap().contains(&lines[0].fingerprint));
        }
    }

    proptest! {
        #[test]
        fn junk_is_skipped(text in "[ -~\n|@*,\\[\\]]{0,300}") {
            let _ = parse(&text);
        }

        #[test]
        fn nothing_else_is_a_fingerprint(text in ".{0,60}") {
            prop_assert_eq!(is_fingerprint(&text), text.len() == 50 && text.starts_with("SHA256:") && text[7..].chars().all(|c| c.is_ascii_alphanumeric() || c == '+' || c == '/'));
        }
    }
}
