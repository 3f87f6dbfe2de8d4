//! One terminal's life with its host, in order: dial, exchange keys and ask about the host's key, sign in, open a shell, carry bytes.
//!
//! The library is asynchronous; a current-thread runtime lives here for as long as the terminal does. The library's own task runs in
//! it beside this code, in the session's one thread. The questions a person answers block that thread, and so the host: it waits.

use super::authenticate;
use super::carry;
use super::dial::dial;
use super::failures;
use super::gate::Gate;
use super::guard::{Guard, KeyQuestion};
use super::inbox::Inbox;
use super::preferences;
use super::{BellReceiver, Destination, Ending, Failure, Login, Patience, Plumbing, Pty, Steward};
use crate::limits;
use russh::Disconnect;
use russh::client::{Handle, connect_stream};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout};

/// Whom to call, and who is asked on the way.
pub(super) struct Call<'a> {
    pub to: &'a Destination,
    pub steward: &'a mut dyn Steward,
    pub bell: &'a BellReceiver,
    pub patience: &'a Patience,
}

/// Why a terminal does not come to be.
pub(super) enum Stop {
    Failed(Failure),
    /// Told to end.
    Cancelled,
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Stop {
        Stop::Failed(failure)
    }
}

impl Call<'_> {
    /// Waits for `step`, at most for `limit` (then None), and not beyond being told to end.
    pub async fn within<T>(&self, limit: Duration, step: impl Future<Output = T>) -> Result<Option<T>, Stop> {
        let mut step = pin!(step);
        let deadline = Instant::now() + limit;
        loop {
            if self.steward.cancelled() {
                return Err(Stop::Cancelled);
            }
            tokio::select! {
                done = &mut step => return Ok(Some(done)),
                () = self.bell.rung() => {}
                () = sleep_until(deadline) => return Ok(None),
            }
        }
    }
}

pub(super) fn run(call: Call<'_>, login: Login, pty: &Pty, plumbing: &mut dyn Plumbing) -> Result<Ending, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        // One socket and one bell: the default of 1024 events is a 12 KiB buffer per terminal.
        .max_io_events_per_tick(4)
        .build()
        .map_err(|error| failures::internal(&error))?;
    match runtime.block_on(life(call, login, pty, plumbing)) {
        Ok(ending) => Ok(ending),
        Err(Stop::Cancelled) => Ok(Ending::Ended),
        Err(Stop::Failed(failure)) => Err(failure),
    }
}

async fn life(mut call: Call<'_>, login: Login, pty: &Pty, plumbing: &mut dyn Plumbing) -> Result<Ending, Stop> {
    let stream = dial(&mut call).await?;
    let inbox = Arc::new(Inbox::new());
    let mut handle = handshake(&mut call, stream, &inbox).await?;
    call.steward.progress("signing in");
    authenticate::sign_in(&mut call, &mut handle, &inbox, login).await?;
    let ending = carry::shell(&call, &handle, &inbox, pty, plumbing).await;
    hang_up(handle).await;
    ending
}

/// Exchanges keys, and has the host's key accepted or refused before anything else is sent.
async fn handshake(call: &mut Call<'_>, stream: TcpStream, inbox: &Arc<Inbox>) -> Result<Handle<Guard>, Stop> {
    call.steward.progress("exchanging keys");
    let config = Arc::new(preferences::config(call.patience, &call.steward.known_algorithms()));
    let (ask, asked) = oneshot::channel();
    let gate = Gate::new(stream, Arc::clone(inbox));
    let mut connecting = pin!(connect_stream(config, gate, Guard::new(Arc::clone(inbox), ask)));
    let mut asked = pin!(asked);
    let until_asked = call.within(call.patience.handshake, async {
        tokio::select! {
            biased;
            question = &mut asked => match question {
                Ok(question) => Ok(question),
                // The library hung up without asking; its reason follows.
                Err(_) => Err((&mut connecting).await),
            },
            connected = &mut connecting => Err(connected),
        }
    });
    let question = match until_asked.await? {
        Some(Ok(question)) => question,
        Some(Err(connected)) => return Err(not_connected(connected, inbox)),
        None => return Err(failures::handshake_took_too_long().into()),
    };
    answer(call, question)?;
    match call.within(call.patience.handshake, &mut connecting).await? {
        Some(Ok(handle)) => Ok(handle),
        Some(failed) => Err(not_connected(failed, inbox)),
        None => Err(failures::handshake_took_too_long().into()),
    }
}

fn answer(call: &mut Call<'_>, question: KeyQuestion) -> Result<(), Stop> {
    let verdict = call.steward.host_key(&question.key);
    if call.steward.cancelled() {
        return Err(Stop::Cancelled);
    }
    verdict.map_err(failures::host_key_refused)?;
    // Not received: the library has hung up meanwhile, and the caller is about to learn why.
    let _ = question.verdict.send(true);
    Ok(())
}

fn not_connected(connected: Result<Handle<Guard>, russh::Error>, inbox: &Inbox) -> Stop {
    let error = connected.err().unwrap_or(russh::Error::Inconsistent);
    failures::handshake(&error, inbox.farewell().as_deref()).into()
}

/// Says goodbye. A host that does not listen is not waited for.
async fn hang_up(handle: Handle<Guard>) {
    let goodbye = async {
        let _ = handle.disconnect(Disconnect::ByApplication, "", "").await;
        let _ = handle.await;
    };
    let _ = timeout(limits::HANG_UP, goodbye).await;
}
