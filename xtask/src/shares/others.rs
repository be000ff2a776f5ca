//! Everybody who is not to notice: pay-ins at a steady rate, lists and approvals.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use testkit::client::{Client, bodies};

/// Pay-ins per second.
const RATE: u64 = 60;
/// Of so many pay-ins one is followed by Management: a held pay-out, the list of approvals, an approval.
const MANAGING_EVERY: u64 = 20;

/// Who.
#[derive(Clone)]
pub(super) struct Others {
    /// Pays at ForumPay.
    pub(super) forumpay: Client,
    /// Pays at PayOne.
    pub(super) payone: Client,
}

/// What they saw.
pub(super) struct Seen {
    pub(super) count: usize,
    pub(super) p50: Duration,
    pub(super) p99: Duration,
    pub(super) managing_p99: Duration,
}

impl Others {
    /// Pay-ins at their rate (each at its time, whatever became of the one before), in turns at two providers, with Management in
    /// between. Every one must be answered. Goes on for as long as is said, and while `goes_on`.
    pub(super) async fn measure(&self, goes_on: impl Fn() -> bool, length: Duration) -> Result<Seen> {
        let began = Instant::now();
        let (mut calls, mut managing) = (Vec::new(), Vec::new());
        let mut n = 0;
        while began.elapsed() < length || goes_on() {
            let at = began + Duration::from_millis(n * 1_000 / RATE);
            tokio::time::sleep_until(at.into()).await;
            let (client, body) = match n % 2 {
                0 => (self.forumpay.clone(), bodies::forumpay_in("100.00")),
                _ => (self.payone.clone(), bodies::payone("PAYIN", "100.00")),
            };
            calls.push(tokio::spawn(async move {
                let answer = client.cashier(&body).await?;
                ensure!(answer.status == 200, "a pay-in of the others: {} {}", answer.status, answer.body);
                anyhow::Ok(at.elapsed())
            }));
            if n.is_multiple_of(MANAGING_EVERY) {
                let client = self.forumpay.clone();
                managing.push(tokio::spawn(async move { manage(&client).await }));
            }
            n += 1;
        }
        let (mut took, mut managed) = (Vec::new(), Vec::new());
        for call in calls {
            took.push(call.await??);
        }
        for call in managing {
            managed.push(call.await??);
        }
        took.sort_unstable();
        managed.sort_unstable();
        let at = |times: &[Duration], percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
        Ok(Seen { count: took.len(), p50: at(&took, 50), p99: at(&took, 99), managing_p99: at(&managed, 99) })
    }
}

async fn manage(client: &Client) -> Result<Duration> {
    let held = client.cashier(&bodies::forumpay_out("100.00")).await?;
    ensure!(held.status == 200, "a pay-out of the others: {} {}", held.status, held.body);
    let began = Instant::now();
    let list = client.manage("GET", "/approvals", None).await?;
    ensure!(list.status == 200, "the approvals: {} {}", list.status, list.body);
    let id = held.text("/transaction/transactionId");
    let approved = client.manage("POST", &format!("/approvals/{id}/approve"), Some(json!({}))).await?;
    ensure!(approved.status == 200, "an approval: {} {}", approved.status, approved.body);
    Ok(began.elapsed())
}

/// A caller for another company, with an account at PayOne.
pub(super) async fn with_account(of_demo: &Client, company: &Value) -> Result<Client> {
    let text = |name: &str| company[name].as_str().map(str::to_owned).with_context(|| format!("no {name}"));
    let mut client = of_demo.clone();
    (client.company_token, client.management_token) = (text("companyToken")?, text("managementToken")?);
    let config = json!({
        "accountName": "Demo company", "apiKey": "payone-demo-key-0001", "webhookUrl": "https://other.example/",
        "siteUrl": "https://other.example/", "baseUrl": format!("{}/payone", client.simulator),
    });
    let made = client.manage("POST", "/payment-methods", Some(json!({"pspType": "PAYONE", "config": config}))).await?;
    ensure!(made.status == 200, "{}", made.body);
    let action = json!({"route": [], "hold": false});
    let every = json!({"pspTypes": [], "brandIds": [], "types": []});
    let rule = json!({"name": "All", "priority": 1, "active": true, "match": every, "action": action});
    let made = client.manage("POST", "/rules", Some(rule)).await?;
    ensure!(made.status == 200, "{}", made.body);
    Ok(client)
}
