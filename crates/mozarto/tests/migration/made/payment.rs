//! A payment as the revision before stored it: its row, and everything in other tables that is about it.

use super::company::Company;
use super::forms::Form;
use super::tables::{Rows, Table};
use anyhow::Result;
use aws_lc_rs::digest::{SHA256, digest};
use std::fmt::Write as _;
use store::Value;

pub(crate) const PATH: &str = "POST /v1/api/mozarto/cashier";

/// The one next action.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) kind: &'static str,
    pub(crate) due_at: i64,
    pub(crate) tries: i64,
    pub(crate) first_at: i64,
    pub(crate) detail: String,
    pub(crate) owner: Option<&'static str>,
}

/// A callback in the inbox.
#[derive(Debug, Clone)]
pub(crate) struct Callback {
    /// `None`: it is done.
    pub(crate) due_at: Option<i64>,
    pub(crate) owner: Option<&'static str>,
    pub(crate) tries: i64,
    pub(crate) copies: i64,
    pub(crate) told: bool,
    /// How it was read, JSON; `None`: it is read anew.
    pub(crate) reading: Option<String>,
    pub(crate) body: String,
    /// From before there were any.
    pub(crate) without_digest: bool,
}

/// An idempotency key: its request, and its answer's status and bytes.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) body: String,
    pub(crate) answer: Option<(i64, String)>,
    pub(crate) expires_at: Option<i64>,
}

/// A delivery of its event.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(crate) state: &'static str,
    pub(crate) attempts: i64,
    pub(crate) next_at: Option<i64>,
    pub(crate) owner: Option<&'static str>,
}

/// A pay-out that waits, or waited, for a person.
#[derive(Debug, Clone)]
pub(crate) struct Hold {
    pub(crate) status: &'static str,
    /// The decisions: the word, and why.
    pub(crate) decisions: Vec<(&'static str, &'static str)>,
}

/// The payment.
#[derive(Debug, Clone)]
pub(crate) struct Payment {
    pub(crate) form: &'static Form,
    /// Counts all of them.
    pub(crate) n: u64,
    pub(crate) id: String,
    pub(crate) session: String,
    /// When it was made, milliseconds.
    pub(crate) at: i64,
    pub(crate) status: &'static str,
    pub(crate) word: Option<&'static str>,
    pub(crate) psp_id: Option<String>,
    pub(crate) redirect: Option<String>,
    pub(crate) attention: Option<&'static str>,
    pub(crate) memo: String,
    pub(crate) inquiries: i64,
    /// JSON: what was counted of the money that went back.
    pub(crate) turns: &'static str,
    pub(crate) refunded: i64,
    pub(crate) disputed: bool,
    pub(crate) job: Option<Job>,
    pub(crate) callbacks: Vec<Callback>,
    pub(crate) key: Option<Key>,
    pub(crate) delivery: Option<Delivery>,
    pub(crate) hold: Option<Hold>,
    /// A voucher that is in flight.
    pub(crate) in_flight: bool,
    /// Its voucher's PIN, where it is one of a simulator's.
    pub(crate) voucher: Option<String>,
}

/// 48 bits of time and 48 of a number.
pub(crate) fn hex_id(at: i64, n: u64) -> String {
    format!("{at:012x}{n:012x}")
}

fn session_id(at: i64, n: u64) -> String {
    let time = format!("{at:012x}");
    format!("{}-{}-7000-8000-{n:012x}", &time[..8], &time[8..])
}

/// A number without digits: what looks like a card's is not shown by the simulators.
fn letters(n: u64) -> String {
    let digit = |place: u32| char::from(b'a' + u8::try_from(n / 6_u64.pow(place) % 6).unwrap_or_default());
    (0..12).rev().map(digit).collect()
}

pub(crate) fn sha256(text: &str) -> Vec<u8> {
    digest(&SHA256, text.as_bytes()).as_ref().to_vec()
}

impl Payment {
    /// Of a form, made then; open at the provider, with nothing due.
    pub(crate) fn new(form: &'static Form, n: u64, at: i64) -> Self {
        let id = hex_id(at, n);
        let mut payment = Self {
            form,
            n,
            session: session_id(at, n),
            at,
            status: "Pending",
            word: None,
            psp_id: None,
            redirect: None,
            attention: None,
            memo: String::new(),
            inquiries: 0,
            turns: "[]",
            refunded: 0,
            disputed: false,
            job: None,
            callbacks: Vec::new(),
            key: None,
            delivery: None,
            hold: None,
            in_flight: false,
            voucher: None,
            id,
        };
        payment.psp_id = form.psp_id.map(|start| payment.their_id(start));
        payment.remembers(0);
        payment
    }

    fn their_id(&self, start: &str) -> String {
        match start {
            // Gigadat's are ours.
            "" => self.id.clone(),
            start => format!("{start}{}", letters(self.n)),
        }
    }

    /// With another of the forms in which its connector keeps what it remembers.
    pub(crate) fn remembers(&mut self, which: usize) {
        let form = self.form.memos[which % self.form.memos.len()];
        let psp = self.psp_id.clone().unwrap_or_else(|| self.their_id("c0e7f6a4"));
        self.memo = form.replace("{psp}", &psp).replace("{at}", &self.at.to_string());
    }

    pub(crate) fn is_final(&self) -> bool {
        !matches!(self.status, "Created" | "Pending" | "OnHold")
    }

    /// Its callback token.
    pub(crate) fn token(&self) -> String {
        format!("callback-{}", self.id)
    }

    /// The token of one of its pages.
    pub(crate) fn page_token(&self, page: &str) -> String {
        format!("{page}-{}", self.id)
    }

    /// Its voucher's PIN.
    pub(crate) fn pin(&self) -> String {
        self.voucher.clone().unwrap_or_else(|| format!("{:08}{:08}", self.n, self.form.amount.0))
    }

    fn updated_at(&self) -> i64 {
        self.at + 40
    }

    fn shown_word(&self) -> String {
        match (self.word, self.status) {
            (Some(word), _) => word.to_owned(),
            (None, "Created") => "created".to_owned(),
            (None, "Pending") => self.form.word.to_owned(),
            (None, "OnHold") => "on_hold".to_owned(),
            (None, "Approved") => "success".to_owned(),
            (None, ended) => ended.to_lowercase(),
        }
    }

    fn pages(&self, base: &str) -> String {
        let mut pages = String::from("{");
        for page in self.form.pages {
            let token = self.page_token(page);
            let (name, url) = match *page {
                "pay" => ("pay", format!("{base}/pay/{token}")),
                "challenge" => ("challenge", format!("{base}/3ds/{token}")),
                "back" => ("back", format!("{base}/return/{}/{token}", self.form.provider)),
                _ => ("deviceCheck", format!("{base}/callbacks/{}/{token}/threeds", self.form.provider)),
            };
            let _ = write!(pages, "{}\"{name}\":\"{url}\"", if pages.len() > 1 { "," } else { "" });
        }
        pages + "}"
    }

    /// What only the company's key opens.
    pub(crate) fn document(&self, base: &str) -> String {
        let pin = self.pin();
        // Of what has ended the last four characters are kept.
        let secrets = self.form.secrets.replace("{pin}", if self.is_final() { &pin[pin.len() - 4..] } else { &pin });
        format!(
            r#"{{"fields":{{{}}},"secrets":{{{secrets}}},"memo":{},"key":{},"inquiries":{},"pages":{},"turns":{}}}"#,
            self.form.fields,
            self.memo,
            self.key.is_some(),
            self.inquiries,
            self.pages(base),
            self.turns
        )
    }

    /// Adds all its rows. Answers its first event's delivery.
    pub(crate) fn write(&self, company: &Company, rows: &mut Rows) -> Result<()> {
        let (method, rule) = company.account(self.form.psp_type)?;
        let timeline = self.timeline(company, method, rule, rows)?;
        self.row(company, method, rule, timeline, rows)?;
        let place = |more: Vec<Value>| [vec![company.id.as_str().into(), self.id.as_str().into()], more].concat();
        if let Some(job) = &self.job {
            let Job { kind, due_at, tries, first_at, detail, owner } = job.clone();
            let row = [kind.into(), due_at.into(), tries.into(), first_at.into(), detail.into(), owner.into()];
            rows.add(Table::Jobs, place([&row[..], &[self.form.psp_type.into()]].concat()));
        }
        for (n, callback) in self.callbacks.iter().enumerate() {
            self.callback(company, u64::try_from(n)?, callback, rows)?;
        }
        if let Some(key) = &self.key {
            self.key(company, key, rows)?;
        }
        if let Some(hold) = &self.hold {
            let decided = (hold.status != "waiting").then_some(self.updated_at());
            let row = vec![hold.status.into(), self.at.into(), (self.at + 259_200_000).into(), 1_i64.into(), decided.into()];
            rows.add(Table::Holds, place(row));
            for (n, (word, why)) in (1_i64..).zip(&hold.decisions) {
                let by = format!("credential:{}", company.checker);
                let row = vec![n.into(), (*word).into(), by.into(), company.maker.as_str().into(), (*why).into()];
                rows.add(Table::Approvals, place([row, vec![self.updated_at().into()]].concat()));
            }
        }
        if self.in_flight {
            let digest = company.key.digest("single_use", self.pin().as_bytes());
            rows.add(Table::SingleUse, vec![company.id.as_str().into(), method.into(), digest.into(), self.id.as_str().into()]);
        }
        let hash = |page: &&str| (sha256(&self.page_token(page)), (*page).to_owned());
        // What a form told the provider is a token of its own.
        let notify = self.form.pages.contains(&"pay").then(|| (sha256(&self.page_token("notify")), "notify".to_owned()));
        for (hash, page) in self.form.pages.iter().map(hash).chain(notify) {
            rows.add(Table::PageTokens, vec![hash.into(), company.id.as_str().into(), self.id.as_str().into(), page.into()]);
        }
        Ok(())
    }

    fn row(&self, company: &Company, method: &str, rule: &str, timeline: i64, rows: &mut Rows) -> Result<()> {
        let sealed = company.key.seal(&["transactions", &self.id, "sealed"], self.document(&company.base).as_bytes())?;
        let message = self.is_final().then(|| format!("It has ended: {}", self.shown_word()));
        let has_event = self.is_final() && self.form.webhooks;
        rows.add(
            Table::Transactions,
            vec![
                company.id.as_str().into(),
                self.id.as_str().into(),
                self.session.as_str().into(),
                self.form.psp_type.into(),
                self.form.operation.into(),
                method.into(),
                Value::Null,
                (self.n.is_multiple_of(3)).then(|| format!("ORDER-{}", self.n)).into(),
                format!("user_{}", self.n % 977).into(),
                self.form.amount.0.into(),
                self.form.currency.into(),
                self.status.into(),
                self.shown_word().into(),
                message.into(),
                self.psp_id.clone().into(),
                self.redirect.clone().into(),
                self.form.destination.into(),
                self.attention.into(),
                rule.into(),
                1_i64.into(),
                company.maker.as_str().into(),
                sealed.into(),
                self.form.token.then(|| sha256(&self.token())).into(),
                i64::from(has_event).into(),
                timeline.into(),
                timeline.into(),
                self.at.into(),
                self.updated_at().into(),
                self.refunded.into(),
                self.disputed.into(),
            ],
        );
        Ok(())
    }

    /// Its timeline, with the event and the delivery that it speaks of; answers how long it is.
    fn timeline(&self, company: &Company, method: &str, rule: &str, rows: &mut Rows) -> Result<i64> {
        let mut entries: Vec<(&str, Option<&str>, Option<&str>, String)> = vec![(
            "created",
            None,
            Some("Created"),
            format!(r#"{{"rule":{{"id":"{rule}","version":1}},"paymentMethodId":"{method}"}}"#),
        )];
        let call =
            format!(r#"{{"calls":[{{"step":"first","address":"POST 127.0.0.1:1/{}","http":200,"ms":3}}]}}"#, self.form.provider);
        if let Some(hold) = &self.hold {
            entries.push(("held", Some("Created"), Some("OnHold"), call));
            match hold.status {
                "approved" => entries.push(("released", Some("OnHold"), Some("Pending"), r#"{"by":"a person"}"#.to_owned())),
                "rejected" => entries.push(("rejected", Some("OnHold"), Some("Rejected"), r#"{"by":"a person"}"#.to_owned())),
                _ => {}
            }
        } else if self.status != "Created" {
            entries.push(("accepted", Some("Created"), Some("Pending"), call));
        }
        let ending = match self.status {
            "Approved" | "Reversed" => Some(("approved", "Approved")),
            "Declined" => Some(("declined", "Declined")),
            "Cancelled" => Some(("cancelled", "Cancelled")),
            "Expired" => Some(("expired", "Expired")),
            "Failed" => Some(("failed", "Failed")),
            _ => None,
        };
        if let Some((event, to)) = ending {
            entries.push((event, Some("Pending"), Some(to), r#"{"by":"inquiry"}"#.to_owned()));
        }
        if self.status == "Reversed" {
            entries.push(("reversed", Some("Approved"), Some("Reversed"), r#"{"by":"callback"}"#.to_owned()));
        }
        if self.attention.is_some() {
            entries.push(("stuck", None, None, r#"{"text":"nobody knows"}"#.to_owned()));
        }
        if self.is_final() && self.form.webhooks {
            let (event, delivery) = self.event(company, method, rows)?;
            let detail = format!(r#"{{"deliveryId":"{delivery}","eventId":"{event}","sequence":1}}"#);
            if let Some(Delivery { state: "delivered", .. }) = &self.delivery {
                entries.push(("webhook_delivered", None, None, detail));
            }
        }
        let length = i64::try_from(entries.len())?;
        for (n, (event, from, to, detail)) in (1_i64..).zip(entries) {
            let row = vec![
                company.id.as_str().into(),
                self.id.as_str().into(),
                n.into(),
                (self.at + n * 10).into(),
                event.into(),
                from.into(),
                to.into(),
                detail.into(),
            ];
            rows.add(Table::Timeline, row);
        }
        Ok(length)
    }

    fn event(&self, company: &Company, method: &str, rows: &mut Rows) -> Result<(String, String)> {
        let (at, event, delivery) = (self.updated_at(), format!("evt_{}", hex_id(self.at, self.n)), hex_id(self.at, self.n));
        let body = format!(
            r#"{{"transaction_id":"{}","user_id":"user_123","status":"{}","transaction_status":"{}","message":"","amount":"{}","currency":"{}","merchantReference":"","method":"{}_{}"}}"#,
            self.id,
            self.shown_word(),
            self.status,
            self.form.amount.1,
            self.form.currency,
            self.form.psp_type,
            self.form.operation
        );
        let of = |id: &str| vec![Value::from(company.id.as_str()), id.into()];
        let about = vec![self.id.as_str().into(), 1_i64.into(), method.into()];
        rows.add(Table::Events, [of(&event), about.clone(), vec![0_i64.into(), at.into(), body.into()]].concat());
        let Some(told) = &self.delivery else { return Ok((event, delivery)) };
        let delivered = told.state == "delivered";
        let failure = (!delivered && told.attempts > 0).then_some("http");
        let http = (told.attempts > 0).then_some(if delivered { 200_i64 } else { 503 });
        let state = vec![
            told.state.into(),
            told.attempts.into(),
            told.attempts.into(),
            told.next_at.into(),
            told.owner.into(),
            told.owner.and(told.next_at).into(),
            failure.into(),
            http.into(),
            at.into(),
            delivered.then_some(at + 5).into(),
        ];
        rows.add(Table::Deliveries, [of(&delivery), vec![event.as_str().into()], about, state].concat());
        for n in 1..=told.attempts {
            let last = vec![n.into(), (at + n).into(), http.into(), failure.into(), 4_i64.into(), "".into()];
            rows.add(Table::DeliveryAttempts, [of(&delivery), last].concat());
        }
        Ok((event, delivery))
    }

    fn callback(&self, company: &Company, n: u64, callback: &Callback, rows: &mut Rows) -> Result<()> {
        let received = self.at + 20;
        let id = hex_id(received, self.n * 16 + n);
        let reading = callback.reading.as_ref().map(|reading| format!(r#","reading":{reading}"#)).unwrap_or_default();
        let raw = format!(
            "{{\"method\":\"POST\",\"query\":\"\",\"headers\":[[\"content-type\",\"6170706c69636174696f6e2f6a736f6e\"]]{reading}}}\n{}",
            callback.body
        );
        let sealed = company.key.seal(&["callbacks", &id, "raw"], raw.as_bytes())?;
        let digest = company.key.digest("callback", format!("{}{n}{}", self.id, callback.body).as_bytes());
        let weight = if callback.reading.is_some() { 2_i64 } else { 3 };
        rows.add(
            Table::Callbacks,
            vec![
                company.id.as_str().into(),
                self.id.as_str().into(),
                id.into(),
                received.into(),
                sealed.into(),
                callback.due_at.into(),
                callback.tries.into(),
                callback.owner.into(),
                (!callback.without_digest).then_some(digest).into(),
                callback.copies.into(),
                callback.told.into(),
                weight.into(),
                // Those that were done when the column came have none.
                if callback.without_digest && callback.due_at.is_none() { "" } else { self.form.psp_type }.into(),
            ],
        );
        Ok(())
    }

    fn key(&self, company: &Company, key: &Key, rows: &mut Rows) -> Result<()> {
        let sealed = match &key.answer {
            Some((_, body)) => {
                let plain = [&[0; 4], body.as_bytes()].concat();
                Some(company.key.seal(&["idempotency", &self.id, "answer"], &plain)?)
            }
            None => None,
        };
        rows.add(
            Table::Idempotency,
            vec![
                company.id.as_str().into(),
                PATH.into(),
                key.name.as_str().into(),
                company.key.digest("idempotency", key.body.as_bytes()).into(),
                self.id.as_str().into(),
                key.answer.as_ref().map(|(status, _)| *status).into(),
                sealed.into(),
                self.at.into(),
                key.expires_at.into(),
            ],
        );
        Ok(())
    }
}
