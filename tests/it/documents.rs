//! A document that names a file tells the truth: every test, source and picture it points to is there.

use std::fs;
use std::path::Path;

const DOCUMENTS: [&str; 8] = [
    "SECURITY.md",
    "README.md",
    "docs/THREATS.md",
    "docs/ARCHITECTURE.md",
    "docs/FORMAT.md",
    "docs/LESSONS.md",
    "docs/OPERATING.md",
    "docs/UI.md",
];

/// What stands in backticks or in a link, and begins like a path of this repository.
fn paths(text: &str) -> Vec<String> {
    let pieces = text.split(['`', '(', ')', ' ', '\n', ',']);
    let ours = |piece: &&str| ["src/", "tests/", "docs/", "scripts/"].iter().any(|start| piece.starts_with(start));
    let plain = |piece: &&str| piece.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte));
    pieces.filter(ours).filter(plain).map(|piece| piece.trim_end_matches(['.', ':', ';']).to_owned()).collect()
}

#[test]
fn every_file_that_a_document_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut missing = Vec::new();
    for document in DOCUMENTS {
        let text = fs::read_to_string(root.join(document)).unwrap();
        // Made by a build, and not kept.
        let named = paths(&text).into_iter().filter(|path| !path.contains("dist") && !path.ends_with("/out"));
        missing.extend(named.filter(|path| !root.join(path).exists()).map(|path| format!("{document}: {path}")));
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// `file::test`: a module of tests/it, or a file below src/.
fn named_tests(text: &str) -> impl Iterator<Item = (String, &str)> {
    let pairs = text.split('`').skip(1).step_by(2).filter_map(|piece| piece.split_once("::"));
    pairs.map(|(file, test)| match file.strip_suffix(".rs") {
        Some(_) => (format!("src/{file}"), test),
        None => (format!("tests/it/{file}.rs"), test),
    })
}

#[test]
fn every_test_that_a_document_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (document, least) in [("docs/THREATS.md", 9), ("docs/LESSONS.md", 9), ("docs/OPERATING.md", 1)] {
        let text = fs::read_to_string(root.join(document)).unwrap();
        let is_missing = |(file, test): &(String, &str)| {
            let source = fs::read_to_string(root.join(file)).unwrap_or_default();
            !source.contains(&format!("fn {test}("))
        };
        let missing: Vec<_> = named_tests(&text).filter(is_missing).collect();
        assert!(named_tests(&text).count() >= least && missing.is_empty(), "{document}: {missing:#?}");
    }
}

#[test]
fn every_promise_of_security_names_its_test() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("SECURITY.md")).unwrap();
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| ") && !line.contains("| how |")).collect();
    assert!(rows.len() > 15);
    let bare: Vec<&&str> = rows.iter().filter(|row| !row.contains("`tests/") && !row.contains("`src/")).collect();
    assert!(bare.is_empty(), "{bare:#?}");
}
