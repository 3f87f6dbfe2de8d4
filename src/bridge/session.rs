//! One SSH terminal: what its own thread, its viewers and the API share.
//!
//! Everything shared is under one lock, held for the length of a copy. The session's thread is rung by an `ssh::Bell`, each viewer by
//! an eventfd it polls beside its socket. A bell is rung only for somebody who said that they wait (`armed`), so that a busy
//! stream costs no system calls.

use super::ring::{Piece, Ring};
use crate::clock::{Instant, Seconds};
use crate::limits;
use crate::random::Id;
use crate::secret::Secret;
use crate::ssh::{self, Bell};
use crate::store::KnownHostKey;
use rustix::event::{EventfdFlags, eventfd};
use serde::Serialize;
use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Where a session is in its life. It only moves forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Resolving, connecting, exchanging keys, authenticating.
    Connecting,
    /// A person must answer a question before it can go on.
    Asking,
    /// The shell runs.
    Live,
    /// Over; kept for a while so that viewers learn how it ended.
    Ended,
}

/// How a session ended, for people and for programs (`reason` is one of docs/API.md's words).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ended {
    pub reason: &'static str,
    pub status: Option<u32>,
    pub signal: Option<String>,
    pub message: String,
    pub remedy: String,
}

/// Something only a person can decide. The session's thread waits; any viewer may answer.
#[derive(Clone, Debug)]
pub struct Question {
    pub id: u64,
    pub about: About,
}

#[derive(Clone, Debug)]
pub enum About {
    HostKey { host: String, port: u16, key: ssh::HostKey, changed: bool, known: Vec<KnownHostKey> },
    Prompts(ssh::Prompts),
}

#[derive(Clone, Debug)]
pub enum Answer {
    HostKey { accept: bool, remember: bool },
    Responses(Vec<Secret>),
    Cancel,
}

/// An answer that does not fit: nothing is asked, something else is asked, or the number of responses is wrong.
#[derive(Debug, PartialEq, Eq)]
pub struct Misfit;

/// The unchanging facts of a session.
pub struct Facts {
    pub id: Id,
    /// The user it belongs to.
    pub owner: Id,
    /// From where it was asked for.
    pub peer: IpAddr,
    pub host_id: Option<Id>,
    pub destination: ssh::Destination,
    pub started: Seconds,
}

pub struct Session {
    pub facts: Facts,
    bell: Bell,
    shared: Mutex<Shared>,
    /// Rung when an answer arrives or the session is told to end.
    answered: Condvar,
}

struct Shared {
    phase: Phase,
    detail: String,
    ring: Ring,
    size: (u16, u16),
    /// Set by a viewer, taken by the session's thread.
    new_size: Option<(u16, u16)>,
    input: VecDeque<Vec<u8>>,
    input_bytes: usize,
    question: Option<Question>,
    questions_asked: u64,
    answer: Option<Answer>,
    told_to_end: bool,
    /// It ends because the box does.
    box_goes_down: bool,
    ended: Option<Ended>,
    ended_at: Option<Instant>,
    /// Since when nobody looks.
    detached_at: Instant,
    viewers: Vec<Slot>,
    viewers_ever: u64,
    /// The viewer whose pace the host must keep: the one that attached or typed last.
    driver: u64,
    /// The thread stopped reading the host for want of room in the ring.
    starved: bool,
}

/// What the session knows of one viewer.
struct Slot {
    number: u64,
    bell: Arc<OwnedFd>,
    /// Next byte to hand to it.
    cursor: u64,
    /// Newest byte it said it has, if it says so at all.
    acknowledged: Option<u64>,
    armed: bool,
}

impl Slot {
    /// Bytes before this offset need not be kept for this viewer.
    fn holds(&self) -> u64 {
        self.acknowledged.unwrap_or(self.cursor).min(self.cursor)
    }

    fn ring(&mut self) {
        if std::mem::take(&mut self.armed) {
            // A full counter means that it is rung already.
            let _ = rustix::io::write(&*self.bell, &1u64.to_ne_bytes());
        }
    }
}

impl Shared {
    fn asks_about_changed(&self, id: u64, fingerprint: &str) -> bool {
        let asked = self.question.as_ref().filter(|question| question.id == id).map(|question| &question.about);
        matches!(asked, Some(About::HostKey { changed: true, key, .. }) if key.fingerprint == fingerprint)
    }

    fn ring_viewers(&mut self) {
        self.viewers.iter_mut().for_each(Slot::ring);
    }

    fn slot(&mut self, number: u64) -> Option<&mut Slot> {
        self.viewers.iter_mut().find(|slot| slot.number == number)
    }

    /// Input joins the queue. False: it goes nowhere.
    fn take(&mut self, bytes: Vec<u8>) -> bool {
        if bytes.is_empty() || self.ended.is_some() {
            return false;
        }
        self.input_bytes += bytes.len();
        match (self.input.back_mut(), bytes.len()) {
            // Keys typed at a host that does not read share a piece: one each would cost fifty times what was typed.
            (Some(last), more) if last.len() + more <= limits::INPUT_PIECE_BYTES => last.extend_from_slice(&bytes),
            (_, 0..=limits::INPUT_PIECE_BYTES) => self.input.push_back(bytes),
            _ => self.input.extend(bytes.chunks(limits::INPUT_PIECE_BYTES).map(<[u8]>::to_vec)),
        }
        true
    }

    /// Output that may be appended before the driver would lose a byte. With nobody looking the ring rolls.
    fn room(&self) -> usize {
        match self.viewers.iter().find(|slot| slot.number == self.driver) {
            Some(driver) => self.ring.capacity().saturating_sub((self.ring.end() - driver.holds()) as usize),
            None => self.ring.capacity(),
        }
    }
}

/// What a list of sessions shows of one.
#[derive(Serialize)]
pub struct Summary {
    pub id: Id,
    pub host_id: Option<Id>,
    pub title: String,
    pub address: String,
    pub port: u16,
    pub user: String,
    pub state: Phase,
    pub started: Seconds,
    pub viewers: usize,
    pub cols: u16,
    pub rows: u16,
    pub end_offset: u64,
}

impl Session {
    pub fn new(facts: Facts, size: (u16, u16), ring_bytes: usize, bell: Bell, now: Instant) -> Session {
        let shared = Shared {
            phase: Phase::Connecting,
            detail: String::new(),
            ring: Ring::new(ring_bytes),
            size,
            new_size: None,
            input: VecDeque::new(),
            input_bytes: 0,
            question: None,
            questions_asked: 0,
            answer: None,
            told_to_end: false,
            box_goes_down: false,
            ended: None,
            ended_at: None,
            detached_at: now,
            viewers: Vec::new(),
            viewers_ever: 0,
            driver: 0,
            starved: false,
        };
        Session { facts, bell, shared: Mutex::new(shared), answered: Condvar::new() }
    }

    /// No code runs under this lock that could panic half-way through a change; a poisoned lock still guards whole values.
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn summary(&self) -> Summary {
        let shared = self.lock();
        let to = &self.facts.destination;
        Summary {
            id: self.facts.id,
            host_id: self.facts.host_id,
            title: format!("{}@{}", to.user, to.host),
            address: to.host.clone(),
            port: to.port,
            user: to.user.clone(),
            state: shared.phase,
            started: self.facts.started,
            viewers: shared.viewers.len(),
            cols: shared.size.0,
            rows: shared.size.1,
            end_offset: shared.ring.end(),
        }
    }

    pub fn size(&self) -> (u16, u16) {
        self.lock().size
    }

    pub fn phase(&self) -> Phase {
        self.lock().phase
    }

    /// Ends it because the box goes down: viewers are told that, and not that somebody ended their terminal.
    pub fn go_down(&self) {
        self.lock().box_goes_down = true;
        self.end();
    }

    pub fn box_goes_down(&self) -> bool {
        self.lock().box_goes_down
    }

    /// Asks the session to end. Returns at once; the thread hangs up and says goodbye.
    pub fn end(&self) {
        self.lock().told_to_end = true;
        self.answered.notify_all();
        self.bell.ring();
    }

    /// Bytes of output kept for whoever comes back.
    pub fn kept(&self) -> u64 {
        let shared = self.lock();
        shared.ring.end() - shared.ring.start()
    }

    /// Since when the session is over, if it is.
    pub fn ended_at(&self) -> Option<Instant> {
        self.lock().ended_at
    }

    /// Since when nobody looks at it, if nobody does and it still runs.
    pub fn detached_at(&self) -> Option<Instant> {
        let shared = self.lock();
        (shared.viewers.is_empty() && shared.ended.is_none()).then_some(shared.detached_at)
    }

    /// Wakes every viewer, so that each looks whether its user is still signed in.
    pub fn ring_viewers(&self) {
        let mut shared = self.lock();
        // Those who wait for a slow browser have not asked to be rung, and would go on until it reads.
        shared.viewers.iter_mut().for_each(|slot| slot.armed = true);
        shared.ring_viewers();
    }

    /// The answer to the open question, from any viewer.
    /// A viewer's. None says yes to a changed host key: that is [`Self::override_host_key`]'s, for which there is a proof.
    pub fn answer(&self, id: u64, answer: Answer) -> Result<(), Misfit> {
        let mut shared = self.lock();
        let question = shared.question.as_ref().filter(|question| question.id == id).ok_or(Misfit)?;
        let fits = match (&question.about, &answer) {
            (About::HostKey { changed: true, .. }, Answer::HostKey { accept: true, .. }) => false,
            (_, Answer::Cancel) | (About::HostKey { .. }, Answer::HostKey { .. }) => true,
            (About::Prompts(asked), Answer::Responses(given)) => asked.prompts.len() == given.len(),
            _ => false,
        };
        if !fits || shared.answer.is_some() {
            return Err(Misfit);
        }
        shared.answer = Some(answer);
        self.answered.notify_all();
        Ok(())
    }

    /// Is this what is asked, and has this key changed?
    pub fn asks_about_changed(&self, id: u64, fingerprint: &str) -> bool {
        self.lock().asks_about_changed(id, fingerprint)
    }

    /// Yes to a changed host key, from whoever has proved anew that they are there (B8).
    pub fn override_host_key(&self, id: u64, fingerprint: &str, remember: bool) -> Result<(), Misfit> {
        let mut shared = self.lock();
        if !shared.asks_about_changed(id, fingerprint) || shared.answer.is_some() {
            return Err(Misfit);
        }
        shared.answer = Some(Answer::HostKey { accept: true, remember });
        self.answered.notify_all();
        Ok(())
    }

    // ---- the session thread's side ----

    pub(super) fn progress(&self, detail: &str) {
        let mut shared = self.lock();
        shared.phase = Phase::Connecting;
        shared.detail = detail.to_owned();
        shared.ring_viewers();
    }

    pub(super) fn told_to_end(&self) -> bool {
        self.lock().told_to_end
    }

    /// Puts a question to whoever looks, and waits for the answer. None: told to end, or nobody answered in time.
    pub(super) fn ask(&self, about: About) -> Option<Answer> {
        let mut shared = self.lock();
        shared.questions_asked += 1;
        shared.question = Some(Question { id: shared.questions_asked, about });
        shared.answer = None;
        shared.phase = Phase::Asking;
        shared.detail = "waiting for your answer".into();
        shared.ring_viewers();
        let until = Instant::now() + limits::QUESTION;
        while shared.answer.is_none() && !shared.told_to_end {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            shared = self
                .answered
                .wait_timeout(shared, left)
                .map(|(guard, _)| guard)
                .unwrap_or_else(|poison| poison.into_inner().0);
        }
        shared.question = None;
        shared.phase = Phase::Connecting;
        shared.detail = "going on".into();
        shared.ring_viewers();
        shared.answer.take()
    }

    pub(super) fn live(&self) {
        let mut shared = self.lock();
        shared.phase = Phase::Live;
        shared.detail = String::new();
        shared.ring_viewers();
    }

    pub(super) fn output(&self, bytes: &[u8]) {
        let mut shared = self.lock();
        shared.ring.append(bytes);
        shared.ring_viewers();
    }

    /// Room for output. Zero also leaves word that the thread wants to be rung when there is some.
    pub(super) fn room(&self) -> usize {
        let mut shared = self.lock();
        let room = shared.room();
        shared.starved = room == 0;
        room
    }

    /// Nothing while a new size waits: what was typed after it must not reach the host before it.
    pub(super) fn take_input(&self) -> Option<Vec<u8>> {
        let mut shared = self.lock();
        if shared.new_size.is_some() {
            return None;
        }
        let piece = shared.input.pop_front()?;
        let was_full = shared.input_bytes >= limits::INPUT_QUEUE_BYTES;
        shared.input_bytes -= piece.len();
        if was_full && shared.input_bytes < limits::INPUT_QUEUE_BYTES {
            shared.ring_viewers();
        }
        Some(piece)
    }

    pub(super) fn take_size(&self) -> Option<(u16, u16)> {
        self.lock().new_size.take()
    }

    pub(super) fn has_ended(&self, ended: Ended, now: Instant) {
        let mut shared = self.lock();
        shared.phase = Phase::Ended;
        shared.detail = ended.message.clone();
        shared.ended = Some(ended);
        shared.ended_at = Some(now);
        shared.question = None;
        shared.input = VecDeque::new();
        shared.input_bytes = 0;
        shared.ring_viewers();
    }
}

/// What changed since this viewer last looked, in the order in which it should be told.
#[derive(Debug)]
pub enum News {
    State(Phase, String),
    Question(Question),
    Answered(u64),
    Size(u16, u16),
    /// The driver never sees this: the ring waits for it.
    Lost {
        bytes: u64,
        offset: u64,
        /// What the terminal must be written before the byte at `offset`.
        restore: String,
    },
    Output(Vec<u8>),
    /// All output was handed out before this.
    Ended(Ended),
}

/// Where a viewer begins.
#[derive(Debug, PartialEq, Eq)]
pub struct Begin {
    /// Of its next byte.
    pub offset: u64,
    /// Bytes before it that the browser has not, and that are gone.
    pub lost: u64,
    /// What a terminal in its first state must be written before it.
    pub restore: String,
}

/// Too many devices look at this session.
#[derive(Debug, PartialEq, Eq)]
pub struct Crowded;

/// One browser's cursor into a session. Dropping it detaches; the session goes on.
pub struct Viewer {
    pub session: Arc<Session>,
    number: u64,
    bell: Arc<OwnedFd>,
    told_state: Option<(Phase, String)>,
    told_question: Option<u64>,
    told_size: (u16, u16),
    told_ended: bool,
}

impl Viewer {
    /// Attaches at `offset` (bytes the browser has), or at the oldest byte held.
    pub fn attach(session: Arc<Session>, offset: Option<u64>) -> io::Result<Result<(Viewer, Begin), Crowded>> {
        let bell = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let mut shared = session.lock();
        if shared.viewers.len() >= limits::VIEWERS_PER_SESSION {
            return Ok(Err(Crowded));
        }
        let Piece { lost, offset: next, .. } = shared.ring.read(offset.unwrap_or(shared.ring.start()), 0);
        let restore = if lost > 0 || offset.is_none() { shared.ring.restore() } else { String::new() };
        shared.viewers_ever += 1;
        let number = shared.viewers_ever;
        shared.viewers.push(Slot { number, bell: bell.clone(), cursor: next, acknowledged: None, armed: false });
        shared.driver = number;
        let told_size = shared.size;
        drop(shared);
        let viewer =
            Viewer { session, number, bell, told_state: None, told_question: None, told_size, told_ended: false };
        Ok(Ok((viewer, Begin { offset: next, lost, restore })))
    }

    /// Readable when there is news for somebody who found none.
    pub fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    pub fn silence_bell(&self) {
        let mut count = [0; 8];
        let _ = rustix::io::read(&*self.bell, &mut count);
    }

    /// The next thing to tell the browser. None arms the bell.
    pub fn news(&mut self) -> Option<News> {
        let session = self.session.clone();
        let mut shared = session.lock();
        let news = self.change(&shared).or_else(|| self.output(&mut shared)).or_else(|| self.ending(&shared));
        if news.is_none()
            && let Some(slot) = shared.slot(self.number)
        {
            slot.armed = true;
        }
        news
    }

    fn change(&mut self, shared: &Shared) -> Option<News> {
        let asked = shared.question.as_ref().map(|question| question.id);
        if let Some(told) = self.told_question.filter(|told| asked != Some(*told)) {
            self.told_question = None;
            return Some(News::Answered(told));
        }
        let state = (shared.phase, &shared.detail);
        if shared.phase != Phase::Ended
            && self.told_state.as_ref().map(|(phase, detail)| (*phase, detail)) != Some(state)
        {
            self.told_state = Some((shared.phase, shared.detail.clone()));
            return Some(News::State(shared.phase, shared.detail.clone()));
        }
        if self.told_question != asked {
            self.told_question = asked;
            return shared.question.clone().map(News::Question);
        }
        if self.told_size != shared.size {
            self.told_size = shared.size;
            return Some(News::Size(shared.size.0, shared.size.1));
        }
        None
    }

    fn output(&self, shared: &mut Shared) -> Option<News> {
        let cursor = shared.slot(self.number)?.cursor;
        let piece = shared.ring.read(cursor, limits::OUTPUT_MESSAGE_BYTES);
        let next = piece.offset + if piece.lost > 0 { 0 } else { piece.bytes.len() as u64 };
        if next == cursor {
            return None;
        }
        shared.slot(self.number)?.cursor = next;
        self.wake_starved(shared);
        match piece.lost {
            0 => Some(News::Output(piece.bytes)),
            bytes => Some(News::Lost { bytes, offset: piece.offset, restore: shared.ring.restore() }),
        }
    }

    fn ending(&mut self, shared: &Shared) -> Option<News> {
        let ended = shared.ended.clone().filter(|_| !self.told_ended)?;
        self.told_ended = true;
        Some(News::Ended(ended))
    }

    fn wake_starved(&self, shared: &mut Shared) {
        if shared.starved && shared.room() > 0 {
            shared.starved = false;
            self.session.bell.ring();
        }
    }

    /// The browser says that it has every byte before `offset`. From its first word on, the ring keeps what it has not said it has.
    pub fn acknowledge(&self, offset: u64) {
        let mut shared = self.session.lock();
        if let Some(slot) = shared.slot(self.number) {
            slot.acknowledged = Some(offset.max(slot.acknowledged.unwrap_or(0)));
        }
        self.wake_starved(&mut shared);
    }

    /// Whether the queue takes more input. If not, the bell rings when it does.
    pub fn takes_input(&self) -> bool {
        let mut shared = self.session.lock();
        let takes = shared.input_bytes < limits::INPUT_QUEUE_BYTES;
        if !takes && let Some(slot) = shared.slot(self.number) {
            slot.armed = true;
        }
        takes
    }

    /// Hands over input. Ask [`Viewer::takes_input`] first: the queue then holds at most one message more than its bound. Input
    /// before the shell runs waits for it; input after the end goes nowhere.
    pub fn input(&self, bytes: Vec<u8>) {
        let mut shared = self.session.lock();
        if shared.take(bytes) {
            shared.driver = self.number;
            self.session.bell.ring();
        }
    }

    /// What a browser answers a program by itself. Every browser that looks on does; the driver's answer is the one.
    pub fn report(&self, bytes: Vec<u8>) {
        let mut shared = self.session.lock();
        if shared.driver == self.number && shared.take(bytes) {
            self.session.bell.ring();
        }
    }

    pub fn resize(&mut self, cols: u16, rows: u16) {
        let mut shared = self.session.lock();
        self.told_size = (cols, rows);
        shared.driver = self.number;
        if shared.size != (cols, rows) {
            shared.size = (cols, rows);
            shared.new_size = Some((cols, rows));
            shared.ring_viewers();
            self.session.bell.ring();
        }
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        let mut shared = self.session.lock();
        shared.viewers.retain(|slot| slot.number != self.number);
        if shared.driver == self.number {
            shared.driver = shared.viewers.last().map_or(0, |slot| slot.number);
        }
        shared.detached_at = Instant::now();
        shared.starved = false;
        drop(shared);
        self.session.bell.ring();
    }
}

#[cfg(test)]
pub mod for_tests {
    use super::*;

    /// One that leads nowhere.
    pub fn session() -> Arc<Session> {
        let destination = ssh::Destination { host: "h".into(), port: 22, user: "u".into() };
        let (id, owner, peer) = (Id::random(), Id::random(), [127, 0, 0, 1].into());
        let facts = Facts { id, owner, peer, host_id: None, destination, started: 0 };
        Arc::new(Session::new(facts, (80, 24), 1024, ssh::bell().0, Instant::now()))
    }
}

#[cfg(test)]
mod tests {
    use super::for_tests::session;
    use super::*;

    fn viewer(session: &Arc<Session>) -> Viewer {
        Viewer::attach(session.clone(), None).unwrap().unwrap().0
    }

    #[test]
    fn of_all_who_look_on_the_driver_s_terminal_answers() {
        let session = session();
        let (one, two) = (viewer(&session), viewer(&session));
        let taken = || std::iter::from_fn(|| session.take_input()).flatten().collect::<Vec<u8>>();
        let both_answer = || [&one, &two].map(|each| each.report(format!("{};", each.number).into_bytes()));
        both_answer();
        assert_eq!(taken(), format!("{};", two.number).as_bytes(), "who came last, until somebody types");
        one.input(b"ls".to_vec());
        both_answer();
        assert_eq!(taken(), format!("ls{};", one.number).as_bytes());
    }

    /// The story: each key typed at a host that had stopped reading was a piece of its own, and 128 KiB of them took 7 MB.
    #[test]
    fn keys_typed_at_a_host_that_does_not_read_cost_what_was_typed() {
        let session = session();
        let viewer = viewer(&session);
        let typed: Vec<u8> = (0..limits::INPUT_QUEUE_BYTES).map(|n| n as u8).collect();
        for key in &typed {
            assert!(viewer.takes_input());
            viewer.input(vec![*key]);
        }
        assert!(!viewer.takes_input());
        viewer.input(vec![7; limits::MESSAGE_BYTES]);
        assert!(session.lock().input.len() <= 8);
        let taken: Vec<u8> = std::iter::from_fn(|| session.take_input()).flatten().collect();
        assert!(taken.starts_with(&typed) && taken.len() == typed.len() + limits::MESSAGE_BYTES);
        assert!(viewer.takes_input() && session.lock().input_bytes == 0);
    }

    /// The story: under load, `stty size` typed after a resize was now and then told the old size.
    #[test]
    fn what_is_typed_after_a_new_size_waits_for_it() {
        let session = session();
        let mut viewer = viewer(&session);
        viewer.resize(120, 40);
        viewer.input(b"stty size\r".to_vec());
        assert_eq!(session.take_input(), None);
        assert_eq!(session.take_size(), Some((120, 40)));
        assert_eq!(session.take_input(), Some(b"stty size\r".to_vec()));
    }

    /// The story: a browser that did not read was not told of its sign-out before its next ping, up to 25 s later.
    #[test]
    fn a_viewer_that_waits_for_its_browser_is_rung_too() {
        let session = session();
        let viewer = viewer(&session);
        session.ring_viewers();
        assert_eq!(rustix::io::read(&*viewer.bell, &mut [0u8; 8]), Ok(8));
    }
}
