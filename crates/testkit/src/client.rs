//! The APIs as their users speak to them.

use crate::sandbox::Sandbox;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::time::Duration;

/// An HTTP answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Header names in lower case.
    pub headers: Vec<(String, String)>,
    /// The exact bytes.
    pub bytes: Vec<u8>,
    /// The bytes as JSON; `null` when they are none.
    pub body: Value,
}

impl Answer {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A text in the body, by JSON pointer; `""` where there is none.
    pub fn text(&self, pointer: &str) -> &str {
        self.body.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }
}

/// A caller with the sandbox's tokens.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    /// The platform.
    pub base: String,
    /// The simulators.
    pub simulator: String,
    /// For the Cashier API.
    pub company_token: String,
    /// The user's.
    pub user_token: String,
    /// For the Management API.
    pub management_token: String,
}

impl Client {
    /// A caller of that sandbox.
    ///
    /// # Panics
    /// When the HTTP client cannot be made.
    pub fn of(sandbox: &Sandbox) -> Self {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(Duration::from_secs(60))
            .build()
            .expect("an HTTP client");
        Self {
            http,
            base: sandbox.text("baseUrl").to_owned(),
            simulator: sandbox.text("simulatorUrl").to_owned(),
            company_token: sandbox.text("companyToken").to_owned(),
            user_token: sandbox.text("userToken").to_owned(),
            management_token: sandbox.text("managementToken").to_owned(),
        }
    }

    /// A request of any kind.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn send(&self, method: &str, url: &str, headers: &[(&str, &str)], body: Option<Vec<u8>>) -> Result<Answer> {
        let mut request = self.http.request(method.parse().context("method")?, url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let bytes = response.bytes().await?.to_vec();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Ok(Answer { status, headers, bytes, body })
    }

    /// A Cashier call with raw bytes and further headers.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn cashier_raw(&self, body: Vec<u8>, more: &[(&str, &str)]) -> Result<Answer> {
        let company = format!("Bearer {}", self.company_token);
        let user = format!("Bearer {}", self.user_token);
        let mut headers =
            vec![("authorization", company.as_str()), ("x-user-token", user.as_str()), ("content-type", "application/json")];
        headers.extend_from_slice(more);
        self.send("POST", &format!("{}/v1/api/mozarto/cashier", self.base), &headers, Some(body)).await
    }

    /// A Cashier call.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn cashier(&self, body: &str) -> Result<Answer> {
        self.cashier_raw(body.as_bytes().to_vec(), &[]).await
    }

    /// A Cashier call with an idempotency key.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn cashier_with_key(&self, body: &str, key: &str) -> Result<Answer> {
        self.cashier_raw(body.as_bytes().to_vec(), &[("idempotency-key", key)]).await
    }

    /// The status query, by either id.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn status(&self, id: &str) -> Result<Answer> {
        let company = format!("Bearer {}", self.company_token);
        self.send("GET", &format!("{}/v1/api/mozarto/transactions/{id}", self.base), &[("authorization", &company)], None).await
    }

    /// A company call that reads.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn read(&self, path: &str) -> Result<Answer> {
        let company = format!("Bearer {}", self.company_token);
        self.send("GET", &format!("{}{path}", self.base), &[("authorization", &company)], None).await
    }

    /// A Management call: `path` below `/v1/api/mozarto/admin`.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn manage(&self, method: &str, path: &str, body: Option<Value>) -> Result<Answer> {
        let token = format!("Bearer {}", self.management_token);
        let headers = [("authorization", token.as_str()), ("content-type", "application/json")];
        let url = format!("{}/v1/api/mozarto/admin{path}", self.base);
        self.send(method, &url, &headers, body.map(|body| body.to_string().into_bytes())).await
    }

    /// A control call of the simulators: `path` below `/control`.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn control(&self, method: &str, path: &str, body: Option<Value>) -> Result<Answer> {
        let url = format!("{}/control{path}", self.simulator);
        let headers = [("content-type", "application/json")];
        self.send(method, &url, &headers, body.map(|body| body.to_string().into_bytes())).await
    }

    /// A simulator's ledger.
    ///
    /// # Errors
    /// When there is no answer or no ledger in it.
    pub async fn ledger(&self, provider: &str) -> Result<Vec<Value>> {
        let answer = self.control("GET", &format!("/{provider}/ledger"), None).await?;
        answer.body["transfers"].as_array().cloned().with_context(|| format!("no ledger: {}", answer.body))
    }

    /// The id of the demo company's payment method of that provider.
    ///
    /// # Errors
    /// When there is none.
    pub async fn method_of(&self, psp_type: &str) -> Result<String> {
        Ok(self.methods_of(psp_type).await?.swap_remove(0))
    }

    /// The ids of all its payment methods of that provider, in the order of the list.
    ///
    /// # Errors
    /// When there is none.
    pub async fn methods_of(&self, psp_type: &str) -> Result<Vec<String>> {
        let answer = self.manage("GET", "/payment-methods?limit=200", None).await?;
        let items = answer.body["data"]["items"].as_array().cloned().unwrap_or_default();
        let of_provider = items.iter().filter(|item| item["pspType"] == psp_type);
        let ids: Vec<String> = of_provider.map(|item| item["id"].as_str().unwrap_or_default().to_owned()).collect();
        anyhow::ensure!(!ids.is_empty(), "no {psp_type}: {}", answer.body);
        Ok(ids)
    }

    /// Sets the webhook address of every method that has one.
    ///
    /// # Errors
    /// When a method refuses it.
    pub async fn set_webhooks(&self, url: &str, psp_types: &[&str]) -> Result<()> {
        for psp_type in psp_types {
            for id in self.methods_of(psp_type).await? {
                let answer =
                    self.manage("PATCH", &format!("/payment-methods/{id}"), Some(json!({"config": {"webhookUrl": url}}))).await?;
                anyhow::ensure!(answer.status == 200, "{psp_type}: {}", answer.body);
            }
        }
        Ok(())
    }

    /// Asks for a transaction until it shows one of the statuses.
    ///
    /// # Errors
    /// When it does not within the limit; the last answer is in the error.
    pub async fn wait_for(&self, id: &str, statuses: &[&str], limit: Duration) -> Result<Value> {
        let until = tokio::time::Instant::now() + limit;
        loop {
            let answer = self.status(id).await?;
            let data = &answer.body["data"];
            if statuses.contains(&data["transaction_status"].as_str().unwrap_or_default()) {
                return Ok(data.clone());
            }
            if tokio::time::Instant::now() > until {
                anyhow::bail!("{id} is not {statuses:?} after {limit:?}: {}", answer.body);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// The published bodies with other amounts, and what else tests pay with.
pub mod bodies {
    /// PayOne, `PAYIN` or `PAYOUT`.
    pub fn payone(operation: &str, amount: &str) -> String {
        format!(
            r#"{{"pspType":"PAYONE","type":"{operation}","baseamount":{amount},"currency":"CAD","currencyCode":"CAD","userId":"user_123","email":"player@example.com","firstName":"John","lastName":"Doe","phone":"4915112345678"}}"#
        )
    }

    /// ForumPay pay-in.
    pub fn forumpay_in(amount: &str) -> String {
        format!(
            r#"{{"pspType":"FORUMPAY","type":"PAYIN","baseamount":{amount},"currency":"EUR","userId":"user_123","email":"player@example.com","country":"DE"}}"#
        )
    }

    /// ForumPay pay-out.
    pub fn forumpay_out(amount: &str) -> String {
        format!(
            r#"{{"pspType":"FORUMPAY","type":"PAYOUT","baseamount":{amount},"currency":"EUR","userId":"user_123","email":"player@example.com","country":"DE","preferredCrypto":"BTC","walletAddress":"bc1qxy2kgdygjrsqtzq2n0yrf2493p83kkfjhx0wlh"}}"#
        )
    }

    /// Gigadat pay-in.
    pub fn gigadat_in(amount: &str) -> String {
        format!(
            r#"{{"pspType":"GIGADAT","type":"PAYIN","name":"John Test","email":"merchant-user@example.com","phone":"15551234567","baseamount":{amount},"currency":"CAD","userId":"user_123","userIp":"1.2.3.4"}}"#
        )
    }

    /// Gigadat pay-out, `ETO` or `ACH`.
    pub fn gigadat_out(payout_type: &str, amount: &str) -> String {
        format!(
            r#"{{"pspType":"GIGADAT","type":"PAYOUT","payoutType":"{payout_type}","name":"John Test","email":"merchant-user@example.com","baseamount":{amount},"currency":"CAD","userId":"user_123","userIp":"1.2.3.4","mobile":"07700900000","bank":{{"institution":"001","transit":"12345","account":"1234567"}}}}"#
        )
    }

    /// Trust in a currency.
    pub fn trust(currency: &str, amount: &str) -> String {
        format!(
            r#"{{"pspType":"TRUST","type":"PAYIN","currency":"{currency}","baseamount":{amount},"merchantReference":"ORDER-REF-001","userId":"user_123","phone":"+447911123456"}}"#
        )
    }

    /// Neosurf in a currency.
    pub fn neosurf(currency: &str, amount: &str) -> String {
        format!(
            r#"{{"pspType":"NEOSURF","type":"PAYIN","baseamount":{amount},"currency":"{currency}","currencyCode":"{currency}","userId":"user_123","email":"player@example.com"}}"#
        )
    }

    /// eMerchantPay with a card, EUR.
    pub fn emerchantpay(amount: &str, pan: &str) -> String {
        format!(
            r#"{{"pspType":"EMERCHANTPAY","type":"PAYIN","baseamount":{amount},"currency":"EUR","userId":"user_123","email":"player@example.com","firstName":"John","lastName":"Doe","card":{{"pan":"{pan}","expMonth":"12","expYear":"2030","cvv":"123","cardHolderName":"John Doe"}},"browser":{{"userAgent":"Mozilla/5.0"}},"hppSuccessUrl":"https://shop.example/ok","hppFailureUrl":"https://shop.example/failed?a=b","merchantReference":"ORDER-REF-001"}}"#
        )
    }

    /// Worldpay, hosted; EUR.
    pub fn worldpay(amount: &str) -> String {
        format!(
            r#"{{"pspType":"WORLDPAY_EU","type":"PAYIN","baseamount":{amount},"currency":"EUR","userId":"user_123","email":"player@example.com","firstName":"John","lastName":"Doe","phone":"4915112345678","gender":"M","dob":"1990-01-15","countryCode":"DE","kycVerified":true,"blocked":false,"isVelocity":false,"transactionCount":"3","userBalance":20.50,"partnerName":"brand-one","emailVerification":"player@example.com","verificationDate":"2026-01-10","address":{{"line1":"Hauptstr. 1","city":"Berlin","postalCode":"10115","country":"DE"}},"hppSuccessUrl":"https://shop.example/ok","hppFailureUrl":"https://shop.example/failed?a=b","merchantReference":"ORDER-REF-001"}}"#
        )
    }

    /// Worldpay with a card and the name on it, server to server; EUR.
    pub fn worldpay_card(amount: &str, pan: &str, holder: &str) -> String {
        let cvv = if pan.starts_with("34") || pan.starts_with("37") { "1234" } else { "123" };
        let card =
            format!(r#""card":{{"pan":"{pan}","expMonth":"11","expYear":"2035","cvv":"{cvv}","cardHolderName":"{holder}"}}"#);
        let hosted = worldpay(amount);
        format!("{},{card}}}", hosted.strip_suffix('}').unwrap_or(&hosted))
    }

    /// Flexepin with a simulator's voucher of that serial; `minor`: cents.
    pub fn flexepin(serial: u32, minor: u32) -> String {
        format!(
            r#"{{"pspType":"FLEXEPIN","type":"PAYIN","voucherPin":"10{serial:06}{minor:08}","baseamount":{}.{:02},"currency":"EUR","currencyCode":"EUR","userId":"user_123","email":"player@example.com"}}"#,
            minor / 100,
            minor % 100
        )
    }
}
