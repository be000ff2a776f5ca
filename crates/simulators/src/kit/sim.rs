//! The running simulators: what is shared, and how a request becomes a provider's answer.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::calls::Calls;
use super::control;
use super::jobs::{self, Running};
use super::reply::Fault;
use super::seal::Seal;
use super::server;
use super::store::{Context, Store};
use super::tx::{Pace, ProviderSettings, Waiters, now_ms};
use super::{Call, Error, Provider, Reply};
use crate::Settings;

/// A request body may be this long.
const BODY_MAX_BYTES: usize = 256 * 1024;
/// Scenario 05: this long nothing is said (unscaled).
const HANG_MS: u64 = 120_000;
/// Scenario 10: the answer waits this long (unscaled) for the callback, and at least the floor of real time.
const AFTER_CALLBACK_MS: u64 = 2_000;
const AFTER_CALLBACK_FLOOR_MS: u64 = 200;

/// What was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A page, for a person.
    Page,
    /// A call.
    Answer,
    /// A call, with what it was sent.
    Echo,
}

/// What all requests and jobs share.
pub(crate) struct Sim {
    pub(crate) store: Store,
    pub(crate) client: reqwest::Client,
    pub(crate) waiters: Arc<Waiters>,
    pub(crate) running: Running,
    pub(crate) calls: Calls,
    pub(crate) pace: Pace,
    providers: Vec<Box<dyn Provider>>,
    life: CancellationToken,
}

impl Sim {
    /// A provider by name.
    pub(crate) fn provider(&self, name: &str) -> Option<&dyn Provider> {
        self.providers.iter().map(AsRef::as_ref).find(|provider| provider.name() == name)
    }

    /// The names of all providers.
    pub(crate) fn provider_names(&self) -> Vec<&'static str> {
        self.providers.iter().map(|provider| provider.name()).collect()
    }

    /// Answers a request below a provider's mount.
    pub(crate) async fn answer(self: Arc<Self>, request: Request<Body>, host: &str) -> Response<Body> {
        let (parts, body) = request.into_parts();
        // A request line may have no path at all (`CONNECT host:port`, `OPTIONS *`).
        let path = parts.uri.path().strip_prefix('/').unwrap_or_default();
        let (name, below) = path.find('/').map_or((path, "/"), |slash| path.split_at(slash));
        let Some(provider) = self.provider(name).map(Provider::name) else {
            return control::failure(404, "there is no such simulator").into_response();
        };
        let Ok(bytes) = axum::body::to_bytes(body, BODY_MAX_BYTES).await else {
            return control::failure(413, "the body is too long or was cut").into_response();
        };
        let call = Call {
            method: parts.method,
            path: below.to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            headers: parts.headers,
            body: bytes,
            base: format!("http://{host}/{name}"),
        };
        self.reply(provider, call).await.into_response()
    }

    /// Runs the call in a transaction, then waits out what the reply asks for.
    async fn reply(self: &Arc<Self>, provider: &'static str, call: Call) -> Reply {
        let at_ms = now_ms();
        let call = Arc::new(call);
        let (sim, read) = (Arc::clone(self), Arc::clone(&call));
        let answered = self
            .store
            .run(provider, move |tx| {
                let provider = sim.provider(provider).ok_or(Error::NotKept("no such simulator".to_owned()))?;
                if provider.is_page_call(&read) {
                    return Ok((provider.page(tx, &read)?, Kind::Page));
                }
                if let Some(reply) = control::take_override(tx, &read)? {
                    return Ok((reply, Kind::Answer));
                }
                let ProviderSettings { dress, echo, .. } = tx.settings()?;
                let mut reply = match echo.as_ref().and_then(|echo| echo.instead(&read)) {
                    Some(reply) => reply,
                    None => provider.upstream(tx, &read)?,
                };
                let kind = if echo.is_some() { Kind::Echo } else { Kind::Answer };
                if let Some(echo) = echo {
                    echo.within(&read, &mut reply);
                }
                if let Some(dress) = dress {
                    dress.put_on(&mut reply);
                }
                Ok((reply, kind))
            })
            .await;
        let (mut reply, kind) = answered.unwrap_or_else(|error| {
            tracing::error!(%error, provider, "a simulator could not answer");
            (Reply::json(503, &json!({"error": "the simulator could not keep this"})), Kind::Answer)
        });
        if let Some(provider) = self.provider(provider)
            && kind != Kind::Page
        {
            // What it was sent, in whatever form, is not kept a second time.
            let told = (kind == Kind::Echo).then(|| Reply::text(reply.status, "text/plain", "(an echo)"));
            self.calls.note(provider, at_ms, &call, told.as_ref().unwrap_or(&reply));
        }
        if let Some(sent) = reply.after.take() {
            let limit = self.pace.scaled(AFTER_CALLBACK_MS).max(AFTER_CALLBACK_FLOOR_MS);
            // Sent or not: the answer leaves then.
            let _ = tokio::time::timeout(Duration::from_millis(limit), sent).await;
        }
        if reply.fault == Fault::Hang {
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(self.pace.scaled(HANG_MS))) => {}
                () = self.life.cancelled() => {}
            }
        }
        reply
    }
}

/// Opens the state, arms what was left, serves, and closes the state again.
pub(crate) async fn serve(
    listener: TcpListener,
    settings: Settings,
    providers: Vec<Box<dyn Provider>>,
    stop: CancellationToken,
) -> Result<(), Error> {
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() {
        return Err(Error::NotLoopback(address));
    }
    let pace = Pace { time_scale: settings.time_scale.max(1), auto_settle_ms: settings.auto_settle_ms };
    let waiters: Arc<Waiters> = Arc::default();
    let (armed, due) = tokio::sync::mpsc::unbounded_channel();
    let context = Context { seal: Seal::open(&settings.data)?, pace, waiters: Arc::clone(&waiters), armed };
    let store = Store::open(&settings.data, context)?;
    // Whether this future ends or is dropped, everything it started ends with it.
    let life = stop.child_token();
    let _end_with_us = life.clone().drop_guard();
    let sim = Arc::new(Sim {
        store,
        client: jobs::callback_client(pace.time_scale)?,
        waiters,
        running: Running::default(),
        calls: Calls::default(),
        pace,
        providers,
        life: life.clone(),
    });
    sim.store.run("", jobs::rearm).await?;
    let worker = tokio::spawn(jobs::run(Arc::clone(&sim), due, life.clone()));
    server::accept(listener, control::router(Arc::clone(&sim), address), life.clone()).await;
    life.cancel();
    // The worker ends at the cancelled token; a panic in it has been logged by the run time.
    let _ = worker.await;
    sim.store.close().await;
    Ok(())
}
