//! kill -9 at random moments under load; every promise must hold afterwards. Over PostgreSQL two processes share the store, and
//! one or both are killed. More kills by command: `cargo xtask crash`.

use testkit::crash::{Plan, Report, run};

/// Kills per store; the figures in docs/reliability.md are of 40 to 100.
const KILLS: u32 = 15;

async fn crash(database: Option<String>) -> Report {
    let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos().into();
    println!("seed {seed}");
    let plan = Plan { binary: env!("CARGO_BIN_EXE_mozarto").into(), database, kills: KILLS, seed };
    run(&plan).await.unwrap()
}

fn assert_kept(report: &Report) {
    println!("{report:#?}");
    assert!(report.findings.broken.is_empty(), "broken promises:\n{}", report.findings.broken.join("\n"));
    assert!(report.answered > 50, "the load was too small to mean anything: {}", report.answered);
    assert!(report.asked_again > 0, "no request was cut by a kill");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_on_sqlite() {
    assert_kept(&crash(None).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_by_two_processes_on_postgres() {
    let database = testkit::postgres::database().await;
    let report = crash(Some(database.url.clone())).await;
    assert_kept(&report);
    assert_eq!(report.processes, 2);
}
