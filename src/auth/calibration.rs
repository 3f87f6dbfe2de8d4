//! What a check of a password costs on this machine: as many passes of Argon2id as fit into the time that is aimed at, never fewer than
//! the floor. Measured once and kept, so that a busy start does not give everybody another hash; measured anew on another machine, for a
//! card moves.

use super::hashing::{Cost, time_of_the_floor};
use crate::disk::Beside;
use crate::limits;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// In the data directory.
const FILE: &str = "argon2";

/// The cost of new hashes on this machine.
pub fn cost(data: &Path, aim: Duration) -> Cost {
    settle(data, aim, &machine(), time_of_the_floor)
}

/// The cost that an earlier start has settled on, for this aim on this machine.
pub fn kept_cost(data: &Path, aim: Duration) -> Option<Cost> {
    read(data, aim, &machine())
}

fn settle(data: &Path, aim: Duration, machine: &str, measure: impl FnMut() -> Option<Duration>) -> Cost {
    if aim.is_zero() {
        return Cost::FLOOR;
    }
    if let Some(cost) = read(data, aim, machine) {
        return cost;
    }
    let Some(took) = quickest(aim, measure) else {
        log::error!("Argon2id could not be measured; is there enough memory? Passwords cost {}", Cost::FLOOR);
        return Cost::FLOOR;
    };
    let cost = choose(aim, took);
    log::info!(
        "Argon2id at its floor ({}) takes {} ms on this machine; passwords cost {cost}",
        Cost::FLOOR,
        took.as_millis()
    );
    let path = data.join(FILE);
    if let Err(error) = Beside::write(&path, line(cost, aim, machine).as_bytes()).and_then(Beside::replace) {
        log::warn!("{}: {error}; Argon2id is measured again at the next start", path.display());
    }
    cost
}

/// Whatever disturbs a measurement makes it longer. A machine that needs the whole time for the floor is not kept any longer.
fn quickest(aim: Duration, mut measure: impl FnMut() -> Option<Duration>) -> Option<Duration> {
    let mut best: Option<Duration> = None;
    for _ in 0..limits::ARGON2_MEASURED {
        let took = measure()?;
        best = Some(best.map_or(took, |best| best.min(took)));
        if took >= aim {
            break;
        }
    }
    best
}

/// Passes, and not memory: two hashes at once must fit beside everything else on a board of 256 MB, and passes are what a fast machine has
/// to spare.
fn choose(aim: Duration, floor_took: Duration) -> Cost {
    let one_pass = floor_took.as_micros().max(1) / u128::from(limits::ARGON2_PASSES);
    let passes = aim.as_micros() / one_pass.max(1);
    let passes = u32::try_from(passes).unwrap_or(u32::MAX).clamp(limits::ARGON2_PASSES, limits::ARGON2_PASSES_MOST);
    Cost { passes, ..Cost::FLOOR }
}

fn line(cost: Cost, aim: Duration, machine: &str) -> String {
    format!("{cost} aim={} machine={machine}\n", aim.as_millis())
}

fn read(data: &Path, aim: Duration, machine: &str) -> Option<Cost> {
    let kept = fs::read_to_string(data.join(FILE)).ok()?;
    let cost = Cost::parse(kept.split(' ').next()?)?;
    let passes = limits::ARGON2_PASSES..=limits::ARGON2_PASSES_MOST;
    let allowed = passes.contains(&cost.passes) && cost == Cost { passes: cost.passes, ..Cost::FLOOR };
    (allowed && kept == line(cost, aim, machine)).then_some(cost)
}

/// The board by its name, else the processor by its.
fn machine() -> String {
    let told = |path: &str| fs::read_to_string(path).ok();
    let name = told("/proc/device-tree/model").or_else(|| processor(&told("/proc/cpuinfo")?).map(str::to_owned));
    let name = name.unwrap_or_default();
    let plain = name.chars().filter(|character| !character.is_control()).take(limits::MACHINE_NAME_CHARACTERS);
    format!("{} {}", std::env::consts::ARCH, plain.collect::<String>().trim())
}

/// Its name is under another word on each architecture.
fn processor(cpuinfo: &str) -> Option<&str> {
    const WORDS: [&str; 5] = ["model name", "Hardware", "system type", "cpu model", "CPU part"];
    WORDS.iter().find_map(|word| {
        cpuinfo.lines().find_map(|line| line.strip_prefix(word)?.trim_start().strip_prefix(':').map(str::trim))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::fs::PermissionsExt;

    const AIM: Duration = Duration::from_millis(500);

    fn took(millis: u64) -> impl FnMut() -> Option<Duration> {
        move || Some(Duration::from_millis(millis))
    }

    fn never() -> Option<Duration> {
        panic!("measured again")
    }

    fn passes(passes: u32) -> Cost {
        Cost { passes, ..Cost::FLOOR }
    }

    #[test]
    fn a_fast_machine_makes_more_passes_and_a_slow_one_the_floor() {
        let of = |aim, floor| choose(Duration::from_millis(aim), Duration::from_millis(floor)).passes;
        assert_eq!(of(500, 100), 10);
        assert_eq!(of(500, 30), 33);
        assert_eq!(of(500, 260), 3);
        assert_eq!(of(500, 400), 2);
        assert_eq!(of(500, 20_000), 2);
        assert_eq!(of(2000, 0), limits::ARGON2_PASSES_MOST);
    }

    proptest! {
        #[test]
        fn never_below_the_floor_never_above_the_most_and_never_longer_than_the_aim(aim in 0u64..100_000, floor in 0u64..u64::MAX) {
            let (aim, floor) = (Duration::from_millis(aim), Duration::from_micros(floor));
            let cost = choose(aim, floor);
            prop_assert!((limits::ARGON2_PASSES..=limits::ARGON2_PASSES_MOST).contains(&cost.passes));
            prop_assert_eq!((cost.kib, cost.lanes), (limits::ARGON2_KIB, limits::ARGON2_LANES));
            let takes = floor.as_micros() / 2 * u128::from(cost.passes);
            prop_assert!(takes <= aim.as_micros() || cost == Cost::FLOOR);
        }
    }

    #[test]
    fn it_is_measured_once_and_again_for_another_machine_aim_or_file() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path();
        assert_eq!(settle(data, AIM, "a board", took(100)), passes(10));
        assert_eq!(settle(data, AIM, "a board", never), passes(10), "a busy start changes nothing");
        assert_eq!(settle(data, AIM, "another board", took(250)), passes(4));
        assert_eq!(settle(data, AIM * 2, "another board", took(250)), passes(8));
        for other in [
            "",
            "x",
            "m=64,t=1,p=1 aim=1000 machine=another board\n",
            "m=19456,t=9999999,p=1 aim=1000 machine=another board\n",
        ] {
            fs::write(data.join(FILE), other).unwrap();
            assert_eq!(settle(data, AIM * 2, "another board", took(100)), passes(20), "{other}");
        }
        assert_eq!(fs::metadata(data.join(FILE)).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn no_aim_is_the_floor_and_nothing_is_measured_or_kept() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(settle(dir.path(), Duration::ZERO, "a board", never), Cost::FLOOR);
        assert!(fs::read_dir(dir.path()).unwrap().next().is_none());
    }

    #[test]
    fn where_it_cannot_be_kept_or_measured_the_box_starts_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(settle(&dir.path().join("nowhere"), AIM, "a board", took(100)), passes(10));
        assert_eq!(settle(dir.path(), AIM, "a board", || None), Cost::FLOOR);
        assert!(fs::read_dir(dir.path()).unwrap().next().is_none(), "what was not measured is not kept");
    }

    #[test]
    fn the_quickest_of_a_few_counts_and_a_slow_machine_is_measured_once() {
        let mut times = [200, 90, 150, 10].into_iter().map(Duration::from_millis);
        assert_eq!(quickest(AIM, || times.next()), Some(Duration::from_millis(90)));
        assert_eq!(times.next(), Some(Duration::from_millis(10)), "three are enough");
        let mut runs = 0;
        let slow = || {
            runs += 1;
            Some(Duration::from_secs(3))
        };
        assert_eq!(quickest(AIM, slow), Some(Duration::from_secs(3)));
        assert_eq!(runs, 1);
    }

    #[test]
    fn what_is_measured_is_the_work_of_the_floor() {
        let took = time_of_the_floor().unwrap();
        assert!(took > Duration::from_micros(100), "{took:?}: nothing fills 19 MiB twice in that time");
    }

    #[test]
    fn a_machine_has_a_name_of_one_line() {
        assert_eq!(
            processor("processor\t: 0\nmodel name\t: ARMv6-compatible processor rev 7 (v6l)\n"),
            Some("ARMv6-compatible processor rev 7 (v6l)")
        );
        assert_eq!(processor("processor : 0\nCPU part\t: 0xd03\n"), Some("0xd03"));
        assert_eq!(processor("model nameless"), None);
        let name = machine();
        assert!(name.starts_with(std::env::consts::ARCH) && !name.contains(['\n', '\0']), "{name:?}");
        assert_eq!(name, machine());
    }
}
