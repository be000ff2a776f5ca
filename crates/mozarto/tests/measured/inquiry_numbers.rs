//! Flexepin takes a fresh id with each inquiry: none is used twice, whatever becomes of the call that made it necessary, of the
//! answer, or of the process.

use crate::steps::{LIMIT, id_of, inquire};
use anyhow::{Result, ensure};
use axum::Router;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use testkit::client::bodies;
use testkit::world::World;
use tokio::net::TcpListener;

/// A Flexepin whose redeems and inquiries fail, or whose inquiries are never answered while they are to hang.
#[derive(Clone, Default)]
struct Flexepin {
    hangs: Arc<AtomicBool>,
    inquiries: Arc<Mutex<Vec<String>>>,
}

impl Flexepin {
    async fn start() -> Result<(Self, String)> {
        let flexepin = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}", listener.local_addr()?);
        let router = Router::new().fallback(answered).with_state(flexepin.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok((flexepin, address))
    }

    /// The ids of the inquiries so far.
    fn asked(&self) -> Vec<String> {
        self.inquiries.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn asked_more_than(&self, times: usize) -> Result<()> {
        let until = Instant::now() + LIMIT;
        while self.asked().len() <= times {
            ensure!(Instant::now() < until, "asked {:?}", self.asked());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    fn none_twice(&self) -> Result<()> {
        let asked = self.asked();
        let mut ids = asked.clone();
        ids.sort();
        ids.dedup();
        ensure!(ids.len() == asked.len(), "an id was used twice: {asked:?}");
        Ok(())
    }
}

async fn answered(State(flexepin): State<Flexepin>, method: Method, uri: Uri) -> Response {
    let segments: Vec<&str> = uri.path().trim_matches('/').split('/').collect();
    if let ["trans", "trans_id", _, _, id] = segments.as_slice() {
        flexepin.inquiries.lock().unwrap_or_else(PoisonError::into_inner).push((*id).to_owned());
        if flexepin.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    if method == Method::PUT {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    axum::Json(json!({"result": "0", "status": "ACTIVE", "currency": "EUR", "value": 25})).into_response()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_inquiry_has_an_id_that_was_used() {
    let rows = async {
        let mut world = World::start(env!("CARGO_BIN_EXE_mozarto"), &[], |options| options).await?;
        let (flexepin, address) = Flexepin::start().await?;
        let method = world.client.method_of("FLEXEPIN").await?;
        let moved = json!({"config": {"baseUrl": address}});
        let moved = world.client.manage("PATCH", &format!("/payment-methods/{method}"), Some(moved)).await?;
        ensure!(moved.status == 200, "{}", moved.body);
        // The 504 form, after three inquiries.
        let answer = world.client.cashier(&bodies::flexepin(1, 2_500)).await?;
        ensure!(answer.status == 504, "{} {}", answer.status, answer.body);
        let id = id_of(&answer)?;
        ensure!(flexepin.asked().len() == 3, "{:?}", flexepin.asked());
        for _ in 0..3 {
            inquire(&world.hands(), &id).await?;
        }
        flexepin.none_twice()?;
        // One that was sent, and whose process then died.
        for _ in 0..2 {
            let before = flexepin.asked().len();
            flexepin.hangs.store(true, Ordering::SeqCst);
            let (hands, about) = (world.hands(), id.clone());
            let asking = tokio::spawn(async move { inquire(&hands, &about).await });
            flexepin.asked_more_than(before).await?;
            world.sandbox.kill().await?;
            asking.abort();
            flexepin.hangs.store(false, Ordering::SeqCst);
            world.restart().await?;
            inquire(&world.hands(), &id).await?;
            ensure!(flexepin.asked().len() > before + 1, "{:?}", flexepin.asked());
            flexepin.none_twice()?;
        }
        // One that dies while the merchant still waits, and is recovered.
        let before = flexepin.asked().len();
        flexepin.hangs.store(true, Ordering::SeqCst);
        let client = world.client.clone();
        let paying = tokio::spawn(async move { client.cashier(&bodies::flexepin(2, 2_500)).await });
        flexepin.asked_more_than(before).await?;
        world.sandbox.kill().await?;
        paying.abort();
        flexepin.hangs.store(false, Ordering::SeqCst);
        world.restart().await?;
        flexepin.asked_more_than(before + 1).await?;
        flexepin.none_twice()
    };
    rows.await.map_err(|error: anyhow::Error| format!("{error:#}")).unwrap();
}
