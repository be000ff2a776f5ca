//! One pay-in of each of the ten providers, and tables in which all of them stand.

use anyhow::{Result, ensure};
use std::collections::BTreeSet;
use std::fmt::Display;
use testkit::client::bodies;
use testkit::table::Table;
use testkit::world::Hands;

/// A provider.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Provider {
    /// In addresses.
    pub(crate) name: &'static str,
    /// `pspType`.
    pub(crate) psp_type: &'static str,
    body: fn(u32, &str) -> String,
}

impl Provider {
    /// A pay-in of that amount in major units, with two decimals; `serial`: another for each, where something can be spent once.
    pub(crate) fn pay_in(&self, serial: u32, amount: &str) -> String {
        (self.body)(serial, amount)
    }
}

/// All of them.
pub(crate) const ALL: [Provider; 10] = [
    Provider { name: "brite", psp_type: "BRITE", body: brite },
    Provider { name: "cleo", psp_type: "CLEO", body: cleo },
    Provider {
        name: "emerchantpay",
        psp_type: "EMERCHANTPAY",
        body: |_, amount| bodies::emerchantpay(amount, "4200000000000000"),
    },
    Provider { name: "flexepin", psp_type: "FLEXEPIN", body: flexepin },
    Provider { name: "forumpay", psp_type: "FORUMPAY", body: |_, amount| bodies::forumpay_in(amount) },
    Provider { name: "gigadat", psp_type: "GIGADAT", body: |_, amount| bodies::gigadat_in(amount) },
    Provider { name: "neosurf", psp_type: "NEOSURF", body: |_, amount| bodies::neosurf("EUR", amount) },
    Provider { name: "payone", psp_type: "PAYONE", body: |_, amount| bodies::payone("PAYIN", amount) },
    Provider { name: "trust", psp_type: "TRUST", body: |_, amount| bodies::trust("EUR", amount) },
    Provider { name: "worldpay", psp_type: "WORLDPAY_EU", body: |_, amount| bodies::worldpay(amount) },
];

/// Worldpay with the card in the request, server to server.
pub(crate) const DIRECT: Provider = Provider {
    name: "worldpay",
    psp_type: "WORLDPAY_EU",
    body: |_, amount| bodies::worldpay_card(amount, "4200000000000000", "John Doe"),
};

/// Their `pspType`s with webhooks.
pub(crate) const WITH_WEBHOOKS: [&str; 9] =
    ["BRITE", "CLEO", "EMERCHANTPAY", "FORUMPAY", "GIGADAT", "NEOSURF", "PAYONE", "TRUST", "WORLDPAY_EU"];

fn brite(_: u32, amount: &str) -> String {
    format!(
        r#"{{"pspType":"BRITE","type":"PAYIN","baseamount":{amount},"currency":"EUR","country":"FI","userId":"user_123","email":"player@example.com"}}"#
    )
}

/// Whole pesos: the amount's cents are its last two digits. From ten million on, as real ones are.
fn cleo(_: u32, amount: &str) -> String {
    let whole = format!("100{}", amount.replace('.', ""));
    format!(
        r#"{{"pspType":"CLEO","type":"PAYIN","baseamount":{whole},"currency":"CLP","currencyCode":"CLP","userId":"user_123","email":"player@example.com","firstName":"John","lastName":"Doe","phone":"56912345678","gender":"male","dob":"1990-01-15","countryCode":"CL","kycVerified":true,"blocked":false,"isVelocity":false,"transactionCount":"12","userBalance":0,"partnerName":"Acme","emailVerification":"player@example.com","verificationDate":"2026-01-15","address":{{"line1":"Av. Uno 1","city":"Santiago","state":"RM","postalCode":"8320000","country":"CL"}}}}"#
    )
}

fn flexepin(serial: u32, amount: &str) -> String {
    bodies::flexepin(serial, amount.replace('.', "").parse().unwrap_or_default())
}

/// A table of a kind that spans providers: each of the ten has rows, or a reason why it can have none, which is shown by a row
/// of its own. One that has neither, or both, fails the table.
#[derive(Debug)]
pub(crate) struct OfTen {
    name: &'static str,
    table: Table,
    with_rows: BTreeSet<&'static str>,
    excused: BTreeSet<&'static str>,
}

impl OfTen {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, table: Table::new(name), with_rows: BTreeSet::new(), excused: BTreeSet::new() }
    }

    /// A row of a provider, beside the others.
    pub(crate) fn row(
        &mut self,
        provider: &'static str,
        what: impl Display,
        row: impl Future<Output = Result<()>> + Send + 'static,
    ) {
        self.with_rows.insert(provider);
        self.table.row(format!("{provider}: {what}"), row);
    }

    /// A row of a provider that runs after those that are running.
    pub(crate) async fn row_alone(&mut self, provider: &'static str, what: impl Display, row: impl Future<Output = Result<()>>) {
        self.with_rows.insert(provider);
        self.table.row_alone(format!("{provider}: {what}"), row).await;
    }

    /// Why a provider can have no row, and what shows it.
    pub(crate) fn excuse(
        &mut self,
        provider: &'static str,
        because: &'static str,
        shown: impl Future<Output = Result<()>> + Send + 'static,
    ) {
        self.excused.insert(provider);
        self.table.row(format!("{provider} has no row, because {because}"), shown);
    }

    /// Waits for all rows.
    ///
    /// # Panics
    /// When one failed, or when the table is not one of all ten.
    pub(crate) async fn end(self) {
        let Self { name, table, with_rows, excused } = self;
        let ten: BTreeSet<_> = ALL.map(|one| one.name).into();
        let told: BTreeSet<_> = with_rows.union(&excused).copied().collect();
        assert_eq!(told, ten, "{name}: of each of the ten there is a row, or a reason why there is none");
        assert!(with_rows.is_disjoint(&excused), "{name}: has rows and a reason why not: {:?}", &with_rows & &excused);
        table.end().await;
    }
}

/// Creating a pay-in at Trust calls nobody, so that nobody there can answer it: the payer's browser brings the form.
pub(crate) async fn trust_is_not_called(hands: Hands) -> Result<()> {
    let answer = hands.client.cashier(&bodies::trust("EUR", "100.00")).await?;
    let id = crate::steps::id_of(&answer)?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let calls = hands.client.control("GET", "/trust/calls", None).await?;
    let calls = calls.body["calls"].as_array().cloned().unwrap_or_default();
    ensure!(calls.iter().all(|call| !call.to_string().contains(&id)), "it was called: {calls:?}");
    Ok(())
}
