//! The shell, and its bytes both ways.
//!
//! One loop: do everything that can be done now, then wait for whichever comes first: the bell (input, a new size, room for output, the
//! end), news from the host, or our last message having been taken. Nothing is held back, and nothing waits for anything else.

use super::client::{Call, Stop};
use super::failures;
use super::guard::Guard;
use super::inbox::Inbox;
use super::{Ending, Plumbing, Pty};
use russh::client::{Handle, Msg};
use russh::{ChannelWriteHalf, Error, Pty as Mode};
use std::future::pending;
use std::pin::Pin;
use std::time::Instant;
use tokio::time::sleep_until;

/// What OpenSSH's client sends from an ordinary terminal: the usual control characters, echo, signals, line editing, CR to NL, and
/// UTF-8, so that erasing erases a character (RFC 4254 8).
const MODES: &[(Mode, u32)] = &[
    (Mode::VINTR, 3),
    (Mode::VQUIT, 28),
    (Mode::VERASE, 127),
    (Mode::VKILL, 21),
    (Mode::VEOF, 4),
    (Mode::VSTART, 17),
    (Mode::VSTOP, 19),
    (Mode::VSUSP, 26),
    (Mode::VREPRINT, 18),
    (Mode::VWERASE, 23),
    (Mode::VLNEXT, 22),
    (Mode::VDISCARD, 15),
    (Mode::IGNPAR, 0),
    (Mode::PARMRK, 0),
    (Mode::INPCK, 0),
    (Mode::ISTRIP, 0),
    (Mode::INLCR, 0),
    (Mode::IGNCR, 0),
    (Mode::ICRNL, 1),
    (Mode::IXON, 1),
    (Mode::IXANY, 0),
    (Mode::IXOFF, 0),
    (Mode::IMAXBEL, 1),
    (Mode::IUTF8, 1),
    (Mode::ISIG, 1),
    (Mode::ICANON, 1),
    (Mode::ECHO, 1),
    (Mode::ECHOE, 1),
    (Mode::ECHOK, 1),
    (Mode::ECHONL, 0),
    (Mode::NOFLSH, 0),
    (Mode::TOSTOP, 0),
    (Mode::IEXTEN, 1),
    (Mode::ECHOCTL, 1),
    (Mode::ECHOKE, 1),
    (Mode::OPOST, 1),
    (Mode::OLCUC, 0),
    (Mode::ONLCR, 1),
    (Mode::OCRNL, 0),
    (Mode::ONOCR, 0),
    (Mode::ONLRET, 0),
    (Mode::CS8, 1),
    (Mode::PARENB, 0),
    (Mode::TTY_OP_ISPEED, 38_400),
    (Mode::TTY_OP_OSPEED, 38_400),
];

type Outbound<'a> = Pin<Box<dyn Future<Output = Result<(), Error>> + 'a>>;

/// Opens a channel with a terminal and a shell on it, and stays until it ends.
pub(super) async fn shell(
    call: &Call<'_>,
    handle: &Handle<Guard>,
    inbox: &Inbox,
    pty: &Pty,
    plumbing: &mut dyn Plumbing,
) -> Result<Ending, Stop> {
    let write = match call.within(call.patience.authenticate, begin(handle, inbox, pty)).await? {
        Some(begun) => begun?,
        None => return Err(failures::no_shell("shell in time").into()),
    };
    plumbing.started();
    let carrier = Carrier { call, inbox, write: &write, plumbing, input: None, outbound: None };
    carrier.carry().await
}

async fn begin(handle: &Handle<Guard>, inbox: &Inbox, pty: &Pty) -> Result<ChannelWriteHalf<Msg>, Stop> {
    let channel = handle.channel_open_session().await.map_err(|error| could_not_begin(&error, inbox))?;
    // The reading half is dropped: what comes goes through the inbox.
    let (_, write) = channel.split();
    let (cols, rows) = (u32::from(pty.cols), u32::from(pty.rows));
    let asked = async {
        write.request_pty(true, pty.term, cols, rows, 0, 0, MODES).await?;
        write.request_shell(true).await
    };
    asked.await.map_err(|error| could_not_begin(&error, inbox))?;
    for what in ["terminal", "shell"] {
        if !reply(inbox).await {
            return Err(failures::no_shell(what).into());
        }
    }
    Ok(write)
}

fn could_not_begin(error: &Error, inbox: &Inbox) -> Stop {
    match inbox.farewell() {
        Some(words) => failures::failure("closed", format!("The host hung up: {words}"), "Connect again.").into(),
        None if matches!(error, Error::ChannelOpenFailure(_)) => failures::no_shell("channel").into(),
        None => failures::broken(error).into(),
    }
}

/// The host's next answer to a request. A host that hangs up has said no.
async fn reply(inbox: &Inbox) -> bool {
    loop {
        if let Some(success) = inbox.take_reply() {
            return success;
        }
        if inbox.is_over() {
            return false;
        }
        inbox.news().await;
    }
}

struct Carrier<'a, 'c> {
    call: &'a Call<'c>,
    inbox: &'a Inbox,
    write: &'a ChannelWriteHalf<Msg>,
    plumbing: &'a mut dyn Plumbing,
    /// Input taken, for which the host's window had no room yet.
    input: Option<Vec<u8>>,
    /// The one message on its way to the library.
    outbound: Option<Outbound<'a>>,
}

impl<'a> Carrier<'a, '_> {
    async fn carry(mut self) -> Result<Ending, Stop> {
        loop {
            if self.plumbing.ended() {
                return Ok(Ending::Ended);
            }
            // Asked before delivering: what had come by then is delivered before the end is told.
            let over = self.inbox.is_over();
            if self.deliver() && over {
                return self.ending();
            }
            if self.outbound.is_none() {
                self.outbound = self.next_message().await;
            }
            let dead_at = self.dead_at();
            tokio::select! {
                biased;
                sent = sent(&mut self.outbound) => {
                    self.outbound = None;
                    // The library is gone: the inbox has, or will have, the reason.
                    if sent.is_err() && !self.inbox.is_over() {
                        self.inbox.over(None, None);
                    }
                }
                () = self.inbox.news() => {}
                () = self.call.bell.rung() => {}
                () = sleep_until(dead_at.into()) => {
                    if self.dead_at() <= Instant::now() {
                        return Ok(Ending::Dead);
                    }
                }
            }
        }
    }

    /// Hands on what has come, as far as there is room. True when nothing is left.
    fn deliver(&mut self) -> bool {
        self.inbox.deliver(|bytes| {
            let taken = bytes.len().min(self.plumbing.room());
            if taken > 0 {
                self.plumbing.output(&bytes[..taken]);
            }
            taken
        })
    }

    /// What goes to the host next. The size first: it is small, needs no window, and a program that redraws wants it soon. Input only
    /// as much as the host's window takes, so that a message on its way never waits for a program that does not read.
    async fn next_message(&mut self) -> Option<Outbound<'a>> {
        let write = self.write;
        if let Some((cols, rows)) = self.plumbing.resize() {
            return Some(Box::pin(write.window_change(cols.into(), rows.into(), 0, 0)));
        }
        let mut piece = self.input.take().or_else(|| self.plumbing.input())?;
        let room = write.writable_packet_size().await;
        if piece.len() > room {
            self.input = Some(piece.split_off(room));
        }
        (!piece.is_empty()).then(|| -> Outbound<'a> { Box::pin(write.data_bytes(piece)) })
    }

    fn dead_at(&self) -> Instant {
        let patience = self.call.patience;
        self.inbox.last_heard() + patience.keepalive * (patience.keepalives_missed + 1)
    }

    fn ending(&self) -> Result<Ending, Stop> {
        if let Some(exit) = self.inbox.take_exit() {
            return Ok(exit);
        }
        match self.inbox.trouble() {
            Some(words) => Err(failures::failure(
                "protocol",
                format!("The connection broke: {words}."),
                "Connect again. The host's log may say why.",
            )
            .into()),
            None => Ok(Ending::Closed),
        }
    }
}

async fn sent(outbound: &mut Option<Outbound<'_>>) -> Result<(), Error> {
    match outbound {
        Some(message) => message.await,
        None => pending().await,
    }
}
