//! `helper mdns NAME`, `helper time SERVER`, `helper verify KEY SIGNATURE FILE`, `helper healthy PORT`, `helper wifi FILE`.

mod health;
mod mdns;
mod signature;
mod sntp;
mod wifi;

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["mdns", name] => mdns::serve(name),
        ["time", server] => sntp::ask(server).map(|seconds| println!("{seconds}")),
        ["verify", key, signature, file] => signature::verify(key, signature, file),
        ["healthy", port] => health::ask(port),
        ["wifi", file] => wifi::write(file),
        _ => Err("helper mdns NAME | time SERVER | verify KEY SIGNATURE FILE | healthy PORT | wifi FILE".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(line) => {
            eprintln!("helper: {line}");
            ExitCode::FAILURE
        }
    }
}
