//! Packs the page (src/ui/dist, made by `make page`) into the program: a table of paths, kinds and bytes for web/assets.rs.
//!
//! `FOOTBRIDGE_PAGE` names another folder; `FOOTBRIDGE_PAGE=none` packs a page of one line, for work on everything but the page.

#![allow(clippy::expect_used)] // A build that cannot go on should stop, and say where.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::exit;

fn main() {
    println!("cargo:rerun-if-env-changed=FOOTBRIDGE_PAGE");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    let page = match env::var("FOOTBRIDGE_PAGE") {
        Ok(word) if word == "none" => one_line(&out),
        Ok(folder) if !folder.is_empty() => root.join(folder),
        _ => root.join("src/ui/dist"),
    };
    println!("cargo:rerun-if-changed={}", page.display());
    let mut files = Vec::new();
    collect(&page, "", &mut files);
    files.sort();
    if !files.iter().any(|(url, _)| url == "/") {
        eprintln!("the page is not built: run `make page` (looked for index.html.gz in {})", page.display());
        exit(1);
    }
    let rows: String = files.iter().map(|(url, file)| row(url, file)).collect();
    fs::write(out.join("assets.rs"), format!("pub const ASSETS: &[Asset] = &[\n{rows}];\n"))
        .expect("OUT_DIR can be written");
}

fn one_line(out: &Path) -> PathBuf {
    let folder = out.join("one-line");
    fs::create_dir_all(&folder).expect("OUT_DIR can be written");
    fs::write(folder.join("index.html.gz"), stored(b"<!doctype html><title>Footbridge</title>no page\n"))
        .expect("OUT_DIR can be written");
    folder
}

/// gzip without compression: one stored block. Only the checksum is left out (zeros), which our own reader does not look at.
fn stored(bytes: &[u8]) -> Vec<u8> {
    let length = bytes.len() as u16;
    let mut gzip = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1];
    gzip.extend(length.to_le_bytes());
    gzip.extend((!length).to_le_bytes());
    gzip.extend(bytes);
    gzip.extend([0; 4]);
    gzip.extend(u32::from(length).to_le_bytes());
    gzip
}

/// Every FILE.gz below the folder, by its URL.
fn collect(folder: &Path, url: &str, files: &mut Vec<(String, PathBuf)>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() {
            collect(&entry.path(), &format!("{url}/{name}"), files);
        } else if let Some(name) = name.strip_suffix(".gz") {
            let url = if name == "index.html" && url.is_empty() { "/".into() } else { format!("{url}/{name}") };
            files.push((url, entry.path()));
        }
    }
}

fn row(url: &str, file: &Path) -> String {
    println!("cargo:rerun-if-changed={}", file.display());
    let bytes = fs::read(file).unwrap_or_default();
    assert!(bytes.starts_with(&[0x1f, 0x8b, 8, 0]), "{}: not a plain gzip file", file.display());
    let (kind, immutable, etag) = (kind(url), is_hashed(url), fnv(&bytes));
    format!(
        "    Asset {{ path: {url:?}, kind: {kind:?}, gzipped: include_bytes!({:?}), etag: \"\\\"{etag:016x}\\\"\", immutable: {immutable} }},\n",
        file.canonicalize().unwrap_or_else(|_| file.to_owned())
    )
}

fn kind(url: &str) -> &'static str {
    match url.rsplit('.').next().unwrap_or_default() {
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "woff2" => "font/woff2",
        "webmanifest" => "application/manifest+json",
        "json" => "application/json",
        "txt" => "text/plain; charset=utf-8",
        _ => "text/html; charset=utf-8",
    }
}

/// `name-0A1B2C3D.js`: eight letters and digits after the last dash.
fn is_hashed(url: &str) -> bool {
    let stem = url.rsplit('/').next().unwrap_or_default().split('.').next().unwrap_or_default();
    let hash = stem.rsplit_once('-').map(|(_, hash)| hash).unwrap_or_default();
    hash.len() == 8 && hash.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// FNV-1a: only to see that something changed.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}
