//! Every status with every kind of open work that it can have, of every provider in each of its directions; and the many that
//! have mostly ended.

use super::forms::{FORMS, Form};
use super::payment::{Callback, Delivery, Hold, Job, Key, Payment};

const HOUR: i64 = 3_600_000;
/// A process that was killed: its heartbeat stopped.
pub(crate) const DEAD: &str = "node-that-died";
const OWNERS: [Option<&str>; 2] = [None, Some(DEAD)];
const ENDINGS: [&str; 7] = ["Approved", "Declined", "Cancelled", "Expired", "Failed", "Reversed", "Rejected"];
const DELIVERIES: [(&str, i64); 6] =
    [("delivered", 1), ("waiting", 0), ("failing", 3), ("exhausted", 13), ("stopped", 2), ("disabled", 4)];

/// Whether a status can be of a pay-in, or of a pay-out.
fn can_be(form: &Form, status: &str) -> bool {
    match status {
        "OnHold" | "Rejected" => !form.is_pay_in(),
        _ => true,
    }
}

fn intent(task: &str, step: &str, doubt: &str, payment: &Payment) -> String {
    let (amount, currency) = (payment.form.amount.1, payment.form.currency);
    format!(
        r#"{{"task":"{task}","step":"{step}","doubt":"{doubt}","reference":"{}","amount":"{amount}","currency":"{currency}","sentAt":{}}}"#,
        payment.id, payment.at
    )
}

/// What may be due of an open payment of that status: kind, tries, detail.
fn work(payment: &Payment) -> Vec<(&'static str, i64, String)> {
    let (form, at) = (payment.form, payment.at);
    let first = if form.is_pay_in() { "pay_in" } else { "pay_out" };
    let intents = |task: &str, doubts: &[&str]| {
        doubts.iter().map(|doubt| ("intent", 0, intent(task, "first", doubt, payment))).collect::<Vec<_>>()
    };
    let run = |task: &str, tries| ("run", tries, format!(r#"{{"task":"{task}"}}"#));
    match payment.status {
        "Created" => intents(first, &["harmless", "page", "money"]),
        "Pending" => {
            let mut work = vec![
                ("inquire", 0, format!(r#"{{"sentAt":{at},"notFound":0}}"#)),
                ("inquire", 2, format!(r#"{{"sentAt":{at},"notFound":1,"askedAt":{},"waitedMs":40000}}"#, at + 40_000)),
                ("inquire", 77, format!(r#"{{"sentAt":null,"notFound":0,"askedAt":{},"waitedMs":259100000}}"#, at + 80_000)),
            ];
            if form.is_pay_in() && form.pages.contains(&"challenge") {
                work.extend(intents("continue", &["money", "page"]));
            }
            if !form.is_pay_in() {
                work.extend([run(form.held_task, 0), run(form.held_task, 3), run("release_again", 0)]);
                work.extend(intents(form.held_task, &["money", "harmless"]));
            }
            work
        }
        "OnHold" => vec![("hold", 0, "{}".to_owned())],
        "Declined" | "Cancelled" | "Expired" | "Failed" => (0..3).map(|tries| ("late", tries, "{}".to_owned())).collect(),
        _ => Vec::new(),
    }
}

/// Puts what goes with its status beside it: hold, decision, event, delivery.
fn dressed(mut payment: Payment, now: i64) -> Payment {
    let waiting = payment.status == "OnHold";
    if !payment.form.is_pay_in() && payment.status != "Created" {
        let (status, decisions) = match payment.status {
            "OnHold" => ("waiting", Vec::new()),
            "Rejected" => ("rejected", vec![("reject", "not this one")]),
            _ if payment.attention.is_some() => ("approved", vec![("approve", ""), ("release", "once more")]),
            _ => ("approved", vec![("approve", "")]),
        };
        payment.hold = Some(Hold { status, decisions });
        if waiting && payment.form.held_task == "pay_out" {
            payment.psp_id = None;
        }
    }
    if payment.status == "Created" {
        payment.psp_id = None;
    }
    payment.in_flight = payment.form.psp_type == "FLEXEPIN" && !payment.is_final();
    if payment.is_final() && payment.form.webhooks {
        let which = usize::try_from(payment.n % 6).unwrap_or_default();
        let (state, attempts) = DELIVERIES[which];
        let next_at = match state {
            // One of them is another process's, which died.
            "waiting" => Some(now - 1_000),
            "failing" => Some(now + 5 * HOUR),
            _ => None,
        };
        let owner = (state == "waiting" && payment.n % 12 == 1).then_some(DEAD);
        payment.delivery = Some(Delivery { state, attempts, next_at, owner });
    }
    payment
}

fn callbacks(payment: &mut Payment, now: i64) {
    let body = format!(r#"{{"transactionId":"x","referenceId":"{}"}}"#, payment.id);
    let one = Callback {
        due_at: None,
        owner: None,
        tries: 0,
        copies: 1,
        told: true,
        reading: Some(r#"{"hint":{"transactionId":"x"}}"#.to_owned()),
        body,
        without_digest: false,
    };
    let waits = Callback { due_at: Some(now + 20 * HOUR), told: false, ..one.clone() };
    payment.callbacks = match payment.n % 5 {
        0 => vec![one],
        1 => vec![Callback { copies: 3, ..one.clone() }, waits],
        2 => vec![Callback { due_at: Some(now - 5), owner: Some(DEAD), tries: 2, ..waits }],
        3 => vec![Callback { without_digest: true, reading: None, ..one }],
        _ => Vec::new(),
    };
}

fn key(payment: &mut Payment, now: i64) {
    let answer = format!(r#"{{"status":"success","isSuccess":true,"transaction":{{"transactionId":"{}"}}}}"#, payment.id);
    payment.key = Some(Key {
        name: format!("key-{}", payment.n),
        body: format!(r#"{{"n":{}}}"#, payment.n),
        answer: (payment.status != "Created").then_some((200, answer)),
        expires_at: payment.is_final().then_some(now + 20 * HOUR),
    });
}

/// The product, numbered from `n` on.
pub(crate) fn product(mut n: u64, now: i64) -> Vec<Payment> {
    let mut all = Vec::new();
    for form in &FORMS {
        for status in ["Created", "Pending", "OnHold"].iter().chain(&ENDINGS).filter(|status| can_be(form, status)) {
            let mut next = |stuck: bool| {
                n += 1;
                let mut payment = Payment::new(form, n, now - 30 * 60_000 - i64::try_from(n).unwrap_or_default());
                (payment.status, payment.inquiries) = (status, i64::try_from(n % 4).unwrap_or_default());
                payment.attention = stuck.then_some("stuck");
                payment.remembers(usize::try_from(n).unwrap_or_default());
                payment
            };
            let kinds = work(&next(false));
            for (which, owner) in (0..kinds.len()).flat_map(|which| OWNERS.map(|owner| (which, owner))) {
                for due_in in [-HOUR / 60, 10 * HOUR] {
                    let mut payment = next(false);
                    let (kind, tries, detail) = work(&payment).swap_remove(which);
                    let first_at = payment.at + 5;
                    payment.job = Some(Job { kind, due_at: now + due_in, tries, first_at, detail, owner });
                    callbacks(&mut payment, now);
                    key(&mut payment, now);
                    all.push(dressed(payment, now));
                }
            }
            // With nothing due: it has ended, or is a person's.
            if *status != "Created" {
                let mut payment = next(matches!(*status, "Pending" | "OnHold") || (form.is_pay_in() && *status == "Failed"));
                callbacks(&mut payment, now);
                all.push(dressed(payment, now));
            }
        }
    }
    all
}

/// One of the many: of a month, nearly all ended. `n` tells it from the others.
pub(crate) fn one_of_many(n: u64, now: i64) -> Payment {
    let pick = |of: u64| usize::try_from(n / 7 % of).unwrap_or_default();
    let form = &FORMS[usize::try_from(n).unwrap_or_default() % FORMS.len()];
    let age = 2 * HOUR + i64::try_from(n % 2_000_003).unwrap_or_default() * 300 % (20 * 24 * HOUR);
    let mut payment = Payment::new(form, n, now - age);
    payment.status = match pick(100) {
        0..=69 => "Approved",
        70..=79 => "Declined",
        80..=84 => "Cancelled",
        85..=89 => "Expired",
        90..=95 => "Failed",
        96 => "Reversed",
        97 if !form.is_pay_in() => "Rejected",
        98 if !form.is_pay_in() => "OnHold",
        99 if n.is_multiple_of(5) => "Pending",
        _ => "Approved",
    };
    if payment.status == "Reversed" && form.psp_type == "WORLDPAY_EU" {
        payment.turns = r#"[{"kind":"refunded","key":"7080194972-1","minor":10000}]"#;
        payment.refunded = payment.form.amount.0;
    }
    if let Some((kind, tries, detail)) = work(&payment).into_iter().next() {
        let due_at = now + 10 * HOUR + i64::try_from(n % 100_000).unwrap_or_default();
        payment.job = Some(Job { kind, due_at, tries, first_at: payment.at + 40, detail, owner: None });
    }
    if n.is_multiple_of(2) && n.is_multiple_of(5) {
        callbacks(&mut payment, now);
    }
    if n.is_multiple_of(3) {
        key(&mut payment, now);
    }
    let mut payment = dressed(payment, now);
    if let Some(delivery) = &mut payment.delivery {
        *delivery = Delivery { state: "delivered", attempts: 1, next_at: None, owner: None };
    }
    payment
}
