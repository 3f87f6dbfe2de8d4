//! The order of `pub mod` in src/lib.rs is the architecture: a room imports only downward, and a fenced crate is named in one room.

use std::fs;
use std::path::{Path, PathBuf};

/// Crates that only one room may name (docs/ARCHITECTURE.md; Cargo.toml gives each its reason).
const FENCED: [(&str, &str); 16] = [
    ("toml", "app"),
    ("signal_hook", "app"),
    ("simple_logger", "app"),
    ("listenfd", "app"),
    ("rustls", "door"),
    ("rcgen", "door"),
    ("httparse", "web"),
    ("miniz_oxide", "web"),
    ("tungstenite", "term"),
    ("memchr", "bridge"),
    ("russh", "ssh"),
    ("tokio", "ssh"),
    ("argon2", "auth"),
    ("sha1", "auth"),
    ("redb", "store"),
    ("chacha20poly1305", "vault"),
];

/// A source file of a room: where it is, how deep its module lies below the crate (`src/web/mod.rs` is 1), its code.
struct File {
    room: String,
    name: String,
    depth: usize,
    code: String,
}

#[test]
fn rooms_import_only_downward_and_fenced_crates_stay_inside() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let rooms = rooms_in(&fs::read_to_string(source.join("lib.rs")).unwrap());
    assert!(rooms.len() >= 16, "lib.rs lists only {rooms:?}");

    let mut complaints = Vec::new();
    for room in &rooms {
        let files = files_of(&source, room);
        assert!(!files.is_empty(), "the room `{room}` has no file");
        complaints.extend(files.iter().flat_map(|file| complaints_about(file, &rooms)));
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn every_source_file_belongs_to_a_room() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let rooms = rooms_in(&fs::read_to_string(source.join("lib.rs")).unwrap());
    for path in rust_files(&source) {
        let inside = path.strip_prefix(&source).unwrap();
        let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
        let room = first.trim_end_matches(".rs");
        let known = rooms.iter().any(|known| known == room) || ["lib", "main", "ui"].contains(&room);
        assert!(known, "{} is in no room that lib.rs lists", inside.display());
    }
}

#[test]
fn the_check_notices_a_climb() {
    let rooms: Vec<String> = ["app", "web", "store", "limits"].map(String::from).into();
    let climbs = [
        "use crate::web::Thing;",
        "fn f() -> crate::app::Thing { todo() }",
        "use crate::{limits, web};",
        "use crate::{\n    limits::{A, B},\n    app::{self, C},\n};",
        "use super::super::web::Thing;",
        "pub(in crate::web) fn f() {}",
        "use rustls::ServerConfig;",
        "fn f() { let x = ::tokio::spawn(y); }",
        "use redb as web_redb; use tokio::{io, net};",
    ];
    for code in climbs {
        let found = complaints_about(&file("store", 2, code), &rooms);
        assert_eq!(found.len(), 1, "in {code:?}: {found:?}");
    }
    let fine = [
        "use crate::limits::A; use crate::store::B; use redb::Database;",
        "// use crate::web::Thing;\n/* crate::app */ const A: &str = \"crate::web::x\";",
        "use super::web::Thing; // a file of our own room",
        "mod tests { use super::super::keys; }",
        "const A: &str = r#\"use rustls::x\"#; let b = '\"'; use crate::limits;",
        "use crate::stored_elsewhere; let toml = 1; my_rustls::x();",
    ];
    for code in fine {
        let found = complaints_about(&file("store", 2, code), &rooms);
        assert!(found.is_empty(), "in {code:?}: {found:?}");
    }
}

fn file(room: &str, depth: usize, code: &str) -> File {
    File { room: room.into(), name: "a.rs".into(), depth, code: code_only(code) }
}

/// `pub mod NAME;`, in order.
fn rooms_in(lib: &str) -> Vec<String> {
    code_only(lib)
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub mod ")?.strip_suffix(';').map(String::from))
        .collect()
}

fn files_of(source: &Path, room: &str) -> Vec<File> {
    let alone = source.join(format!("{room}.rs"));
    let mut paths = rust_files(&source.join(room));
    paths.extend(alone.exists().then_some(alone));
    paths
        .into_iter()
        .map(|path| {
            let inside = path.strip_prefix(source).unwrap();
            let is_folder_root = inside.file_name().is_some_and(|name| name == "mod.rs");
            File {
                room: room.into(),
                name: inside.display().to_string(),
                depth: inside.components().count() - usize::from(is_folder_root),
                code: code_only(&fs::read_to_string(&path).unwrap()),
            }
        })
        .collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_none_or(|name| name != "node_modules") {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

fn complaints_about(file: &File, rooms: &[String]) -> Vec<String> {
    let place = |name: &str| rooms.iter().position(|room| room == name);
    let own = place(&file.room);
    let mut complaints = Vec::new();
    for target in names_after(&file.code, "crate::") {
        if place(&target) < own && place(&target).is_some() {
            complaints.push(format!("{}: `{}` may not use `{target}`, which is above it", file.name, file.room));
        }
    }
    if climbs_out(file) {
        complaints
            .push(format!("{}: `super` leads out of the room; write `crate::` so that it can be checked", file.name));
    }
    for (fenced, room) in FENCED {
        if room != file.room && names_crate(&file.code, fenced) {
            complaints.push(format!("{}: only `{room}` may name the crate `{fenced}`", file.name));
        }
    }
    complaints
}

/// The first names of all paths that begin with `prefix`, those in braces included.
fn names_after(code: &str, prefix: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in code.match_indices(prefix).filter(|(at, _)| is_word_start(code, *at)) {
        let rest = &code[at + prefix.len()..];
        if let Some(list) = rest.strip_prefix('{') {
            names.extend(first_names_in_braces(list));
        } else {
            names.push(leading_name(rest));
        }
    }
    names
}

/// In `a, b::{c, d}, e}` these are a, b and e.
fn first_names_in_braces(list: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut depth = 0;
    let mut start = 0;
    for (at, byte) in list.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth > 0 => depth -= 1,
            b',' | b'}' if depth == 0 => {
                names.push(leading_name(list[start..at].trim_start()));
                start = at + 1;
                if byte == b'}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

fn leading_name(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// `super::super::` as long as the module is deep reaches the crate itself. A `mod` written inside the file adds one.
fn climbs_out(file: &File) -> bool {
    let first_inner =
        file.code.match_indices("mod ").find(|(at, _)| opens_a_module(&file.code[*at..])).map(|(at, _)| at);
    let mut at = 0;
    while let Some(found) = file.code[at..].find("super::") {
        let start = at + found;
        let mut end = start;
        while file.code[end..].starts_with("super::") {
            end += "super::".len();
        }
        let supers = (end - start) / "super::".len();
        let inner = usize::from(first_inner.is_some_and(|inner| inner < start));
        if supers >= file.depth + inner {
            return true;
        }
        at = end;
    }
    false
}

fn opens_a_module(code: &str) -> bool {
    let name = leading_name(&code["mod ".len()..]);
    !name.is_empty() && code["mod ".len() + name.len()..].trim_start().starts_with('{')
}

/// As the first segment of a path, or in `use NAME`.
fn names_crate(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let before = &code[..at];
        let after = &code[at + name.len()..];
        let is_first = is_word_start(code, at) && (!before.ends_with("::") || begins_a_path(before));
        let is_path = after.starts_with("::");
        let is_import = before.ends_with("use ") && (after.starts_with(';') || after.starts_with(" as "));
        is_first && (is_path || is_import)
    })
}

/// `::name` with nothing before it is the crate; `x::name` is not.
fn begins_a_path(before: &str) -> bool {
    !before.trim_end_matches("::").ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '>')
}

fn is_word_start(code: &str, at: usize) -> bool {
    !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
}

/// The code without comments and without what stands in string and character literals.
fn code_only(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut code = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        at += match rest {
            [b'/', b'/', ..] => rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()),
            [b'/', b'*', ..] => length_of_block_comment(rest),
            [b'r', b'"' | b'#', ..]
                if !code.last().is_some_and(|byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_') =>
            {
                length_of_raw_string(rest)
            }
            [b'"', ..] => length_of_literal(rest, b'"'),
            [b'\'', b'\\', ..] => length_of_literal(rest, b'\''),
            [b'\'', _, b'\'', ..] => 3,
            [byte, ..] => {
                code.push(*byte);
                1
            }
            [] => 1,
        };
    }
    String::from_utf8_lossy(&code).into_owned()
}

fn length_of_block_comment(text: &[u8]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        match &text[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn length_of_literal(text: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < text.len() && text[at] != quote {
        at += if text[at] == b'\\' { 2 } else { 1 };
    }
    at + 1
}

/// `r"…"`, `r#"…"#`; a raw identifier (`r#type`) is left alone.
fn length_of_raw_string(text: &[u8]) -> usize {
    let hashes = text[1..].iter().take_while(|byte| **byte == b'#').count();
    if text.get(1 + hashes) != Some(&b'"') {
        return 1;
    }
    let end = [b"\"".as_slice(), &text[1..=hashes]].concat();
    let body = 2 + hashes;
    let length = text[body..].windows(end.len()).position(|window| window == end).unwrap_or(text.len() - body);
    body + length + end.len()
}
