//! The running server tells its numbers to whoever holds the box, and nobody's name.

use crate::world::footbridge::text;
use crate::world::{ADA, claimed};

#[test]
fn the_numbers_are_those_of_the_running_server() {
    let (mut footbridge, mut browser) = claimed();
    browser.sign_in(ADA);
    let told = footbridge.command(&["metrics"], "");
    let page = text(&told.stdout);
    assert!(told.status.success(), "{}", text(&told.stderr));
    let value = |name: &str| {
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name}: {page}")).parse::<u64>().unwrap()
    };
    assert_eq!(value("footbridge_logins"), 2);
    assert_eq!(value("footbridge_terminals{state=\"live\"}"), 0);
    assert_eq!(value("footbridge_store_well"), 1);
    assert_eq!(value("footbridge_audit_trouble"), 0);
    assert!(value("footbridge_resident_bytes") > 100_000 && value("footbridge_open_files") > 3);
    assert!(value("footbridge_connections{who=\"users\"}") + value("footbridge_connections{who=\"strangers\"}") >= 1);
    assert!(!page.contains(ADA.0) && !page.contains("127.0.0.1"));
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        assert!(page.contains(&format!("# TYPE {} gauge", line.split(['{', ' ']).next().unwrap())), "{line}");
    }
    footbridge.kill();
    assert_eq!(footbridge.command(&["metrics"], "").status.code(), Some(1));
}
