//! The test controls: `/control/{provider}/...`, JSON, errors as `{"error":"..."}`.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post, put};
use http::HeaderMap;
use rusqlite::params;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::dress::Dress;
use super::page;
use super::provider::{COMMON_OUTCOMES, plain_outcome};
use super::sim::Sim;
use super::tx::{ProviderSettings, Tx};
use super::{Call, Error, Pressed, Provider, Reply};

/// Overrides waiting per provider.
const OVERRIDES_MAX: i64 = 1_000;
/// How often one override may strike.
const OVERRIDE_TIMES_MAX: u32 = 1_000_000;
const NAME_MAX_BYTES: usize = 256;
const WORD_MAX_BYTES: usize = 64;

type Shared = State<Arc<Sim>>;

/// All routes: controls, assets, and below the fallback the providers themselves.
pub(crate) fn router(sim: Arc<Sim>, listening: SocketAddr) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/assets/{file}", get(|Path(file): Path<String>| async move { page::asset(&file) }))
        .route("/control/{provider}/ledger", get(ledger))
        .route("/control/{provider}/settings", get(settings).put(merge_settings))
        .route("/control/{provider}/calls", get(calls))
        .route("/control/{provider}/next", put(next_answer))
        .route("/control/{provider}/accounts/{name}", put(put_account))
        .route("/control/{provider}/{reference}", get(state_of))
        .route("/control/{provider}/{reference}/{outcome}", post(outcome))
        .route("/control/{provider}/{reference}/status/{word}", post(set_status))
        .method_not_allowed_fallback(|| async { failure(405, "that method is not possible here").into_response() })
        .fallback(move |State(sim): Shared, request: Request| async move {
            let host = host_of(request.headers()).map_or_else(|| listening.to_string(), str::to_owned);
            sim.answer(request, &host).await
        })
        .layer(middleware::from_fn(only_local_names))
        .with_state(sim)
}

/// An error of a control route.
pub(crate) fn failure(status: u16, error: &str) -> Reply {
    Reply::json(status, &json!({"error": error}))
}

/// A page of some other site must not drive the controls: the host must be a name of this machine, and so must
/// the origin of a control call, where a browser tells it.
async fn only_local_names(request: Request, next: Next) -> Response {
    let host_is_local = host_of(request.headers()).is_none_or(is_local_authority);
    let origin_is_local = request.headers().get("origin").is_none_or(|origin| {
        origin.to_str().is_ok_and(|origin| origin.split_once("://").is_some_and(|(_, host)| is_local_authority(host)))
    });
    if !host_is_local || (request.uri().path().starts_with("/control/") && !origin_is_local) {
        return failure(403, "the simulators answer this machine only").into_response();
    }
    next.run(request).await
}

fn host_of(headers: &HeaderMap) -> Option<&str> {
    headers.get("host").and_then(|host| host.to_str().ok())
}

fn is_local_authority(authority: &str) -> bool {
    url::Url::parse(&format!("http://{authority}/")).is_ok_and(|url| match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    })
}

/// Runs `work` as a provider's transaction; an unknown provider is a 404.
async fn with<F>(sim: &Arc<Sim>, provider: &str, work: F) -> Response
where
    F: FnOnce(&Tx<'_>, &dyn Provider) -> Result<Reply, Error> + Send + 'static,
{
    let Some(name) = sim.provider(provider).map(Provider::name) else {
        return failure(404, "there is no such simulator").into_response();
    };
    let shared = Arc::clone(sim);
    let reply = sim
        .store
        .run(name, move |tx| match shared.provider(name) {
            Some(provider) => work(tx, provider),
            None => Ok(failure(404, "there is no such simulator")),
        })
        .await;
    reply
        .unwrap_or_else(|error| {
            tracing::error!(%error, "a control call failed");
            failure(503, "the simulator could not keep this")
        })
        .into_response()
}

async fn index(State(sim): Shared) -> Response {
    page::index_page(&sim.provider_names()).unwrap_or_else(|_| failure(500, "the page could not be rendered")).into_response()
}

#[derive(Deserialize)]
struct LedgerQuery {
    reference: Option<String>,
}

async fn ledger(State(sim): Shared, Path(provider): Path<String>, Query(query): Query<LedgerQuery>) -> Response {
    with(&sim, &provider, move |tx, _| Ok(Reply::json(200, &tx.ledger(query.reference.as_deref())?))).await
}

async fn calls(State(sim): Shared, Path(provider): Path<String>) -> Response {
    match sim.provider(&provider) {
        Some(provider) => Reply::json(200, &sim.calls.shown(provider.name())).into_response(),
        None => failure(404, "there is no such simulator").into_response(),
    }
}

async fn settings(State(sim): Shared, Path(provider): Path<String>) -> Response {
    with(&sim, &provider, |tx, _| Ok(Reply::json(200, &serde_json::to_value(tx.settings()?)?))).await
}

async fn merge_settings(State(sim): Shared, Path(provider): Path<String>, body: Bytes) -> Response {
    with(&sim, &provider, move |tx, _| {
        let Ok(Value::Object(changes)) = serde_json::from_slice(&body) else {
            return Ok(failure(400, "the body must be a JSON object"));
        };
        let mut whole = serde_json::to_value(tx.settings()?)?;
        for (name, value) in changes {
            whole[name] = value;
        }
        match serde_json::from_value::<ProviderSettings>(whole) {
            Ok(settings) => {
                let worn = settings.dress.iter().chain(&settings.dress_callbacks);
                if let Some(error) = worn.filter_map(|dress| dress.check().err()).next() {
                    return Ok(failure(400, &error));
                }
                tx.put_settings(&settings)?;
                Ok(Reply::json(200, &serde_json::to_value(&settings)?))
            }
            Err(error) => Ok(failure(400, &error.to_string())),
        }
    })
    .await
}

async fn put_account(State(sim): Shared, Path((provider, name)): Path<(String, String)>, body: Bytes) -> Response {
    with(&sim, &provider, move |tx, provider| {
        let Ok(body @ Value::Object(_)) = serde_json::from_slice::<Value>(&body) else {
            return Ok(failure(400, "the body must be a JSON object"));
        };
        if name.is_empty() || name.len() > NAME_MAX_BYTES {
            return Ok(failure(400, "the name must have 1 to 256 bytes"));
        }
        if let Err(error) = provider.check_account(&body) {
            return Ok(failure(400, &error));
        }
        tx.put_account(&name, &body, &provider.account_aliases(&body))?;
        Ok(Reply::json(200, &json!({"provider": provider.name(), "set": true})))
    })
    .await
}

async fn state_of(State(sim): Shared, Path((provider, reference)): Path<(String, String)>) -> Response {
    with(&sim, &provider, move |tx, provider| {
        Ok(match provider.state(tx, &reference)? {
            Some(state) => pressed_reply(provider, &reference, Pressed::Done(state)),
            None => pressed_reply(provider, &reference, Pressed::Unknown),
        })
    })
    .await
}

#[derive(Deserialize)]
struct OutcomeQuery {
    /// Minor units: only a part of the amount.
    minor: Option<i64>,
}

async fn outcome(
    State(sim): Shared,
    Path((provider, reference, word)): Path<(String, String, String)>,
    Query(query): Query<OutcomeQuery>,
) -> Response {
    with(&sim, &provider, move |tx, provider| {
        let plain = plain_outcome(&word);
        let more = provider.more_outcomes();
        if !COMMON_OUTCOMES.contains(&plain) && !more.contains(&plain) {
            let known = [&COMMON_OUTCOMES[..], more].concat().join(", ");
            return Ok(failure(400, &format!("unknown outcome; known are {known}")));
        }
        Ok(match query.minor {
            None => pressed_reply(provider, &reference, provider.outcome(tx, &reference, plain)?),
            Some(minor) if minor > 0 => pressed_reply(provider, &reference, provider.part(tx, &reference, plain, minor)?),
            Some(_) => failure(400, "minor must be a whole number above 0"),
        })
    })
    .await
}

async fn set_status(State(sim): Shared, Path((provider, reference, word)): Path<(String, String, String)>) -> Response {
    with(&sim, &provider, move |tx, provider| {
        if word.is_empty() || word.len() > WORD_MAX_BYTES {
            return Ok(failure(400, "the word must have 1 to 64 bytes"));
        }
        Ok(pressed_reply(provider, &reference, provider.set_status(tx, &reference, &word)?))
    })
    .await
}

fn pressed_reply(provider: &dyn Provider, reference: &str, pressed: Pressed) -> Reply {
    match pressed {
        Pressed::Done(state) => Reply::json(200, &json!({"provider": provider.name(), "reference": reference, "state": state})),
        Pressed::Unknown => failure(404, "nothing is known under that reference"),
        Pressed::NotPossible(why) => failure(409, &why),
    }
}

/// `PUT /control/{provider}/next`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Override {
    /// Strikes only calls whose path contains this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// Strikes only calls of this method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    /// Strikes only calls that carry this in their path, query or body: a reference of one transaction, so that no inquiry about
    /// another one uses it up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    about: Option<String>,
    http: u16,
    #[serde(default)]
    headers: serde_json::Map<String, Value>,
    /// A text is sent as it is, anything else as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<Value>,
    /// It is said in another dress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dress: Option<Dress>,
    /// 0 takes all waiting overrides back.
    #[serde(default = "once")]
    times: u32,
}

fn once() -> u32 {
    1
}

async fn next_answer(State(sim): Shared, Path(provider): Path<String>, body: Bytes) -> Response {
    with(&sim, &provider, move |tx, _| {
        let next: Override = match serde_json::from_slice(&body) {
            Ok(next) => next,
            Err(error) => return Ok(failure(400, &error.to_string())),
        };
        if !(200..=599).contains(&next.http) || next.times > OVERRIDE_TIMES_MAX {
            return Ok(failure(400, "http must be 200 to 599, times at most 1000000"));
        }
        if let Some(Err(error)) = next.dress.as_ref().map(Dress::check) {
            return Ok(failure(400, &error));
        }
        let connection = tx.connection();
        if next.times == 0 {
            connection.execute("DELETE FROM overrides WHERE provider = ?1", [tx.provider])?;
            return Ok(Reply::json(200, &serde_json::to_value(&next)?));
        }
        let waiting: i64 =
            connection.query_row("SELECT COUNT(*) FROM overrides WHERE provider = ?1", [tx.provider], |row| row.get(0))?;
        if waiting >= OVERRIDES_MAX {
            return Ok(failure(409, "too many overrides are waiting"));
        }
        connection.prepare_cached("INSERT INTO overrides(provider, body, remaining) VALUES(?1, ?2, ?3)")?.execute(params![
            tx.provider,
            serde_json::to_string(&next)?,
            next.times
        ])?;
        Ok(Reply::json(200, &serde_json::to_value(&next)?))
    })
    .await
}

impl Override {
    fn strikes(&self, call: &Call) -> bool {
        let carried = |part: &str| {
            call.path.contains(part) || call.query.contains(part) || String::from_utf8_lossy(&call.body).contains(part)
        };
        self.method.as_deref().is_none_or(|method| call.method.as_str() == method)
            && self.path.as_deref().is_none_or(|part| call.path.contains(part))
            && self.about.as_deref().is_none_or(carried)
    }
}

/// The override that strikes a call, if any; it is used up by one.
pub(crate) fn take_override(tx: &Tx<'_>, call: &Call) -> Result<Option<Reply>, Error> {
    let connection = tx.connection();
    let mut statement = connection.prepare_cached("SELECT id, body FROM overrides WHERE provider = ?1 ORDER BY id")?;
    let waiting: Vec<(i64, String)> =
        statement.query_map([tx.provider], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    for (id, body) in waiting {
        let next: Override = serde_json::from_str(&body)?;
        if !next.strikes(call) {
            continue;
        }
        connection.execute("UPDATE overrides SET remaining = remaining - 1 WHERE id = ?1", [id])?;
        connection.execute("DELETE FROM overrides WHERE id = ?1 AND remaining <= 0", [id])?;
        return Ok(Some(override_reply(&next)));
    }
    Ok(None)
}

fn override_reply(next: &Override) -> Reply {
    let named = |name: &str| next.headers.keys().any(|header| header.eq_ignore_ascii_case(name));
    let mut reply = Reply::empty(next.http);
    match &next.body {
        None => {}
        Some(Value::String(text)) => reply.body = text.clone().into_bytes(),
        Some(body) => {
            reply.body = body.to_string().into_bytes();
            if !named("content-type") {
                reply = reply.header("content-type", "application/json");
            }
        }
    }
    for (name, value) in &next.headers {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        // The length is the connection's own business.
        if !name.eq_ignore_ascii_case("content-length") && !name.eq_ignore_ascii_case("transfer-encoding") {
            reply = reply.header(name, &text);
        }
    }
    if let Some(dress) = &next.dress {
        dress.put_on(&mut reply);
    }
    reply
}

#[cfg(test)]
mod tests {
    use super::is_local_authority;

    #[test]
    fn only_names_of_this_machine_are_local() {
        for name in ["127.0.0.1:8081", "localhost", "localhost:1", "[::1]:8081", "127.9.9.9", "sim.localhost:80"] {
            assert!(is_local_authority(name), "{name}");
        }
        for name in ["example.com", "192.168.0.1:8081", "localhost.example.com", "127.0.0.1.nip.io", "null", "evil@x"] {
            assert!(!is_local_authority(name), "{name}");
        }
    }
}
