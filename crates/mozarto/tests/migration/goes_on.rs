//! The program over a store that was migrated: what was open goes on, and what was told keeps its meaning.

use crate::followed::{Followed, Then};
use crate::kept::Store;
use crate::made::{Payment, hex_id};
use crate::seeds::Seeds;
use anyhow::{Context, Result, ensure};
use aws_lc_rs::hmac;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use testkit::client::{Answer, Client};

/// Whatever happens by itself has happened by then: a process is held for dead after five looks, one a second.
const LIMIT: Duration = Duration::from_secs(60);
/// Of 200 payments: with all that are followed on them, and those of the product.
const PAGES: usize = 8;
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// What the payer is told about a voucher that another payment has.
const IN_FLIGHT: &str = "Declined";

/// The demo account's, with which its callbacks are signed.
const PAYONE_KEY: &[u8] = b"payone-demo-key-0001";

pub(crate) struct Running<'a> {
    pub(crate) client: &'a Client,
    pub(crate) followed: &'a Followed,
    pub(crate) store: &'a Store,
    pub(crate) seeds: &'a Seeds,
}

impl Running<'_> {
    /// Everything of it.
    pub(crate) async fn goes_on(&self) -> Result<()> {
        self.keys_first().await.context("keys")?;
        self.voucher().await.context("a voucher in flight")?;
        self.pages().await.context("pages")?;
        self.callback_to_an_old_token().await.context("a callback to an old token")?;
        self.held_pay_outs().await.context("held pay-outs")?;
        for (what, (payment, then)) in self.followed {
            match then {
                Then::Becomes(status, texts) => self.becomes(payment, status, texts).await,
                Then::IsAsked => self.is_asked(payment).await,
                Then::Stays => Ok(()),
            }
            .with_context(|| what.clone())?;
        }
        self.intent_of_money().await.context("an intent of money")?;
        self.key_of_an_intent().await.context("the key of an intent")?;
        self.overdue_hold().await.context("a hold that nobody decided")?;
        self.deliveries().await.context("deliveries")?;
        self.list().await.context("the list")?;
        self.feed().await.context("the feed")
    }

    fn payment(&self, what: &str) -> Result<&Payment> {
        self.followed.get(what).map(|(payment, _)| payment).with_context(|| format!("no {what}"))
    }

    async fn managed(&self, id: &str) -> Result<Value> {
        let answer = self.client.manage("GET", &format!("/transactions/{id}"), None).await?;
        ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
        Ok(answer.body["data"].clone())
    }

    async fn becomes(&self, payment: &Payment, status: &str, texts: &[&str]) -> Result<()> {
        self.client.wait_for(&payment.id, &[status], LIMIT).await?;
        let events = self.managed(&payment.id).await?["events"].to_string();
        let missing: Vec<&&str> = texts.iter().filter(|text| !events.contains(**text)).collect();
        ensure!(missing.is_empty(), "{} is {status}, but {missing:?} is not on its timeline: {events}", payment.id);
        Ok(())
    }

    /// The simulator has a call that names it, or the provider's id of it.
    async fn is_asked(&self, payment: &Payment) -> Result<()> {
        let until = Instant::now() + LIMIT;
        let names = [Some(&payment.id), payment.psp_id.as_ref()];
        loop {
            let calls = self.client.control("GET", &format!("/{}/calls", payment.form.provider), None).await?;
            let calls = calls.body["calls"].to_string();
            if names.iter().flatten().any(|name| calls.contains(name.as_str())) {
                return Ok(());
            }
            ensure!(Instant::now() < until, "{} is not asked about {}", payment.form.provider, payment.id);
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn repeated(&self, payment: &Payment) -> Result<Answer> {
        let key = payment.key.as_ref().context("a key")?;
        self.client.cashier_with_key(&key.body, &key.name).await
    }

    /// An answered key answers its bytes, whoever asks, and no other request.
    async fn keys_first(&self) -> Result<()> {
        for what in ["answered key", "held by a rule"] {
            let payment = self.payment(what)?;
            let key = payment.key.as_ref().context("a key")?;
            let (status, body) = key.answer.clone().context("an answer")?;
            let again = self.repeated(payment).await?;
            ensure!(i64::from(again.status) == status && again.bytes == body.as_bytes(), "{} {}", again.status, again.body);
            ensure!(again.header("idempotent-replayed") == Some("true"), "{:?}", again.headers);
            let other = self.client.cashier_with_key("{\"another\":1}", &key.name).await?;
            ensure!(other.status == 422, "another request: {} {}", other.status, other.body);
        }
        Ok(())
    }

    /// The key whose call died is answered from what became of it.
    async fn key_of_an_intent(&self) -> Result<()> {
        let payment = self.payment("intent of a page")?;
        let again = self.repeated(payment).await?;
        ensure!(again.body.to_string().contains(&payment.id), "{} {}", again.status, again.body);
        Ok(())
    }

    async fn voucher(&self) -> Result<()> {
        let pin = self.payment("voucher in flight")?.pin();
        let body = json!({"pspType": "FLEXEPIN", "type": "PAYIN", "voucherPin": pin, "baseamount": 10, "currency": "EUR",
            "currencyCode": "EUR", "userId": "user_123", "email": "player@example.com"});
        let again = self.client.cashier(&body.to_string()).await?;
        let status = again.text("/transaction/transaction_status");
        ensure!(status == IN_FLIGHT, "{} {}", again.status, again.body);
        let calls = self.client.control("GET", "/flexepin/calls", None).await?.body["calls"].to_string();
        let id = again.text("/transaction/transactionId");
        ensure!(!id.is_empty() && !calls.contains(id), "the provider was asked: {calls}");
        Ok(())
    }

    async fn get(&self, path: &str) -> Result<Answer> {
        self.client.send("GET", &format!("{}{path}", self.client.base), &[], None).await
    }

    /// Addresses of pages from before open what they opened, once where that is so.
    async fn pages(&self) -> Result<()> {
        let trust = self.payment("page to pay")?;
        let path = format!("/pay/{}", trust.page_token("pay"));
        let form = self.get(&path).await?;
        let text = String::from_utf8_lossy(&form.bytes).into_owned();
        ensure!(form.status == 200 && text.contains(&trust.id), "the page to pay: {} {text}", form.status);
        let again = self.get(&path).await?;
        ensure!(again.status == 410, "the page to pay once more: {}", again.status);

        let back = self.payment("page to come back to")?;
        let path = format!("/return/worldpay/{}/success", back.page_token("back"));
        let gone = self.get(&path).await?;
        let to = gone.header("location").unwrap_or_default().to_owned();
        ensure!(gone.status == 303 && to.starts_with("https://shop.example/"), "{} {to}", gone.status);

        let challenge = self.payment("page of a challenge")?;
        let page = self.get(&format!("/3ds/{}", challenge.page_token("challenge"))).await?;
        let text = String::from_utf8_lossy(&page.bytes).into_owned();
        ensure!(page.status == 200 && text.contains(&challenge.id), "the page of a challenge: {} {text}", page.status);

        let checked = self.payment("page of a device check")?;
        let notify = self.payment("page to pay")?.page_token("notify");
        let posts = [
            format!("/callbacks/emerchantpay/{}/threeds", checked.page_token("device_check")),
            format!("/callbacks/trust/{notify}"),
        ];
        for path in posts {
            let headers = [("content-type", "application/x-www-form-urlencoded")];
            let url = format!("{}{path}", self.client.base);
            let taken = self.client.send("POST", &url, &headers, Some(b"a=b".to_vec())).await?;
            ensure!(taken.status != 404, "{path}: {}", taken.status);
            let unknown = self.client.send("POST", &url.replace("-0", "-f"), &headers, Some(b"a=b".to_vec())).await?;
            ensure!(unknown.status == 404, "an address that nobody was told: {}", unknown.status);
        }
        Ok(())
    }

    async fn callback_to_an_old_token(&self) -> Result<()> {
        let payment = self.payment("callback to come")?;
        let body = json!({"transactionId": payment.psp_id, "referenceId": payment.id, "status": "Approved"}).to_string();
        let url = format!("{}/callbacks/payone/{}", self.client.base, payment.token());
        let signature = hex::encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, PAYONE_KEY), body.as_bytes()));
        let headers = [("content-type", "application/json"), ("x-signature", &*signature)];
        let taken = self.client.send("POST", &url, &headers, Some(body.into_bytes())).await?;
        ensure!(taken.status == 200, "{} {}", taken.status, taken.body);
        self.becomes(payment, "Approved", &["\"callback\""]).await
    }

    /// One that was never sent, and one that its provider has and that what is remembered of it lets go.
    async fn held_pay_outs(&self) -> Result<()> {
        for (what, provider) in [("held by a rule", "payone"), ("held by its provider", "forumpay")] {
            let payment = self.payment(what)?;
            ensure!(self.transfers(provider, payment).await? == 0, "{what}: it is sent already");
            let approved = self.client.manage("POST", &format!("/approvals/{}/approve", payment.id), Some(json!({}))).await?;
            ensure!(approved.status == 200, "{what}: {} {}", approved.status, approved.body);
            let until = Instant::now() + LIMIT;
            while self.transfers(provider, payment).await? != 1 {
                ensure!(Instant::now() < until, "{what}: {}", self.managed(&payment.id).await?);
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        self.becomes(self.payment("held by a rule")?, "Approved", &[]).await
    }

    /// How many transfers the provider's ledger has of it.
    async fn transfers(&self, provider: &str, payment: &Payment) -> Result<usize> {
        let path = format!("/{provider}/ledger?reference={}", payment.id);
        let ledger = self.client.control("GET", &path, None).await?;
        ledger.body["transfers"].as_array().map(Vec::len).with_context(|| format!("no ledger: {}", ledger.body))
    }

    /// Nothing is sent again: it is unknown, and whoever does not want to wait for the schedule asks.
    async fn intent_of_money(&self) -> Result<()> {
        let payment = self.payment("intent of money")?;
        let until = Instant::now() + LIMIT;
        loop {
            let path = format!("/transactions/{}/inquire", payment.id);
            let asked = self.client.manage("POST", &path, Some(json!({}))).await?;
            if asked.status == 200 {
                break;
            }
            // As long as the dead process counts as one that may still answer.
            ensure!(Instant::now() < until, "{} {}", asked.status, asked.body);
            tokio::time::sleep(LOOK_EVERY).await;
        }
        self.becomes(payment, "Approved", &["inquiry"]).await?;
        let transfers = self.transfers("payone", payment).await?;
        ensure!(transfers == 1, "{transfers} transfers");
        Ok(())
    }

    async fn overdue_hold(&self) -> Result<()> {
        let payment = self.payment("held and overdue")?;
        let until = Instant::now() + LIMIT;
        loop {
            let shown = self.managed(&payment.id).await?;
            if shown["attention"] == "stuck" {
                return Ok(());
            }
            ensure!(Instant::now() < until, "{shown}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The newest payments, page by page: every one that is followed is there, once.
    async fn list(&self) -> Result<()> {
        let (mut listed, mut cursor) = (Vec::<String>::new(), String::new());
        for _ in 0..PAGES {
            let page = self.client.manage("GET", &format!("/transactions?limit=200{cursor}"), None).await?;
            ensure!(page.status == 200, "{} {}", page.status, page.body);
            let items = page.body["data"]["items"].as_array().context("items")?;
            listed.extend(items.iter().filter_map(|item| item["transactionId"].as_str().map(str::to_owned)));
            let next = page.body["data"]["nextCursor"].as_str().context("there are more pages")?;
            cursor = format!("&cursor={next}");
        }
        for (what, (payment, _)) in self.followed {
            let times = listed.iter().filter(|id| **id == payment.id).count();
            ensure!(times == 1, "{what} is listed {times} times");
        }
        Ok(())
    }

    /// What merchants were told before is read on from where they were.
    async fn feed(&self) -> Result<()> {
        let payment = self.payment("delivery")?;
        let event = format!("evt_{}", hex_id(payment.at, payment.n));
        let after = self.client.read(&format!("/v1/api/mozarto/events?limit=200&after={event}")).await?;
        let items = after.body["data"]["items"].as_array().with_context(|| after.body.to_string())?;
        ensure!(after.status == 200 && items.len() == 200, "{} {} items", after.status, items.len());
        Ok(())
    }

    /// Everything that waited is told, each as it was stored; what has failed waits for its time.
    async fn deliveries(&self) -> Result<()> {
        let until = Instant::now() + LIMIT;
        // Later ones of the same payment wait behind those that fail.
        while self.store.count("deliveries WHERE state = 'waiting' AND sequence = 1").await? > 0 {
            ensure!(Instant::now() < until, "deliveries wait");
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let payment = self.payment("delivery")?;
        let received = self.seeds.sink.about(&payment.id);
        ensure!(received.len() == 1 && received[0].verified, "{received:?}");
        ensure!(received[0].body["transaction_status"] == "Approved", "{}", received[0].body);
        ensure!(self.store.count("deliveries WHERE state = 'failing' AND attempts = 3").await? > 0, "none waits for its time");
        Ok(())
    }
}
