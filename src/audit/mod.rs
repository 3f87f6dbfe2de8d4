//! What happened, who, from where, with what outcome. Never a secret.
//!
//! One JSON object per line. Each line carries a MAC over itself and the line before it, so that a changed, removed or reordered line
//! is found by [`verify`]. The key is derived from the device key: who cannot read that cannot write a line.

mod strangers;
mod syslog;

use crate::clock::{self, Instant, Seconds};
use crate::disk;
use crate::disk::unless_gone;
use crate::hex;
use crate::limits;
use crate::secret::Key32;
use crate::vault;
use hmac::Mac;
use std::cell::Cell;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use strangers::Strangers;
use syslog::Syslog;

/// Its name in the data directory.
pub const FILE: &str = "audit.log";

static BOOK: OnceLock<Mutex<Book>> = OnceLock::new();

/// Begins to write. Until then, notes go nowhere.
pub fn open(path: &Path, key: Key32) -> io::Result<()> {
    let book = Book::open(path, key)?;
    // A second book in one process happens in tests only; the first one stays.
    let _ = BOOK.set(Mutex::new(book));
    Ok(())
}

static COPY: OnceLock<Syslog> = OnceLock::new();

/// From now on each line goes to this socket too.
pub fn copy_to(path: &Path) -> io::Result<()> {
    let _ = COPY.set(Syslog::to(path.to_owned())?);
    Ok(())
}

/// A book that is not open yet, and this line of it, on the disk.
pub fn begin(path: &Path, key: Key32, event: &str, fields: &[(&str, &str)]) -> io::Result<()> {
    let mut book = Book::open(path, key)?;
    book.write(&line(event, fields, clock::today()))?;
    book.file.sync_all()
}

/// The files that were rotated away, of a book that another one takes the place of.
pub fn forget_older(path: &Path) -> io::Result<()> {
    for number in 1..limits::AUDIT_FILES {
        unless_gone(fs::remove_file(numbered(path, number)))?;
    }
    Ok(())
}

/// Writes a line. It never fails its caller: what cannot be written is said in the log, once.
pub fn note(event: &str, fields: &[(&str, &str)]) {
    if let Some(book) = BOOK.get() {
        let time = clock::today();
        book.lock().unwrap_or_else(PoisonError::into_inner).note(event, fields, time);
        if let Some(syslog) = COPY.get() {
            syslog.send(&(line(event, fields, time) + "}"));
        }
    }
}

/// The same for what must not happen unnoted. False: it could not be written.
pub fn note_surely(event: &str, fields: &[(&str, &str)]) -> bool {
    note(event, fields);
    !in_trouble()
}

/// The same for a failure of somebody who has shown nothing, and may have any number of addresses: too many become a number.
pub fn note_stranger(event: &str, fields: &[(&str, &str)]) {
    let now = clock::now().since_boot;
    if pause().is_some_and(|mut book| book.strangers.admit(now)) {
        note(event, fields);
    }
    tell_left_out(now);
}

/// How many failures of strangers have no line, if it is time to say so.
pub fn tell_left_out(now: Instant) {
    note_left_out(|strangers| strangers.due(now));
}

/// The same before the end.
pub fn tell_left_out_at_last() {
    note_left_out(Strangers::rest);
}

fn note_left_out(count: impl FnOnce(&mut Strangers) -> Option<u64>) {
    let Some(count) = pause().and_then(|mut book| count(&mut book.strangers)) else { return };
    if !note_surely("audit.left-out", &[("count", &count.to_string())])
        && let Some(mut book) = pause()
    {
        book.strangers.still(count);
    }
}

/// The last event could not be written.
pub fn in_trouble() -> bool {
    pause().is_some_and(|book| book.in_trouble)
}

/// While somebody checks the chain, nobody writes or renames.
fn pause() -> Option<MutexGuard<'static, Book>> {
    BOOK.get().map(|book| book.lock().unwrap_or_else(PoisonError::into_inner))
}

struct Book {
    path: PathBuf,
    key: Key32,
    file: File,
    bytes: u64,
    /// The MAC of the last line.
    chain: String,
    /// The last line could not be written, and that was said.
    in_trouble: bool,
    /// Events that could not be written since the last one that was.
    lost: u64,
    strangers: Strangers,
}

/// What an empty book begins with.
fn beginning() -> String {
    "0".repeat(64)
}

impl Book {
    fn open(path: &Path, key: Key32) -> io::Result<Book> {
        let file = append_to(path)?;
        let bytes = file.metadata()?.len();
        let chain = last_chain(path)?.unwrap_or_else(beginning);
        let strangers = Strangers::new(clock::now().since_boot);
        let mut book = Book { path: path.to_owned(), key, file, bytes, chain, in_trouble: false, lost: 0, strangers };
        book.bytes = whole_lines(path)?;
        book.cut_torn_line();
        Ok(book)
    }

    /// A power cut or a full disk may have left half a line, to which the next one must not be glued. It is cut off, because that
    /// needs no space: a box with a full disk starts.
    fn cut_torn_line(&mut self) {
        let cut =
            File::options().write(true).open(&self.path).and_then(|file| match file.metadata()?.len() > self.bytes {
                true => file.set_len(self.bytes),
                false => Ok(()),
            });
        if let Err(error) = cut
            && !self.in_trouble
        {
            log::error!("half a line of the audit log cannot be cut off: {error}");
        }
    }

    fn note(&mut self, event: &str, fields: &[(&str, &str)], time: Seconds) {
        let line = line(event, fields, time);
        let written = self.tell_gap(time).and_then(|()| self.write(&line));
        if let Err(error) = written {
            if !self.in_trouble {
                log::error!("the audit log cannot be written ({error}); terminals go on");
            }
            self.cut_torn_line();
            self.in_trouble = true;
            self.lost += 1;
        } else {
            self.in_trouble = false;
        }
    }

    /// Who reads the log must know that something is missing.
    fn tell_gap(&mut self, time: Seconds) -> io::Result<()> {
        if self.lost > 0 {
            self.write(&line("audit.gap", &[("lost", &self.lost.to_string())], time))?;
            self.lost = 0;
        }
        Ok(())
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        if self.bytes >= limits::AUDIT_FILE_BYTES {
            self.rotate()?;
        }
        let chain = chain(&self.key, &self.chain, line);
        let whole = format!("{line},\"chain\":\"{chain}\"}}\n");
        self.file.write_all(whole.as_bytes())?;
        self.bytes += whole.len() as u64;
        self.chain = chain;
        Ok(())
    }

    /// audit.log -> audit.log.1 -> … ; the oldest goes. The chain goes on over the files.
    fn rotate(&mut self) -> io::Result<()> {
        for number in (1..limits::AUDIT_FILES - 1).rev() {
            // One that stays where it is would be written over by the one before it.
            unless_gone(fs::rename(numbered(&self.path, number), numbered(&self.path, number + 1)))?;
        }
        // It may have been renamed before, and then the new one could not be opened.
        unless_gone(fs::rename(&self.path, numbered(&self.path, 1)))?;
        self.file = append_to(&self.path)?;
        self.bytes = 0;
        Ok(())
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    File::options().create(true).append(true).mode(0o600).open(path)
}

fn numbered(path: &Path, number: usize) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// How many bytes of the file are whole lines.
fn whole_lines(path: &Path) -> io::Result<u64> {
    Ok(fs::read(path)?.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at as u64 + 1))
}

/// A line without its chain and its closing brace.
fn line(event: &str, fields: &[(&str, &str)], time: Seconds) -> String {
    let mut line = format!("{{\"time\":{time},\"event\":{}", quoted(event));
    for (name, value) in fields {
        let _ = write!(line, ",{}:{}", quoted(name), quoted(value));
    }
    line
}

/// JSON, with every control character escaped (K2), the C1 ones and the line separators too: a log is read in terminals.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    for c in serde_json::Value::from(text).to_string().chars() {
        match c {
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                let _ = write!(quoted, "\\u{:04x}", c as u32);
            }
            c => quoted.push(c),
        }
    }
    quoted
}

fn chain(key: &Key32, before: &str, line: &str) -> String {
    hex::text(&vault::mac(key, &[before.as_bytes(), line.as_bytes()]).finalize().into_bytes())
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// A line's text and its chain.
fn split(whole: &str) -> Option<(&str, &str)> {
    let (line, rest) = whole.trim_end_matches('\n').rsplit_once(",\"chain\":\"")?;
    Some((line, rest.strip_suffix("\"}")?)).filter(|(_, chain)| is_hex(chain, 64))
}

fn last_chain(path: &Path) -> io::Result<Option<String>> {
    for file in files(path).into_iter().rev() {
        let lines = lines_of(&file)?;
        if let Some(chain) = lines.iter().rev().find_map(|line| split(line)).map(|(_, chain)| chain.to_owned()) {
            return Ok(Some(chain));
        }
    }
    Ok(None)
}

/// The files there are, oldest first.
fn files(path: &Path) -> Vec<PathBuf> {
    let older = (1..limits::AUDIT_FILES).rev().map(|number| numbered(path, number));
    older.chain([path.to_owned()]).filter(|file| file.exists()).collect()
}

/// Twice the size a file is rotated at: never reached, unless somebody else wrote to it.
const FILE_BYTES_READ: u64 = 2 * limits::AUDIT_FILE_BYTES;

fn lines_of(file: &Path) -> io::Result<Vec<String>> {
    let file = BufReader::new(File::open(file)?.take(FILE_BYTES_READ));
    file.split(b'\n').map(|line| Ok(String::from_utf8_lossy(&line?).into_owned())).collect()
}

/// All lines of a file, for whoever judges them: one more, which follows from nothing, stands for what was not read.
fn judged(file: &Path) -> io::Result<Vec<String>> {
    let mut lines = lines_of(file)?;
    if fs::metadata(file)?.len() > FILE_BYTES_READ {
        lines.push("(more than was ever written here)".to_owned());
    }
    Ok(lines)
}

/// What the first line must follow from. None: older ones were deleted, so that it is taken as given. Then there are all the files, and
/// those that were put away are as long as ours are then: a log that somebody has only spread over as many files is not.
fn before_the_first(files: &[PathBuf]) -> io::Result<Option<String>> {
    let mut put_away = files.iter().take(limits::AUDIT_FILES - 1);
    let whole = |file: &PathBuf| fs::metadata(file).map(|file| file.len() >= limits::AUDIT_FILE_BYTES);
    let deleted = files.len() == limits::AUDIT_FILES
        && put_away.try_fold(true, |all, file| Ok::<_, io::Error>(all && whole(file)?))?;
    Ok((!deleted).then(beginning))
}

/// What [`verify`] found.
#[derive(Debug, PartialEq, Eq)]
pub struct Report {
    pub lines: usize,
    /// Line numbers over all files, counted from 1, that do not follow from the line before.
    pub broken: Vec<usize>,
}

/// Checks every line against the one before it. Once the oldest file has been deleted, only the successors of the first line there
/// is are its witness; and lines cut off at the end are not missed. An empty line is none of ours.
pub fn verify(path: &Path, key: &Key32) -> io::Result<Report> {
    let _pause = pause();
    let mut report = Report { lines: 0, broken: Vec::new() };
    let files = files(path);
    let mut before = before_the_first(&files)?;
    for file in files {
        for whole in &judged(&file)? {
            report.lines += 1;
            let found = split(whole);
            let good = found.is_some_and(|(line, mac)| match &before {
                Some(before) => chain(key, before, line) == mac,
                None => report.lines == 1,
            });
            if !good {
                report.broken.push(report.lines);
            }
            before = found.map(|(_, mac)| mac.to_owned()).or(before);
        }
    }
    Ok(report)
}

/// The whole log once more in the folder `into`, its chain under `new` instead of `old`, and a last line that says so. Nobody may write to it
/// meanwhile. A line that did not follow from the one before it stays as it is, and follows from it no more than before: what somebody
/// altered is not made good. Answers how many lines there were.
pub fn write_under(path: &Path, into: &Path, new: &Key32, old: &Key32) -> io::Result<usize> {
    // Half a line goes first, as at every start.
    Book::open(path, old.clone())?;
    let files = files(path);
    let mut before = before_the_first(&files)?.map(|beginning| (beginning.clone(), beginning));
    let mut count = 0;
    for file in files {
        let mut text = String::new();
        for whole in &judged(&file)? {
            let good = split(whole).zip(before.as_ref());
            let good = good.filter(|((line, mac), (before, _))| chain(old, before, line) == *mac);
            let after = match good {
                Some(((line, mac), (_, rechained))) => {
                    let chain = chain(new, rechained, line);
                    let _ = writeln!(text, "{line},\"chain\":\"{chain}\"}}");
                    Some((mac.to_owned(), chain))
                }
                None => {
                    let _ = writeln!(text, "{whole}");
                    split(whole).map(|(_, mac)| (mac.to_owned(), mac.to_owned()))
                }
            };
            before = after.or(before);
            count += 1;
        }
        disk::write_new(&into.join(file.file_name().unwrap_or_default()), text.as_bytes())?;
    }
    let mut book = Book::open(&into.join(path.file_name().unwrap_or_default()), new.clone())?;
    book.write(&line("device-key.rotate", &[], clock::today()))?;
    book.file.sync_all()?;
    Ok(count)
}

/// The last lines, oldest first, without their chain.
pub fn tail(path: &Path, most: usize) -> io::Result<Vec<String>> {
    Ok(texts(last_lines(path, most, None, |_| true)?))
}

/// A deed is about who did it and whom it was done to.
fn is_about(line: &serde_json::Value, user: &str) -> bool {
    line["user"] == user || line["target"] == user
}

/// Whose account was made by this line, or deleted. An administrator's deed names its target; elsewhere it is the user.
fn is_done_to(line: &serde_json::Value, user: &str, events: &[&str]) -> bool {
    let whose = line.get("target").unwrap_or(&line["user"]);
    whose == user && line["event"].as_str().is_some_and(|event| events.contains(&event))
}

/// The same, about one user only (K6), and nothing of a deleted one who had the same name. The order of the lines says where that one
/// ended, not their time: a board's clock may have been wrong. What is remembered is what the files hold, so old things are forgotten.
pub fn tail_of(path: &Path, user: &str, most: usize) -> io::Result<Vec<String>> {
    // Most lines are somebody else's: they are not parsed to see it.
    let name = quoted(user);
    let anothers = Cell::new(false);
    let is_theirs = |line: &str| {
        if anothers.get() || !line.contains(&name) {
            return false;
        }
        let Ok(line) = serde_json::from_str(line) else { return false };
        let deleted = is_done_to(&line, user, &["admin.user.delete", "cli.user.delete"]);
        let made = is_done_to(&line, user, &["claim", "invite.accept", "admin.user.add", "cli.user.add"]);
        anothers.set(deleted || made);
        is_about(&line, user) && !deleted
    };
    Ok(texts(last_lines(path, most, None, is_theirs)?))
}

/// Which lines are wanted.
pub struct Filter<'a> {
    pub user: Option<&'a str>,
    /// How the event begins: `signin` finds `signin.failed` too.
    pub event: Option<&'a str>,
    /// Before this moment.
    pub until: Option<Seconds>,
}

/// Some of the lines that are wanted, and how to ask for those before them.
#[derive(Debug, PartialEq, Eq)]
pub struct Page {
    /// Oldest first.
    pub lines: Vec<String>,
    /// There are older ones: the mark of the oldest line here.
    pub older: Option<String>,
}

/// So much of a line's chain tells it from every other, whatever was rotated away meanwhile.
const MARK: usize = 32;

pub fn is_mark(text: &str) -> bool {
    is_hex(text, MARK)
}

impl Filter<'_> {
    fn takes(&self, line: &str) -> bool {
        let Ok(line) = serde_json::from_str::<serde_json::Value>(line) else { return false };
        let begins = |event: &str| line["event"].as_str().is_some_and(|whole| whole.starts_with(event));
        let is_earlier = |until: Seconds| line["time"].as_i64().is_some_and(|time| time < until);
        self.user.is_none_or(|user| is_about(&line, user))
            && self.event.is_none_or(begins)
            && self.until.is_none_or(is_earlier)
    }
}

/// The last lines that the filter takes, for an administrator; of those before the line with this mark, if there is one. Before a
/// line that was rotated away there is nothing.
pub fn page(path: &Path, most: usize, filter: &Filter<'_>, before: Option<&str>) -> io::Result<Page> {
    let mut lines = last_lines(path, most + 1, before, |line| filter.takes(line))?;
    // One more than asked for says that there are more.
    let surplus = lines.len().saturating_sub(most);
    lines.drain(..surplus);
    let older = lines.first().filter(|_| surplus > 0).map(|line| line.mark.clone());
    Ok(Page { lines: texts(lines), older })
}

struct Line {
    text: String,
    mark: String,
}

fn texts(lines: Vec<Line>) -> Vec<String> {
    lines.into_iter().map(|line| line.text).collect()
}

/// One reader at a time: a file takes a megabyte, and any user may ask.
fn last_lines(path: &Path, most: usize, before: Option<&str>, wanted: impl Fn(&str) -> bool) -> io::Result<Vec<Line>> {
    static READING: Mutex<()> = Mutex::new(());
    let _turn = READING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut last = Vec::new();
    let mut is_past = before.is_none();
    'files: for file in files(path).into_iter().rev() {
        for (line, chain) in lines_of(&file)?.iter().rev().filter_map(|line| split(line)) {
            if last.len() == most {
                break 'files;
            }
            let (text, mark) = (format!("{line}}}"), &chain[..MARK]);
            if is_past && wanted(&text) {
                last.push(Line { text, mark: mark.to_owned() });
            }
            is_past |= before == Some(mark);
        }
    }
    last.reverse();
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;
    use std::os::unix::fs::MetadataExt;

    fn written(count: usize) -> (tempfile::TempDir, PathBuf, Key32) {
        let (dir, key) = (tempfile::tempdir().unwrap(), random::key());
        let path = dir.path().join("audit.log");
        let mut book = Book::open(&path, key.clone()).unwrap();
        (0..count).for_each(|n| book.note("test", &[("n", &n.to_string())], 1000));
        (dir, path, key)
    }

    #[test]
    fn a_line_is_json_and_control_characters_are_escaped() {
        let (_dir, path, key) = written(0);
        let mut book = Book::open(&path, key).unwrap();
        book.note("signin", &[("user", "a\n\u{1b}[2J\u{9b}\u{202e}\"x")], 7);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.matches('\n').count(), 1);
        assert!(text.starts_with(r#"{"time":7,"event":"signin","user":"a\n\u001b[2J\u009b\u202e\"x","chain":""#));
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["user"], "a\n\u{1b}[2J\u{9b}\u{202e}\"x");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn the_chain_goes_on_over_restarts_and_rotations() {
        let (_dir, path, key) = written(3);
        let mut book = Book::open(&path, key.clone()).unwrap();
        let long = "x".repeat(100_000);
        (0..70).for_each(|_| book.note("test", &[("long", &long)], 1));
        assert_eq!(files(&path).len(), limits::AUDIT_FILES);
        assert!(files(&path).iter().all(|file| fs::metadata(file).unwrap().len() < limits::AUDIT_FILE_BYTES + 101_000));
        let report = verify(&path, &key).unwrap();
        assert!(report.broken.is_empty() && report.lines > 40, "{report:?}");
    }

    #[test]
    fn a_line_changed_removed_moved_or_forged_is_found() {
        let (_dir, path, key) = written(6);
        let good = fs::read_to_string(&path).unwrap();
        assert_eq!(verify(&path, &key).unwrap(), Report { lines: 6, broken: vec![] });
        let lines: Vec<&str> = good.lines().collect();
        let broken = |lines: &[&str], key: &Key32| {
            fs::write(&path, lines.join("\n") + "\n").unwrap();
            verify(&path, key).unwrap().broken
        };
        let changed = lines[2].replace("\"n\":\"2\"", "\"n\":\"9\"");
        assert_eq!(broken(&[lines[0], lines[1], &changed, lines[3]], &key), [3]);
        assert_eq!(broken(&[lines[0], lines[1], lines[3], lines[4]], &key), [3]);
        assert_eq!(broken(&[lines[0], lines[2], lines[1], lines[3]], &key), [2, 3, 4]);
        assert_eq!(broken(&[lines[0], lines[1]], &random::key()), [1, 2]);
        assert_eq!(broken(&lines[1..], &key), [1], "the first lines are missing");
    }

    /// The story: whoever could write the file, and had no key, made it unsaid that they had been there. Only so much of a file was read,
    /// and what stood behind a long run of empty lines was never looked at; and of five files the first line is taken as given, so that
    /// a log without its beginning was good once it was spread over five.
    #[test]
    fn what_is_pushed_out_of_sight_or_cut_off_in_front_is_found() {
        let (dir, path, key) = written(12);
        let good = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = good.lines().collect();
        let broken = |path: &Path| verify(path, &key).unwrap().broken;
        fs::write(&path, format!("{}\n\n{}\n", lines[0], lines[1])).unwrap();
        assert_eq!(broken(&path), [2], "an empty line");
        let out_of_sight = lines[2].replace("\"n\":\"2\"", "\"n\":\"9\"");
        let room = "\n".repeat(2 * limits::AUDIT_FILE_BYTES as usize);
        fs::write(&path, format!("{room}{}\n{}\n{out_of_sight}\n", lines[0], lines[1])).unwrap();
        assert!(!broken(&path).is_empty(), "an altered line behind more than is read");
        fs::write(&path, format!("{}\n{}x\n", lines[0], room.replace('\n', "x"))).unwrap();
        assert!(broken(&path).len() >= 2, "a line that does not end");
        let into = dir.path().join("into");
        fs::create_dir(&into).unwrap();
        let new = random::key();
        write_under(&path, &into, &new, &key).unwrap();
        assert!(!verify(&into.join("audit.log"), &new).unwrap().broken.is_empty(), "not made good by another key");

        let spread = |lines: &[&str]| {
            for (at, pair) in lines.chunks(2).enumerate() {
                let file = if at == 4 { path.clone() } else { numbered(&path, 4 - at) };
                fs::write(file, pair.join("\n") + "\n").unwrap();
            }
            assert_eq!(files(&path).len(), limits::AUDIT_FILES);
        };
        spread(&lines[..10]);
        assert_eq!(broken(&path), [0; 0], "nothing is missing");
        spread(&lines[2..]);
        assert_eq!(broken(&path), [1], "the first two lines are missing");
    }

    #[test]
    fn under_another_key_the_same_lines_are_good_and_the_same_are_broken() {
        for long in [0, 100_000] {
            let (dir, path, old) = written(3);
            let (new, long) = (random::key(), "x".repeat(long));
            let mut book = Book::open(&path, old.clone()).unwrap();
            (0..65).for_each(|_| book.note("test", &[("long", &long)], 1));
            let altered = fs::read_to_string(&path).unwrap().replacen("\"time\":1,", "\"time\":2,", 1);
            fs::write(&path, altered + "half a li").unwrap();
            let texts = |path: &Path| tail(path, 1000).unwrap();
            let (before, lines) = (verify(&path, &old).unwrap(), texts(&path));
            let into = dir.path().join("into");
            fs::create_dir(&into).unwrap();
            let count = write_under(&path, &into, &new, &old).unwrap();
            let there = into.join("audit.log");
            let after = verify(&there, &new).unwrap();
            assert_eq!((count, after.lines), (before.lines - 1, count + 1), "half a line is none");
            assert_eq!(after.broken[..], before.broken[..before.broken.len() - 1]);
            assert!(!after.broken.is_empty(), "what was altered is not made good");
            assert_eq!(texts(&there)[..count], lines);
            assert!(texts(&there)[count].contains("device-key.rotate"));
            assert!(verify(&there, &old).unwrap().broken.len() >= count, "the old key is good for nothing");
            assert!(files(&there).iter().all(|file| fs::metadata(file).unwrap().mode() & 0o777 == 0o600));
            assert_eq!(files(&there).len(), files(&path).len());
        }
    }

    #[test]
    fn a_user_reads_their_own_lines() {
        let (_dir, path, key) = written(1);
        let mut book = Book::open(&path, key).unwrap();
        for (n, name) in ["ada", "bob", "ada", "ad", "x\",\"user\":\"ada"].iter().enumerate() {
            book.note("signin", &[("user", name), ("n", &n.to_string())], 1);
        }
        book.note("signin", &[("user", "bob"), ("agent", "ada")], 1);
        let lines = tail_of(&path, "ada", 9).unwrap();
        assert_eq!(lines, [0, 2].map(|n| format!(r#"{{"time":1,"event":"signin","user":"ada","n":"{n}"}}"#)));
        assert_eq!(tail_of(&path, "ada", 1).unwrap(), lines[1..]);
        book.note("admin.user.disable", &[("user", "bob"), ("target", "ada")], 1);
        assert_eq!(tail_of(&path, "ada", 9).unwrap().len(), 3, "what was done to them too");
    }

    #[test]
    fn a_name_that_was_had_before_tells_nothing_of_before() {
        let (_dir, path, key) = written(1);
        let mut book = Book::open(&path, key).unwrap();
        let mut left_after = |event: &str, fields: &[(&str, &str)]| {
            book.note(event, fields, 1);
            tail_of(&path, "bob", 9).unwrap().len()
        };
        assert_eq!(left_after("admin.user.add", &[("user", "ada"), ("target", "bob")]), 1);
        assert_eq!(left_after("signin", &[("user", "bob")]), 2);
        let to_eve = [("user", "bob"), ("target", "eve")];
        assert_eq!(left_after("admin.user.add", &to_eve), 3, "what was done to others is no beginning");
        assert_eq!(left_after("admin.user.delete", &to_eve), 4);
        assert_eq!(left_after("admin.user.delete", &[("user", "ada"), ("target", "bob")]), 0);
        assert_eq!(left_after("signin", &[("user", "bob")]), 1, "the line that says who was made may be lost");
        assert_eq!(left_after("cli.user.delete", &[("user", "bob")]), 0);
        assert_eq!(left_after("signin.failed", &[("user", "bob")]), 1);
        for event in ["claim", "invite.accept", "cli.user.add"] {
            assert_eq!(left_after(event, &[("user", "bob")]), 1, "{event}");
            assert_eq!(left_after("signin", &[("user", "bob")]), 2, "{event}");
        }
    }

    #[test]
    fn an_administrator_reads_by_user_and_by_event() {
        let (_dir, path, key) = written(1);
        let mut book = Book::open(&path, key).unwrap();
        for (event, name) in [("signin", "ada"), ("signin.failed", "bob"), ("claim", "ada"), ("signin", "bob")] {
            book.note(event, &[("user", name)], 1);
        }
        let count = |user, event| page(&path, 9, &Filter { user, event, until: None }, None).unwrap().lines.len();
        assert_eq!((count(None, None), count(Some("ada"), None), count(None, Some("signin"))), (5, 2, 3));
        assert_eq!((count(Some("bob"), Some("signin.")), count(Some("eve"), None)), (1, 0));
    }

    #[test]
    fn an_administrator_reads_back_to_the_beginning_each_line_once() {
        let (_dir, path, key) = written(0);
        let mut book = Book::open(&path, key).unwrap();
        for n in 0..7 {
            // Lines that say the same are different ones; and every other is not asked for.
            book.note("signin", &[("user", "ada")], 1000 + n);
            book.note("claim", &[("user", "ada")], 1000 + n);
            if n == 3 {
                book.rotate().unwrap();
            }
        }
        let times = |page: &Page| {
            let time =
                |line: &String| serde_json::from_str::<serde_json::Value>(line).unwrap()["time"].as_i64().unwrap();
            page.lines.iter().map(time).collect::<Vec<_>>()
        };
        let filter = |until| Filter { user: Some("ada"), event: Some("signin"), until };
        let first = page(&path, 3, &filter(None), None).unwrap();
        assert_eq!(times(&first), [1004, 1005, 1006]);
        // What comes meanwhile moves nothing.
        book.note("signin", &[("user", "ada")], 2000);
        let second = page(&path, 3, &filter(None), first.older.as_deref()).unwrap();
        assert_eq!(times(&second), [1001, 1002, 1003]);
        let third = page(&path, 3, &filter(None), second.older.as_deref()).unwrap();
        assert_eq!((times(&third), &third.older), (vec![1000], &None));
        assert_eq!(
            page(&path, 1, &filter(None), second.older.as_deref()).unwrap().older,
            None,
            "exactly as many as asked for"
        );
        let early = page(&path, 2, &filter(Some(1003)), None).unwrap();
        assert_eq!(times(&early), [1001, 1002], "before that moment, and not in it");
        assert_eq!(times(&page(&path, 9, &filter(Some(1003)), early.older.as_deref()).unwrap()), [1000]);
        let rotated_away = "0".repeat(32);
        assert_eq!(page(&path, 9, &filter(None), Some(&rotated_away)).unwrap(), Page { lines: vec![], older: None });
        assert!(is_mark(&first.older.unwrap()) && is_mark(&rotated_away));
        assert!(!is_mark("") && !is_mark(&"0".repeat(64)) && !is_mark(&"g".repeat(32)));
    }

    #[test]
    fn a_chain_of_strange_signs_breaks_the_log_and_not_its_reader() {
        let (_dir, path, key) = written(2);
        let strange = format!("{{\"time\":1,\"event\":\"x\",\"chain\":\"a{}a\"}}\n", "\u{e9}".repeat(31));
        File::options().append(true).open(&path).unwrap().write_all(strange.as_bytes()).unwrap();
        assert_eq!(verify(&path, &key).unwrap(), Report { lines: 3, broken: vec![3] });
        let filter = Filter { user: None, event: None, until: None };
        assert_eq!(page(&path, 9, &filter, None).unwrap().lines.len(), 2);
    }

    #[test]
    fn a_torn_line_does_not_swallow_the_next() {
        let (_dir, path, key) = written(2);
        File::options().append(true).open(&path).unwrap().write_all(b"{\"time\":1,\"ev").unwrap();
        Book::open(&path, key.clone()).unwrap().note("after", &[], 2);
        assert_eq!(verify(&path, &key).unwrap(), Report { lines: 3, broken: vec![] });
        assert_eq!(
            tail(&path, 2).unwrap(),
            [r#"{"time":1000,"event":"test","n":"1"}"#, r#"{"time":2,"event":"after"}"#]
        );
    }

    /// The story: without a free file descriptor the log was renamed and the new one not opened. From then on there was nothing to
    /// rename, and nothing was written until the next start.
    #[test]
    fn a_rotation_that_was_interrupted_is_finished() {
        let (_dir, path, key) = written(1);
        let mut book = Book::open(&path, key.clone()).unwrap();
        book.bytes = limits::AUDIT_FILE_BYTES;
        fs::rename(&path, numbered(&path, 1)).unwrap();
        book.note("after", &[], 2);
        assert!(!book.in_trouble && verify(&path, &key).unwrap() == Report { lines: 2, broken: vec![] });
    }

    /// The story: a file that could not be renamed was written over by the next one, and nobody was told.
    #[test]
    fn what_cannot_be_renamed_is_not_written_over() {
        let (_dir, path, key) = written(1);
        let mut book = Book::open(&path, key).unwrap();
        let last = numbered(&path, limits::AUDIT_FILES - 1);
        fs::create_dir_all(last.join("full")).unwrap();
        let older: Vec<_> = (1..limits::AUDIT_FILES - 1).map(|number| numbered(&path, number)).collect();
        older.iter().for_each(|file| fs::write(file, file.to_str().unwrap()).unwrap());
        let newest = fs::read(&path).unwrap();
        book.bytes = limits::AUDIT_FILE_BYTES;
        book.note("lost", &[], 2);
        assert!(book.in_trouble && book.lost == 1);
        assert!(older.iter().all(|file| fs::read_to_string(file).unwrap() == file.to_str().unwrap()));
        assert_eq!(fs::read(&path).unwrap(), newest);
        fs::remove_dir_all(&last).unwrap();
        book.bytes = limits::AUDIT_FILE_BYTES;
        book.note("back", &[], 3);
        assert!(!book.in_trouble && book.lost == 0 && fs::read(numbered(&path, 1)).unwrap() == newest);
    }

    #[test]
    fn a_full_disk_stops_nobody() {
        let (_dir, path, key) = written(1);
        let mut book = Book::open(&path, key.clone()).unwrap();
        let good = std::mem::replace(&mut book.file, File::options().write(true).open("/dev/full").unwrap());
        // The story: the disk took half a line and no more. The next line was glued to it, and `verify` called it forged.
        File::options().append(true).open(&path).unwrap().write_all(b"{\"time\":1,\"ev").unwrap();
        book.note("lost", &[], 1);
        assert!(book.in_trouble);
        book.file = good;
        book.note("back", &[], 2);
        assert!(!book.in_trouble && verify(&path, &key).unwrap().broken.is_empty());
        let told = [r#"{"time":2,"event":"audit.gap","lost":"1"}"#, r#"{"time":2,"event":"back"}"#];
        assert_eq!(tail(&path, 2).unwrap(), told);
    }
}
