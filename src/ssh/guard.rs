//! What the SSH library tells us as it happens. Nothing here waits, but for the one question about the host's key.

use super::failures::quote;
use super::inbox::Inbox;
use super::{Ending, HostKey};
use russh::client::{ChannelOpenHandle, DisconnectReason, Handler, Msg, Session};
use russh::keys::{HashAlg, PublicKey, PublicKeyOrCertificate};
use russh::{Channel, ChannelId, Error, Sig};
use std::sync::Arc;
use tokio::sync::oneshot;

/// The host's key, and where the verdict goes.
pub(super) struct KeyQuestion {
    pub key: HostKey,
    pub verdict: oneshot::Sender<bool>,
}

pub(super) struct Guard {
    inbox: Arc<Inbox>,
    /// Used once: a connection has one first key exchange.
    ask: Option<oneshot::Sender<KeyQuestion>>,
}

impl Guard {
    pub fn new(inbox: Arc<Inbox>, ask: oneshot::Sender<KeyQuestion>) -> Guard {
        Guard { inbox, ask: Some(ask) }
    }
}

/// The library drops its handler when its task ends, however it ends.
impl Drop for Guard {
    fn drop(&mut self) {
        self.inbox.over(None, None);
    }
}

/// As a person compares it: `ssh-rsa` is the key's name, whatever hash it signs with.
fn host_key(key: &PublicKey) -> HostKey {
    let algorithm = if key.algorithm().is_rsa() { "ssh-rsa".to_owned() } else { key.algorithm().as_str().to_owned() };
    HostKey { algorithm, fingerprint: key.fingerprint(HashAlg::Sha256).to_string() }
}

fn signal_name(signal: &Sig) -> String {
    match signal {
        Sig::Custom(name) => quote(name),
        known => format!("{known:?}"),
    }
}

impl Handler for Guard {
    type Error = Error;

    /// G1. The library has checked the signature; it sends nothing more until this returns true.
    async fn check_server_key(&mut self, presented: &PublicKeyOrCertificate) -> Result<bool, Error> {
        // We never offer certificate algorithms, so a certificate is a host that does not keep to the protocol.
        let PublicKeyOrCertificate::PublicKey { key, .. } = presented else { return Ok(false) };
        let Some(ask) = self.ask.take() else { return Ok(false) };
        let (verdict, answer) = oneshot::channel();
        if ask.send(KeyQuestion { key: host_key(key), verdict }).is_err() {
            return Ok(false);
        }
        Ok(answer.await.unwrap_or(false))
    }

    async fn data(&mut self, _: ChannelId, bytes: &[u8], _: &mut Session) -> Result<(), Error> {
        self.inbox.output(bytes);
        Ok(())
    }

    /// With a pty there is no separate error stream, but a host may send one all the same: it belongs on the screen.
    async fn extended_data(&mut self, _: ChannelId, _: u32, bytes: &[u8], _: &mut Session) -> Result<(), Error> {
        self.inbox.output(bytes);
        Ok(())
    }

    async fn channel_success(&mut self, _: ChannelId, _: &mut Session) -> Result<(), Error> {
        self.inbox.reply(true);
        Ok(())
    }

    async fn channel_failure(&mut self, _: ChannelId, _: &mut Session) -> Result<(), Error> {
        self.inbox.reply(false);
        Ok(())
    }

    async fn window_adjusted(&mut self, _: ChannelId, _: u32, _: &mut Session) -> Result<(), Error> {
        self.inbox.window_grew();
        Ok(())
    }

    async fn exit_status(&mut self, _: ChannelId, status: u32, _: &mut Session) -> Result<(), Error> {
        self.inbox.exit(Ending::Exit { status });
        Ok(())
    }

    async fn exit_signal(
        &mut self,
        _: ChannelId,
        signal: Sig,
        _: bool,
        _: &str,
        _: &str,
        _: &mut Session,
    ) -> Result<(), Error> {
        self.inbox.exit(Ending::Signal { name: signal_name(&signal) });
        Ok(())
    }

    async fn channel_close(&mut self, _: ChannelId, _: &mut Session) -> Result<(), Error> {
        self.inbox.over(None, None);
        Ok(())
    }

    async fn disconnected(&mut self, reason: DisconnectReason<Error>) -> Result<(), Error> {
        match reason {
            DisconnectReason::ReceivedDisconnect(said) => {
                self.inbox.over(Some(quote(&said.message)), None);
                Ok(())
            }
            DisconnectReason::Error(error) => {
                if matches!(error, Error::NoAuthMethod) {
                    self.inbox.refused_all_methods();
                }
                // A connection that breaks is one that was closed: the host's machine went down, or the network did.
                let ordinary = matches!(error, Error::Disconnect | Error::HUP | Error::IO(_));
                self.inbox.over(None, (!ordinary).then(|| error.to_string()));
                Err(error)
            }
        }
    }

    // A host has no business opening channels to us: each handle is dropped, which refuses it.

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Error> {
        Ok(())
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Error> {
        Ok(())
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        _: Channel<Msg>,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Error> {
        Ok(())
    }

    async fn server_channel_open_session(
        &mut self,
        _: Channel<Msg>,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Error> {
        Ok(())
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Error> {
        Ok(())
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Error> {
        Ok(())
    }

    async fn server_channel_open_x11(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Error> {
        Ok(())
    }
}
