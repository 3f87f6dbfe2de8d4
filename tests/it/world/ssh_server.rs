//! SSH hosts to go to: Debian's sshd and Dropbear, each with its own keys, configuration and port, for the account `fbtest`.

use super::browser::Target;
use super::footbridge::write_private;
use super::patience;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Made by scripts/test.sh.
pub const USER: &str = "fbtest";
pub const PASSWORD: &str = "correct horse battery";

pub struct SshServer {
    folder: TempDir,
    child: Child,
    pub port: u16,
}

impl SshServer {
    /// Debian's sshd with an ed25519 host key and every way to sign in, PAM's keyboard-interactive included.
    pub fn openssh() -> SshServer {
        SshServer::openssh_with(&["ed25519"], "")
    }

    /// With these kinds of host keys, and lines of sshd_config that go before ours (sshd takes the first of each).
    pub fn openssh_with(host_keys: &[&str], lines: &str) -> SshServer {
        let port = free_port();
        SshServer::openssh_at(port, host_keys, lines)
    }

    pub fn openssh_at(port: u16, host_keys: &[&str], lines: &str) -> SshServer {
        let folder = tempfile::tempdir().unwrap();
        // sshd's own child, already without privileges, reads authorized_keys: the folder must let it pass.
        open_to_all(folder.path());
        let mut config = format!("{lines}\nListenAddress 127.0.0.1:{port}\n");
        for kind in host_keys {
            let file = folder.path().join(format!("host_{kind}"));
            keygen(&file, &["-t", kind, "-N", ""]);
            config += &format!("HostKey {}\n", file.display());
        }
        config += &format!("AuthorizedKeysFile {}\n", folder.path().join("authorized_keys").display());
        config += "PidFile none\nStrictModes no\nUsePAM yes\nPasswordAuthentication yes\nKbdInteractiveAuthentication yes\n\
                   LogLevel DEBUG2\nMaxStartups 200\nMaxSessions 100\nPrintMotd no\nPrintLastLog no\n";
        fs::write(folder.path().join("sshd_config"), config).unwrap();
        let keys = folder.path().join("authorized_keys");
        fs::write(&keys, "").unwrap();
        fs::set_permissions(&keys, fs::Permissions::from_mode(0o644)).unwrap();
        let mut command = Command::new("/usr/sbin/sshd");
        command.args(["-D", "-e", "-f"]).arg(folder.path().join("sshd_config"));
        SshServer::run(folder, command, port)
    }

    pub fn dropbear() -> SshServer {
        let port = free_port();
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("host_key");
        let made = Command::new("dropbearkey").args(["-t", "ed25519", "-f"]).arg(&key).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        let mut command = Command::new("dropbear");
        command
            .args(["-F", "-E", "-p", &format!("127.0.0.1:{port}"), "-P"])
            .arg(folder.path().join("pid"))
            .arg("-r")
            .arg(&key);
        SshServer::run(folder, command, port)
    }

    fn run(folder: TempDir, mut command: Command, port: u16) -> SshServer {
        let log = File::create(folder.path().join("log")).unwrap();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let mut server = SshServer { folder, child, port };
        patience::until("the SSH server", || {
            assert!(server.child.try_wait().unwrap().is_none(), "it ended: {}", server.log());
            TcpStream::connect(server.address()).ok()
        });
        server
    }

    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The account on this host, signed in to with that credential, or by asking.
    pub fn target<'a>(&self, credential: Option<&'a str>) -> Target<'a> {
        Target { address: "127.0.0.1", port: self.port, user: USER, credential }
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// `SHA256:…` of that kind of host key, as ssh-keygen prints it.
    pub fn fingerprint(&self, kind: &str) -> String {
        fingerprint(&self.folder.path().join(format!("host_{kind}.pub")))
    }

    /// A line for known_hosts with that kind of host key.
    pub fn known_hosts_line(&self, kind: &str) -> String {
        let public = fs::read_to_string(self.folder.path().join(format!("host_{kind}.pub"))).unwrap();
        format!("[127.0.0.1]:{} {}", self.port, public.trim_end())
    }

    pub fn authorize(&self, public_line: &str) {
        let file = self.folder.path().join("authorized_keys");
        let all = fs::read_to_string(&file).unwrap() + public_line.trim_end() + "\n";
        fs::write(&file, all).unwrap();
    }

    /// A new key pair that this server knows; the private half as text.
    pub fn authorized_key(&self, keygen_arguments: &[&str]) -> String {
        let file = self.folder.path().join(format!("user_{}", fs::read_dir(self.folder.path()).unwrap().count()));
        keygen(&file, keygen_arguments);
        self.authorize(&fs::read_to_string(file.with_extension("pub")).unwrap());
        fs::read_to_string(file).unwrap()
    }
}

impl Drop for SshServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(30).collect();
            eprintln!("---- the SSH server's log, its end ----");
            tail.iter().rev().for_each(|line| eprintln!("{line}"));
        }
    }
}

pub fn keygen(file: &Path, arguments: &[&str]) {
    let made = Command::new("ssh-keygen").arg("-q").args(arguments).arg("-f").arg(file).output().unwrap();
    assert!(made.status.success(), "{made:?}");
}

/// A key pair that no server knows; the private half as text.
pub fn key_text(arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    keygen(&file, arguments);
    fs::read_to_string(file).unwrap()
}

/// The first 30 characters of each line of a private key that does not stand in the public one too.
pub fn secret_pieces(private_key: &str, public: &str) -> Vec<String> {
    let lines = private_key.lines().filter(|line| line.len() > 30 && !line.starts_with("-----"));
    let pieces: Vec<String> =
        lines.map(|line| line[..30].to_owned()).filter(|piece| !public.contains(piece.as_str())).collect();
    assert!(!pieces.is_empty(), "nothing of the key is secret?");
    pieces
}

fn fingerprint(public: &PathBuf) -> String {
    let shown = Command::new("ssh-keygen").arg("-lf").arg(public).output().unwrap();
    String::from_utf8_lossy(&shown.stdout).split(' ').nth(1).unwrap().into()
}

/// The kernel gives a port that nobody has; it stays free long enough for a server to take it.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

fn open_to_all(folder: &Path) {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    write_private(&folder.join("log"), "");
}
