//! The running server in numbers (N4), in the text format of Prometheus. No name, address or id is in them.

use super::admin::{Office, Running};
use crate::audit;
use crate::bridge::Phase;
use std::fmt::Write as _;
use std::fs;

struct Page(String);

impl Page {
    fn gauge(&mut self, name: &str, help: &str, values: &[(&str, u64)]) {
        let _ = writeln!(self.0, "# HELP footbridge_{name} {help}\n# TYPE footbridge_{name} gauge");
        for (label, value) in values {
            let _ = writeln!(self.0, "footbridge_{name}{label} {value}");
        }
    }
}

pub fn text(office: &Office, running: &Running) -> String {
    let mut page = Page(String::new());
    let version = concat!("{version=\"", env!("CARGO_PKG_VERSION"), "\"}");
    page.gauge("info", "The version that runs.", &[(version, 1)]);
    page.gauge("uptime_seconds", "Since the server started.", &[("", running.since.elapsed().as_secs())]);
    let (all, strangers) = running.door.crowd();
    let connections = [("{who=\"users\"}", (all - strangers) as u64), ("{who=\"strangers\"}", strangers as u64)];
    page.gauge("connections", "Open connections.", &connections);
    page.gauge("logins", "Sign-in sessions.", &[("", office.auth.signed_in() as u64)]);
    page.gauge("argon2_runs", "Argon2id runs since the start.", &[("", office.auth.hashes())]);
    page.gauge("argon2_passes", "Passes of a new password's hash.", &[("", office.auth.cost().passes.into())]);
    terminals(&mut page, running);
    page.gauge("audit_trouble", "1 while the audit log cannot be written.", &[("", audit::in_trouble().into())]);
    page.gauge("store_well", "1 while the store can be read.", &[("", office.store.check().is_ok().into())]);
    page.gauge("resident_bytes", "Memory in use.", &[("", resident())]);
    page.gauge("open_files", "File descriptors in use.", &[("", open_files())]);
    page.0
}

fn terminals(page: &mut Page, running: &Running) {
    let (mut counts, mut kept, mut viewers) = ([0; 4], 0, 0);
    for session in running.registry.all() {
        let at = match session.phase() {
            Phase::Connecting => 0,
            Phase::Asking => 1,
            Phase::Live => 2,
            Phase::Ended => 3,
        };
        counts[at] += 1;
        kept += session.kept();
        viewers += session.summary().viewers as u64;
    }
    let states = ["{state=\"connecting\"}", "{state=\"asking\"}", "{state=\"live\"}", "{state=\"ended\"}"];
    let values: Vec<(&str, u64)> = states.into_iter().zip(counts).collect();
    page.gauge("terminals", "Terminals by state.", &values);
    page.gauge("terminal_bytes", "Output kept for whoever comes back.", &[("", kept)]);
    page.gauge("viewers", "Browsers that look at a terminal.", &[("", viewers)]);
}

fn resident() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let resident = pages.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok());
    resident.unwrap_or_default() * rustix::param::page_size() as u64
}

fn open_files() -> u64 {
    fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64)
}
