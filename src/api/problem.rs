//! Errors for the client: a stable code, a sentence, a remedy. What the log needs is said there and not here (D8).

use crate::auth::Refusal;
use crate::limits;
use crate::store::{Disk, StoreError};
use serde::Serialize;
use std::fmt::Display;
use std::time::Duration;

/// An error for its reader. Never says more than a stranger may know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub status: u16,
    pub code: &'static str,
    pub message: String,
    pub remedy: String,
    /// The field that was refused (`invalid` only).
    pub field: Option<&'static str>,
    /// `Retry-After`, rounded up to seconds.
    pub retry_after: Option<Duration>,
    /// The cookie is stale: clear it.
    pub clear_cookie: bool,
}

impl Problem {
    pub fn new(status: u16, code: &'static str, message: &str, remedy: &str) -> Problem {
        let (message, remedy) = (message.to_owned(), remedy.to_owned());
        Problem { status, code, message, remedy, field: None, retry_after: None, clear_cookie: false }
    }

    pub fn bad_request(message: &str) -> Problem {
        Problem::new(400, "bad_request", message, "See docs/API.md for what this route takes.")
    }

    pub fn invalid(field: &'static str, message: &str) -> Problem {
        Problem { field: Some(field), ..Problem::new(422, "invalid", message, "") }
    }

    pub fn sign_in_failed() -> Problem {
        Problem::new(
            401,
            "sign_in_failed",
            "The name or the password is wrong.",
            "Check both; capital letters matter in the password.",
        )
    }

    pub fn not_signed_in() -> Problem {
        Problem::new(401, "not_signed_in", "You are not signed in, or your sign-in has ended.", "Sign in again.")
    }

    /// The sign-in is half.
    pub fn second_factor() -> Problem {
        Problem::new(403, "second_factor", "Your sign-in is not complete.", "Finish it with your second factor.")
    }

    /// B8: the deed wants a proof that is given for it alone.
    pub const PROOF_NEEDED: &'static str = "proof_needed";

    pub fn proof_needed() -> Problem {
        Problem::new(
            403,
            Problem::PROOF_NEEDED,
            "This needs a fresh proof that it is you.",
            "Give a new one-time code; or your password, if you have no second factor.",
        )
    }

    pub fn forbidden(message: &str, remedy: &str) -> Problem {
        Problem::new(403, "forbidden", message, remedy)
    }

    /// D2.
    pub fn form_needed() -> Problem {
        Problem::new(
            403,
            "form_needed",
            "This form was sent already, or lay open for too long.",
            "Send it again with a new token of POST /api/form.",
        )
    }

    pub fn not_found() -> Problem {
        Problem::new(404, "not_found", "There is no such thing here.", "")
    }

    pub fn conflict(message: &str, remedy: &str) -> Problem {
        Problem::new(409, "conflict", message, remedy)
    }

    pub fn too_many(message: &str, remedy: &str, after: Duration) -> Problem {
        Problem { retry_after: Some(after), ..Problem::new(429, "too_many", message, remedy) }
    }

    /// A limit on how often, which right and wrong tries use up alike.
    pub fn too_often(after: Duration) -> Problem {
        Problem::too_many("You do this too often.", "Wait a little, then try again.", after)
    }

    pub fn busy() -> Problem {
        let again = Duration::from_secs(2);
        Problem { retry_after: Some(again), ..Problem::new(503, "busy", "The box is busy.", "Try again in a moment.") }
    }

    /// Our fault. The cause goes to the log, not to the client.
    pub fn internal(cause: &dyn Display) -> Problem {
        log::error!("a request failed: {cause}");
        Problem::new(500, "internal", "Something went wrong inside the box.", "Try again; the box's log says more.")
    }

    /// Nothing was changed, and its owner can do something about it.
    pub fn disk(disk: Disk) -> Problem {
        let code = match disk {
            Disk::Full => "disk_full",
            Disk::ReadOnly => "disk_read_only",
        };
        Problem::new(507, code, disk.sentence(), disk.remedy())
    }

    /// docs/API.md, "Errors".
    pub fn body(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Body<'a> {
            error: &'a str,
            message: &'a str,
            remedy: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            field: Option<&'a str>,
        }
        let body = Body { error: self.code, message: &self.message, remedy: &self.remedy, field: self.field };
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        match error {
            StoreError::Full => Problem::too_many(
                "There is no place for more of these.",
                "Delete some you do not need.",
                limits::QUOTA_RETRY,
            ),
            StoreError::Overtaken => Problem::not_signed_in(),
            error => {
                let problem = Problem::internal(&error);
                error.disk().map_or(problem, Problem::disk)
            }
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        match refusal {
            Refusal::Failed => Problem::sign_in_failed(),
            Refusal::ProofNeeded => Problem::proof_needed(),
            Refusal::TooMany(after) => {
                Problem::too_many("Too many failed tries from your address.", "Wait a minute, then try again.", after)
            }
            Refusal::TooManyHalf(after) => Problem::too_many(
                "Too many sign-ins to this account were begun and not finished.",
                "Use a browser that the account trusts, or wait. If they were not yours, somebody knows your password: change it.",
                after,
            ),
            Refusal::Busy => Problem::busy(),
            Refusal::Weak { field, message } => Problem::invalid(field, &message),
            Refusal::NameTaken => Problem::conflict("This name is taken.", "Choose another."),
            Refusal::Certificate(why) => Problem::new(
                403,
                "certificate_needed",
                why,
                "Use a browser that has it; or whoever holds the box can lift it with footbridge device.",
            ),
            Refusal::Gone => Problem::not_found(),
            Refusal::Ended => Problem::not_signed_in(),
            Refusal::NotNow(why) => Problem::conflict(why, ""),
            Refusal::Disk(disk) => Problem::disk(disk),
            Refusal::Internal => Problem::internal(&"sign-in (see the line above)"),
        }
    }
}
