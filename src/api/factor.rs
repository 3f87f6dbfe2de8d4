//! The second factor: the second step of a sign-in, and its owner's care for it.

use super::login::{welcome, welcome_body, who};
use super::{Answer, Context, Cookie, Problem, Request};
use crate::auth::{Enrolled, Refusal};
use crate::secret::Secret;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Code {
    code: Secret,
}

/// What a new factor wants of who is signed in: a code of the one there is, or the password where there is none.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    code: Option<Secret>,
    proof: Option<Secret>,
}

impl Standing {
    pub fn given(&self) -> Option<&Secret> {
        self.code.as_ref().or(self.proof.as_ref())
    }
}

/// A wrong code is not a wrong password: who reads this has given that already.
pub fn wrong_code(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::Failed => Problem::new(
            401,
            "wrong_code",
            "This code is wrong, or it was used already.",
            "Wait for the next code and try again.",
        ),
        other => other.into(),
    }
}

pub fn get(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let user = context.store.user(request.login()?.user)?.ok_or_else(Problem::not_signed_in)?;
    let body = json!({
        "enrolled": user.has_factor(),
        "app": user.factor.is_some(),
        "passkeys": user.passkeys.len(),
        "required": context.auth.factor_required(),
        "recovery_left": user.recovery.len(),
    });
    Answer::json(200, &body)
}

pub fn begin(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let fields: Standing = request.read()?;
    let enrolment = context.auth.enrol_begin(request.any_login()?, fields.given(), &who(request));
    let enrolment = enrolment.map_err(wrong_code)?;
    Answer::json(200, &json!({"secret": enrolment.secret.as_str(), "uri": enrolment.uri.as_str()}))
}

pub fn finish(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let fields: Code = request.read()?;
    let login = request.any_login()?;
    let enrolled = context.auth.enrol_finish(login, &fields.code, &who(request));
    let Enrolled { signed_in, recovery_codes } = enrolled.map_err(wrong_code)?;
    context.registry.recheck(login.user);
    let mut body = welcome_body(&signed_in.login);
    body["recovery_codes"] = recovery_codes.iter().map(|code| code.as_str()).collect();
    Ok(Answer::json(200, &body)?.with(Cookie::Set(signed_in.cookie)))
}

pub fn verify(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let fields: Code = request.read()?;
    welcome(200, context.auth.verify_factor(request.any_login()?, &fields.code, &who(request)).map_err(wrong_code)?)
}

pub fn recover(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let fields: Code = request.read()?;
    welcome(200, context.auth.use_recovery(request.any_login()?, &fields.code, &who(request)).map_err(wrong_code)?)
}

pub fn disable(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let fields: Code = request.read()?;
    let login = request.login()?;
    let signed_in = context.auth.disable_factor(login, &fields.code, &who(request)).map_err(wrong_code)?;
    context.registry.recheck(login.user);
    welcome(200, signed_in)
}

pub fn renew_codes(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let fields: Code = request.read()?;
    let codes = context.auth.renew_recovery(request.login()?, &fields.code, &who(request)).map_err(wrong_code)?;
    let codes: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    Answer::json(200, &json!({"recovery_codes": codes}))
}
