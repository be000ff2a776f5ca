//! How a payment stands: the query, the fall back on notifications, and the time.

use super::callbacks::{approved, believed, hint, signed, with};
use super::*;
use crate::api::Sent;

const REFERENCE: &str = "Acccccccc";

fn records(list: &str) -> Reply {
    answer(
        200,
        format!(
            r#"{{"requestreference":"{REFERENCE}","version":"1.00","secrand":"x","response":[{{"requesttypedescription":"TRANSACTIONQUERY","errorcode":"0","errormessage":"Ok","records":[{list}]}}]}}"#
        ),
    )
}

fn record(errorcode: &str, settlestatus: &str, reference: &str) -> String {
    format!(
        r#"{{"requesttypedescription":"AUTH","errorcode":"{errorcode}","settlestatus":"{settlestatus}","transactionreference":"{reference}","transactionstartedtimestamp":"2026-01-02 03:05:11","baseamount":"10000","currencyiso3a":"EUR","orderreference":"{TRANSACTION}"}}"#
    )
}

fn refund(amount: &str) -> String {
    record("0", "0", "42-14-200").replace("AUTH", "REFUND").replace("10000", amount)
}

fn ask(world: &mut World, reply: Reply) -> Step {
    world.script(Task::Inquire, &[(QUERY, reply)])
}

fn told(world: &mut World, list: &[String]) -> Finding {
    found(ask(world, records(&list.join(","))))
}

#[test]
fn the_query_is_that_of_the_sheet() {
    let mut world = open();
    let call = the_call(world.begin(Task::Inquire));
    assert_eq!((call.method, call.url.as_str()), ("POST", "https://webservices.securetrading.net/json/"));
    assert_eq!(header(&call, "authorization"), Some("Basic d3NAbWVyY2hhbnQuZXhhbXBsZTp3cy1wYXNzd29yZA=="));
    assert_eq!(header(&call, "content-type"), Some("application/json;charset=utf-8"));
    assert_eq!(header(&call, "accept"), Some("application/json"));
    assert_eq!(header(&call, "requestreference"), Some(REFERENCE));
    assert_eq!(
        String::from_utf8(call.body).unwrap(),
        format!(
            r#"{{"alias":"ws@merchant.example","version":"1.00","request":[{{"requestreference":"{REFERENCE}","requesttypedescriptions":["TRANSACTIONQUERY"],"filter":{{"sitereference":[{{"value":"test_site12345"}}],"orderreference":[{{"value":"{TRANSACTION}"}}]}}}}]}}"#
        )
    );
    let mut elsewhere = configured(open(), r#"{"webServicesBaseUrl":"http://127.0.0.1:8081/trust"}"#);
    assert_eq!(the_call(elsewhere.begin(Task::Inquire)).url, "http://127.0.0.1:8081/trust/json/");
}

#[test]
fn each_row_of_the_status_table() {
    use Standing::{Approved, Cancelled, Declined, Unchanged};
    let rows = [
        ("0", "0", Approved),
        ("0", "1", Approved),
        ("0", "10", Approved),
        ("0", "100", Approved),
        ("0", "2", Unchanged),
        ("0", "3", Cancelled),
    ];
    let codes = |list: &[&'static str], standing| list.iter().map(move |code| (*code, "3", standing)).collect::<Vec<_>>();
    let declines = codes(&["70000", "71000", "72000", "60022", "60036", "60042", "60043", "60044", "60045", "60500"], Declined);
    let open_codes = codes(
        &[
            "60010", "60034", "99999", "50000", "50007", "50014", "60020", "70001", "79000", "79001", "30000", "31000", "31004",
            "40000",
        ],
        Unchanged,
    );
    for (code, settle, standing) in rows.into_iter().chain(declines).chain(open_codes) {
        let finding = told(&mut open(), &[record(code, settle, "42-14-119")]);
        let word = if code == "0" { format!("0/{settle}") } else { code.to_owned() };
        assert_eq!((finding.standing, finding.status.as_str()), (standing, word.as_str()), "{code} {settle}");
        assert!(finding.anomalies.is_empty(), "{code} {settle}");
        assert_eq!(finding.psp_transaction_id.as_deref(), Some("42-14-119"));
        // The same by a signed notification alone.
        let notified = signed(with(approved(), &[("errorcode", code), ("settlestatus", settle)]));
        let finding = believed(&mut unasked(open()), &notified);
        assert_eq!((finding.standing, finding.status.as_str()), (standing, word.as_str()), "{code} {settle}");
    }
    for (code, settle) in
        [("50015", "0"), ("31005", "0"), ("1", "0"), ("EXPIRED", "0"), ("50000-50014", "0"), ("0", "4"), ("00", "0")]
    {
        let finding = told(&mut open(), &[record(code, settle, "42-14-119")]);
        assert_eq!((finding.standing, finding.status.as_str()), (Standing::Unchanged, ""), "{code} {settle}");
        assert!(finding.anomalies[0].starts_with("Trust's status is unknown: "), "{code} {settle}");
    }
}

#[test]
fn of_several_records_a_success_wins_then_what_is_open_then_the_newest() {
    let (declined, success) = (record("70000", "3", "42-14-119"), record("0", "0", "42-14-120"));
    for list in [[declined.clone(), success.clone()], [success.clone(), declined.clone()]] {
        let finding = told(&mut open(), &list);
        assert_eq!((finding.standing, finding.psp_transaction_id.as_deref()), (Standing::Approved, Some("42-14-120")));
        assert!(finding.anomalies.is_empty());
    }
    let open_one = record("60010", "0", "42-14-121");
    assert_eq!(told(&mut open(), &[open_one.clone(), declined.clone()]).status, "60010");
    let suspended = record("0", "2", "42-14-122");
    assert_eq!(told(&mut open(), &[open_one, suspended, declined.clone()]).status, "0/2");
    let newer = record("71000", "3", "42-14-118").replace("03:05:11", "03:06:00");
    assert_eq!(told(&mut open(), &[newer, declined.clone()]).status, "71000");
    // A corrected form is no attempt.
    let form_error = record("30000", "0", "42-14-123").replace("03:05:11", "03:07:00");
    assert_eq!(told(&mut open(), &[declined, form_error]).standing, Standing::Declined);
    // Other requests are none either.
    let check = record("0", "0", "42-14-124").replace("AUTH", "ACCOUNTCHECK");
    assert_eq!(told(&mut open(), &[check]).standing, Standing::Unchanged);
}

#[test]
fn a_second_success_is_an_anomaly() {
    let list = [record("0", "0", "42-14-119"), record("0", "0", "42-14-120")];
    let finding = told(&mut open(), &list);
    assert_eq!((finding.standing, finding.psp_transaction_id.as_deref()), (Standing::Approved, Some("42-14-119")));
    assert_eq!(finding.anomalies, ["the payer paid this order more than once at Trust: also by 42-14-120"]);
    // Also where it is known from notifications alone.
    let mut world = unasked(open());
    (world.status, world.psp_transaction_id) = (TransactionStatus::Approved, Some("42-14-118".to_owned()));
    assert_eq!(believed(&mut world, &signed(approved())).anomalies.len(), 1);
    world.psp_transaction_id = Some("42-14-119".to_owned());
    assert!(believed(&mut world, &signed(approved())).anomalies.is_empty());
}

#[test]
fn a_cancelled_settlement_after_the_approval_is_a_reversal() {
    let mut world = open();
    world.status = TransactionStatus::Approved;
    assert_eq!(told(&mut world, &[record("0", "3", "42-14-119")]).standing, Standing::Reversed);
    world.psp_transaction_id = Some("42-14-119".to_owned());
    assert_eq!(told(&mut world, &[record("0", "3", "42-14-119")]).standing, Standing::Reversed);
    // Not where it is another attempt's; and a success wins.
    let other = record("0", "3", "42-14-120");
    let finding = told(&mut world, std::slice::from_ref(&other));
    assert_eq!((finding.standing, finding.anomalies.len()), (Standing::Unchanged, 0));
    for list in [[other.clone(), record("0", "0", "42-14-119")], [record("0", "0", "42-14-119"), other]] {
        let finding = told(&mut world, &list);
        assert_eq!((finding.standing, finding.anomalies.len()), (Standing::Approved, 0));
    }
    let nameless = told(&mut world, &[record("0", "3", "")]);
    assert_eq!((nameless.standing, nameless.anomalies.len()), (Standing::Unchanged, 1));
}

/// Whatever has become of the first payment; a repetition of it is none.
#[test]
fn a_second_success_is_an_anomaly_after_a_reversal_too() {
    let mut world = open();
    (world.status, world.psp_transaction_id) = (TransactionStatus::Reversed, Some("42-14-119".to_owned()));
    let (first, second) = (record("0", "100", "42-14-119"), record("0", "0", "42-14-120"));
    assert!(told(&mut world, std::slice::from_ref(&first)).anomalies.is_empty());
    for list in [vec![second.clone()], vec![first, second]] {
        assert_eq!(told(&mut world, &list).anomalies.len(), 1, "{list:?}");
    }
    // Nor is what has no reference a second one.
    world.memo = open().memo;
    assert!(told(&mut world, &[record("0", "0", "")]).anomalies.is_empty());
}

/// An approval counts before a suspension that was known first.
#[test]
fn a_suspended_attempt_does_not_hide_a_payment() {
    let mut world = open();
    world.psp_transaction_id = Some("42-14-119".to_owned());
    let finding = told(&mut world, &[record("0", "2", "42-14-119"), record("0", "0", "42-14-120")]);
    assert_eq!((finding.standing, finding.psp_transaction_id.as_deref()), (Standing::Approved, Some("42-14-120")));
    assert_eq!(finding.anomalies.len(), 1);
}

/// However many attempts there were, those that are open are remembered.
#[test]
fn open_attempts_are_not_forgotten() {
    let mut world = open();
    assert_eq!(told(&mut world, &[record("60010", "0", "42-14-1")]).standing, Standing::Unchanged);
    for n in 2..200 {
        let finding = told(&mut world, &[record("70000", "3", &format!("42-14-{n}"))]);
        assert_eq!((finding.standing, finding.status.as_str()), (Standing::Unchanged, "60010"), "{n}");
    }
    assert!(world.memo.to_text().len() < 4_000, "{}", world.memo.to_text());
    assert_eq!(told(&mut world, &[record("71000", "3", "42-14-1")]).standing, Standing::Declined);
}

#[test]
fn what_says_nothing_is_not_anothers() {
    for name in ["orderreference", "currencyiso3a", "baseamount", "sitereference"] {
        for (value, standing) in [("null", Standing::Approved), ("\"\"", Standing::Approved), ("{}", Standing::Unchanged)] {
            let mut said = json(&record("0", "0", "42-14-119"));
            said.set(name, json(value));
            let finding = told(&mut open(), &[said.to_text()]);
            assert_eq!(
                (finding.standing, finding.anomalies.is_empty()),
                (standing, standing == Standing::Approved),
                "{name} {value}"
            );
        }
    }
}

/// Turns as `key minor`.
fn turns(finding: &Finding) -> Vec<String> {
    let shown = |turn: &crate::api::Turn| format!("{} {}", turn.key, turn.minor.unwrap_or(-1));
    finding.turns.iter().map(shown).collect()
}

fn refund_of(amount: &str, reference: &str) -> String {
    refund(amount).replace("42-14-200", reference)
}

/// Each refund is a part of its own, by its reference; the engine sums them up.
#[test]
fn refunds() {
    let mut world = open();
    let paid = record("0", "100", "42-14-119");
    world.status = TransactionStatus::Approved;
    let both = told(&mut world, &[paid.clone(), refund("3000"), refund_of("7000", "42-14-201")]);
    assert_eq!((both.standing, both.psp_transaction_id.as_deref()), (Standing::Approved, Some("42-14-119")));
    assert_eq!(turns(&both), ["42-14-200 3000", "42-14-201 7000"]);
    let more = told(&mut world, &[paid.clone(), refund("10001")]);
    assert_eq!((more.standing, more.turns.len(), more.anomalies.len()), (Standing::Approved, 0, 1));
    for (from, to) in [("\"errorcode\":\"0\"", "\"errorcode\":\"70000\""), ("\"settlestatus\":\"0\"", "\"settlestatus\":\"3\"")] {
        let failed = told(&mut world, &[paid.clone(), refund("4000").replace(from, to)]);
        assert_eq!((failed.standing, failed.turns.len(), failed.notes.len()), (Standing::Approved, 0, 1), "{to}");
    }
    // Of a payment that was made twice, the other one was given back.
    let parent = |reference: &str| refund("10000").replace("}", &format!(",\"parenttransactionreference\":\"{reference}\"}}"));
    assert_eq!(told(&mut world, &[paid.clone(), parent("42-14-120")]).turns.len(), 0);
    assert_eq!(told(&mut world, &[paid, parent("42-14-119")]).turns.len(), 1);
    let notified = |amount| signed(with(approved(), &[("requesttypedescription", "REFUND"), ("baseamount", amount)]));
    let mut world = unasked(world);
    assert_eq!(turns(&believed(&mut world, &notified("10000"))), ["42-14-119 10000"]);
    assert_eq!(turns(&believed(&mut world, &notified("4000"))), ["42-14-119 4000"]);
}

/// What was counted and is taken back: from then on what has gone back in all counts.
#[test]
fn refunds_that_are_taken_back() {
    let mut world = open();
    (world.status, world.psp_transaction_id) = (TransactionStatus::Approved, Some("42-14-119".to_owned()));
    let paid = record("0", "100", "42-14-119");
    let gone = |record: String| record.replace("\"settlestatus\":\"0\"", "\"settlestatus\":\"3\"");
    let never = told(&mut world, &[paid.clone(), gone(refund("3000"))]);
    assert_eq!((never.given_back, never.turns.len(), never.notes.len()), (None, 0, 1), "it was never counted");
    assert_eq!(told(&mut world, &[paid.clone(), refund("3000")]).given_back, None);
    // A record that does not show it says nothing.
    assert_eq!(told(&mut world, std::slice::from_ref(&paid)).given_back, None);
    let taken = told(&mut world, &[paid.clone(), gone(refund("3000"))]);
    assert_eq!((taken.given_back, taken.standing, taken.notes.len()), (Some(0), Standing::Approved, 1));
    let more = told(&mut world, &[paid.clone(), gone(refund("3000")), refund_of("2000", "42-14-201")]);
    assert_eq!((more.given_back, turns(&more)), (Some(2_000), vec!["42-14-201 2000".to_owned()]));
    let other = told(&mut world, &[paid, refund_of("2500", "42-14-201")]);
    assert_eq!(other.given_back, Some(2_500), "another amount than before");
}

/// What will not be settled is given back, once.
#[test]
fn a_lowered_settlement() {
    let mut world = open();
    world.status = TransactionStatus::Approved;
    let settles = |minor: &str| record("0", "0", "42-14-119").replace("}", &format!(",\"settlebaseamount\":\"{minor}\"}}"));
    for (minor, told_of, given_back) in [
        ("10000", &[][..], None),
        ("0", &[], None),
        ("10001", &[], None),
        ("9000", &["settles 9000 1000"], None),
        ("9000", &[], None),
        ("7500", &["settles 7500 1500"], None),
        // What is no part of the amount says nothing.
        ("0", &[], None),
        ("", &[], None),
        ("9000", &[], Some(1_000)),
        ("8000", &["settles 8000 1000"], Some(2_000)),
        ("10000", &[], Some(0)),
    ] {
        let finding = told(&mut world, &[settles(minor)]);
        assert_eq!(
            (finding.standing, turns(&finding), finding.given_back),
            (Standing::Approved, told_of.iter().map(|s| (*s).to_owned()).collect(), given_back),
            "{minor}"
        );
    }
}

/// Whatever else is known of it, a payment that was given back was made.
#[test]
fn a_refund_proves_the_payment() {
    for (list, standing) in [
        (vec![refund("3000")], Standing::Approved),
        (vec![record("70000", "3", "42-14-119"), refund("3000")], Standing::Approved),
        (vec![record("60010", "0", "42-14-119"), refund("3000")], Standing::Approved),
        (vec![record("0", "2", "42-14-119"), refund("3000")], Standing::Approved),
        (vec![record("0", "3", "42-14-119"), refund("3000")], Standing::Cancelled),
    ] {
        assert_eq!(told(&mut open(), &list).standing, standing, "{list:?}");
    }
}

#[test]
fn records_of_something_else_change_nothing() {
    for (from, to, what) in
        [(TRANSACTION, "64a1f2b3c4d5e6f7a8b9c0ff", "order"), ("\"10000\"", "\"10001\"", "amount"), ("EUR", "USD", "currency")]
    {
        let mut world = open();
        world.now = now().plus_ms(10 * HOUR_MS);
        let finding = told(&mut world, &[record("0", "0", "42-14-119").replace(from, to)]);
        assert_eq!(finding.standing, Standing::Unchanged, "{what}");
        assert_eq!(finding.anomalies, [format!("Trust's record has another {what}")]);
    }
}

// --- the query and the notification -----------------------------------------------------------

#[test]
fn the_record_decides_and_the_notification_only_where_there_is_none() {
    let hinted = |errorcode: &str| {
        let mut world = open();
        world.hint = Some(hint(&world, &signed(with(approved(), &[("errorcode", errorcode)]))));
        world
    };
    assert_eq!(told(&mut hinted("0"), &[record("70000", "3", "42-14-119")]).standing, Standing::Declined);
    assert_eq!(told(&mut hinted("70000"), &[record("0", "0", "42-14-119")]).standing, Standing::Approved);
    assert_eq!(told(&mut hinted("0"), &[]).standing, Standing::Approved, "no record yet");
    let failed = found(ask(&mut hinted("0"), answer(500, "")));
    assert_eq!(
        (failed.standing, failed.notes.last().map(String::as_str)),
        (Standing::Approved, Some("the query failed: PSP_UNAVAILABLE"))
    );
    // The record of an older attempt does not hide the notification of a newer one.
    assert_eq!(told(&mut hinted("0"), &[record("70000", "3", "42-14-100")]).standing, Standing::Approved);
    // An unsigned one decides nothing, whatever the query says.
    let mut world = open();
    world.hint = Some(hint(&world, &approved()));
    assert_eq!(told(&mut world, &[]).standing, Standing::Unchanged);
    assert!(matches!(ask(&mut world, answer(500, "")), Step::Silence(_)));
}

#[test]
fn failures_of_the_query() {
    let fault = |code: &str| {
        answer(
            200,
            format!(
                r#"{{"requestreference":"{REFERENCE}","response":[{{"requesttypedescription":"ERROR","errorcode":"{code}","errormessage":"Invalid field","errordata":["x"]}}]}}"#
            ),
        )
    };
    let foreign = match records("") {
        Reply::Answer(mut answer) => {
            answer.body = String::from_utf8(answer.body).unwrap().replace(REFERENCE, "Axxxxxxxx").into_bytes();
            Reply::Answer(answer)
        }
        lost => lost,
    };
    for (reply, code) in [
        (answer(401, "<html></html>"), ErrorCode::InvalidPspCredentials),
        (answer(404, ""), ErrorCode::InvalidPspCredentials),
        (fault("30001"), ErrorCode::InvalidPspCredentials),
        (fault("30006"), ErrorCode::InvalidPspCredentials),
        (fault("30008"), ErrorCode::InvalidPspCredentials),
        (fault("50005"), ErrorCode::PspTimeout),
        (fault("60020"), ErrorCode::PspTimeout),
        (Reply::Lost(Lost::TimedOut), ErrorCode::PspTimeout),
        (answer(503, ""), ErrorCode::PspUnavailable),
        (answer(429, ""), ErrorCode::PspRateLimited),
        (fault("30000"), ErrorCode::UnknownPspError),
        (fault("60019"), ErrorCode::UnknownPspError),
        (foreign, ErrorCode::UnknownPspError),
        (answer(400, "no"), ErrorCode::UnknownPspError),
        (answer(200, "no"), ErrorCode::UnknownPspError),
    ] {
        let shown = format!("{reply:?}");
        match ask(&mut open(), reply.clone()) {
            Step::Silence(refusal) => assert_eq!(refusal.code, code, "{shown}"),
            other => panic!("{shown}: {other:?}"),
        }
        match world().script(Task::Test, &[(QUERY, reply)]) {
            Step::Refused(refusal) => assert_eq!(refusal.code, code, "{shown}"),
            other => panic!("{shown}: {other:?}"),
        }
    }
}

#[test]
fn test_connection() {
    let good = found(world().script(Task::Test, &[(QUERY, records(""))]));
    assert!(good.proven);
    let untested = found(unasked(world()).begin(Task::Test));
    assert_eq!(
        (untested.proven, untested.message.as_deref()),
        (false, Some("cannot be tested without web-services credentials"))
    );
}

#[test]
fn an_answer_to_somebody_elses_request_is_refused() {
    let mut world = open();
    let call = the_call(world.begin(Task::Inquire));
    let sent = Sent { step: call.step.to_owned(), scratch: Json::text("Aother123") };
    let step = world.with_context(|cx| Trust.resume(Task::Inquire, cx, &sent, &records(&record("0", "0", "42-14-119"))));
    assert!(matches!(step, Step::Silence(_)));
}

// --- the time ---------------------------------------------------------------------------------

#[test]
fn a_link_that_nobody_opens_runs_out_without_a_call() {
    let mut world = World::created(&Trust, Operation::PayIn);
    let finding = found(world.begin(Task::Inquire));
    assert_eq!((finding.standing, finding.ask_at), (Standing::Unchanged, Some(now().plus_ms(5 * MINUTE_MS))));
    world.now = now().plus_ms(5 * MINUTE_MS);
    let finding = found(world.begin(Task::Inquire));
    assert_eq!((finding.standing, finding.status.as_str()), (Standing::Expired, "EXPIRED"));
    world.status = TransactionStatus::Expired;
    assert_eq!(found(world.begin(Task::Inquire)).standing, Standing::Unchanged, "a late check");
    (world.status, world.time_scale, world.now) = (TransactionStatus::Pending, 100, now().plus_ms(3_000));
    assert_eq!(found(world.begin(Task::Inquire)).standing, Standing::Expired);
}

fn over() -> domain::Timestamp {
    now().plus_ms(3 * HOUR_MS + 15 * MINUTE_MS)
}

#[test]
fn what_nobody_paid_runs_out() {
    let mut world = open();
    let finding = told(&mut world, &[]);
    assert_eq!((finding.standing, finding.ask_at), (Standing::Unchanged, Some(over())));
    world.now = over();
    assert_eq!(told(&mut world, &[]).status, "EXPIRED");
    let only_form = told(&mut world, &[record("30000", "0", "42-14-119")]);
    assert_eq!(only_form.standing, Standing::Expired, "only the form was corrected");
    assert_eq!(told(&mut world, &[record("60010", "0", "42-14-119")]).standing, Standing::Unchanged, "may yet be paid");
    assert!(matches!(ask(&mut world, answer(500, "")), Step::Silence(_)), "nobody said that it was not paid");
    // With the password alone: what was not notified is not paid, unless somebody said otherwise.
    let mut world = unasked(open());
    assert_eq!(found(world.begin(Task::Inquire)).ask_at, Some(over()));
    world.now = over();
    assert_eq!(found(world.begin(Task::Inquire)).standing, Standing::Expired);
    world.memo.set(ZERO, Json::Bool(true));
    assert_eq!(found(world.begin(Task::Inquire)).standing, Standing::Stuck);
    // With neither nothing is ever known.
    let mut world = unsigned(unasked(open()));
    world.now = over();
    assert_eq!(found(world.begin(Task::Inquire)).standing, Standing::Stuck);
}

#[test]
fn an_unsigned_success_is_remembered_and_a_signed_open_one_too() {
    let mut world = unasked(open());
    let finding = believed(&mut world, &approved());
    assert_eq!((finding.standing, finding.memo.unwrap().get(ZERO).is_some()), (Standing::Unchanged, true));
    let mut world = unasked(open());
    believed(&mut world, &signed(with(approved(), &[("errorcode", "60010")])));
    world.now = over();
    assert_eq!(found(world.begin(Task::Inquire)).standing, Standing::Unchanged, "a person decides in the end");
}

#[test]
fn a_suspended_payment_is_asked_about_daily_to_the_eighth_day() {
    let mut world = open();
    for (hours, next) in [(71, Some(95)), (100, Some(124)), (190, Some(192)), (193, Some(192))] {
        world.now = now().plus_ms(hours * HOUR_MS);
        let finding = told(&mut world, &[record("0", "2", "42-14-119")]);
        assert_eq!((finding.standing, finding.status.as_str()), (Standing::Unchanged, "0/2"));
        assert_eq!(finding.ask_at, next.map(|hours| now().plus_ms(hours * HOUR_MS)), "{hours}");
    }
}
