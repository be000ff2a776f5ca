//! Row R1: what we sign verifies with an independent implementation, and nothing else does; rotations fail no check.

use super::super::sign::headers_for;
use crate::random::Random;
use domain::company::{SettingValue, Settings, WebhookSecrets};
use domain::{CompanyId, EventId, Json, MethodId, PaymentMethod, Secret, Timestamp};
use http::HeaderMap;
use standardwebhooks::Webhook;

const EVENTS: u32 = 10_000;
const MUTATIONS_PER_EVENT: u32 = 3;
const HOUR: i64 = 3_600_000;

fn signing_secret(random: &Random) -> Secret {
    use base64::Engine as _;
    Secret::new(format!("whsec_{}", base64::engine::general_purpose::STANDARD.encode(random.bytes::<32>())))
}

fn method(secrets: WebhookSecrets) -> PaymentMethod {
    let now = now();
    let secured = [("isWebhookSecured".to_owned(), SettingValue::Plain(Json::Bool(true)))];
    PaymentMethod {
        id: MethodId::new(now, [1; 6]),
        company_id: CompanyId::new(now, [2; 6]),
        psp_type: "FORUMPAY".into(),
        brand_id: None,
        enabled: true,
        settings: Settings(secured.into()),
        webhook_secrets: secrets,
        callback_token: None,
        created_at: now,
        updated_at: now,
    }
}

/// The other implementation compares timestamps with the system's clock.
fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap())
}

fn header_map(headers: &[(&'static str, String)]) -> HeaderMap {
    headers.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap())).collect()
}

fn text(random: &Random, max: u32) -> String {
    let length = random.number() % max;
    let one = |_| char::from_u32(random.number() % 0x3_0000).filter(|c| *c != '\0').unwrap_or('é');
    (0..length).map(one).collect()
}

fn body(random: &Random) -> String {
    Json::object([
        ("transaction_id", Json::text(hex::encode(random.bytes::<12>()))),
        ("user_id", Json::text(text(random, 20))),
        ("message", Json::text(text(random, 60))),
        ("amount", Json::text(random.number().to_string())),
    ])
    .to_text()
}

/// The headers and the body with one thing changed.
fn mutated(random: &Random, kind: u32, headers: &[(&'static str, String)], body: &str) -> (HeaderMap, Vec<u8>) {
    let mut bytes = body.as_bytes().to_vec();
    let mut headers = header_map(headers);
    let change = |headers: &mut HeaderMap, name: &'static str, make: &dyn Fn(&str) -> String| {
        let changed = make(headers[name].to_str().unwrap());
        headers.insert(name, changed.parse().unwrap());
    };
    let at = |length: usize| random.number() as usize % length;
    match kind % 9 {
        0 => {
            let place = at(bytes.len());
            bytes[place] ^= 1 << (random.number() % 8);
        }
        1 => bytes.truncate(at(bytes.len())),
        2 => bytes.push(b' '),
        3 => change(&mut headers, "webhook-id", &|id| format!("{id}0")),
        4 => change(&mut headers, "webhook-id", &|id| format!("evt_{}", hex::encode(random.bytes::<12>())) + &id[..0]),
        5 => change(&mut headers, "webhook-timestamp", &|at| {
            (at.parse::<i64>().unwrap() + 1 + i64::from(random.number() % 60)).to_string()
        }),
        6 => change(&mut headers, "webhook-timestamp", &|at| {
            (at.parse::<i64>().unwrap() - 1 - i64::from(random.number() % 60)).to_string()
        }),
        7 => change(&mut headers, "webhook-signature", &|signature| {
            let place = 3 + at(signature.len() - 4);
            let other = if signature.as_bytes()[place] == b'A' { "B" } else { "A" };
            format!("{}{other}{}", &signature[..place], &signature[place + 1..])
        }),
        _ => change(&mut headers, "webhook-signature", &|signature| signature.replace("v1,", "v2,")),
    }
    (headers, bytes)
}

#[test]
fn random_events_verify_and_mutations_do_not() {
    let random = Random::default();
    let mut passed = 0;
    for n in 0..EVENTS {
        let signing = signing_secret(&random);
        let receiver = Webhook::new(signing.expose()).unwrap();
        let secrets =
            WebhookSecrets { signing, earlier_signing: Vec::new(), bearer: Secret::new("whb_x"), previous_bearer: None };
        let (id, body) = (EventId::new(now(), random.bytes()), body(&random));
        let headers = headers_for(&method(secrets), &id, i64::from(n), now(), body.as_bytes());
        let map = header_map(&headers);
        receiver.verify(body.as_bytes(), &map).unwrap_or_else(|error| panic!("event {n}: {error} {map:?} {body}"));
        assert_eq!(map["webhook-id"], id.as_str());
        assert_eq!(map["webhook-sequence"], n.to_string());
        assert_eq!(map["authorization"], "Bearer whb_x");
        let stranger = Webhook::new(signing_secret(&random).expose()).unwrap();
        assert!(stranger.verify(body.as_bytes(), &map).is_err(), "another secret");
        for m in 0..MUTATIONS_PER_EVENT {
            let (headers, body) = mutated(&random, n * MUTATIONS_PER_EVENT + m, &headers, &body);
            passed += u32::from(receiver.verify(&body, &headers).is_ok());
        }
    }
    assert_eq!(passed, 0, "of {} mutations", EVENTS * MUTATIONS_PER_EVENT);
}

#[test]
fn a_rotation_fails_no_check() {
    let random = Random::default();
    let now = now();
    for n in 0..EVENTS {
        // The rotation was up to 30 h ago.
        let rotated = now.plus_ms(-i64::from(random.number() % 108_000) * 1_000);
        let until = rotated.plus_ms(24 * HOUR);
        let (old, new) = (signing_secret(&random), signing_secret(&random));
        let secrets = WebhookSecrets {
            signing: new.clone(),
            earlier_signing: vec![(old.clone(), until)],
            bearer: Secret::new("whb_new"),
            previous_bearer: Some((Secret::new("whb_old"), until)),
        };
        let body = body(&random);
        let headers = header_map(&headers_for(&method(secrets), &EventId::new(now, random.bytes()), 1, now, body.as_bytes()));
        let verifies = |secret: &Secret| Webhook::new(secret.expose()).unwrap().verify(body.as_bytes(), &headers).is_ok();
        assert!(verifies(&new), "check {n}: who has the new secret");
        let within = now < until;
        assert_eq!(verifies(&old), within, "check {n}: who still has the old one");
        assert_eq!(headers["authorization"], if within { "Bearer whb_old" } else { "Bearer whb_new" }, "check {n}");
    }
}

#[test]
fn the_bearer_is_sent_only_when_secured() {
    let random = Random::default();
    let secrets = WebhookSecrets {
        signing: signing_secret(&random),
        earlier_signing: Vec::new(),
        bearer: Secret::new("whb_x"),
        previous_bearer: None,
    };
    let mut method = method(secrets);
    method.settings = Settings::default();
    let headers = headers_for(&method, &EventId::new(now(), [1; 6]), 1, now(), b"{}");
    assert!(headers.iter().all(|(name, value)| *name != "authorization" && !value.contains("whb_x")));
    assert!(headers.iter().any(|(name, _)| *name == "webhook-signature"), "always signed");
}
