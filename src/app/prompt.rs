//! A secret from whoever sits at the terminal, or from a file only its owner can read. Never from the arguments: every process on
//! the machine can read those.

use crate::secret::Secret;
use rustix::termios::{LocalModes, OptionalActions, isatty, tcgetattr, tcsetattr};
use std::fs::File;
use std::io::{self, BufRead, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use zeroize::{Zeroize, Zeroizing};

/// A new password: from the file, from a pipe, or typed twice without echo.
pub fn new_password(file: Option<&Path>) -> Result<Secret, String> {
    new_secret("password", file)
}

/// One that exists already: from the file, from a pipe, or typed once.
pub fn secret(question: &str, file: Option<&Path>) -> Result<Secret, String> {
    match file {
        Some(path) => from_file(path),
        None if isatty(io::stdin()) => hidden(question),
        None => line(),
    }
}

pub fn new_secret(what: &str, file: Option<&Path>) -> Result<Secret, String> {
    if let Some(path) = file {
        return from_file(path);
    }
    if !isatty(io::stdin()) {
        return line();
    }
    let first = hidden(&format!("New {what}: "))?;
    let second = hidden("The same again: ")?;
    if first == second { Ok(first) } else { Err("the two are not the same".into()) }
}

fn from_file(path: &Path) -> Result<Secret, String> {
    let told = |error: io::Error| format!("{}: {error}", path.display());
    let mut file = File::open(path).map_err(told)?;
    let mode = file.metadata().map_err(told)?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(format!("{}: others can read it (mode {mode:03o}); chmod 600 it", path.display()));
    }
    let mut text = Zeroizing::new(String::new());
    Read::by_ref(&mut file).take(4096).read_to_string(&mut text).map_err(told)?;
    Ok(Secret::from(text.trim_end_matches(['\r', '\n'])))
}

fn line() -> Result<Secret, String> {
    let mut text = String::new();
    io::stdin().lock().take(4096).read_line(&mut text).map_err(|error| error.to_string())?;
    let secret = Secret::from(text.trim_end_matches(['\r', '\n']));
    text.zeroize();
    Ok(secret)
}

fn hidden(question: &str) -> Result<Secret, String> {
    let told = |error: rustix::io::Errno| error.to_string();
    eprint!("{question}");
    let _ = io::stderr().flush();
    let before = tcgetattr(io::stdin()).map_err(told)?;
    let mut quiet = before.clone();
    quiet.local_modes.remove(LocalModes::ECHO);
    tcsetattr(io::stdin(), OptionalActions::Flush, &quiet).map_err(told)?;
    let typed = line();
    tcsetattr(io::stdin(), OptionalActions::Flush, &before).map_err(told)?;
    eprintln!();
    typed
}
