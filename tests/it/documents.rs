//! A document that names a file tells the truth: every test, source and picture it points to is there.

use crate::world::footbridge::text;
use footbridge::app::config::KEYS;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

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

/// What people read to run a box, and a few words with an underscore in it that are no settings.
const FOR_OPERATORS: [&str; 10] = [
    "README.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "docs/THREATS.md",
    "docs/OPERATING.md",
    "docs/platforms/debian.md",
    "docs/platforms/image.md",
    "docs/platforms/openwrt.md",
    "docs/platforms/synology.md",
    "docs/platforms/tarball.md",
];
const NO_SETTINGS: [&str; 3] = ["proxy_pass", "page_updates", "strange_updates"];

fn read(document: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(document)).unwrap()
}

#[test]
fn every_setting_that_a_document_names_exists() {
    let mut seen = BTreeSet::new();
    for document in FOR_OPERATORS {
        let text = read(document);
        for piece in text.split('`').skip(1).step_by(2).filter(|piece| !piece.contains("::")) {
            let word = piece.split([' ', '=']).next().unwrap();
            let is_one = word.contains('_') && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            if is_one && !NO_SETTINGS.contains(&word) {
                assert!(KEYS.iter().any(|key| key.name == word), "{document}: there is no setting {word}");
                seen.insert(word.to_owned());
            }
        }
    }
    assert!(seen.len() >= 12, "{seen:?}");
}

/// Lines to type, indented, and commands in backticks; `--help` has each of them, as far as its first two words.
#[test]
fn every_command_that_a_document_names_exists() {
    let help = text(&Command::new(env!("CARGO_BIN_EXE_footbridge")).arg("--help").output().unwrap().stdout);
    let known: BTreeSet<String> = help
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("footbridge "))
        .flat_map(|line| {
            let mut words = line.split_whitespace();
            let (first, second) = (words.next().unwrap(), words.next().unwrap_or_default());
            second.split('|').map(|second| format!("{first} {second}")).collect::<Vec<_>>()
        })
        .collect();
    let mut seen = 0;
    for document in FOR_OPERATORS {
        let text = read(document);
        let in_backticks = text.split('`').skip(1).step_by(2);
        let typed = text.lines().filter(|line| line.starts_with("    ")).map(str::trim_start);
        for line in typed.chain(in_backticks).filter_map(|line| line.strip_prefix("footbridge ")) {
            let mut words = line.split_whitespace().filter(|word| !word.starts_with('-'));
            let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let fits = |known: &String| {
                let (one, two) = known.split_once(' ').unwrap();
                one.trim_matches(['[', ']']) == first
                    && (two == second
                        || !two.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
                        || second.starts_with('#')
                        || second.is_empty())
            };
            assert!(
                first.is_empty() || first.starts_with('#') || known.iter().any(fits),
                "{document}: footbridge {line}"
            );
            seen += 1;
        }
    }
    assert!(seen > 30, "{seen} commands");
}

/// What is said to be seen can be seen: the words in quotation marks stand in the program or its page.
#[test]
fn every_message_in_the_table_of_troubles_is_one() {
    let text = read("docs/OPERATING.md");
    let rows = text.split("## Trouble").nth(1).unwrap().lines().filter(|line| line.starts_with("| "));
    let quoted: Vec<&str> =
        rows.flat_map(|row| row.split(" | ").next().unwrap().split('"').skip(1).step_by(2)).collect();
    assert!(quoted.len() >= 4, "{quoted:?}");
    let sources =
        all_sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).replace("{DEVICE_KEY_FILE}", "device.key");
    for words in quoted {
        let mut parts = words.split('…').flat_map(|part| part.split(" 755")).filter(|part| !part.trim().is_empty());
        assert!(parts.all(|part| sources.contains(part.trim())), "nothing says {words:?}");
    }
}

fn all_sources(folder: &Path) -> String {
    let mut all = String::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() && !entry.ends_with("node_modules") {
            all += &all_sources(&entry);
        } else if entry.extension().is_some_and(|end| end == "rs" || end == "ts") {
            all += &fs::read_to_string(&entry).unwrap();
        }
    }
    all
}

#[test]
fn every_promise_of_security_names_its_test() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("SECURITY.md")).unwrap();
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| ") && !line.contains("| how |")).collect();
    assert!(rows.len() > 15);
    let bare: Vec<&&str> = rows.iter().filter(|row| !row.contains("`tests/") && !row.contains("`src/")).collect();
    assert!(bare.is_empty(), "{bare:#?}");
}

/// What the page says of stored keys and passwords, step by step, is what docs/THREATS.md proves, in the same order.
#[test]
fn every_step_that_the_page_tells_of_has_its_test() {
    let (page, threats) = (read("src/ui/text/start.en.ts"), read("docs/THREATS.md"));
    let steps = page.lines().filter_map(|line| {
        let (key, text) = line.trim().strip_prefix("'start.keys.when.")?.split_once("': '")?;
        let is_step = !key.ends_with(".then") && !["step", "then"].contains(&key);
        is_step.then(|| text.trim_end_matches("',"))
    });
    let steps: Vec<&str> = steps.collect();
    let proved =
        threats.split("| what happens |").nth(1).unwrap().lines().skip(2).take_while(|line| line.starts_with('|'));
    let proved: Vec<_> = proved.map(|row| row.split('|').map(str::trim).collect::<Vec<_>>()).collect();
    assert_eq!(proved.iter().map(|row| row[1]).collect::<Vec<_>>(), steps);
    assert!(steps.len() == 10 && proved.iter().all(|row| row[3].contains("::")), "{proved:?}");
}
