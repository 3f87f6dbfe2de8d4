//! Signing in (RFC 4252, 4256): with what is stored first, then by asking a person for what the host still wants.

use super::client::{Call, Stop};
use super::failures;
use super::guard::Guard;
use super::inbox::Inbox;
use super::{Failure, Login, Prompt, Prompts};
use crate::limits;
use crate::secret::{self, Secret};
use russh::client::{AuthResult, Handle, KeyboardInteractiveAuthResponse};
use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PrivateKey, PrivateKeyWithHashAlg};
use russh::{MethodKind, MethodSet};
use std::sync::Arc;

/// What the host said to one method.
enum Reply {
    Accepted,
    /// Accepted, and something more is wanted.
    Partly(MethodSet),
    Refused(MethodSet),
}

impl From<AuthResult> for Reply {
    fn from(result: AuthResult) -> Reply {
        match result {
            AuthResult::Success => Reply::Accepted,
            AuthResult::Failure { remaining_methods, partial_success: true } => Reply::Partly(remaining_methods),
            AuthResult::Failure { remaining_methods, partial_success: false } => Reply::Refused(remaining_methods),
        }
    }
}

pub(super) async fn sign_in(
    call: &mut Call<'_>,
    handle: &mut Handle<Guard>,
    inbox: &Inbox,
    login: Login,
) -> Result<(), Stop> {
    let mut desk = Desk { call, handle, inbox, stored: None, taken: false, signs_deeply: false };
    let more = match login {
        Login::Ask => desk.with_nothing().await?,
        Login::Password(password) => desk.with_password(password).await?,
        Login::Key(key) => desk.with_key(&key).await?,
    };
    if let Some(methods) = more {
        desk.by_asking(methods).await?;
    }
    if desk.signs_deeply {
        secret::wipe_stack_deeply()
    } else {
        secret::wipe_stack()
    }
    let taken = desk.taken;
    call.steward.signed_in(taken);
    Ok(())
}

/// One sign-in under way.
struct Desk<'a, 'c> {
    call: &'a mut Call<'c>,
    handle: &'a mut Handle<Guard>,
    inbox: &'a Inbox,
    /// A stored password that has not been shown to the host yet.
    stored: Option<Secret>,
    /// The host has taken what is stored: that it was shown is no use of it.
    taken: bool,
    /// With what is stored.
    signs_deeply: bool,
}

/// None: signed in. Else the methods with which to go on, by asking.
type Next = Option<MethodSet>;

impl Desk<'_, '_> {
    /// `none` tells which methods there are; some hosts want nothing more.
    async fn with_nothing(&mut self) -> Result<Next, Stop> {
        let user = self.call.to.user.clone();
        match self.step(async |handle| handle.authenticate_none(user).await).await? {
            Reply::Accepted => Ok(None),
            Reply::Partly(methods) | Reply::Refused(methods) => Ok(Some(methods)),
        }
    }

    async fn with_password(&mut self, password: Secret) -> Result<Next, Stop> {
        match self.password(&password).await? {
            Reply::Accepted => Ok(self.takes(None)),
            Reply::Partly(methods) => Ok(self.takes(Some(methods))),
            Reply::Refused(methods) if methods.contains(&MethodKind::Password) => Err(stored_password_refused()),
            // The host takes passwords as the answer to a question only.
            Reply::Refused(methods) if methods.contains(&MethodKind::KeyboardInteractive) => {
                self.stored = Some(password);
                Ok(Some(methods))
            }
            Reply::Refused(methods) => Err(no_common_method(&methods)),
        }
    }

    async fn with_key(&mut self, text: &Secret) -> Result<Next, Stop> {
        let key = secret::on_a_wiped_stack(|| read_key(text))?;
        self.signs_deeply = signs_deeply(&key);
        let hash = if key.algorithm().is_rsa() { Some(self.rsa_hash().await?) } else { None };
        let key = PrivateKeyWithHashAlg::new(key, hash);
        let user = self.call.to.user.clone();
        match self.step(async |handle| handle.authenticate_publickey(user, key).await).await? {
            Reply::Accepted => Ok(self.takes(None)),
            Reply::Partly(methods) => Ok(self.takes(Some(methods))),
            Reply::Refused(_) => Err(failures::not_accepted(
                "this key",
                "Add the key's public line to ~/.ssh/authorized_keys on the host, and check the user name.",
            )
            .into()),
        }
    }

    fn takes(&mut self, next: Next) -> Next {
        self.taken = true;
        next
    }

    /// SHA-2 always: SHA-512 where the host does not say, as every server of the last ten years takes it.
    async fn rsa_hash(&mut self) -> Result<HashAlg, Stop> {
        let asked = self.call.within(self.call.patience.authenticate, self.handle.best_supported_rsa_hash()).await?;
        match asked {
            Some(Ok(Some(Some(hash)))) => Ok(hash),
            Some(Ok(None)) => Ok(HashAlg::Sha512),
            Some(Ok(Some(None))) => Err(failures::not_accepted(
                "RSA keys but with SHA-1, which is broken",
                "Use an Ed25519 key for this host, or update its SSH server.",
            )
            .into()),
            Some(Err(_)) => Err(self.hung_up()),
            None => Err(failures::step_took_too_long().into()),
        }
    }

    async fn by_asking(&mut self, mut methods: MethodSet) -> Result<(), Stop> {
        let mut attempt = 1;
        while attempt <= limits::PASSWORD_ATTEMPTS {
            let reply = if methods.contains(&MethodKind::KeyboardInteractive) {
                let has = self.stored.is_some();
                let reply = self.keyboard_interactive(attempt).await?;
                let shown = has && self.stored.is_none();
                self.taken |= shown && !matches!(reply, Reply::Refused(_));
                reply
            } else if methods.contains(&MethodKind::Password) {
                let password = self.ask_password(attempt)?;
                self.password(&password).await?
            } else {
                return Err(no_common_method(&methods));
            };
            match reply {
                Reply::Accepted => return Ok(()),
                Reply::Partly(rest) => (methods, attempt) = (rest, 1),
                Reply::Refused(_) if self.handle.is_closed() => return Err(self.hung_up()),
                Reply::Refused(rest) => (methods, attempt) = (rest, attempt + 1),
            }
        }
        Err(failures::not_accepted("the password or code", "Check the user name and try again.").into())
    }

    fn ask_password(&mut self, attempt: u32) -> Result<Secret, Stop> {
        let prompt = Prompt { text: format!("Password for {}: ", self.call.to.user), echo: false };
        let prompts = Prompts { name: String::new(), instruction: String::new(), prompts: vec![prompt], attempt };
        self.ask(&prompts)?.pop().ok_or_else(|| failures::gave_up().into())
    }

    fn ask(&mut self, prompts: &Prompts) -> Result<Vec<Secret>, Stop> {
        let answers = self.call.steward.prompts(prompts);
        if self.call.steward.cancelled() {
            return Err(Stop::Cancelled);
        }
        let answers = answers.filter(|answers| answers.len() == prompts.prompts.len());
        answers.ok_or_else(|| failures::gave_up().into())
    }

    async fn password(&mut self, password: &Secret) -> Result<Reply, Stop> {
        let user = self.call.to.user.clone();
        let text = text_of(password)?;
        self.step(async |handle| handle.authenticate_password(user, text).await).await
    }

    /// One run of keyboard-interactive: the host asks until it has made up its mind.
    async fn keyboard_interactive(&mut self, attempt: u32) -> Result<Reply, Stop> {
        use KeyboardInteractiveAuthResponse as Said;
        let user = self.call.to.user.clone();
        let start = self.handle.authenticate_keyboard_interactive_start(user, None);
        let mut said = self.call.within(self.call.patience.authenticate, start).await?;
        for _ in 0..limits::PROMPT_ROUNDS {
            let (name, instruction, asked) = match said {
                Some(Ok(Said::Success)) => return Ok(Reply::Accepted),
                Some(Ok(Said::Failure { remaining_methods, partial_success: true })) => {
                    return Ok(Reply::Partly(remaining_methods));
                }
                Some(Ok(Said::Failure { remaining_methods, .. })) => return Ok(Reply::Refused(remaining_methods)),
                Some(Ok(Said::InfoRequest { name, instructions, prompts })) => (name, instructions, prompts),
                Some(Err(_)) => return Err(self.hung_up()),
                None => return Err(failures::step_took_too_long().into()),
            };
            let prompts = shown(&name, &instruction, &asked, attempt)?;
            let answers = self.answers(&prompts)?;
            let respond = self.handle.authenticate_keyboard_interactive_respond(answers);
            said = self.call.within(self.call.patience.authenticate, respond).await?;
        }
        Err(failures::not_accepted("an end to its questions", "Ask the host's owner what it wants.").into())
    }

    /// The stored password answers the first single hidden question; a person answers the rest. A round without questions (an
    /// announcement) needs nobody.
    fn answers(&mut self, prompts: &Prompts) -> Result<Vec<String>, Stop> {
        let is_password = matches!(prompts.prompts.as_slice(), [only] if !only.echo);
        if prompts.prompts.is_empty() {
            return Ok(Vec::new());
        }
        if is_password && let Some(stored) = self.stored.take() {
            return Ok(vec![text_of(&stored)?]);
        }
        self.ask(prompts)?.iter().map(|answer| text_of(answer).map_err(Stop::from)).collect()
    }

    /// One request to the host, with its deadline.
    async fn step(
        &mut self,
        request: impl AsyncFnOnce(&mut Handle<Guard>) -> Result<AuthResult, russh::Error>,
    ) -> Result<Reply, Stop> {
        match self.call.within(self.call.patience.authenticate, request(self.handle)).await? {
            Some(Ok(AuthResult::Failure { remaining_methods, .. }))
                if remaining_methods.is_empty() && self.inbox.is_over() && !self.inbox.no_method_left() =>
            {
                Err(self.hung_up())
            }
            Some(Ok(result)) => Ok(result.into()),
            Some(Err(_)) => Err(self.hung_up()),
            None => Err(failures::step_took_too_long().into()),
        }
    }

    fn hung_up(&self) -> Stop {
        failures::hung_up_while_signing_in(self.inbox.farewell().as_deref()).into()
    }
}

pub(super) fn read_key(text: &Secret) -> Result<Arc<PrivateKey>, Failure> {
    PrivateKey::from_openssh(text.expose()).map(Arc::new).map_err(|error| {
        log::error!("a stored key cannot be read: {error}");
        failures::failure("internal", "The stored key cannot be read.", "Delete it and import it again.")
    })
}

/// The arithmetic of these curves keeps tables on the stack.
pub(super) fn signs_deeply(key: &PrivateKey) -> bool {
    matches!(key.algorithm(), Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 | EcdsaCurve::NistP521 })
}

/// The library takes text by value and wipes it; this is the one copy that leaves our `Secret`.
fn text_of(secret: &Secret) -> Result<String, Failure> {
    let text = secret.expose_str().map(str::to_owned);
    text.ok_or_else(|| failures::not_accepted("a password that is not text", "Store the password again."))
}

/// A host's questions, cut to what a person can be shown.
fn shown(name: &str, instruction: &str, asked: &[russh::client::Prompt], attempt: u32) -> Result<Prompts, Failure> {
    if asked.len() > limits::PROMPTS {
        return Err(failures::failure(
            "protocol",
            format!("The host asks {} questions at once.", asked.len()),
            "This is not a host to sign in to.",
        ));
    }
    let cut = |text: &str| text.chars().take(limits::PROMPT_CHARS).collect::<String>();
    let prompts = asked.iter().map(|prompt| Prompt { text: cut(&prompt.prompt), echo: prompt.echo }).collect();
    Ok(Prompts { name: cut(name), instruction: cut(instruction), prompts, attempt })
}

fn stored_password_refused() -> Stop {
    failures::not_accepted(
        "the stored password",
        "Store the right one, or connect with \"ask every time\", and check the user name.",
    )
    .into()
}

fn no_common_method(methods: &MethodSet) -> Stop {
    let wanted: Vec<&str> = methods.iter().map(<&str>::from).collect();
    let remedy = if methods.contains(&MethodKind::PublicKey) {
        "The host wants a key: import or generate one under Keys, and add its public line on the host."
    } else {
        "Ask the host's owner which sign-in it allows."
    };
    let wanted = if wanted.is_empty() { "none that this box knows".to_owned() } else { wanted.join(", ") };
    failures::failure("authentication", format!("The host accepts other ways to sign in: {wanted}."), remedy).into()
}
