//! The page, embedded (D10). build.rs has packed it; here it is found by its path.

use std::sync::OnceLock;

/// One file of the page.
pub struct Asset {
    /// As in the URL; the page itself is `/`.
    pub path: &'static str,
    pub kind: &'static str,
    pub gzipped: &'static [u8],
    /// Changes with the content.
    pub etag: &'static str,
    /// Its name has a hash in it: it never changes.
    pub immutable: bool,
}

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

pub fn find(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.path == path)
}

impl Asset {
    /// For the few clients that do not take gzip. Unpacked once and kept: a copy for each of them, who may be strangers and need not read
    /// it, would have no bound. None if it is not what build.rs packed.
    pub fn inflated(&self) -> Option<&'static [u8]> {
        static UNPACKED: [OnceLock<Option<Vec<u8>>>; ASSETS.len()] = [const { OnceLock::new() }; ASSETS.len()];
        let at = ASSETS.iter().position(|asset| asset.path == self.path)?;
        UNPACKED[at].get_or_init(|| self.inflate()).as_deref()
    }

    fn inflate(&self) -> Option<Vec<u8>> {
        let deflated = self.gzipped.get(GZIP_HEAD..self.gzipped.len().checked_sub(GZIP_TAIL)?)?;
        miniz_oxide::inflate::decompress_to_vec(deflated).ok()
    }
}

/// A gzip head without any option (build.rs sees to it), and checksum and length at the end.
const GZIP_HEAD: usize = 10;
const GZIP_TAIL: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_unpacks_and_there_is_a_page() {
        assert!(ASSETS.iter().all(|asset| asset.inflated().is_some()));
        let page = std::str::from_utf8(find("/").unwrap().inflated().unwrap()).unwrap();
        assert!(page.starts_with("<!doctype html>"));
        assert!(find("/none").is_none() && find("").is_none());
    }
}
