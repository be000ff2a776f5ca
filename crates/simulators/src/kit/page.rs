//! Hosted pages: server-rendered, no inline script or style, a policy that allows the page itself and the
//! merchant's address that its form leads to.

use askama::Template;
use http::Response;

use super::{Error, Reply};

const STYLE: &str = include_str!("../../assets/sim.css");
const ICON: &str = include_str!("../../assets/icon.svg");
const COUNTDOWN: &str = include_str!("../../assets/countdown.js");
const SUBMIT: &str = include_str!("../../assets/submit.js");

#[derive(Template)]
#[template(path = "notice.html")]
struct Notice<'a> {
    provider: &'a str,
    title: &'a str,
    text: &'a str,
}

#[derive(Template)]
#[template(path = "index.html")]
struct Index<'a> {
    provider: &'a str,
    title: &'a str,
    names: &'a [&'a str],
}

/// The page of the simulators' own address: what there is, with the way to what each of them tells.
pub(super) fn index_page(names: &[&str]) -> Result<Reply, Error> {
    let page = Index { provider: "Mozarto", title: "Simulators of the providers", names };
    html_page(200, &page, &[])
}

/// A rendered page. `leads_to`: origins that its form may redirect to (the merchant's).
pub(crate) fn html_page(status: u16, template: &impl Template, leads_to: &[String]) -> Result<Reply, Error> {
    let mut form_action = String::from("'self'");
    for origin in leads_to {
        form_action.push(' ');
        form_action.push_str(origin);
    }
    let policy = format!(
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; \
         form-action {form_action}; base-uri 'none'; frame-ancestors 'none'"
    );
    Ok(Reply::text(status, "text/html; charset=utf-8", template.render()?)
        .header("content-security-policy", &policy)
        .header("x-content-type-options", "nosniff")
        .header("referrer-policy", "no-referrer")
        .header("cache-control", "no-store"))
}

/// A page that only says something.
pub(crate) fn notice_page(status: u16, provider: &str, title: &str, text: &str) -> Result<Reply, Error> {
    html_page(status, &Notice { provider, title, text }, &[])
}

/// Sends the browser on with a GET.
pub(crate) fn see_other(address: &str) -> Reply {
    Reply::empty(303).header("location", address).header("referrer-policy", "no-referrer").header("cache-control", "no-store")
}

/// The files that the pages use.
pub(crate) fn asset(file: &str) -> Response<axum::body::Body> {
    let reply = match file {
        "sim.css" => Reply::text(200, "text/css; charset=utf-8", STYLE),
        "icon.svg" => Reply::text(200, "image/svg+xml", ICON),
        "countdown.js" => Reply::text(200, "text/javascript; charset=utf-8", COUNTDOWN),
        "submit.js" => Reply::text(200, "text/javascript; charset=utf-8", SUBMIT),
        _ => Reply::text(404, "text/plain; charset=utf-8", "not found"),
    };
    reply.header("x-content-type-options", "nosniff").header("cache-control", "no-cache").into_response()
}
