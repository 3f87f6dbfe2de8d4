//! May this request pass? Pure: facts of the head, the route and the sign-in session in, yes or a problem out.

use super::head::{Head, trim};
use crate::api::{Access, Method, Problem, Route};
use crate::auth::logins::{Login, Stage};
use crate::store::Role;
use std::net::IpAddr;

/// J3, against DNS rebinding: the box answers to its names and to addresses. A rebound name is neither.
pub fn check_host(host: &str, names: &[String]) -> Result<(), Problem> {
    match host_is_ours(host, names) {
        true => Ok(()),
        false => Err(Problem::new(
            421,
            "wrong_host",
            "This box does not answer to the name you used.",
            "Use its address, or add the name to names in its configuration.",
        )),
    }
}

fn host_is_ours(host: &str, names: &[String]) -> bool {
    let name = without_port(host);
    let v6 = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    v6.unwrap_or(name).parse::<IpAddr>().is_ok() || names.iter().any(|ours| ours == name)
}

/// Of `name:port`, `address:port` or `[address]:port`.
pub fn without_port(host: &str) -> &str {
    let end = host.find(']').map_or_else(|| host.find(':'), |bracket| Some(bracket + 1));
    &host[..end.unwrap_or(host.len())]
}

/// At the root of its host the cookie is the host's own (C2). Below a base path it must not go to whatever else lives there, which the
/// `__Host-` prefix forbids to say.
pub fn cookie_name(base: &str) -> &'static str {
    if base == "/" { "__Host-footbridge" } else { "__Secure-footbridge" }
}

/// The value of our cookie, if there is exactly one.
pub fn cookie<'l>(line: &'l str, base: &str) -> Option<&'l str> {
    let named = cookie_name(base);
    let mut ours = line.split(';').filter_map(|pair| trim(pair).split_once('=')).filter(|(name, _)| *name == named);
    let (_, value) = ours.next()?;
    // A second one was planted by somebody; neither is believed.
    ours.next().is_none().then_some(value)
}

pub fn set_cookie(value: &str, base: &str) -> String {
    format!("{}={value}; Path={base}; Secure; HttpOnly; SameSite=Strict", cookie_name(base))
}

pub fn clear_cookie(base: &str) -> String {
    format!("{}; Max-Age=0", set_cookie("", base))
}

/// Where the page lives behind a proxy (J2): `/`, or one or more plain segments between slashes.
pub fn base_path(text: &str) -> Option<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    let inner = text.strip_prefix('/')?;
    let segments = if inner.is_empty() { Some("x") } else { inner.strip_suffix('/') };
    let fits = |all: &str| all.split('/').all(|one| !one.is_empty() && one.bytes().all(plain));
    (text.len() <= 64 && segments.is_some_and(fits)).then(|| text.to_owned())
}

/// A proxy may hand the base path on or strip it: what is asked for is the same.
pub fn below<'p>(path: &'p str, base: &str) -> &'p str {
    let inner = path.strip_prefix(base.trim_end_matches('/')).filter(|rest| rest.starts_with('/'));
    if base == "/" { path } else { inner.unwrap_or(path) }
}

/// Everything but what the handler itself must know.
pub fn check(head: &Head, route: &Route, login: Option<&Login>) -> Result<(), Problem> {
    match route.access {
        Access::Open => Ok(()),
        Access::Stranger => same_origin(head),
        Access::Half => ours(head, route, login.ok_or_else(Problem::not_signed_in)?),
        Access::User => ours(head, route, whole(login)?),
        Access::Administrator => {
            let login = whole(login)?;
            ours(head, route, login)?;
            administrator(login)
        }
        Access::Upgrade => whole(login).and_then(|_| exact_origin(head)),
    }
}

/// B2: a half sign-in is nobody's, but is told what it owes.
fn whole(login: Option<&Login>) -> Result<&Login, Problem> {
    let login = login.ok_or_else(Problem::not_signed_in)?;
    if login.stage() == Stage::Full { Ok(login) } else { Err(Problem::second_factor()) }
}

fn administrator(login: &Login) -> Result<(), Problem> {
    match login.role {
        Role::Administrator => Ok(()),
        Role::User | Role::CommandOnly => {
            Err(Problem::forbidden("This is for administrators.", "Ask an administrator of this box."))
        }
    }
}

/// What changes anything comes from our page and carries the token of its session.
fn ours(head: &Head, route: &Route, login: &Login) -> Result<(), Problem> {
    match route.method {
        Method::Get => Ok(()),
        Method::Post | Method::Put | Method::Delete => same_origin(head).and_then(|()| csrf(head, login)),
    }
}

/// Does taking this route mean that somebody is there (C3)? Reading is polling, and a ticket is what a page fetches by itself when the
/// network comes back.
pub fn is_use(route: &Route) -> bool {
    let is_persons = matches!(route.access, Access::Half | Access::User | Access::Administrator);
    is_persons && route.method != Method::Get && !route.path.ends_with("/ticket")
}

fn wrong_origin() -> Problem {
    Problem::new(
        403,
        "wrong_origin",
        "This request does not come from the page of this box.",
        "Open the page by the address you see it at, and try again.",
    )
}

/// Our own page's origin; or, where a browser leaves it out, its word that the request comes from there.
fn same_origin(head: &Head) -> Result<(), Problem> {
    match (&head.origin, &head.fetch_site) {
        (Some(_), _) => exact_origin(head),
        (None, Some(site)) if site == "same-origin" => Ok(()),
        _ => Err(wrong_origin()),
    }
}

fn exact_origin(head: &Head) -> Result<(), Problem> {
    let ours =
        |origin: &str| origin.strip_prefix("https://").is_some_and(|host| without_443(host) == without_443(&head.host));
    match head.origin.as_deref() {
        Some(origin) if ours(origin) => Ok(()),
        _ => Err(wrong_origin()),
    }
}

/// The port a browser leaves out.
fn without_443(host: &str) -> &str {
    host.strip_suffix(":443").unwrap_or(host)
}

fn csrf(head: &Head, login: &Login) -> Result<(), Problem> {
    match head.csrf.as_deref().is_some_and(|given| login.csrf_matches(given)) {
        true => Ok(()),
        false => Err(Problem::new(
            403,
            "wrong_csrf",
            "The request lacks the token of this sign-in session.",
            "Reload the page.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ROUTES;
    use crate::auth::logins::{Logins, for_tests};
    use proptest::prelude::*;

    fn route(access: Access, changes: bool) -> &'static Route {
        ROUTES.iter().find(|route| route.access == access && (route.method != Method::Get) == changes).unwrap()
    }

    fn head(origin: Option<&str>, site: Option<&str>, csrf: Option<&str>) -> Head {
        let own = |text: Option<&str>| text.map(str::to_owned);
        Head { host: "box:8443".into(), origin: own(origin), fetch_site: own(site), csrf: own(csrf), ..Head::default() }
    }

    fn code(head: &Head, route: &Route, login: Option<&Login>) -> &'static str {
        check(head, route, login).map_or_else(|problem| problem.code, |()| "")
    }

    #[test]
    fn the_whole_table() {
        let (mine, other) = (for_tests::login(), for_tests::login());
        let (ours, bare) = (Some("https://box:8443"), head(None, None, None));
        let token = Some(mine.csrf.as_str());
        // Anybody may read what is open.
        assert_eq!(code(&bare, route(Access::Open, false), None), "");
        // A stranger's sign-in comes from our page.
        let sign_in = route(Access::Stranger, true);
        assert_eq!(code(&head(ours, None, None), sign_in, None), "");
        assert_eq!(code(&head(None, Some("same-origin"), None), sign_in, None), "");
        for wrong in [
            bare.clone(),
            head(Some("null"), None, None),
            head(Some("null"), Some("same-origin"), None),
            head(Some("http://box:8443"), None, None),
            head(Some("https://box"), None, None),
            head(Some("https://box:8443.evil"), None, None),
            head(Some("https://evil"), Some("same-origin"), None),
            head(None, Some("same-site"), None),
            head(None, Some("none"), None),
        ] {
            assert_eq!(code(&wrong, sign_in, None), "wrong_origin", "{wrong:?}");
            assert_eq!(
                code(&Head { csrf: token.map(Into::into), ..wrong.clone() }, route(Access::User, true), Some(&mine)),
                "wrong_origin"
            );
            if wrong.fetch_site.is_none() {
                assert_eq!(code(&wrong, route(Access::Upgrade, false), Some(&mine)), "wrong_origin");
            }
        }
        // A user's request.
        assert_eq!(code(&bare, route(Access::User, false), Some(&mine)), "");
        assert_eq!(code(&bare, route(Access::User, false), None), "not_signed_in");
        let change = route(Access::User, true);
        assert_eq!(code(&head(ours, None, token), change, Some(&mine)), "");
        assert_eq!(code(&head(ours, None, token), change, None), "not_signed_in");
        assert_eq!(code(&head(ours, None, None), change, Some(&mine)), "wrong_csrf");
        assert_eq!(code(&head(ours, None, Some(&other.csrf)), change, Some(&mine)), "wrong_csrf");
        // A half sign-in takes its next step and nothing else; and its token is its own.
        let (logins, user, now) =
            (Logins::new(for_tests::HOUR, for_tests::HOUR), for_tests::somebody("ada"), std::time::Instant::now());
        for stage in [Stage::Factor, Stage::Enrol, Stage::Recovered, Stage::Device] {
            let (half, _) = for_tests::begin_at(&logins, &user, stage, now);
            let step = route(Access::Half, true);
            assert_eq!(code(&head(ours, None, Some(&half.csrf)), step, Some(&half)), "");
            assert_eq!(code(&head(ours, None, None), step, Some(&half)), "wrong_csrf");
            assert_eq!(code(&head(ours, None, token), step, Some(&half)), "wrong_csrf");
            assert_eq!(code(&head(Some("https://evil"), None, Some(&half.csrf)), step, Some(&half)), "wrong_origin");
            for route in ROUTES.iter().filter(|r| !matches!(r.access, Access::Open | Access::Stranger | Access::Half)) {
                let refused = code(&head(ours, None, Some(&half.csrf)), route, Some(&half));
                assert_eq!(refused, "second_factor", "{} at {stage:?}", route.path);
            }
        }
        assert_eq!(code(&head(ours, None, token), route(Access::Half, true), Some(&mine)), "");
        assert_eq!(code(&head(ours, None, None), route(Access::Half, true), None), "not_signed_in");
        // Administrators' routes: by role, and else as a user's.
        let mut root = for_tests::somebody("root");
        root.role = Role::Administrator;
        let (root, _) = for_tests::begin(&logins, &root, now);
        for changes in [false, true] {
            let deed = route(Access::Administrator, changes);
            assert_eq!(code(&head(ours, None, Some(&root.csrf)), deed, Some(&root)), "");
            assert_eq!(code(&head(ours, None, token), deed, Some(&mine)), "forbidden");
            assert_eq!(code(&head(ours, None, None), deed, None), "not_signed_in");
        }
        assert_eq!(code(&head(ours, None, token), route(Access::Administrator, true), Some(&root)), "wrong_csrf");
        assert_eq!(code(&bare, route(Access::Administrator, true), Some(&root)), "wrong_origin");
        // The upgrade wants the Origin itself.
        assert_eq!(code(&head(ours, None, None), route(Access::Upgrade, false), Some(&mine)), "");
        assert_eq!(
            code(&head(None, Some("same-origin"), None), route(Access::Upgrade, false), Some(&mine)),
            "wrong_origin"
        );
        assert_eq!(code(&head(ours, None, None), route(Access::Upgrade, false), None), "not_signed_in");
    }

    #[test]
    fn the_port_that_browsers_leave_out_is_the_same_port() {
        let head = Head { host: "box:443".into(), origin: Some("https://box".into()), ..Head::default() };
        assert!(exact_origin(&head).is_ok());
    }

    #[test]
    fn a_rebound_name_is_not_ours() {
        let names = ["box".to_owned(), "box.local".to_owned(), "localhost".to_owned()];
        for ours in
            ["box", "box:8443", "box.local:1", "localhost", "127.0.0.1:8443", "10.1.2.3", "[::1]:8443", "[fd00::1]"]
        {
            assert!(host_is_ours(ours, &names), "{ours}");
        }
        for foreign in ["evil.example", "box.evil", "xbox", "", "[box]", "10.1.2.3.evil", "box.local.evil:8443"] {
            assert!(!host_is_ours(foreign, &names), "{foreign}");
        }
    }

    #[test]
    fn one_cookie_is_believed_and_two_are_not() {
        assert_eq!(cookie("a=b; __Host-footbridge=xyz;c=d;", "/"), Some("xyz"));
        assert_eq!(cookie("__Host-footbridge=a;__Host-footbridge=b", "/"), None);
        assert_eq!(cookie("footbridge=a; x__Host-footbridge=b", "/"), None);
        assert_eq!(cookie("a=b \t;\t __Host-footbridge=xyz", "/"), Some("xyz"));
        // To a browser these are names without a prefix, which anybody's page may set.
        for space in ["\u{a0}", "\u{85}", "\u{2000}", "\u{3000}", "\u{b}", "\u{c}"] {
            assert_eq!(cookie(&format!("{space}__Host-footbridge=xyz"), "/"), None, "{space:?}");
        }
        assert_eq!(cookie("", "/"), None);
        let both = "__Host-footbridge=root; __Secure-footbridge=below";
        assert_eq!((cookie(both, "/"), cookie(both, "/x/")), (Some("root"), Some("below")));
    }

    /// J2: whatever else lives on the same host is not sent it.
    #[test]
    fn a_cookie_goes_no_further_than_the_base_path() {
        let rest = "Secure; HttpOnly; SameSite=Strict";
        assert_eq!(set_cookie("v", "/"), format!("__Host-footbridge=v; Path=/; {rest}"));
        assert_eq!(set_cookie("v", "/x/"), format!("__Secure-footbridge=v; Path=/x/; {rest}"));
        assert_eq!(clear_cookie("/x/"), format!("__Secure-footbridge=; Path=/x/; {rest}; Max-Age=0"));
    }

    #[test]
    fn a_base_path_is_plain_segments_between_slashes() {
        for good in ["/", "/footbridge/", "/a/b-c_1/"] {
            assert_eq!(base_path(good).as_deref(), Some(good));
        }
        for bad in [
            "",
            "footbridge",
            "/footbridge",
            "footbridge/",
            "//",
            "/a//b/",
            "/../",
            "/a b/",
            "/a;Path=/",
            &"/a".repeat(40),
        ] {
            assert_eq!(base_path(bad), None, "{bad}");
        }
        assert_eq!(below("/footbridge/api/state", "/footbridge/"), "/api/state");
        assert_eq!(
            (below("/api/state", "/footbridge/"), below("/footbridgex/y", "/footbridge/")),
            ("/api/state", "/footbridgex/y")
        );
        assert_eq!((below("/footbridge/", "/footbridge/"), below("/x", "/")), ("/", "/x"));
    }

    #[test]
    fn polls_are_no_use_and_tickets_are_fetched_by_the_page() {
        let used: Vec<_> = ROUTES.iter().filter(|route| is_use(route)).map(|route| route.path).collect();
        assert!(used.contains(&"/api/sessions") && used.contains(&"/api/hosts/{id}"));
        assert!(!used.contains(&"/api/sessions/{id}/ticket") && !used.contains(&"/api/login"));
        assert!(ROUTES.iter().filter(|route| route.method == Method::Get).all(|route| !is_use(route)));
    }

    proptest! {
        #[test]
        fn junk_cookies_and_hosts_harm_nothing(text in ".{0,200}") {
            let _ = (cookie(&text, "/"), host_is_ours(&text, &[]), base_path(&text), below(&text, "/a/"));
        }
    }
}
