//! What has come from the host and not been handed on yet: shared by the library's task, which fills it, and the session's own loop,
//! which empties it. Both run in the same thread, so the lock is never waited for.
//!
//! The library acknowledges channel data as soon as it has parsed it, and a full message queue of its own stops its whole loop,
//! keystrokes included. So its queue is not used: data goes into this buffer, and while the buffer is full the socket is not read
//! (`gate.rs`). Then the host's TCP window and SSH window close, and input and keepalives still go out.

use super::Ending;
use crate::limits;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;
use tokio::sync::Notify;

pub(super) struct Inbox {
    state: Mutex<State>,
    news: Notify,
}

struct State {
    output: Vec<u8>,
    /// How much of `output` has been handed on.
    delivered: usize,
    /// The socket's reader, asleep because `output` is full.
    reader: Option<Waker>,
    /// Success or failure of channel requests, in order.
    replies: Vec<bool>,
    /// How the shell ended, if the host said so.
    exit: Option<Ending>,
    over: bool,
    /// What the host said when it hung up.
    farewell: Option<String>,
    /// The library's own reason for hanging up.
    trouble: Option<String>,
    no_method_left: bool,
    heard: Instant,
}

impl Inbox {
    pub fn new() -> Inbox {
        let state = State {
            output: Vec::new(),
            delivered: 0,
            reader: None,
            replies: Vec::new(),
            exit: None,
            over: false,
            farewell: None,
            trouble: None,
            no_method_left: false,
            heard: Instant::now(),
        };
        Inbox { state: Mutex::new(state), news: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resolves when something has come since the last time.
    pub async fn news(&self) {
        self.news.notified().await;
    }

    // ---- the socket's side ----

    /// May the socket be read? If not, the reader is woken when it may.
    pub fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.output.len() - state.delivered < limits::SSH_BACKLOG_BYTES {
            return Poll::Ready(());
        }
        state.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    /// The host sent something, whatever it was.
    pub fn heard(&self) {
        self.lock().heard = Instant::now();
    }

    /// When the host was last heard. While nobody lets us listen, it counts as now.
    pub fn last_heard(&self) -> Instant {
        let state = self.lock();
        if state.reader.is_some() { Instant::now() } else { state.heard }
    }

    // ---- the library's side ----

    pub fn output(&self, bytes: &[u8]) {
        self.lock().output.extend_from_slice(bytes);
        self.news.notify_one();
    }

    pub fn reply(&self, success: bool) {
        let mut state = self.lock();
        // We ask twice in all. A host that answers more often is not listened to.
        if state.replies.len() < 2 {
            state.replies.push(success);
        }
        drop(state);
        self.news.notify_one();
    }

    pub fn exit(&self, how: Ending) {
        self.lock().exit.get_or_insert(how);
        self.news.notify_one();
    }

    /// More input may be taken.
    pub fn window_grew(&self) {
        self.news.notify_one();
    }

    /// Nothing more will come.
    pub fn over(&self, farewell: Option<String>, trouble: Option<String>) {
        let mut state = self.lock();
        state.over = true;
        state.farewell = state.farewell.take().or(farewell);
        state.trouble = state.trouble.take().or(trouble);
        drop(state);
        self.news.notify_one();
    }

    // ---- the session loop's side ----

    /// Hands waiting output to `take`, which says how much it took. False if some is left.
    pub fn deliver(&self, mut take: impl FnMut(&[u8]) -> usize) -> bool {
        let mut state = self.lock();
        while state.delivered < state.output.len() {
            let taken = take(&state.output[state.delivered..]);
            if taken == 0 {
                break;
            }
            state.delivered += taken;
        }
        let empty = state.delivered == state.output.len();
        if empty {
            state.forget_delivered();
        } else if state.delivered >= limits::SSH_BACKLOG_BYTES {
            // Whoever takes a little at a time never takes the last byte: what they have is no longer kept.
            let delivered = std::mem::take(&mut state.delivered);
            state.output.drain(..delivered);
        }
        if state.output.len() - state.delivered < limits::SSH_BACKLOG_BYTES
            && let Some(reader) = state.reader.take()
        {
            state.heard = Instant::now();
            drop(state);
            reader.wake();
        }
        empty
    }

    pub fn take_reply(&self) -> Option<bool> {
        let mut state = self.lock();
        (!state.replies.is_empty()).then(|| state.replies.remove(0))
    }

    pub fn is_over(&self) -> bool {
        self.lock().over
    }

    pub fn take_exit(&self) -> Option<Ending> {
        self.lock().exit.take()
    }

    pub fn farewell(&self) -> Option<String> {
        self.lock().farewell.clone()
    }

    /// The host hung up because it knows no further way to sign in.
    pub fn no_method_left(&self) -> bool {
        self.lock().no_method_left
    }

    pub fn refused_all_methods(&self) {
        self.lock().no_method_left = true;
    }

    pub fn trouble(&self) -> Option<String> {
        self.lock().trouble.clone()
    }
}

impl State {
    /// An idle terminal keeps a small buffer for the next echo, not the one a long listing needed.
    fn forget_delivered(&mut self) {
        let was_little = self.output.len() <= limits::SSH_IDLE_BUFFER_BYTES;
        self.output.clear();
        self.delivered = 0;
        if was_little {
            self.output.shrink_to(limits::SSH_IDLE_BUFFER_BYTES);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    /// The story: a browser that acknowledged 8 KiB at a time, under a host that never paused, made the box keep every byte that had
    /// ever passed.
    #[test]
    fn what_was_delivered_is_not_kept_though_some_is_always_left() {
        let inbox = Inbox::new();
        let mut cx = Context::from_waker(Waker::noop());
        let (mut sent, mut seen) = (0u64, 0u64);
        let number = |at: u64| (at % 251) as u8;
        for _ in 0..2_000 {
            while inbox.poll_room(&mut cx).is_ready() {
                let piece: Vec<u8> = (sent..sent + 16 * 1024).map(number).collect();
                inbox.output(&piece);
                sent += piece.len() as u64;
            }
            let mut room = 8 * 1024;
            inbox.deliver(|bytes| {
                let taken = room.min(bytes.len());
                let right = bytes[..taken].iter().zip(seen..).all(|(byte, at)| *byte == number(at));
                assert!(right, "another byte than was sent, after {seen}");
                (room, seen) = (room - taken, seen + taken as u64);
                taken
            });
            assert!(inbox.lock().output.capacity() <= 4 * limits::SSH_BACKLOG_BYTES, "after {seen} bytes");
        }
        assert!(seen > 16_000_000);
    }
}
