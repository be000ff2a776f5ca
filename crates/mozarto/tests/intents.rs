//! A crash while the call that takes the money is open: it went out under an intent of its own, so that it is asked about, not
//! taken for failed.

use serde_json::{Value, json};
use std::time::Duration;
use testkit::client::{Client, bodies};
use testkit::sandbox::{Options, Sandbox};

#[tokio::test(flavor = "multi_thread")]
async fn a_redeem_cut_by_a_crash_is_asked_about() {
    let data = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::start(Options::new(env!("CARGO_BIN_EXE_mozarto"), data.path()).time_scale(5)).await.unwrap();
    let client = Client::of(&sandbox);
    // The voucher's next redeem hangs; the validate before it, which moves nothing, answers.
    let lost = client.control("POST", "/flexepin/1000004200002500/lost", Some(json!({}))).await.unwrap();
    assert_eq!(lost.status, 200, "{}", lost.body);
    let paying = {
        let client = client.clone();
        tokio::spawn(async move { client.cashier(&bodies::flexepin(42, 2_500)).await })
    };
    let redeem_is_open = async {
        loop {
            let calls = client.control("GET", "/flexepin/calls", None).await.unwrap();
            let open = calls.body.to_string().contains("/voucher/redeem/");
            let created = client.manage("GET", "/transactions", None).await.unwrap();
            if open || created.body["data"]["items"][0]["nextAction"] == "intent" {
                tokio::time::sleep(Duration::from_millis(700)).await;
                return created.body["data"]["items"][0]["transactionId"].as_str().unwrap().to_owned();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let id = tokio::time::timeout(Duration::from_secs(20), redeem_is_open).await.expect("the redeem goes out");
    let sandbox = sandbox.kill_and_restart().await.unwrap();
    assert!(paying.await.unwrap().is_err(), "the crash cut the call");
    let client = Client::of(&sandbox);
    let shown: Value = client.wait_for(&id, &["Pending", "Failed"], Duration::from_secs(5)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let later = client.status(&id).await.unwrap();
    assert_eq!(later.text("/data/transaction_status"), "Pending", "{shown} then {}", later.body);
    assert_eq!(later.text("/data/status"), "unknown", "{}", later.body);
}
