//! Payments that are followed through the migration and on, each with what becomes of it.

use crate::made::{Callback, DEAD, Delivery, Hold, Job, Key, Payment, form};
use crate::seeds::{Seed, Seeds};
use anyhow::{Context, Result};
use std::collections::BTreeMap;

const HOUR: i64 = 3_600_000;

/// What becomes of a payment once the program runs, without anybody's doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// It gets this status, and its timeline an entry with these texts.
    Becomes(&'static str, &'static [&'static str]),
    /// Its provider is asked about it.
    IsAsked,
    /// Nothing: somebody has to do something.
    Stays,
}

/// By what it is.
pub(crate) type Followed = BTreeMap<String, (Payment, Then)>;

struct Making<'a> {
    now: i64,
    /// PayOne's, of both directions, one after the other.
    seeds: Vec<&'a Seed>,
    n: u64,
    all: Followed,
}

/// All of them.
pub(crate) fn followed(seeds: &Seeds, now: i64) -> Result<Followed> {
    let mut making = Making { now, seeds: seeds.all.iter().collect(), n: 0, all: Followed::new() };
    making.inquiries()?;
    making.open_work()?;
    making.held()?;
    making.callbacks()?;
    making.pages_and_keys();
    Ok(making.all)
}

fn intent(payment: &Payment, task: &str, step: &str, doubt: &str, owner: Option<&'static str>, due_at: i64) -> Job {
    let (id, amount, currency, at) = (&payment.id, payment.form.amount.1, payment.form.currency, payment.at);
    let detail = format!(
        r#"{{"task":"{task}","step":"{step}","doubt":"{doubt}","reference":"{id}","amount":"{amount}","currency":"{currency}","sentAt":{at}}}"#
    );
    Job { kind: "intent", due_at, tries: 0, first_at: at, detail, owner }
}

impl Making<'_> {
    fn next(&mut self) -> u64 {
        self.n += 1;
        self.n
    }

    fn add(&mut self, what: &str, payment: Payment, then: Then) {
        self.all.insert(what.to_owned(), (payment, then));
    }

    /// A payment that the provider knows.
    fn seeded(&mut self, psp_type: &str, operation: &str) -> Result<(Payment, bool)> {
        let is = |seed: &&Seed| seed.form.psp_type == psp_type && seed.form.operation == operation;
        let at = self.seeds.iter().position(is).with_context(|| format!("no {psp_type} {operation} any more"))?;
        let (seed, n) = (self.seeds.swap_remove(at), self.next());
        Ok((seed.payment(n)?, seed.paid))
    }

    /// A payment that nobody knows but the store.
    fn unknown(&mut self, psp_type: &str, operation: &str) -> Payment {
        let n = self.next();
        Payment::new(form(psp_type, operation), n, self.now - 20 * 60_000 - i64::try_from(n).unwrap_or_default())
    }

    /// One open inquiry of each provider in each direction: not due yet, with and without counters.
    fn inquiries(&mut self) -> Result<()> {
        for form in &crate::made::FORMS {
            let (mut payment, paid) = self.seeded(form.psp_type, form.operation)?;
            let (at, n) = (payment.at, payment.n);
            let counters =
                if n.is_multiple_of(2) { format!(r#","askedAt":{},"waitedMs":40000"#, at + 1_000) } else { String::new() };
            let detail = format!(r#"{{"sentAt":{at},"notFound":0{counters}}}"#);
            let tries = i64::from(n.is_multiple_of(2)) * 2;
            payment.inquiries = tries;
            if form.psp_type == "TRUST" {
                // Before its page is opened there is nothing to ask about.
                payment.remembers(1);
            }
            payment.job = Some(Job { kind: "inquire", due_at: self.now + 10 * HOUR, tries, first_at: at, detail, owner: None });
            // Approved by a person, and sent.
            payment.hold = (!form.is_pay_in()).then(|| Hold { status: "approved", decisions: vec![("approve", "")] });
            let then = if paid { Then::Becomes("Approved", &["\"inquiry\""]) } else { Then::IsAsked };
            self.add(&format!("inquiry {} {}", form.psp_type, form.operation), payment, then);
        }
        Ok(())
    }

    /// Late checks, intents and runs: of a dead process and of nobody, due and not.
    fn open_work(&mut self) -> Result<()> {
        let now = self.now;
        let (mut late, _) = self.seeded("PAYONE", "PAYIN")?;
        late.status = "Failed";
        late.job =
            Some(Job { kind: "late", due_at: now - 1_000, tries: 1, first_at: late.at, detail: "{}".to_owned(), owner: None });
        self.add("late check", late, Then::Becomes("Approved", &["\"late inquiry\""]));

        let (mut page, _) = self.seeded("PAYONE", "PAYIN")?;
        (page.status, page.psp_id) = ("Created", page.psp_id.clone());
        page.job = Some(intent(&page, "pay_in", "deposit", "page", Some(DEAD), now + HOUR));
        page.key = Some(Key { name: "of-a-page".to_owned(), body: "{}".to_owned(), answer: None, expires_at: None });
        self.add("intent of a page", page, Then::Becomes("Approved", &["\"inquiry\""]));

        let (mut money, _) = self.seeded("PAYONE", "PAYOUT")?;
        money.status = "Created";
        money.job = Some(intent(&money, "pay_out", "withdraw", "money", Some(DEAD), now + HOUR));
        self.add("intent of money", money, Then::Stays);

        let mut harmless = self.unknown("FLEXEPIN", "PAYIN");
        harmless.status = "Created";
        harmless.in_flight = true;
        harmless.job = Some(intent(&harmless, "pay_in", "validate", "harmless", None, now - 1_000));
        self.add("intent of nothing", harmless, Then::Becomes("Failed", &[]));

        // Approved, and not sent yet.
        let mut run = self.unknown("PAYONE", "PAYOUT");
        run.psp_id = None;
        run.hold = Some(Hold { status: "approved", decisions: vec![("approve", "known")] });
        let detail = r#"{"task":"pay_out"}"#.to_owned();
        run.job = Some(Job { kind: "run", due_at: now - 1_000, tries: 0, first_at: run.at, detail, owner: Some(DEAD) });
        self.add("approved run", run, Then::Becomes("Approved", &[]));

        let mut delivery = self.unknown("PAYONE", "PAYIN");
        delivery.status = "Approved";
        delivery.delivery = Some(Delivery { state: "waiting", attempts: 0, next_at: Some(now - 1_000), owner: None });
        self.add("delivery", delivery, Then::Stays);
        Ok(())
    }

    /// Pay-outs that wait for a person: one of a rule, which was never sent, and one that its provider has.
    fn held(&mut self) -> Result<()> {
        let due_at = self.now + 60 * HOUR;
        for (what, psp_type) in [("held by a rule", "PAYONE"), ("held and overdue", "CLEO")] {
            let mut held = self.unknown(psp_type, "PAYOUT");
            (held.status, held.psp_id) = ("OnHold", None);
            held.hold = Some(Hold { status: "waiting", decisions: Vec::new() });
            let due_at = if psp_type == "CLEO" { self.now - 1_000 } else { due_at };
            held.job = Some(Job { kind: "hold", due_at, tries: 0, first_at: held.at, detail: "{}".to_owned(), owner: None });
            let body = format!("{{\"held\":\"{what}\"}}");
            held.key = Some(Key {
                name: what.replace(' ', "-"),
                body,
                answer: Some((200, "{\"held\":true}".to_owned())),
                expires_at: None,
            });
            self.add(what, held, Then::Stays);
        }
        let (mut held, _) = self.seeded("FORUMPAY", "PAYOUT")?;
        held.status = "OnHold";
        held.hold = Some(Hold { status: "waiting", decisions: Vec::new() });
        held.job = Some(Job { kind: "hold", due_at, tries: 0, first_at: held.at, detail: "{}".to_owned(), owner: None });
        self.add("held by its provider", held, Then::Stays);
        Ok(())
    }

    /// One that waits in the inbox, and ones that come after the migration, to addresses from before.
    fn callbacks(&mut self) -> Result<()> {
        let now = self.now;
        for what in ["stored callback", "callback to come"] {
            let (mut payment, _) = self.seeded("PAYONE", "PAYIN")?;
            payment.status = "Failed";
            let (kind, due_at, first_at) = ("late", now + 20 * HOUR, payment.at);
            payment.job = Some(Job { kind, due_at, tries: 1, first_at, detail: "{}".to_owned(), owner: None });
            let psp_id = payment.psp_id.clone().unwrap_or_default();
            if what == "stored callback" {
                payment.callbacks.push(Callback {
                    due_at: Some(now - 1_000),
                    owner: None,
                    tries: 1,
                    copies: 2,
                    told: false,
                    reading: Some(format!(r#"{{"hint":{{"transactionId":"{psp_id}"}}}}"#)),
                    body: format!(r#"{{"transactionId":"{psp_id}","referenceId":"{}","status":"Approved"}}"#, payment.id),
                    without_digest: false,
                });
                self.add(what, payment, Then::Becomes("Approved", &["\"callback\""]));
            } else {
                self.add(what, payment, Then::Stays);
            }
        }
        Ok(())
    }

    /// Addresses that browsers have, and keys and vouchers that come again.
    fn pages_and_keys(&mut self) {
        let later = self.now + 10 * HOUR;
        let inquiry = |payment: &Payment| Job {
            kind: "inquire",
            due_at: later,
            tries: 0,
            first_at: payment.at,
            detail: format!(r#"{{"sentAt":{},"notFound":0}}"#, payment.at),
            owner: None,
        };
        for (what, psp_type, memo) in [
            ("page to pay", "TRUST", 0),
            ("page to come back to", "WORLDPAY_EU", 0),
            ("page of a challenge", "WORLDPAY_EU", 1),
            ("page of a device check", "EMERCHANTPAY", 0),
        ] {
            let n = self.next();
            let mut payment = Payment::new(form(psp_type, "PAYIN"), n, self.now - 1_000);
            payment.remembers(memo);
            payment.job = Some(inquiry(&payment));
            self.add(what, payment, if psp_type == "TRUST" { Then::Stays } else { Then::IsAsked });
        }
        let mut answered = self.unknown("NEOSURF", "PAYIN");
        answered.status = "Declined";
        answered.key = Some(Key {
            name: "answered".to_owned(),
            body: "{\"pspType\":\"NEOSURF\",\"n\":1}".to_owned(),
            answer: Some((400, "{\"status\":\"error\",  \"odd\":\"\u{e9}\"}".to_owned())),
            expires_at: Some(later),
        });
        self.add("answered key", answered, Then::Stays);
        let mut voucher = self.unknown("FLEXEPIN", "PAYIN");
        voucher.in_flight = true;
        voucher.attention = Some("stuck");
        self.add("voucher in flight", voucher, Then::Stays);
    }
}
