//! Nothing that prints shows a secret.

use crate::all;
use crate::api::{Account, CallbackOutcome, Context, Fields, Step};
use crate::pages::PageUrls;
use crate::testing::{World, answer, tasks};
use crate::{Call, Provider, Task};
use domain::company::SettingValue;
use domain::urls::Environment;
use domain::{Json, Operation, Secret};
use std::fmt::Write as _;

const CANARY: &str = "CANARY";

/// Plants canaries in every secret setting, every secret field, and the personal fields of the order.
fn plant(world: &mut World) {
    for value in world.settings.0.values_mut() {
        if let SettingValue::Secret { value, .. } = value {
            *value = Secret::new(format!("{CANARY}-setting"));
        }
    }
    for value in world.order.fields.secret.values_mut() {
        *value = Secret::new(format!("{CANARY}-secret-field"));
    }
    for (name, value) in &mut world.order.fields.plain {
        if !matches!(name.as_str(), "currency" | "currencyCode" | "preferredCrypto") {
            *value = Json::text(format!("{CANARY}-{name}"));
        }
    }
}

/// The calls of each task, where every secret setting is this text.
fn calls_signed_with(provider: &'static dyn Provider, secret: &str) -> Vec<(Task, Vec<Call>)> {
    let run = |(task, mut world): (Task, World)| {
        for value in world.settings.0.values_mut() {
            if let SettingValue::Secret { value, .. } = value {
                *value = Secret::new(secret);
            }
        }
        (task, world.run(task).0)
    };
    tasks(provider).into_iter().map(run).collect()
}

#[test]
fn every_call_is_signed() {
    for provider in all() {
        let (ours, others) = (calls_signed_with(*provider, "secret-one"), calls_signed_with(*provider, "secret-two"));
        for ((task, ours), (_, others)) in ours.iter().zip(&others) {
            assert_eq!(ours.len(), others.len());
            for (call, other) in ours.iter().zip(others) {
                let headers = |call: &Call| -> Vec<String> {
                    call.headers.iter().map(|(name, value)| format!("{name}: {}", value.expose())).collect()
                };
                let differs = headers(call) != headers(other) || call.body != other.body || call.url != other.url;
                let bearer = headers(call).iter().any(|line| line.to_ascii_lowercase().starts_with("authorization: bearer "));
                assert!(differs || bearer, "{} {task:?}: {}", provider.descriptor().name, call.step);
            }
        }
    }
}

/// A good answer with canaries where a provider would echo secrets.
fn echoing(body: &[u8]) -> Vec<u8> {
    let Ok(mut json) = Json::parse(body) else {
        return String::from_utf8_lossy(body).replace("TESTMODE", &format!("{CANARY}-answer")).into_bytes();
    };
    for name in ["access_token", "serial", "echo"] {
        json.set(name, Json::text(format!("{CANARY}-answer")));
    }
    json.to_text().into_bytes()
}

#[test]
fn no_type_prints_a_secret() {
    for provider in all() {
        for (task, mut world) in tasks(*provider) {
            plant(&mut world);
            let mut printed = String::new();
            print_context(&mut printed, &world);
            let (calls, end) = world.run_with(task, |world, call| {
                write!(printed, "{call:?} {}", call.shown).unwrap();
                let sent = crate::Sent { step: call.step.to_owned(), scratch: Json::text(CANARY) };
                write!(printed, "{sent:?}").unwrap();
                let (status, body) = world.good(task, call.step);
                let reply = answer(status, echoing(&body));
                write!(printed, "{reply:?}").unwrap();
                reply
            });
            write!(printed, "{end:?}").unwrap();
            for call in &calls {
                // Failures print no more than successes.
                for reply in [
                    answer(400, format!("<p>{CANARY}</p>")),
                    answer(200, format!(r#"{{"err":"{CANARY}","error":"{CANARY}","result":"{CANARY}"}}"#)),
                ] {
                    let step = world.resume(task, call, &reply);
                    if !matches!(&step, Step::Found(finding) if finding.status.contains(CANARY)) {
                        write!(printed, "{step:?}").unwrap();
                    }
                }
            }
            assert!(!printed.contains(CANARY), "{} {task:?}: {printed}", provider.descriptor().name);
            assert!(!printed.is_empty());
        }
    }
}

fn print_context(printed: &mut String, world: &World) {
    let (settings, base_url) = world.account();
    let account = Account { settings: &settings, base_url: &base_url, environment: Environment::Sandbox };
    write!(printed, "{account:?} {settings:?} {:?}", world.order).unwrap();
    let cx = Context {
        account,
        company_id: crate::testing::COMPANY.parse().unwrap(),
        order: &world.order,
        memo: &world.memo,
        psp_transaction_id: None,
        public_url: "",
        callback_url: "",
        pages: &PageUrls::default(),
        card: None,
        now: world.now,
        random: world.random,
        inquiry: 1,
        hint: None,
        status: world.status,
        time_scale: 1,
        account_cache: world.account_cache.as_ref(),
    };
    write!(printed, "{:?} {:?}", cx.order.fields, cx.account).unwrap();
    if let Some(destination) = world.provider.destination(&world.order) {
        // Masked, it shows a few characters of what is planted at most.
        assert!(!format!("{destination:?}").contains(&destination.full));
    }
}

#[test]
fn callbacks_and_fields_do_not_print_their_values() {
    let body = format!(r#"{{"transactionId":"{CANARY}","payment_id":"{CANARY}","currency":"{CANARY}"}}"#);
    for provider in all() {
        let world = World::new(*provider, Operation::PayIn);
        let reading = world.callback(&[("x-signature".to_owned(), CANARY.to_owned())], body.as_bytes(), true);
        assert!(!format!("{:?}", reading.outcome).contains(CANARY));
    }
    let hint = CallbackOutcome::Hint(Json::text(CANARY));
    let mut fields = Fields::default();
    fields.plain.insert("email".to_owned(), Json::text(CANARY));
    fields.secret.insert("voucherPin".to_owned(), Secret::new(CANARY));
    assert!(!format!("{hint:?} {fields:?}").contains(CANARY));
}

#[test]
fn addresses_that_are_shown_hold_nothing_personal() {
    for provider in all() {
        for (task, mut world) in tasks(*provider) {
            let order = world.order.clone();
            let (calls, _) = world.run(task);
            for call in &calls {
                assert!(!call.shown.contains(['?', '#', '@']), "{}", call.shown);
                for name in ["email", "phone", "firstName", "lastName", "walletAddress", "voucherPin", "userIp"] {
                    let value = order.fields.text(name).filter(|value| value.len() > 3);
                    assert!(value.is_none_or(|value| !call.shown.contains(value)), "{}: {name}", call.shown);
                }
                assert!(call.url.contains(call.shown.split('/').next().unwrap()), "the same host");
            }
        }
    }
}
