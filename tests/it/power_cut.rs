//! What was acknowledged is on the disk: a box killed at any moment, fifty times, comes back with everything it said yes to.
//!
//! SIGKILL proves that nothing waits in the program. That it waits nowhere below either is redb's fsync before each answer.

use crate::world::ADA;
use crate::world::browser::Browser;
use crate::world::claimed;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

const ROUNDS: u64 = 50;
/// Well below a user's thousand, so that no quota gets in the way.
const ENOUGH: usize = 500;

fn host(label: &str) -> Value {
    json!({"label": label, "address": format!("{label}.example"), "user": "root", "notes": label.repeat(20)})
}

/// Adds hosts until the box is gone, and reports each that was acknowledged.
fn write_on(browser: &Browser, name: &str, acknowledged: &Sender<(String, String)>) {
    for number in 0.. {
        let label = format!("{name}-{number}");
        let Ok(reply) = browser.try_post("/api/hosts", &host(&label)) else { return };
        // A half answer is none.
        let Ok(made) = serde_json::from_slice::<Value>(&reply.body) else { return };
        assert_eq!(reply.status, 201, "{made}");
        acknowledged.send((label, made["id"].as_str().unwrap().into())).unwrap();
    }
}

/// Every host there is, each one whole.
fn stored(browser: &mut Browser) -> BTreeMap<String, String> {
    let list = browser.get("/api/hosts").expect(200);
    let hosts = list["hosts"].as_array().unwrap();
    hosts
        .iter()
        .map(|found| {
            let label = found["label"].as_str().unwrap();
            let wanted = host(label);
            for field in ["address", "user", "notes"] {
                assert_eq!(found[field], wanted[field], "a torn record");
            }
            (label.to_owned(), found["id"].as_str().unwrap().to_owned())
        })
        .collect()
}

#[test]
fn nothing_acknowledged_is_lost_in_fifty_kills() {
    let (mut box_, mut browser) = claimed();
    let mut kept: BTreeMap<String, String> = BTreeMap::new();
    let mut deleted: BTreeSet<String> = BTreeSet::new();
    let mut written = 0;
    for round in 0..ROUNDS {
        let (sender, receiver) = channel();
        let writers: Vec<_> = (0..2)
            .map(|writer| {
                let (browser, sender) = (browser.clone(), sender.clone());
                std::thread::spawn(move || write_on(&browser, &format!("r{round}w{writer}"), &sender))
            })
            .collect();
        drop(sender);
        // Another moment each time, spread over what a few writes take; the first acknowledgement says that they are under way.
        kept.extend(receiver.recv_timeout(crate::world::patience::PATIENCE));
        std::thread::sleep(Duration::from_micros(round * round % 37 * 2300 + round * 131));
        box_.kill();
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        kept.extend(receiver);
        written += 1;

        box_.start_again();
        browser = box_.browser();
        browser.sign_in(ADA);
        let found = stored(&mut browser);
        for (label, id) in &kept {
            assert_eq!(found.get(label), Some(id), "round {round}: {label} was acknowledged and is gone");
        }
        assert!(found.values().all(|id| !deleted.contains(id)), "round {round}: what was deleted is back");
        kept = found;
        if kept.len() > ENOUGH {
            for id in std::mem::take(&mut kept).into_values() {
                browser.delete(&format!("/api/hosts/{id}")).expect(204);
                deleted.insert(id);
            }
        }
    }
    assert_eq!(written, ROUNDS);
    let doctor = box_.command(&["doctor"], "");
    assert!(!String::from_utf8_lossy(&doctor.stdout).contains("damaged"), "{doctor:?}");
}
