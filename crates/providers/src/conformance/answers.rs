//! Answers of every kind: which error they are, and that nothing but a readable, fitting record ends a transaction.

use crate::api::{CallbackOutcome, Doubt, Lost, Reply, Step, Task};
use crate::descriptor::Signal;
use crate::testing::{World, answer, create_task, found, is_final, is_money, tasks, the_call};
use crate::{Call, Provider, Standing, all};
use domain::{ErrorCode, Json, Operation};
use proptest::prelude::*;

fn worlds() -> impl Iterator<Item = (&'static dyn Provider, Operation)> {
    all().iter().flat_map(|provider| {
        let has = |operation: &Operation| provider.descriptor().operation(*operation).is_some();
        [Operation::PayIn, Operation::PayOut].into_iter().filter(has).map(|operation| (*provider, operation))
    })
}

/// Replies that show a signal and no earlier one of any table.
fn replies_with(signal: &Signal) -> Vec<Reply> {
    match signal {
        Signal::Http(statuses) => statuses.iter().map(|status| answer(*status, "no")).collect(),
        Signal::EmptyNotFound => vec![answer(404, "")],
        Signal::NotFoundWithout(_) => vec![answer(404, ""), answer(404, "<html><p>no</p></html>")],
        Signal::Code(codes) => {
            let body = |code: &&str| format!("<payment_response><status>error</status><code>{code}</code></payment_response>");
            codes.iter().map(|code| answer(200, body(code))).collect()
        }
        Signal::ErrorCode(codes) => {
            let body = |code: &&str| {
                let error = format!("<error code=\"{code}\"><![CDATA[no]]></error>");
                answer(200, format!("<paymentService><reply>{error}</reply></paymentService>"))
            };
            codes.iter().map(body).collect()
        }
        Signal::Body(texts) => texts.iter().map(|text| answer(400, format!("<p>{}</p>", text.to_uppercase()))).collect(),
        Signal::Member(name, []) => vec![answer(200, format!(r#"{{"{name}":"a reason"}}"#))],
        Signal::Member(name, texts) => {
            let body = |text: &&str| answer(400, format!(r#"{{"success":false,"{name}":"so: {text}."}}"#));
            texts.iter().map(body).collect()
        }
        Signal::First(list, name, texts) => {
            let body = |text: &&str| answer(200, format!(r#"{{"{list}":[{{"{name}":"{text}"}}]}}"#));
            texts.iter().map(body).collect()
        }
        Signal::TimedOut => {
            vec![answer(408, ""), answer(400, "Gateway Timeout"), Reply::Lost(Lost::TimedOut), Reply::Lost(Lost::ConnectTimeout)]
        }
        Signal::Unavailable => {
            vec![answer(500, ""), answer(503, "busy"), Reply::Lost(Lost::NotConnected), Reply::Lost(Lost::Broken)]
        }
        Signal::Otherwise => {
            vec![answer(418, "teapot"), answer(302, ""), answer(200, ""), answer(200, "[1]"), answer(200, "{\"a\":")]
        }
    }
}

/// The first call about a transaction: the creating one, or the inquiry where creating calls nobody.
fn first_call(provider: &'static dyn Provider, operation: Operation) -> (World, Task, Call) {
    let mut world = World::new(provider, operation);
    match world.begin(create_task(operation)) {
        Step::Call(call) => (world, create_task(operation), *call),
        _ => {
            let mut world = World::open(provider, operation);
            let call = the_call(world.begin(Task::Inquire));
            (world, Task::Inquire, call)
        }
    }
}

#[test]
fn each_error_row_answers_as_the_table_says() {
    for (provider, operation) in worlds() {
        for row in provider.descriptor().errors {
            for reply in replies_with(&row.signal) {
                let (mut world, task, call) = first_call(provider, operation);
                let shown = format!("{} row {}: {reply:?}", provider.descriptor().name, row.row);
                let mut step = world.resume(task, &call, &reply);
                // A call that leaves nothing behind may be sent once more, where the sheet says so.
                if let Step::Call(again) = &step {
                    assert_eq!((again.step, again.doubt), (call.step, Doubt::Harmless), "{shown}");
                    let again = the_call(step);
                    step = world.resume(task, &again, &reply);
                }
                match step {
                    Step::Refused(refusal) | Step::Silence(refusal) => {
                        assert_eq!(refusal.code, row.code, "{shown}");
                        let raw = row.code == ErrorCode::UnknownPspError && matches!(reply, Reply::Answer(_));
                        assert_eq!(refusal.data.is_some(), raw, "{shown}: the raw answer is shown for unknown errors alone");
                    }
                    other => panic!("{shown}: {other:?}"),
                }
            }
        }
    }
}

#[test]
fn a_rate_limit_keeps_its_wait() {
    for (provider, operation) in worlds() {
        // Seconds, the three forms of a date (the answer came at 09:32:57); what has passed, and what is nothing of it.
        for (value, wait) in [
            ("7", Some(7)),
            ("Sun, 17 May 2026 09:33:04 GMT", Some(7)),
            ("Sunday, 17-May-26 09:33:04 GMT", Some(7)),
            ("Sun May 17 09:33:04 2026", Some(7)),
            ("Sun, 17 May 2026 08:33:04 GMT", Some(1)),
            ("0", Some(1)),
            ("99999999999999999999", Some(u32::MAX)),
            ("in a while", None),
        ] {
            let (mut world, task, call) = first_call(provider, operation);
            let mut reply = answer(429, "");
            if let Reply::Answer(answer) = &mut reply {
                answer.headers.push(("retry-after".to_owned(), value.to_owned()));
            }
            match world.resume(task, &call, &reply) {
                Step::Refused(refusal) | Step::Silence(refusal) => assert_eq!(refusal.retry_after_s, wait, "{value}"),
                other => panic!("{other:?}"),
            }
        }
    }
}

/// What a text or number becomes; `None`: it stays.
type Edit<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Changes every text and number of a document.
fn map(json: Json, change: Edit<'_>) -> Json {
    match json {
        Json::String(text) => Json::String(change(&text).unwrap_or(text)),
        // A word in the place of a number is a text.
        Json::Number(literal) => match change(&literal) {
            Some(text) => Json::parse(text.as_bytes()).unwrap_or(Json::String(text)),
            None => Json::Number(literal),
        },
        Json::Array(items) => Json::Array(items.into_iter().map(|item| map(item, change)).collect()),
        Json::Object(pairs) => Json::object(pairs.into_iter().map(|(key, value)| (key, map(value, change)))),
        other => other,
    }
}

/// Changes every text between the tags of a document, and every value of an attribute.
fn map_markup(document: &str, change: Edit<'_>) -> String {
    let part = |part: &str| {
        let (tag, text) = part.split_once('>').unwrap_or(("", part));
        let changed = |text: &str| change(text).unwrap_or_else(|| text.to_owned());
        let value = |(index, piece): (usize, &str)| if index % 2 == 1 { changed(piece) } else { piece.to_owned() };
        let tag: Vec<String> = tag.split('"').enumerate().map(value).collect();
        format!("<{}>{}", tag.join("\""), changed(text))
    };
    let (before, parts) = document.split_once('<').unwrap_or((document, ""));
    format!("{before}{}", parts.split('<').map(part).collect::<String>())
}

fn map_body(body: &[u8], change: Edit<'_>) -> String {
    match Json::parse(body) {
        Ok(json) => map(json, change).to_text(),
        Err(_) => map_markup(std::str::from_utf8(body).unwrap(), change),
    }
}

/// An inquiry whose answers are the good ones, changed.
fn inquire_with(provider: &'static dyn Provider, operation: Operation, change: Edit<'_>) -> Step {
    let mut world = World::open(provider, operation);
    let (_, end) = world.run_with(Task::Inquire, |world, call| {
        let (status, body) = world.good(Task::Inquire, call.step);
        answer(status, map_body(&body, change))
    });
    end
}

#[test]
fn the_fixtures_are_of_a_paid_transaction() {
    for (provider, operation) in worlds() {
        let finding = found(inquire_with(provider, operation, &|_| None));
        assert_eq!(finding.standing, Standing::Approved, "{} {operation:?}", provider.descriptor().name);
        assert!(finding.anomalies.is_empty());
    }
}

#[test]
fn an_unknown_word_changes_nothing_and_is_shown() {
    for (provider, operation) in worlds() {
        let words = provider.descriptor().statuses;
        // `transaction 5`: the provider's own word is the last.
        let own = |word: &'static str| {
            let word = word.rsplit(' ').next().unwrap_or(word);
            // `0/100`: the first says that the record is a good one, the second how it stands.
            word.split_once('/').filter(|(first, second)| first != second).map_or(word, |(_, second)| second)
        };
        let strange =
            |text: &str| words.iter().any(|row| own(row.word).eq_ignore_ascii_case(text)).then(|| "zz_unheard_of".to_owned());
        let finding = found(inquire_with(provider, operation, &strange));
        let shown = format!("{} {operation:?}", provider.descriptor().name);
        assert_eq!((finding.standing, finding.status.as_str()), (Standing::Unchanged, ""), "{shown}");
        assert!(finding.anomalies.iter().any(|text| text.contains("zz_unheard_of")), "{shown}: {:?}", finding.anomalies);
    }
}

#[test]
fn an_inquiry_about_something_else_ends_nothing() {
    for (provider, operation) in worlds() {
        let order = World::new(provider, operation).order;
        let (amount, reference) = (order.amount, order.reference.to_string());
        let other_amount = |text: &str| {
            // In major or in minor units.
            let same = domain::Money::parse_decimal(text, amount.currency()) == Ok(amount) || text == amount.minor().to_string();
            same.then(|| format!("9{text}"))
        };
        let other_currency = |text: &str| text.eq_ignore_ascii_case(amount.currency().code()).then(|| "JPY".to_owned());
        let other_reference = |text: &str| (text == reference).then(|| "64a1f2b3c4d5e6f7a8b9c0ff".to_owned());
        let changes: [(&str, Edit<'_>); 3] =
            [("amount", &other_amount), ("currency", &other_currency), ("reference", &other_reference)];
        for (what, change) in changes {
            let shown = format!("{} {operation:?}: another {what}", provider.descriptor().name);
            match inquire_with(provider, operation, change) {
                Step::Found(finding) => assert!(!is_final(finding.standing), "{shown}: {finding:?}"),
                Step::Silence(_) => {}
                other => panic!("{shown}: {other:?}"),
            }
        }
    }
}

/// Every call of a task, each with the world at that point.
fn each_call(provider: &'static dyn Provider, mut act: impl FnMut(Task, &mut World, &Call)) {
    for (task, mut world) in tasks(provider) {
        let mut step = world.begin(task);
        while let Step::Call(call) = step {
            let (memo, id) = (world.memo.clone(), world.psp_transaction_id.clone());
            act(task, &mut world, &call);
            (world.memo, world.psp_transaction_id) = (memo, id);
            let (status, body) = world.good(task, call.step);
            step = world.resume(task, &call, &answer(status, body));
        }
    }
}

/// What an answer that nobody can read may lead to.
fn assert_undecided(step: &Step, call: &Call, reply: &Reply) {
    let shown = format!("{} after {reply:?}: {step:?}", call.step);
    match step {
        // What a provider holds may be told by any 2xx that says no `err` (Gigadat sheet, step 2); it is looked at again before
        // it is let go.
        Step::Found(finding) if finding.standing == Standing::OnHold => {
            let Reply::Answer(answer) = reply else { panic!("{shown}") };
            let is_cut = answer.body.trim_ascii_start().starts_with(b"{");
            assert!(!is_cut && (200..300).contains(&answer.status), "{shown}");
        }
        Step::Found(finding) => assert!(!is_final(finding.standing), "{shown}"),
        // Refused: certainly not taken. On a money call only by its HTTP status, or where nothing was sent.
        Step::Refused(_) if is_money(call) => match reply {
            // Cleo's sheet: any 4xx but 408 and 409.
            Reply::Answer(answer) if call.step == "transfer_out" => {
                assert!((400..=499).contains(&answer.status) && !matches!(answer.status, 408 | 409), "{shown}");
            }
            Reply::Answer(answer) => assert!(matches!(answer.status, 401 | 403 | 404 | 429), "{shown}"),
            Reply::Lost(lost) => assert!(lost.nothing_sent(), "{shown}"),
        },
        _ => {}
    }
}

#[test]
fn cut_answers_decide_nothing() {
    for provider in all() {
        each_call(*provider, |task, world, call| {
            let (status, body) = world.good(task, call.step);
            for length in 0..body.len() {
                let reply = answer(status, &body[..length]);
                let step = world.resume(task, call, &reply);
                assert_undecided(&step, call, &reply);
            }
        });
    }
}

#[test]
fn readable_refusals_under_a_fault_decide_nothing() {
    let refusals = [
        r#"{"success":false,"error":"Declined"}"#,
        r#"{"result":"4003","result_description":"blocked"}"#,
        r#"{"err":"no","err_code":"orderExpired"}"#,
        r#"{"status":"Declined","state":"cancelled","cancelled":true}"#,
    ];
    let mut money_calls = 0;
    for provider in all() {
        each_call(*provider, |task, world, call| {
            if !is_money(call) {
                return;
            }
            money_calls += 1;
            let (_, good) = world.good(task, call.step);
            let in_xml = b"<payment_response><status>declined</status><code>500</code></payment_response>".to_vec();
            let bodies = refusals.into_iter().map(|body| body.as_bytes().to_vec()).chain([good, in_xml]);
            for body in bodies {
                for status in [500, 502, 503, 504, 408, 301, 302] {
                    let step = world.resume(task, call, &answer(status, body.clone()));
                    assert!(matches!(step, Step::Silence(_)), "{} {status}: {step:?}", call.step);
                }
            }
            for body in refusals {
                let spoilt = body.replacen('}', r#","note":"upstream timeout"}"#, 1);
                let reply = answer(200, spoilt);
                let step = world.resume(task, call, &reply);
                // A look at the order within a release may say that a person is needed.
                assert_undecided(&step, call, &reply);
            }
            for lost in [Lost::Broken, Lost::TimedOut, Lost::TooLarge] {
                assert!(matches!(world.resume(task, call, &Reply::Lost(lost)), Step::Silence(_)));
            }
        });
    }
    assert!(money_calls >= 4, "the fixtures reach the calls that move money");
}

#[test]
fn inquiries_are_harmless_and_creates_are_not_repeated() {
    for provider in all() {
        each_call(*provider, |task, _, call| match task {
            Task::Inquire | Task::Test => assert_eq!(call.doubt, Doubt::Harmless, "{}", call.step),
            _ => {}
        });
        for (task, mut world) in tasks(*provider) {
            let (calls, _) = world.run(task);
            let creates =
                |call: &&Call| call.doubt != Doubt::Harmless && call.method != "GET" || call.step.starts_with("Confirm");
            assert!(calls.iter().filter(creates).count() <= 1, "{task:?} of {} creates twice", provider.descriptor().name);
            let steps: std::collections::BTreeSet<&str> = calls.iter().map(|call| call.step).collect();
            assert_eq!(steps.len(), calls.len(), "{task:?} of {} sends a call twice", provider.descriptor().name);
        }
    }
}

fn any_body() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "null",
        "true",
        "0",
        "1e999",
        "-",
        "\\u0000",
        "success",
        "result",
        "error",
        "err",
        "status",
        "state",
        "timeout",
        "transaction",
        "USED",
        "confirmed",
        "Approved",
        "amount",
        "invoices",
        "\u{0}",
        "é",
    ]);
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        prop::collection::vec(words, 0..40).prop_map(|words| words.concat().into_bytes()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn garbage_never_panics_and_decides_nothing(body in any_body(), status in prop::sample::select(vec![200u16, 201, 204, 302, 400, 401, 404, 409, 422, 429, 500])) {
        for provider in all() {
            each_call(*provider, |task, world, call| {
                let reply = answer(status, body.clone());
                let step = world.resume(task, call, &reply);
                assert_undecided(&step, call, &reply);
            });
        }
    }

    #[test]
    fn garbage_callbacks_never_panic(body in any_body(), header in "[ -~]{0,80}") {
        for provider in all() {
            let world = World::new(*provider, Operation::PayIn);
            for per_transaction in [true, false] {
                let headers = [("x-signature".to_owned(), header.clone()), ("content-type".to_owned(), header.clone())];
                let reading = world.callback(&headers, &body, per_transaction);
                prop_assert!(!matches!(reading.outcome, CallbackOutcome::Fact(_)));
            }
        }
    }
}
