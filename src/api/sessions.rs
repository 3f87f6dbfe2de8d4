//! Terminals: start, list, end, and the ticket that lets a browser look at one.

use super::{Answer, Context, Problem, Request, check, credentials, users};
use crate::audit;
use crate::auth::logins::Login;
use crate::auth::{DeviceProof, Key, Refusal};
use crate::bridge::{Begin, Crowded, Refused, Session, Start, Viewer};
use crate::limits::{self, Counted};
use crate::random::Id;
use crate::secret::Secret;
use crate::ssh::{self, Destination};
use crate::store::{Place, Role};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

/// A saved host, or a quick connect.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    host_id: Option<Id>,
    address: Option<String>,
    port: Option<u16>,
    user: Option<String>,
    credential_id: Option<Id>,
    cols: Option<u16>,
    rows: Option<u16>,
    device: Option<DeviceProof>,
    proof: Option<Secret>,
}

/// Where to go and with what.
struct Plan {
    host_id: Option<Id>,
    destination: Destination,
    credential_id: Option<Id>,
}

pub fn list(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let sessions: Vec<_> = context.registry.of(request.login()?.user).iter().map(|session| session.summary()).collect();
    Answer::json(200, &json!({"sessions": sessions}))
}

pub fn start(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let mut fields: Fields = request.read()?;
    let login = request.login()?;
    if login.role == Role::CommandOnly {
        return Err(Problem::forbidden("Your account opens no terminals.", "Ask an administrator for another role."));
    }
    let size = (fields.cols.unwrap_or(80), fields.rows.unwrap_or(24));
    check::size("cols", size.0)?;
    check::size("rows", size.1)?;
    // A proof is for a place, so it names the place; what a saved host says may be another's doing.
    let proof = fields.proof.take().filter(|_| fields.address.is_some());
    let device = fields.device.as_ref();
    context.auth.check_start(login, device, request.host, request.now.since_boot).map_err(device_needed)?;
    let plan = plan(context, login, fields)?;
    let signing =
        unlock(context, request, &plan, proof.as_ref()).inspect_err(|why| spare(context, login, request, why))?;
    ask_audit(context, request, &plan.destination)?;
    let Plan { host_id, destination, credential_id } = plan;
    let (owner, peer) = (login.user, request.peer);
    let start = Start { owner, peer, host_id, credential_id, destination, login: signing, size };
    let session = context.registry.start(start, request.now).map_err(refuse)?;
    if !login.is_alive(request.now.since_boot) {
        // Their sign-in, and maybe all their terminals, were ended while this one was on its way (A9).
        context.registry.end(&session);
        return Err(Problem::not_signed_in());
    }
    let ticket = ticket_for(context, login, &session, request)?;
    Answer::json(201, &json!({"session": session.summary(), "ticket": ticket}))
}

/// The refusal that asks for a proof is no terminal: whoever gives the proof tries again, and would be counted twice. A wrong proof counts.
fn spare(context: &Context, login: &Login, request: &Request<'_>, why: &Problem) {
    let (table, user) = (context.auth.table(), Key::User(login.user));
    if why.code == Problem::PROOF_NEEDED && table.admit(Counted::Unproven, user, request.now.since_boot).is_ok() {
        table.give_back(Counted::Connect, user);
    }
}

/// Where the owner wants it so, a terminal that cannot be noted does not begin. Those that run go on.
fn ask_audit(context: &Context, request: &Request<'_>, to: &Destination) -> Result<(), Problem> {
    let (user, peer) = (&request.login()?.name, request.peer.to_string());
    let fields = [("user", user.as_str()), ("host", &to.host), ("as", &to.user), ("peer", &peer)];
    if !context.audit_required || audit::note_surely("session.ask", &fields) {
        return Ok(());
    }
    Err(Problem::new(
        507,
        "audit_unwritable",
        "The audit log cannot be written, and this box opens no new terminal without it.",
        "Make room on the box's disk, or ask whoever runs it; terminals that run go on.",
    ))
}

fn plan(context: &Context, login: &Login, fields: Fields) -> Result<Plan, Problem> {
    match (fields.host_id, fields.address, fields.user) {
        (Some(id), told, None) if fields.credential_id.is_none() && (told.is_some() || fields.port.is_none()) => {
            let host = context.store.host(login.user, id)?.ok_or_else(Problem::not_found)?;
            let told = told.map(|address| Place::new(&address, fields.port.unwrap_or_else(super::hosts::ssh_port)));
            if told.is_some_and(|told| told != Place::new(&host.address, host.port)) {
                return Err(Problem::conflict(
                    "This host has another address by now.",
                    "Look where it leads, then try again.",
                ));
            }
            let destination = Destination { host: host.address, port: host.port, user: host.user };
            Ok(Plan { host_id: Some(id), destination, credential_id: host.credential_id })
        }
        (None, Some(host), Some(user)) => {
            let port = fields.port.unwrap_or_else(super::hosts::ssh_port);
            check::address(&host)?;
            check::port(port)?;
            check::user(&user)?;
            Ok(Plan {
                host_id: None,
                destination: Destination { host, port, user },
                credential_id: fields.credential_id,
            })
        }
        _ => Err(Problem::bad_request(
            "Send host_id (with a proof also address and port), or address and user (and port, credential_id).",
        )),
    }
}

fn unlock(
    context: &Context,
    request: &Request<'_>,
    plan: &Plan,
    proof: Option<&Secret>,
) -> Result<ssh::Login, Problem> {
    use crate::store::CredentialKind::{Key, Password};
    let Some(id) = plan.credential_id else { return Ok(ssh::Login::Ask) };
    let login = request.login()?;
    let credential = context.store.credential(login.user, id)?;
    let credential = credential.ok_or_else(|| Problem::invalid("credential_id", "You have no such credential."))?;
    credentials::allow(context, request, &credential, &plan.destination, proof)?;
    let secret = credentials::open(login, &credential)?;
    Ok(match credential.kind {
        Key => ssh::Login::Key(secret),
        Password => ssh::Login::Password(secret),
    })
}

fn refuse(refused: Refused) -> Problem {
    let remedy = "End one you do not need.";
    match refused {
        Refused::UserQuota(most) => Problem::too_many(
            &format!("You have {most} terminals open, which is the most allowed."),
            remedy,
            limits::QUOTA_RETRY,
        ),
        Refused::BoxQuota(most) => Problem::too_many(
            &format!("The box has {most} terminals open, which is the most it takes."),
            remedy,
            limits::QUOTA_RETRY,
        ),
        Refused::Failures(wait) => Problem::too_many(
            "Too many sign-ins at this host have failed.",
            "Wait, and check the user name and the credential meanwhile.",
            wait,
        ),
        Refused::NoThread => Problem::busy(),
    }
}

fn find(context: &Context, request: &Request<'_>) -> Result<Arc<Session>, Problem> {
    context.registry.find(request.login()?.user, request.id()?).ok_or_else(Problem::not_found)
}

pub fn get(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    Answer::json(200, &find(context, request)?.summary())
}

pub fn end(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    context.registry.end(&*find(context, request)?);
    Ok(Answer::nothing())
}

pub fn ticket(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let session = find(context, request)?;
    let ticket = ticket_for(context, request.login()?, &session, request)?;
    Answer::json(200, &json!({"ticket": ticket}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Override {
    question: u64,
    fingerprint: String,
    remember: bool,
    proof: Option<Secret>,
}

/// B8: a changed key is believed only by who proves anew that they are there, for this terminal and this key.
pub fn override_host_key(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let fields: Override = request.read()?;
    let session = find(context, request)?;
    let over = || Problem::conflict("This question is not asked (any more).", "Connect again.");
    if !session.asks_about_changed(fields.question, &fields.fingerprint) {
        return Err(over());
    }
    let what = format!("override host key {} {}", session.facts.id, fields.fingerprint);
    users::prove(context, request, fields.proof.as_ref(), &what)?;
    session.override_host_key(fields.question, &fields.fingerprint, fields.remember).map_err(|_| over())?;
    Ok(Answer::nothing())
}

fn ticket_for(context: &Context, login: &Login, session: &Session, request: &Request<'_>) -> Result<String, Problem> {
    context.auth.issue_ticket(login, session.facts.id, request.now.since_boot).ok_or_else(Problem::busy)
}

fn device_needed(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::Failed => super::devices::needed(),
        other => other.into(),
    }
}

/// What the upgrade leads to: this browser's cursor into the session. `web` has seen to the cookie and the Origin.
pub fn attach(context: &Context, request: &Request<'_>) -> Result<(Viewer, Begin), Problem> {
    let session = find(context, request)?;
    let good = request.query("ticket").is_some_and(|ticket| {
        request
            .login()
            .is_ok_and(|login| context.auth.redeem_ticket(&ticket, login, session.facts.id, request.now.since_boot))
    });
    if !good {
        return Err(Problem::forbidden("This ticket is not good (any more).", "Ask for a new one and attach again."));
    }
    let (login, ticket) = (request.login()?, request.query("ticket").unwrap_or_default());
    let (signature, now) = (request.query("device"), request.now.since_boot);
    context.auth.check_device(login, &ticket, signature.as_deref(), request.host, now).map_err(device_needed)?;
    let offset = match request.query("offset") {
        Some(text) => Some(text.parse().map_err(|_| Problem::bad_request("The offset is not a number."))?),
        None => None,
    };
    match Viewer::attach(session, offset).map_err(|error| Problem::internal(&error))? {
        Ok(begun) => Ok(begun),
        Err(Crowded) => Err(Problem::too_many(
            "Too many browsers look at this terminal.",
            "Close one of them.",
            limits::QUOTA_RETRY,
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Restore;
    use crate::auth::logins::Binding;
    use crate::auth::{self, Auth, Cost, Policy, Shown, Who};
    use crate::bridge::{self, HostKeyPolicy, Phase, Registry};
    use crate::clock;
    use crate::release::{Inbox, Kind};
    use crate::ssh::Targets;
    use crate::store::Store;
    use crate::vault::DeviceKey;
    use std::net::{IpAddr, TcpListener};
    use std::path::Path;
    use std::time::{Duration, Instant};

    const HOUR: Duration = Duration::from_secs(3600);
    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    /// A box in which terminals may go to loopback.
    fn context(dir: &Path) -> Context {
        let device = Arc::new(DeviceKey::load_or_make(dir).unwrap());
        let store = Arc::new(Store::open(dir, device.derive("store")).unwrap());
        let settings = auth::Settings {
            cost: Cost::FLOOR,
            factor: Policy::Optional,
            binding: Binding::Off,
            login_absolute: HOUR,
            login_idle: HOUR,
            failures: 50,
            connects: 50,
            lock_after: 5,
            lock_for: HOUR,
        };
        let auth = Arc::new(Auth::new(store.clone(), device, dir, settings).unwrap());
        let settings = bridge::Settings {
            terminals_per_box: 9,
            terminals_per_user: 9,
            ring_bytes: 1024,
            detached: HOUR,
            host_key_policy: HostKeyPolicy::Ask,
            targets: Arc::new(Targets { allow: vec!["127.0.0.0/8".parse().unwrap()], deny: Vec::new() }),
        };
        Context {
            registry: Arc::new(Registry::new(settings, store.clone(), auth.table().clone())),
            auth,
            store,
            boot: Id::random(),
            ca_pem: None,
            audit: dir.join("audit.log"),
            audit_required: false,
            make_backup: Box::new(|_, _| Err(Problem::internal(&"no backups here"))),
            inbox: Arc::new(Inbox::open(dir, Kind::Program, Err("no updates here".into()), Box::new(|_| Ok(())))),
            restore: Arc::new(Restore::new(Box::new(|_, _, _| Ok(0)), Box::new(|| {}))),
        }
    }

    /// The guard has let the request in, and then the sign-in ends: locked, demoted, disabled. Whoever ends it ends the terminals that
    /// they see, and this one they may not have seen (A9).
    #[test]
    fn a_start_that_its_sign_in_does_not_outlive_leads_to_no_terminal() {
        let dir = tempfile::tempdir().unwrap();
        let (context, now) = (context(dir.path()), clock::now());
        let who = Who { peer: PEER, user_agent: "", shown: Shown::NotAsked, now };
        let code: Secret = Auth::new_claim_code(dir.path()).unwrap().into();
        let login = context.auth.claim(&code, "ada", &"a long bridge over cold water".into(), &who).unwrap().login;
        // It takes the call and says nothing, so that a terminal that nobody ends is on its way for twenty seconds.
        let host = TcpListener::bind("127.0.0.1:0").unwrap();
        let body =
            json!({"address": "127.0.0.1", "port": host.local_addr().unwrap().port(), "user": "root"}).to_string();
        let request = Request {
            id: None,
            query: "",
            body: body.as_bytes(),
            login: Some(login.clone()),
            host: "box",
            stale_cookie: false,
            ended: None,
            peer: PEER,
            user_agent: "",
            shown: Shown::NotAsked,
            now,
        };
        let status =
            |outcome: Result<Answer, Problem>| outcome.map_or_else(|problem| problem.status, |answer| answer.status);
        assert_eq!(status(start(&context, &request)), 201, "whoever is signed in gets one");
        context.registry.end_all_of(login.user);
        context.auth.sign_out(&login, &who);
        assert_eq!(status(start(&context, &request)), 401);
        let until = Instant::now() + limits::HANDSHAKE / 2;
        while context.registry.all().iter().any(|session| session.phase() != Phase::Ended) {
            assert!(Instant::now() < until, "it goes on without anybody");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
