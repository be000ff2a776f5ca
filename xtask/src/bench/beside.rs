//! The hidden parts of a benchmark, each a process of its own: the simulators, and a sink that answers 200 and does nothing else.

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio_util::sync::CancellationToken;

/// `xtask simulators`.
#[derive(Debug, Clone, Args)]
pub(crate) struct SimulatorArgs {
    /// Where their own store goes.
    #[arg(long)]
    data: PathBuf,
    /// Pages press Pay by themselves after so many milliseconds.
    #[arg(long)]
    auto_settle: Option<u64>,
}

/// Serves the simulators until killed; prints their address first.
pub(crate) fn simulators(args: &SimulatorArgs) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", json!({"address": listener.local_addr()?.to_string()}));
        let settings = simulators::Settings { data: args.data.clone(), auto_settle_ms: args.auto_settle, time_scale: 1 };
        simulators::serve(listener, settings, CancellationToken::new()).await.context("the simulators")
    })
}

/// Takes every webhook; `GET /count` says how many.
pub(crate) fn sink() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", json!({"address": listener.local_addr()?.to_string()}));
        let taken = Arc::new(AtomicU64::new(0));
        let router = Router::new().route("/webhook", post(take)).route("/count", get(count)).with_state(taken);
        axum::serve(listener, router).await.context("the sink")
    })
}

async fn take(State(taken): State<Arc<AtomicU64>>) {
    taken.fetch_add(1, Ordering::Relaxed);
}

async fn count(State(taken): State<Arc<AtomicU64>>) -> String {
    taken.load(Ordering::Relaxed).to_string()
}
