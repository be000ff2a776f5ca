//! One pay-in of each of the ten providers, for tables in which all of them stand.

use testkit::client::bodies;

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
