//! Real parts for the promises: the program, SSH servers, a browser of our own. Everything lives on loopback and in temporary
//! folders, and ends with the value that started it.

pub mod browser;
pub mod footbridge;
pub mod patience;
pub mod proxy;
pub mod raw;
pub mod ssh_server;
pub mod terminal;
pub mod tls;

use browser::Browser;
use footbridge::Footbridge;
use ssh_server::{PASSWORD, SshServer};
use terminal::Terminal;

/// The first administrator of a world.
pub const ADA: (&str, &str) = ("ada", "a long bridge over cold water");

/// A running Footbridge with its administrator signed in.
pub fn claimed() -> (Footbridge, Browser) {
    claimed_with(&[])
}

/// The same, with more `FOOTBRIDGE_*` settings.
pub fn claimed_with(settings: &[(&str, &str)]) -> (Footbridge, Browser) {
    let footbridge = Footbridge::start_with(settings);
    let mut browser = footbridge.browser();
    browser.claim(footbridge.claim_code(), ADA);
    (footbridge, browser)
}

/// The same, with a host, the password for it among the administrator's credentials, and a terminal there at its prompt.
pub fn at_a_prompt() -> (SshServer, Footbridge, Browser, String, Terminal) {
    let host = SshServer::openssh();
    let (footbridge, mut browser) = claimed();
    let credential = browser.add_password(PASSWORD);
    let terminal = browser.open_accepting(&host.target(Some(&credential)));
    (host, footbridge, browser, credential, terminal)
}
