//! `mozarto approvals`.

use super::client::{Client, cell, print_list};
use crate::cli::ApprovalsCommand;
use anyhow::Result;
use serde_json::{Value, json};

const PATH: &str = "/v1/api/mozarto/admin/approvals";

const COLUMNS: [(&str, &str); 7] = [
    ("Requested", "requestedAt"),
    ("Transaction", "transactionId"),
    ("Provider", "pspType"),
    ("Amount", "amount"),
    ("", "currency"),
    ("User", "userId"),
    ("Destination", "destination"),
];

/// Runs the command.
pub(crate) async fn run(command: ApprovalsCommand) -> Result<()> {
    match command {
        ApprovalsCommand::List { status, server } => {
            let data = Client::management(&server)?.get(PATH, &[("status", status)]).await?;
            print_list(&data, server.json, &COLUMNS);
        }
        ApprovalsCommand::Approve { id, reason, server } => {
            let body = reason.map_or_else(|| json!({}), |reason| json!({ "reason": reason }));
            let data = Client::management(&server)?.post(&format!("{PATH}/{id}/approve"), &body).await?;
            told(&data, server.json, "approved; it is being sent");
        }
        ApprovalsCommand::Reject { id, reason, server } => {
            let data = Client::management(&server)?.post(&format!("{PATH}/{id}/reject"), &json!({ "reason": reason })).await?;
            told(&data, server.json, "rejected; nothing is sent");
        }
    }
    Ok(())
}

fn told(data: &Value, json: bool, what: &str) {
    if json {
        println!("{data}");
    } else {
        println!("{}: {what} ({})", cell(data, "transactionId"), cell(data, "transaction_status"));
    }
}
