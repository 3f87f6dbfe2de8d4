//! docs/API.md, docs/openapi.json and the program know the same routes, and none of them forgets to ask who is there.
//!
//! The requests are made from openapi.json, so that a new route is tested as soon as it is described, and the first test fails if it
//! is not.

use crate::world::browser::Browser;
use crate::world::{ADA, claimed, raw};
use footbridge::api::{Access, Method, ROUTES, Route};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

struct Described {
    method: String,
    path: String,
    needs_cookie: bool,
    needs_csrf: bool,
    needs_form: bool,
    is_upgrade: bool,
}

impl Described {
    fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// With an id that nothing has.
    fn real_path(&self) -> String {
        self.path.replace("{id}", &"0".repeat(32))
    }

    fn changes(&self) -> bool {
        self.method != "GET"
    }

    fn body(&self) -> Option<&'static str> {
        matches!(self.method.as_str(), "POST" | "PUT").then_some("{}")
    }
}

fn document(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)).unwrap()
}

fn described() -> Vec<Described> {
    let whole: Value = serde_json::from_str(&document("openapi.json")).unwrap();
    let mut all = Vec::new();
    for (path, methods) in whole["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let needs =
                |name: &str| operation["security"].as_array().unwrap().iter().any(|either| !either[name].is_null());
            all.push(Described {
                method: method.to_uppercase(),
                path: path.clone(),
                needs_cookie: needs("cookie"),
                needs_csrf: needs("csrf"),
                needs_form: needs("form"),
                is_upgrade: operation["responses"]["101"].is_object(),
            });
        }
    }
    assert!(all.len() > 20, "openapi.json describes only {} routes", all.len());
    all
}

/// Every `METHOD /path` that API.md shows in a heading or a table's first column.
fn documented() -> BTreeSet<String> {
    let text = document("API.md");
    let lines = text.lines().filter(|line| line.starts_with("###") || line.starts_with('|') || line.starts_with('`'));
    lines
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .map(|code| code.split('?').next().unwrap().to_owned())
        .filter(|code| code.split_once(" /").is_some_and(|(verb, _)| ["GET", "POST", "PUT", "DELETE"].contains(&verb)))
        .collect()
}

fn line_of(route: &Route) -> String {
    let method = match route.method {
        Method::Get => "GET",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
    };
    format!("{method} {}", route.path)
}

fn in_the_program() -> BTreeSet<String> {
    ROUTES.iter().map(line_of).collect()
}

#[test]
fn program_and_documents_agree() {
    let program = in_the_program();
    let openapi: BTreeSet<String> = described().iter().map(Described::line).collect();
    assert_eq!(openapi, program, "left: docs/openapi.json, right: the program");
    let mut prose = documented();
    // Said in the same breath as /health.
    assert!(document("API.md").contains("`GET /ready`"));
    prose.insert("GET /ready".into());
    assert_eq!(prose, program, "left: docs/API.md, right: the program");
}

#[test]
fn the_described_security_is_the_program_s() {
    let described: BTreeMap<String, Described> = described().into_iter().map(|one| (one.line(), one)).collect();
    for route in ROUTES {
        let line = line_of(route);
        let one = described.get(&line).unwrap_or_else(|| panic!("openapi.json lacks {line}"));
        assert_eq!(one.needs_cookie, !matches!(route.access, Access::Open | Access::Stranger), "{line}");
        assert_eq!(one.needs_csrf, one.needs_cookie && one.changes(), "{line}");
        assert_eq!(one.needs_form, route.form, "{line}");
    }
}

fn ask(browser: &Browser, route: &Described, lines: &[(&str, &str)]) -> (u16, String) {
    let reply = raw::request(browser, &route.method, &route.real_path(), lines, route.body());
    let status = reply.status;
    (status, if status >= 400 { reply.refusal(status) } else { String::new() })
}

#[test]
fn without_a_cookie_nothing_but_the_open_routes_answers() {
    let (_box, browser) = claimed();
    let origin = browser.origin();
    for route in described() {
        let (status, code) = ask(&browser, &route, &[("Origin", &origin)]);
        if route.needs_cookie {
            assert_eq!((status, code.as_str()), (401, "not_signed_in"), "{}", route.line());
        } else {
            assert_ne!((status, code.as_str()), (401, "not_signed_in"), "{}", route.line());
        }
    }
}

/// As docs/THREATS.md says it. Whoever opens another one says there why.
#[test]
fn the_open_routes_are_those_that_are_named() {
    let open = ROUTES.iter().filter(|route| matches!(route.access, Access::Open | Access::Stranger));
    let named = [
        "GET /health",
        "GET /ready",
        "GET /ca.pem",
        "GET /api/state",
        "POST /api/claim",
        "POST /api/restore",
        "PUT /api/restore",
        "POST /api/restore/finish",
        "POST /api/login",
        "POST /api/device/challenge",
        "POST /api/invite",
        "POST /api/reset",
    ];
    assert_eq!(open.map(line_of).collect::<BTreeSet<_>>(), named.map(str::to_owned).into());
    let threats = document("THREATS.md");
    for path in named.map(|line| line.split_once(' ').unwrap().1) {
        assert!(threats.contains(&format!("`{path}`")), "{path}");
    }
}

#[test]
fn a_change_needs_the_token_of_its_session() {
    let (_box, browser) = claimed();
    let (origin, cookie) = (browser.origin(), browser.cookie.clone().unwrap());
    let base = [("Origin", origin.as_str()), ("Cookie", cookie.as_str())];
    let almost = format!("{}x", browser.csrf.as_deref().unwrap());
    let mut seen = 0;
    for route in described().iter().filter(|route| route.needs_csrf) {
        for wrong in [None, Some(""), Some("x"), Some(almost.as_str()), Some("null")] {
            let token = wrong.map(|token| ("X-Footbridge-Csrf", token));
            let lines: Vec<_> = base.into_iter().chain(token).collect();
            assert_eq!(ask(&browser, route, &lines), (403, "wrong_csrf".into()), "{} {wrong:?}", route.line());
        }
        seen += 1;
    }
    assert!(seen >= 12, "only {seen} routes change anything?");
}

#[test]
fn a_change_needs_our_own_origin() {
    let (_box, browser) = claimed();
    let (cookie, csrf) = (browser.cookie.clone().unwrap(), browser.csrf.clone().unwrap());
    let base = [("Cookie", cookie.as_str()), ("X-Footbridge-Csrf", csrf.as_str())];
    let port = browser.address.port();
    let wrong = [
        "null".to_string(),
        "https://evil.example".into(),
        format!("http://{}", browser.address),
        "https://127.0.0.1".into(),
        format!("https://127.0.0.1:{}", port ^ 1),
        format!("https://localhost:{port}"),
        format!("https://{}.evil.example", browser.address),
        format!("https://evil.example#{}", browser.address),
        String::new(),
    ];
    for route in described().iter().filter(|route| route.changes()) {
        let refused = (403, "wrong_origin".to_string());
        assert_eq!(ask(&browser, route, &base), refused, "{} without an origin", route.line());
        for origin in &wrong {
            let lines: Vec<_> = base.into_iter().chain([("Origin", origin.as_str())]).collect();
            assert_eq!(ask(&browser, route, &lines), refused, "{} {origin:?}", route.line());
            // A browser's word does not outweigh an Origin that is there.
            let lines: Vec<_> = lines.into_iter().chain([("Sec-Fetch-Site", "same-origin")]).collect();
            assert_eq!(ask(&browser, route, &lines), refused, "{} {origin:?}", route.line());
        }
        for site in ["cross-site", "same-site", "none", ""] {
            let lines: Vec<_> = base.into_iter().chain([("Sec-Fetch-Site", site)]).collect();
            assert_eq!(ask(&browser, route, &lines), refused, "{} {site:?}", route.line());
        }
        let lines: Vec<_> = base.into_iter().chain([("Sec-Fetch-Site", "same-origin")]).collect();
        if !["/api/logout", "/api/lock"].contains(&route.path.as_str()) {
            let (status, code) = ask(&browser, route, &lines);
            assert!(
                status != 403 || ["form_needed", "proof_needed"].contains(&code.as_str()),
                "{} by a browser's word: {code}",
                route.line()
            );
        }
    }
}

/// D2: what changes security is sent once, soon, and by the session that asked for the form.
#[test]
fn a_form_that_changes_security_wants_a_token_of_its_own_once() {
    let (box_, mut browser) = claimed();
    let mut other = box_.browser();
    other.sign_in(ADA);
    let (origin, cookie, csrf) = (browser.origin(), browser.cookie.clone().unwrap(), browser.csrf.clone().unwrap());
    let base = [("Origin", origin.as_str()), ("Cookie", cookie.as_str()), ("X-Footbridge-Csrf", csrf.as_str())];
    let mut seen = 0;
    for route in described().iter().filter(|route| route.needs_form) {
        let (own, foreign) = (browser.form(), other.form());
        let with = |token: &str| {
            let lines: Vec<_> = base.into_iter().chain([("X-Footbridge-Form", token)]).collect();
            ask(&browser, route, &lines)
        };
        let refused = (403, "form_needed".to_string());
        assert_eq!(ask(&browser, route, &base), refused, "{}", route.line());
        for wrong in ["", "x", csrf.as_str(), foreign.as_str()] {
            assert_eq!(with(wrong), refused, "{} {wrong}", route.line());
        }
        assert_ne!(with(&own).1, "form_needed", "{}", route.line());
        assert_eq!(with(&own), refused, "{} twice", route.line());
        seen += 1;
    }
    assert!(seen >= 20, "{seen}");
}

/// What somebody signed in may change without a form's token: nothing of anybody's account.
const WITHOUT_A_FORM: &[(&str, &str)] = &[
    ("POST /api/factor/verify", "a step of the sign-in"),
    ("POST /api/factor/recover", "a step of the sign-in"),
    ("POST /api/factor/passkey/begin", "a step of the sign-in"),
    ("POST /api/factor/passkey/verify", "a step of the sign-in"),
    ("POST /api/factor/passkey/create", "a question; the answer to it is the form"),
    ("POST /api/factor/passkey/prove", "the proof that a form carries"),
    ("POST /api/form", "the token itself"),
    ("PUT /api/update", "of an update that a form has begun"),
    ("DELETE /api/update", "of an update that a form has begun"),
    ("POST /api/update/install", "of an update that a form has begun"),
    ("POST /api/logout", "only takes away"),
    ("POST /api/lock", "only takes away"),
    ("DELETE /api/logins/{id}", "only takes away"),
    ("POST /api/notices/dismiss", "what was read"),
    ("PUT /api/preferences", "what the page looks like"),
    ("POST /api/hosts", "what is kept"),
    ("PUT /api/hosts/{id}", "what is kept"),
    ("DELETE /api/hosts/{id}", "what is kept"),
    ("POST /api/credentials", "what is kept"),
    ("PUT /api/credentials/{id}", "what is kept"),
    ("DELETE /api/credentials/{id}", "what is kept"),
    ("POST /api/hostkeys", "what is kept; it wants a proof where it weakens"),
    ("DELETE /api/hostkeys/{id}", "what is kept; it wants a proof"),
    ("POST /api/sessions", "a terminal"),
    ("DELETE /api/sessions/{id}", "a terminal"),
    ("POST /api/sessions/{id}/ticket", "a terminal"),
];

/// The story: a factor, a passkey, a device and a certificate were removed with a form's token and added without.
#[test]
fn whatever_changes_an_account_is_such_a_form() {
    let bare = described().into_iter().filter(|route| route.needs_csrf && !route.needs_form);
    let bare: BTreeSet<String> = bare.map(|route| route.line()).collect();
    assert_eq!(bare, WITHOUT_A_FORM.iter().map(|(line, _)| (*line).to_owned()).collect());
}

#[test]
fn another_method_is_told_which_ones_there_are() {
    let (_box, browser) = claimed();
    let mut allowed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for route in described() {
        let methods = allowed.entry(route.real_path()).or_default();
        if !route.changes() {
            methods.insert("HEAD".into());
        }
        methods.insert(route.method);
    }
    for (path, methods) in allowed {
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "GETX"] {
            if methods.contains(method) {
                continue;
            }
            let reply = raw::request(&browser, method, &path, &[], None);
            let told = reply.header("allow").unwrap_or_default().split(", ").map(str::to_owned).collect();
            assert_eq!(methods, told, "{method} {path}");
            assert_eq!(reply.refusal(405), "method_not_allowed", "{method} {path}");
        }
    }
}

#[test]
fn nothing_else_is_a_route() {
    let (_box, mut browser) = claimed();
    for path in [
        "/api",
        "/api/",
        "/api/hosts/",
        "/api/Hosts",
        "/API/hosts",
        "//api/hosts",
        "/api//hosts",
        "/api/../api/hosts",
        "/api/%68osts",
        "/api/hosts/a/b",
        "/api/user",
        "/api/users/a/b",
        "/admin",
        "/.env",
        "/.git/config",
        "/index.html/",
        "/../../etc/passwd",
        "/%2e%2e/etc/passwd",
        "/api/sessions/x/attach/y",
    ] {
        assert_eq!(browser.get(path).refusal(404), "not_found", "{path}");
    }
}

#[test]
fn the_upgrade_is_described_as_one() {
    let upgrades: Vec<String> = described().iter().filter(|one| one.is_upgrade).map(Described::line).collect();
    assert_eq!(upgrades, ["GET /api/sessions/{id}/attach"]);
}
