//! A later attempt's order: its reference at the provider is not the transaction's id. What goes to a provider and comes from it
//! names the reference, what the merchant sees names the transaction.

use super::callbacks::good_callback;
use crate::api::{CallbackOutcome, CashierAnswer, Doubt, Standing, Step, Task};
use crate::pages::Opening;
use crate::testing::{TRANSACTION, World, answer, folder, tasks, tasks_of};
use crate::{Call, Provider, all};
use domain::{Json, Operation};

/// The id that all fixtures name.
const NAMED: &str = TRANSACTION;
/// One that none names.
const OTHER: &str = "65b2c3d4e5f6a7b8c9d0e1f2";

/// What of this is a provider's own: its `fixtures/reference.json`.
struct Row {
    name: &'static str,
    /// The steps that need not name our reference: they ask by an id of the provider's where it is known, or about no payment.
    unnamed: Vec<String>,
    /// The tasks whose answer shows the merchant the transaction's id.
    shows: Vec<Task>,
    /// What a callback names: our reference, or nothing of ours, so that it counts for the transaction to whose address it
    /// comes. `None`: there are no callbacks.
    callback: Option<String>,
}

const REFERENCE: &str = "our reference";
const NOTHING: &str = "nothing of ours";

fn row(provider: &dyn Provider) -> Row {
    let name = provider.descriptor().name;
    let text = std::fs::read(folder(provider).join("fixtures/reference.json"));
    let text = text.unwrap_or_else(|_| panic!("{name} has no fixtures/reference.json: which calls name our reference?"));
    let row = Json::parse(&text).unwrap();
    let list = |member: &str| -> Vec<String> {
        let list = row.get(member).and_then(Json::as_array).unwrap_or_else(|| panic!("{name}: {member} is missing"));
        list.iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let callback = row.str_at("callback").map(str::to_owned);
    assert!(callback.as_deref().is_none_or(|told| [REFERENCE, NOTHING].contains(&told)), "{name}: {callback:?}");
    Row { name, unnamed: list("unnamed"), shows: list("shows").iter().map(|task| task.parse().unwrap()).collect(), callback }
}

/// Everything that the provider can be asked to do under these ids; inquiries also where nothing is remembered.
fn tasks_named(provider: &'static dyn Provider, transaction: &str, reference: &str) -> Vec<(Task, World)> {
    let new = |operation| World::new(provider, operation).named(transaction, reference);
    tasks_of(provider, new).into_iter().chain(forgetful(provider, transaction, reference)).collect()
}

/// Inquiries of which nothing is remembered.
fn forgetful(provider: &'static dyn Provider, transaction: &str, reference: &str) -> Vec<(Task, World)> {
    let new = |operation| World::new(provider, operation).named(transaction, reference);
    let mut inquiries = tasks_of(provider, new);
    inquiries.retain(|(task, _)| *task == Task::Inquire);
    for (_, world) in &mut inquiries {
        (world.memo, world.psp_transaction_id) = (Json::object::<String>([]), None);
    }
    inquiries
}

/// All that goes out with a call, without the merchant's own addresses: these bring the browser back with the transaction's id.
fn sent(call: &Call) -> String {
    let headers: String = call.headers.iter().map(|(name, value)| format!("{name}: {}\n", value.expose())).collect();
    let text = format!("{}\n{headers}\n{}", call.url, String::from_utf8_lossy(&call.body));
    let back = format!("transactionId={OTHER}&sessionId=");
    let forms = [back.clone(), back.replace('&', "&amp;"), back.replace('=', "%3D").replace('&', "%26")];
    forms.iter().fold(text, |text, form| text.replace(form, "[back]"))
}

#[test]
fn every_call_names_the_reference_and_never_the_transaction() {
    for provider in all() {
        let (row, mut unnamed) = (row(*provider), std::collections::BTreeSet::new());
        for (task, mut world) in tasks_named(*provider, OTHER, NAMED) {
            let (calls, _) = world.run(task);
            for call in &calls {
                let (shown, text) = (format!("{} {task:?}: {}", row.name, call.step), sent(call));
                assert!(!text.contains(OTHER), "{shown} names the transaction: {text}");
                if !text.contains(NAMED) {
                    assert!(row.unnamed.iter().any(|step| step == call.step), "{shown} does not name our reference: {text}");
                    unnamed.insert(call.step);
                }
            }
        }
        assert_eq!(unnamed.len(), row.unnamed.len(), "{}: these alone name no reference: {unnamed:?}", row.name);
        for (_, mut world) in forgetful(*provider, OTHER, NAMED) {
            let (calls, _) = world.run(Task::Inquire);
            let asks = calls.is_empty() || calls.iter().any(|call| sent(call).contains(NAMED));
            assert!(asks, "{} does not ask by our reference where it knows nothing else", row.name);
        }
    }
}

#[test]
fn every_form_names_the_reference_and_never_the_transaction() {
    for provider in all().iter().filter(|provider| provider.descriptor().pages.pay) {
        let world = World::new(*provider, Operation::PayIn).named(OTHER, NAMED).taken();
        let Opening::Form(form) = world.with_context(|cx| provider.open_page(cx)) else { panic!("the page does not open") };
        let name = provider.descriptor().name;
        assert!(form.fields.iter().any(|(_, value)| value.expose() == NAMED), "{name}: the form does not name our reference");
        assert!(form.fields.iter().all(|(_, value)| !value.expose().contains(OTHER)), "{name}: the form names the transaction");
    }
}

// --- what the merchant sees ---------------------------------------------------------------------

/// The words of a document that are no addresses: in an address of the provider's our reference has to stay.
fn words(json: &Json, into: &mut Vec<String>) {
    match json {
        Json::String(text) => {
            into.extend(text.split_whitespace().filter(|word| !word.contains("://")).map(str::to_owned));
        }
        Json::Array(items) => items.iter().for_each(|item| words(item, into)),
        Json::Object(members) => members.iter().for_each(|(_, member)| words(member, into)),
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}

/// What a step lets the merchant see: in the Cashier's answer, in webhooks.
fn published(step: &Step) -> String {
    let mut documents = Vec::new();
    match step {
        Step::Found(finding) => {
            documents.extend([Some(Json::text(&*finding.status)), finding.message.as_deref().map(Json::text)]);
            documents.extend(match &finding.answer {
                Some(CashierAnswer::Success { message, data, .. }) => vec![Some(Json::text(&**message)), Some(data.clone())],
                Some(CashierAnswer::Declined { message, data }) => vec![Some(Json::text(&**message)), data.clone()],
                None => Vec::new(),
            });
        }
        Step::Refused(refusal) | Step::Silence(refusal) => documents.push(refusal.data.clone()),
        Step::Call(_) | Step::TryLater(_) => {}
    }
    let mut shown = Vec::new();
    documents.iter().flatten().for_each(|document| words(document, &mut shown));
    shown.join(" ")
}

#[test]
fn every_answer_shows_the_transaction_and_never_the_reference() {
    for provider in all() {
        let row = row(*provider);
        for (task, mut world) in tasks_named(*provider, OTHER, NAMED) {
            let (_, end) = world.run(task);
            let (shown, text) = (format!("{} {task:?}", row.name), published(&end));
            assert!(!text.contains(NAMED), "{shown} shows our reference: {text}");
            assert_eq!(text.contains(OTHER), row.shows.contains(&task), "{shown}: {text}");
        }
    }
}

/// Refusals in every form that repeat our reference.
fn echoes() -> Vec<String> {
    let json = r#"{"success":false,"error":"REF is odd: see https://provider.example/REF","err":"no REF","error_name":"Odd",
        "error_message":"REF","errorcode":"2003","result":"4003","result_description":"REF refused","transaction_id":"REFv",
        "reference_no":"REF","referenceId":"REF","code":"ODD","message":"order REF","list":[{"inner":"REF"}]}"#;
    let gateway = "<payment_response><status>declined</status><code>500</code><transaction_id>REF</transaction_id>\
        <message>REF is refused</message></payment_response>";
    let service = "<paymentService><reply><orderStatus orderCode=\"REF\"><error code=\"7\">order REF</error></orderStatus>\
        </reply></paymentService>";
    [json, gateway, service, "REF is not known here"].map(|text| text.replace("REF", NAMED)).to_vec()
}

#[test]
fn an_echo_of_the_reference_is_shown_as_the_transaction() {
    for provider in all() {
        let (name, mut replaced) = (provider.descriptor().name, 0);
        for (task, mut world) in tasks_named(*provider, OTHER, NAMED) {
            let mut step = world.begin(task);
            while let Step::Call(call) = step {
                let (memo, id) = (world.memo.clone(), world.psp_transaction_id.clone());
                for (body, status) in echoes().iter().flat_map(|body| [200, 400, 409, 422, 500].map(|status| (body, status))) {
                    let end = world.resume(task, &call, &answer(status, body.as_str()));
                    let text = published(&end);
                    assert!(!text.contains(NAMED), "{name} {task:?}, {} with {status}: {text}", call.step);
                    replaced += usize::from(text.contains(OTHER));
                    (world.memo, world.psp_transaction_id) = (memo.clone(), id.clone());
                }
                let (status, body) = world.good(task, call.step);
                step = world.resume(task, &call, &answer(status, body));
            }
        }
        assert!(replaced > 0, "{name} shows nothing of what a provider says");
    }
}

/// Of a callback that is a fact by itself the engine shows it so, once it knows the order.
#[test]
fn what_a_callback_proves_is_shown_under_the_transaction() {
    let mut order = World::new(all()[0], Operation::PayIn).named(OTHER, NAMED).order;
    let said = format!("{NAMED} is over: https://provider.example/{NAMED}\n({NAMED}v)");
    let mut finding = crate::Finding::new(Standing::Declined, NAMED).message(&*said).psp_id(NAMED).note(NAMED);
    crate::published::fact(&order, &mut finding);
    let shown = format!("{OTHER} is over: https://provider.example/{NAMED}\n({OTHER}v)");
    assert_eq!((finding.status.as_str(), finding.message.as_deref()), (OTHER, Some(&*shown)));
    assert_eq!((finding.psp_transaction_id.as_deref(), &*finding.notes), (Some(NAMED), &[NAMED.to_owned()][..]));
    // Of a first attempt nothing is touched.
    order.transaction_id = order.reference;
    let mut finding = crate::Finding::new(Standing::Declined, "no").message(&*said);
    crate::published::fact(&order, &mut finding);
    assert_eq!(finding.message.as_deref(), Some(&*said));
}

// --- what is ours -------------------------------------------------------------------------------

#[test]
fn records_that_name_the_reference_are_ours() {
    for provider in all() {
        let ends = |tasks: Vec<(Task, World)>| -> Vec<(Task, Option<(Standing, String)>)> {
            let standing = |(task, mut world): (Task, World)| match world.run(task).1 {
                Step::Found(finding) => (task, Some((finding.standing, finding.status))),
                _ => (task, None),
            };
            tasks.into_iter().map(standing).collect()
        };
        let name = provider.descriptor().name;
        let (first, later) = (tasks_named(*provider, NAMED, NAMED), tasks_named(*provider, OTHER, NAMED));
        assert_eq!(ends(later), ends(first), "{name}");
    }
}

/// Whether a step takes what it was answered for an answer about our order.
fn believes(step: &Step) -> bool {
    match step {
        Step::Found(finding) => !matches!(finding.standing, Standing::Unchanged | Standing::Stuck),
        Step::Call(call) => call.doubt != Doubt::Harmless,
        Step::Refused(_) | Step::Silence(_) | Step::TryLater(_) => false,
    }
}

#[test]
fn records_that_name_the_transaction_alone_are_not_ours() {
    for provider in all() {
        let (name, mut named) = (provider.descriptor().name, 0);
        for (task, world) in tasks(*provider).into_iter().filter(|(task, _)| *task != Task::Test) {
            let mut world = world.named(NAMED, OTHER);
            let (mut step, mut foreign) = (world.begin(task), false);
            while let Step::Call(call) = step {
                let (status, body) = world.good(task, call.step);
                foreign |= String::from_utf8_lossy(&body).contains(NAMED);
                step = world.resume(task, &call, &answer(status, body));
                named += usize::from(foreign);
                assert!(!(foreign && believes(&step)), "{name} {task:?} believes the answer to {}: {step:?}", call.step);
            }
        }
        assert!(named > 0, "{name}: no answer names anything");
    }
}

/// Whether a callback counts for the transaction.
fn counts(outcome: &CallbackOutcome) -> bool {
    match outcome {
        CallbackOutcome::Fact(_) => true,
        CallbackOutcome::Hint(hint) => hint.get("anomaly").is_none(),
        CallbackOutcome::Ignore | CallbackOutcome::Anomaly(_) => false,
    }
}

#[test]
fn callbacks_are_found_by_the_reference_and_never_by_the_transaction() {
    for provider in all() {
        let (row, callbacks) = (row(*provider), provider.descriptor().callbacks);
        let told = good_callback(*provider);
        let names = told.as_ref().map(|(_, body)| String::from_utf8_lossy(body).contains(NAMED));
        let is = names.map(|names| if names { REFERENCE } else { NOTHING });
        assert_eq!(is, row.callback.as_deref(), "{}", row.name);
        let Some((headers, body)) = told else { continue };
        let operation = Operation::PayIn;
        let ours = World::open(*provider, operation).named(OTHER, NAMED).callback(&headers, &body, true);
        assert!(counts(&ours.outcome), "{}: {:?}", row.name, ours.outcome);
        let theirs = World::open(*provider, operation).named(NAMED, OTHER).callback(&headers, &body, true);
        assert_eq!(counts(&theirs.outcome), is == Some(NOTHING), "{}: {:?}", row.name, theirs.outcome);
        if callbacks.per_account {
            let found = World::open(*provider, operation).named(OTHER, NAMED).callback(&headers, &body, false);
            let named = found.locate.and_then(|locate| locate.reference).map(|reference| reference.to_string());
            assert_eq!(named.as_deref(), Some(NAMED), "{}", row.name);
        }
    }
}
