//! Providers that send back what they were sent, in seventeen forms: nothing that opens something is in any answer, log line,
//! timeline, webhook, metric or text of the store.

use crate::ten::{ALL, DIRECT, Provider, WITH_WEBHOOKS};
use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use testkit::table::Table;
use testkit::world::{Hands, World};

/// The forms, as the simulators name them.
const FORMS: [&str; 17] = [
    "plain",
    "other-case",
    "percent",
    "percent-twice",
    "form",
    "json-escaped",
    "json-in-json",
    "entities",
    "cdata",
    "base64",
    "base64url",
    "basic-pair",
    "hex",
    "folded",
    "broken",
    "in-url",
    "header-lines",
];
/// In every planted secret.
const MARK: &str = "Qz7kanarienvogel";
/// The card's, of which nothing but the first six and last four is kept.
const HOLDER: &str = "Quirinus Zwetschgenbaum";
const PAN: &str = "4200000000000000";
const CVV: &str = "739";
/// Three digits alone are everywhere: they are looked for with what stands beside them where they are sent, to Worldpay, to
/// eMerchantPay and to us.
const CVV_AS_SENT: [&str; 3] =
    ["/cardHolderName><cvc>739</cvc>", "<cvv>739</cvv><expiration_month>", "\"expYear\":\"2035\",\"cvv\":\"739\""];

/// The secrets of an account, planted in its payment method and, where the simulator is to accept them, at the simulator.
struct Account {
    provider: &'static str,
    simulator_account: &'static str,
    config: Value,
    simulator: Value,
}

fn accounts() -> Vec<Account> {
    let secret = |what: &str| format!("{MARK}/{what}+0001=");
    let account = |provider, simulator_account, config, simulator| Account { provider, simulator_account, config, simulator };
    vec![
        account(
            "forumpay",
            "fp-demo",
            json!({"password": secret("fp")}),
            json!({"password": secret("fp"), "payerIds": ["demo-payer-0001"]}),
        ),
        account(
            "gigadat",
            "d3m0c0de00000000000000000000gd01",
            json!({"apiKey": secret("access"), "secret": secret("gd")}),
            json!({"access": secret("access"), "security": secret("gd")}),
        ),
        account(
            "worldpay",
            "DEMOCOMPANY",
            json!({"xmlPassword": secret("wp"), "macSecret": secret("mac")}),
            json!({"xmlUsername": "wp-demo-0001", "xmlPassword": secret("wp"), "installationId": "100001", "macKind": "mac2", "macSecret": secret("mac"), "merchant": "Demo company"}),
        ),
        account(
            "cleo",
            "demo",
            json!({"cleoApiKey": {"chileApiKey": secret("chile"), "peruApiKey": secret("peru"), "mexicoApiKey": secret("mexico")}}),
            json!({"chileApiKey": secret("chile"), "peruApiKey": secret("peru"), "mexicoApiKey": secret("mexico"), "externalKey": "demo-company-0001", "merchant": "Demo company"}),
        ),
        account(
            "trust",
            "test_mozarto0001",
            json!({"siteSecurityPassword": secret("site"), "webServicesPassword": secret("ws")}),
            json!({"siteSecurityPassword": secret("site"), "webServicesUsername": "ws@demo-company.example", "webServicesPassword": secret("ws"), "merchant": "Demo company"}),
        ),
        account(
            "payone",
            "{apiKey}",
            json!({"apiKey": format!("{MARK}-payone-0001")}),
            json!({"client": "Demo company", "active": true}),
        ),
        account(
            "neosurf",
            "24842",
            json!({"apiKey": secret("ns")}),
            json!({"secret": secret("ns"), "subMerchantId": "127.0.0.1"}),
        ),
        account(
            "flexepin",
            "flexdemo01",
            json!({"secret": secret("fx")}),
            json!({"secret": secret("fx"), "terminalId": "TERM01"}),
        ),
        account(
            "brite",
            "sandbox-demo-0001",
            json!({"secret": secret("brite")}),
            json!({"secret": secret("brite"), "merchantId": "demo-merchant-0001", "merchant": "Demo company"}),
        ),
        account(
            "emerchantpay",
            "394fdemoterminal0001",
            json!({"password": secret("emp")}),
            json!({"username": "emp-demo", "password": secret("emp"), "currency": "EUR", "merchant": "Demo company"}),
        ),
    ]
}

/// The account that takes requests with a card.
fn worldpay_direct() -> Account {
    let secret = |what: &str| format!("{MARK}/{what}+0001=");
    // Worldpay's have at least 32 bytes.
    let key = secret("three-ds-jwt-key-0123456789");
    Account {
        provider: DIRECT.name,
        simulator_account: "DEMOCOMPANYCARDS",
        config: json!({"xmlPassword": secret("wpcards"), "threeDsJwtKey": key}),
        simulator: json!({
            "xmlUsername": "wp-demo-0002", "xmlPassword": secret("wpcards"), "installationId": "100002", "threeDsIssuer": "wp-demo-issuer",
            "threeDsOrgUnitId": "wp-demo-unit", "threeDsJwtKey": key, "merchant": "Demo company",
        }),
    }
}

/// Letters and digits alone, in lower case, with every escape taken off that may be on: what a patient reader makes of a text.
fn reduced(text: &[u8]) -> Vec<String> {
    let mut readings = vec![String::from_utf8_lossy(text).into_owned()];
    for _ in 0..4 {
        let last = readings.last().map(String::as_str).unwrap_or_default();
        let next = unescaped(last);
        if next == last {
            break;
        }
        readings.push(next);
    }
    let letters = |text: &String| text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    readings.iter().map(letters).collect()
}

const ENTITIES: [(&str, char); 4] = [("&amp;", '&'), ("&lt;", '<'), ("&gt;", '>'), ("&quot;", '"')];

fn unescaped(text: &str) -> String {
    let text = text.replace("<![CDATA[", "").replace("]]>", "");
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(c) = rest.chars().next() {
        let code = |digits: Option<&str>, radix| {
            digits.and_then(|digits| u32::from_str_radix(digits, radix).ok()).and_then(char::from_u32)
        };
        let entity = rest.strip_prefix("&#").and_then(|inside| inside.split_once(';'));
        let (taken, letter) = match c {
            '%' => (3, code(rest.get(1..3), 16)),
            '\\' if rest.starts_with("\\u") => (6, code(rest.get(2..6), 16)),
            '\\' => (2, rest.chars().nth(1).map(|c| if "nrt".contains(c) { ' ' } else { c })),
            '&' => match (entity, ENTITIES.iter().find(|(name, _)| rest.starts_with(name))) {
                (_, Some((name, letter))) => (name.len(), Some(*letter)),
                (Some((digits, _)), _) if digits.len() <= 6 => (digits.len() + 3, code(Some(digits), 10)),
                _ => (1, None),
            },
            _ => (1, None),
        };
        match letter.filter(|_| rest.is_char_boundary(taken)) {
            Some(letter) => {
                out.push(letter);
                rest = &rest[taken..];
            }
            None => {
                out.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    out
}

/// A secret as it may stand in a reduced text: itself, in hexadecimal, in base64 at any place.
fn traces(secret: &str) -> Vec<String> {
    let letters =
        |text: &str| text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect::<String>();
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut traces = vec![letters(secret), hex];
    for before in ["", "x", "xy"] {
        let encoded = STANDARD_NO_PAD.encode(format!("{before}{secret}"));
        let inner = encoded.get(before.len() * 2..encoded.len() - 2).unwrap_or_default();
        traces.push(letters(inner));
    }
    traces
}

/// Beginnings of traces have this length, so that all of them are looked for at once.
const HEAD_BYTES: usize = 12;

/// What is looked for, and what of it was found where.
#[derive(Clone, Default)]
struct Search(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    /// Traces by their beginnings, each with its secret.
    traces: HashMap<Vec<u8>, Vec<(String, String)>>,
    planted: BTreeSet<String>,
    found: BTreeSet<String>,
}

impl Search {
    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn plant(&self, secret: &str) {
        let mut inner = self.inner();
        if inner.planted.insert(secret.to_owned()) {
            for trace in traces(secret) {
                assert!(trace.len() >= HEAD_BYTES, "{secret} is too short to be looked for");
                let head = trace.as_bytes()[..HEAD_BYTES].to_vec();
                inner.traces.entry(head).or_default().push((trace, secret.to_owned()));
            }
        }
    }

    fn of(&self, place: &str, bytes: &[u8]) {
        let readings = reduced(bytes);
        let mut inner = self.inner();
        let mut found = Vec::new();
        for reading in &readings {
            for (at, head) in reading.as_bytes().windows(HEAD_BYTES).enumerate() {
                let traces = inner.traces.get(head).into_iter().flatten();
                found.extend(traces.filter(|(trace, _)| reading[at..].starts_with(trace)).map(|(_, secret)| secret.clone()));
            }
        }
        inner.found.extend(found.into_iter().map(|secret| format!("{secret} in {place}")));
    }
}

fn is_in(secret: &str, bytes: &[u8]) -> bool {
    let search = Search::default();
    search.plant(secret);
    search.of("", bytes);
    !search.inner().found.is_empty()
}

/// Callback addresses that a simulator was told.
async fn told_tokens(hands: &Hands, provider: Provider) -> Result<Vec<String>> {
    let calls = hands.client.control("GET", &format!("/{}/calls", provider.name), None).await?;
    let text = unescaped(&unescaped(&calls.body.to_string()));
    let head = format!("/callbacks/{}/", provider.name);
    let tokens = text.split(&head).skip(1).filter_map(|rest| rest.get(..43));
    Ok(tokens.map(str::to_owned).collect())
}

#[test]
fn the_search_finds_what_is_planted() {
    let secret = format!("{MARK}/x+0001=");
    let percent: String = secret.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let escaped: String = secret.chars().map(|c| format!("\\\\u{:04x}", u32::from(c))).collect();
    let forms = [
        secret.to_uppercase(),
        percent.clone(),
        percent.replace('%', "%25"),
        escaped,
        STANDARD_NO_PAD.encode(format!("user:{secret}\n")),
    ];
    for form in forms {
        assert!(is_in(&secret, format!("a {form} b").as_bytes()), "{form}");
    }
    assert!(!is_in(&secret, b"anything else, Qz7 and kanarienvogel apart"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_echoed_is_masked() {
    let logs = tempfile::tempdir().expect("a directory for the log");
    let log = logs.path().join("trace.log");
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &WITH_WEBHOOKS, |options| {
        options.time_scale(60).auto_settle(50).trace_into(&log)
    })
    .await
    .expect("a sandbox");
    let search = Search::default();
    let mut table = Table::new("the simulators do echo");
    for account in accounts() {
        let provider = *ALL.iter().find(|provider| provider.name == account.provider).expect("a provider");
        table.row(account.provider, plant(world.hands(), search.clone(), account, provider));
    }
    table.end().await;
    for secret in [PAN, HOLDER].into_iter().chain(CVV_AS_SENT) {
        search.plant(secret);
    }
    let mut table = Table::new("echoes");
    for provider in ALL {
        table.row(provider.name, echoes(world.hands(), search.clone(), provider));
    }
    table.end().await;
    // A simulator echoes in one form at a time: after Worldpay's own row.
    let mut table = Table::new("echoes of cards");
    table.row("Worldpay direct", direct(world.hands(), search.clone()));
    table.end().await;
    search_everywhere(&world, &search, logs.path()).await.expect("a search");
    let found = std::mem::take(&mut search.inner().found);
    assert!(found.is_empty(), "{} traces:\n{}", found.len(), found.into_iter().collect::<Vec<_>>().join("\n"));
}

/// Worldpay server to server: it is sent the card.
async fn direct(hands: Hands, search: Search) -> Result<()> {
    plant(hands.clone(), search.clone(), worldpay_direct(), DIRECT).await?;
    // The card of whoever pays is sent, and what was sent would come back.
    let calls = hands.client.control("GET", &format!("/{}/calls", DIRECT.name), None).await?;
    ensure!(calls.body.to_string().contains("<CARD-SSL>"), "no card was sent: {}", calls.body);
    echoes(hands, search, DIRECT).await
}

/// Plants an account's secrets, and sees that payments work with them and that the simulator sends them back.
async fn plant(hands: Hands, search: Search, account: Account, provider: Provider) -> Result<()> {
    let mut planted = Vec::new();
    texts_of(&account.config, &mut planted);
    planted.iter().for_each(|secret| search.plant(secret));
    let methods = hands.client.manage("GET", "/payment-methods?limit=200", None).await?;
    let of_provider = methods.body["data"]["items"].as_array().context("methods")?.clone();
    let cards = account.simulator_account == worldpay_direct().simulator_account;
    let method = of_provider
        .iter()
        .filter(|one| one["pspType"] == provider.psp_type)
        .find(|one| one.to_string().contains("\"direct\"") == cards);
    let path = format!("/payment-methods/{}", method.context("a method")?["id"].as_str().unwrap_or_default());
    let set = hands.client.manage("PATCH", &path, Some(json!({"config": account.config}))).await?;
    ensure!(set.status == 200, "{} {}", set.status, set.body);
    let name =
        account.simulator_account.replace("{apiKey}", &planted[0]).replace('/', "%2F").replace('+', "%2B").replace('=', "%3D");
    let mut settings = account.simulator;
    if let Some(callback_url) = set.body["data"]["callbackUrl"].as_str() {
        settings["callbackUrl"] = json!(callback_url);
        search.plant(callback_url.rsplit('/').next().unwrap_or_default());
    }
    let known = hands.client.control("PUT", &format!("/{}/accounts/{name}", provider.name), Some(settings)).await?;
    ensure!(known.status == 200, "{} {}", known.status, known.body);
    let answer = hands.client.cashier(&provider.pay_in(next(), "100.00")).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    // And the mirror works: what a stranger sends comes back, in each form, and is found.
    let card = format!("{PAN} {}", CVV_AS_SENT.join(" ")).into_bytes();
    for form in FORMS {
        set_echo(&hands, provider, json!({ "form": form })).await?;
        let url = format!("{}/{}/api/anything", hands.client.simulator, provider.name);
        let basic = format!("Basic {}", STANDARD_NO_PAD.encode(format!("user:{MARK}/x")));
        let echoed =
            hands.client.send("POST", &url, &[("authorization", &basic), ("x-api-key", MARK)], Some(card.clone())).await?;
        for sent in [MARK, PAN].into_iter().chain(CVV_AS_SENT) {
            ensure!(is_in(sent, &echoed.bytes), "{form}: no {sent} in {}", String::from_utf8_lossy(&echoed.bytes));
        }
    }
    set_echo(&hands, provider, Value::Null).await
}

fn texts_of(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Object(members) => members.values().for_each(|value| texts_of(value, texts)),
        _ => {}
    }
}

async fn set_echo(hands: &Hands, provider: Provider, echo: Value) -> Result<()> {
    let set = hands.client.control("PUT", &format!("/{}/settings", provider.name), Some(json!({ "echo": echo }))).await?;
    ensure!(set.status == 200, "{}", set.body);
    Ok(())
}

/// Vouchers are spent once.
fn next() -> u32 {
    static SERIAL: AtomicU32 = AtomicU32::new(1);
    SERIAL.fetch_add(1, Ordering::Relaxed)
}

/// Where and how it comes back: place, status, and the amount whose last digits choose what the provider says beside it.
const PLACES: [(&str, u16, &str); 6] = [
    ("text", 400, "100.00"),
    ("error", 400, "100.00"),
    ("within", 0, "100.01"),
    ("text", 500, "100.00"),
    ("error", 200, "100.00"),
    ("within", 0, "100.00"),
];

/// What is kept of a provider's text is shorter than a request: of a card's it begins here, so that what is kept is the card.
fn parts_of_a_card(provider: &Provider) -> &'static [&'static str] {
    match (provider.name, provider.pay_in(0, "100.00").contains(PAN)) {
        ("worldpay", true) => &["<cardNumber>", "<cardHolderName>", "/cardHolderName><cvc>"],
        ("emerchantpay", _) => &["<card_holder>", "<card_number>", "<cvv>"],
        _ => &[],
    }
}

async fn echoes(hands: Hands, search: Search, provider: Provider) -> Result<()> {
    let parts = parts_of_a_card(&provider);
    let mut said: Vec<(String, Vec<u8>)> = Vec::new();
    for (number, form) in FORMS.into_iter().enumerate() {
        // Three of them each, so that each form is in each place; a card's are in all.
        let mut places: Vec<_> = PLACES.into_iter().enumerate().collect();
        if parts.is_empty() {
            places.retain(|(turn, _)| turn / 3 == number % 2);
        }
        for (turn, (place, http, amount)) in places {
            let mut echo =
                if http == 0 { json!({"form": form, "as": place}) } else { json!({"form": form, "as": place, "http": http}) };
            // Each form and each place with each part.
            if let Some(part) = parts.get((number / 2 + turn) % 3) {
                echo["from"] = json!(part);
            }
            set_echo(&hands, provider, echo.clone()).await?;
            let body = provider
                .pay_in(next(), amount)
                .replace("John Doe", HOLDER)
                .replace("\"expYear\":\"2030\"", "\"expYear\":\"2035\"")
                .replace("\"cvv\":\"123\"", &format!("\"cvv\":\"{CVV}\""));
            let card = body.contains(PAN);
            ensure!(!card || body.contains(CVV_AS_SENT[2]), "the CVV is not sent: {body}");
            if let Some((_, pin)) = body.split_once("\"voucherPin\":\"") {
                search.plant(&pin[..16]);
            }
            let answer = hands.client.cashier(&body).await?;
            let row = format!("{} {form} {place} {http} {amount} {:?}", provider.name, echo["from"]);
            // Three digits: as a word of what the provider said.
            ensure!(!card || !has_word(&answer.body, CVV), "the CVV: {row}: {}", answer.body);
            let id = answer.text("/transaction/transactionId").to_owned();
            said.push((format!("an answer: {row}"), answer.bytes));
            if !id.is_empty() {
                hands.client.manage("POST", &format!("/transactions/{id}/inquire"), Some(json!({}))).await?;
                let shown = hands.managed(&id).await?;
                ensure!(!card || !has_word(&shown, CVV), "the CVV: a timeline: {row}: {shown}");
                said.push((format!("a timeline: {row}"), shown.to_string().into_bytes()));
            }
        }
    }
    let methods = hands.client.manage("GET", "/payment-methods?limit=200", None).await?;
    for method in methods.body["data"]["items"].as_array().into_iter().flatten().filter(|one| one["pspType"] == provider.psp_type)
    {
        let path = format!("/payment-methods/{}/test", method["id"].as_str().unwrap_or_default());
        said.push((format!("a test of {}", provider.name), hands.client.manage("POST", &path, None).await?.bytes));
    }
    set_echo(&hands, provider, Value::Null).await?;
    let tokens = told_tokens(&hands, provider).await?;
    ensure!(!tokens.is_empty() || !TOLD_PER_PAYMENT.contains(&provider.name), "no callback address was seen");
    tokens.iter().for_each(|token| search.plant(token));
    for (place, bytes) in said {
        search.of(&place, &bytes);
    }
    Ok(())
}

/// Providers that are told where to call back with each payment.
const TOLD_PER_PAYMENT: [&str; 5] = ["brite", "cleo", "emerchantpay", "neosurf", "payone"];

/// Whether the word stands in any text of the document.
fn has_word(value: &Value, word: &str) -> bool {
    match value {
        Value::String(text) => unescaped(&unescaped(text)).split(|c: char| !c.is_ascii_alphanumeric()).any(|one| one == word),
        Value::Array(items) => items.iter().any(|item| has_word(item, word)),
        Value::Object(members) => members.values().any(|value| has_word(value, word)),
        _ => false,
    }
}

async fn search_everywhere(world: &World, search: &Search, logs: &Path) -> Result<()> {
    search.of("the metrics", &world.client.read("/metrics").await?.bytes);
    for status in ["Approved", "Declined", "Failed", "Pending"] {
        let page = world.client.read(&format!("/v1/api/mozarto/transactions?limit=200&transaction_status={status}")).await?;
        search.of("a list", &page.bytes);
    }
    let webhooks = world.sink.received();
    ensure!(!webhooks.is_empty(), "no webhook came");
    for webhook in webhooks {
        ensure!(!has_word(&webhook.body, CVV), "the CVV: a webhook: {}", webhook.body);
        search.of("a webhook", webhook.body.to_string().as_bytes());
    }
    // The simulators' own store has the credentials by right, sealed.
    for entry in std::fs::read_dir(world.data())? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_file() && name.starts_with("mozarto.db") {
            search.of(&name, &std::fs::read(&path)?);
        }
    }
    let log = std::fs::read(logs.join("trace.log")).context("the log")?;
    ensure!(log.len() > 1_000_000, "{} bytes are no TRACE log", log.len());
    search.of("the log", &log);
    Ok(())
}
