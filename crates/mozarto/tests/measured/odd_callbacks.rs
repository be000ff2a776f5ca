//! Callbacks in odd bytes, of all ten providers: they are read or asked about; none is taken and then forgotten.

use crate::dressing::resident_peak_kib;
use crate::short_callbacks::{Says, account_address, callback, events, nobody, open};
use crate::ten::{ALL, Provider};
use anyhow::{Context, Result, ensure};
use aws_lc_rs::digest::{SHA256, SHA512, digest};
use aws_lc_rs::hmac;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;
use testkit::table::Table;
use testkit::world::{Hands, World};

const LIMIT: Duration = Duration::from_secs(40);
/// The schedule asks after 10 s for the first time.
const BEFORE_THE_SCHEDULE: Duration = Duration::from_secs(9);
/// `é` in ISO-8859-1: no UTF-8.
const ODD_BYTE: u8 = 0xe9;
/// Stands for [`ODD_BYTE`] in a text.
const PLACE: char = '\u{1}';
/// What a process may grow by while bombs of 1 GiB are sent to it, KiB.
const GROWTH_MAX_KIB: u64 = 96 * 1024;
const MIB: usize = 1 << 20;

/// A callback as it goes over the wire.
struct Raw {
    url: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Raw {
    async fn send(self, hands: &Hands) -> Result<u16> {
        let headers: Vec<(&str, &str)> = self.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Ok(hands.client.send("POST", &self.url, &headers, Some(self.body)).await?.status)
    }

    fn sign_as_payone(&mut self) {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"payone-demo-key-0001");
        self.headers.push(("x-signature", hex::encode(hmac::sign(&key, &self.body))));
    }
}

async fn world() -> World {
    // The schedule begins after 10 s: what is found at once is found because of the callback.
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &[], |options| options).await.expect("a sandbox");
    for provider in ALL {
        let drop = json!({"dropCallbacks": true});
        world.client.control("PUT", &format!("/{}/settings", provider.name), Some(drop)).await.expect("settings");
    }
    world
}

/// Open, and paid at the provider, which tells nobody; and the callback that tells of it.
async fn paid(hands: &Hands, provider: Provider) -> Result<(String, Raw)> {
    let open = open(hands, provider).await?;
    let paid = hands.client.control("POST", &format!("/{}/{}/approve", provider.name, open.id), None).await?;
    ensure!(paid.status == 200, "{} {}", paid.status, paid.body);
    let sent = callback(hands, provider, &open, Says::IdAndStatus).await?;
    // Gigadat names the transaction in the address as well.
    let query =
        if provider.name == "gigadat" { format!("?transaction={}&status=STATUS_SUCCESS", open.id) } else { String::new() };
    let headers = vec![("content-type", sent.content_type.to_owned())];
    Ok((open.id, Raw { url: format!("{}{query}", sent.url), headers, body: sent.body.into_bytes() }))
}

/// Whether the inquiry that found it was made because of a callback.
async fn by_callback(hands: &Hands, id: &str) -> Result<bool> {
    let events = events(hands, id).await?;
    let approved = events.iter().find(|event| event["to"] == "Approved").context("no approval")?;
    Ok(approved["detail"]["by"] == "callback")
}

// --- a byte of another character set ----------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_of_another_character_set_loses_nothing() {
    let world = world().await;
    let mut table = Table::with_at_once("a byte of ISO-8859-1", 10);
    for provider in ALL {
        match provider.name {
            "flexepin" => table.row("flexepin calls nobody", nobody(world.hands())),
            name => table.row(name, odd_byte(world.hands(), provider)),
        }
    }
    table.end().await;
}

/// In a field that decides nothing; rightly signed over the bytes, where a provider signs them.
async fn odd_byte(hands: Hands, provider: Provider) -> Result<()> {
    let (id, mut raw) = paid(&hands, provider).await?;
    let text = String::from_utf8(std::mem::take(&mut raw.body))?;
    let text = match provider.name {
        "neosurf" => {
            signed(&text, "hash", "methodLabel", |bytes| hex::encode(digest(&SHA512, bytes)), "neosurf-demo-secret-0001")
        }
        "trust" => {
            let hash = |bytes: &[u8]| hex::encode(digest(&SHA256, bytes));
            signed(&text, "responsesitesecurity", "paymenttypedescription", hash, "trust-demo-password-0001")
        }
        "emerchantpay" => format!("{text}&card_holder=Ren{PLACE}"),
        "worldpay" => text.replace("<payment>", &format!("<payment><cardHolderName>Ren{PLACE}</cardHolderName>")),
        _ => format!("{},\"payerName\":\"Ren{PLACE}\"}}", text.strip_suffix('}').context("no object")?),
    };
    raw.body = in_bytes(&text);
    ensure!(std::str::from_utf8(&raw.body).is_err());
    if provider.name == "payone" {
        raw.sign_as_payone();
    }
    let status = raw.send(&hands).await?;
    ensure!(status == 200, "{status}");
    hands.client.wait_for(&id, &["Approved"], BEFORE_THE_SCHEDULE).await?;
    // XML in a character set that it does not name cannot be read: every open pay-in of the account is asked about.
    ensure!(
        provider.name == "worldpay" || by_callback(&hands, &id).await?,
        "taken, and nobody was asked: {:?}",
        events(&hands, &id).await?
    );
    Ok(())
}

fn in_bytes(text: &str) -> Vec<u8> {
    text.bytes().map(|byte| if byte == PLACE as u8 { ODD_BYTE } else { byte }).collect()
}

/// The form with a further field, signed anew over the bytes.
fn signed(form: &str, hash_name: &str, field: &str, hash: impl Fn(&[u8]) -> String, secret: &str) -> String {
    let mut pairs: Vec<(String, String)> = form
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .filter(|(name, _)| *name != hash_name)
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    pairs.push((field.to_owned(), format!("Ren{PLACE}")));
    pairs.sort();
    let joined: String = pairs.iter().map(|(_, value)| value.as_str()).chain([secret]).collect();
    pairs.push((hash_name.to_owned(), hash(&in_bytes(&joined))));
    pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

// --- dresses that nobody sees through ---------------------------------------------------------

/// A dress that hides what a callback says.
#[derive(Debug, Clone, Copy)]
enum Dress {
    Bomb,
    BombTwice,
    TwoMarks,
    MarkInside,
    SaysBr,
    Utf16 { big: bool, header: bool },
}

const DRESSES: [Dress; 9] = [
    Dress::Bomb,
    Dress::BombTwice,
    Dress::TwoMarks,
    Dress::MarkInside,
    Dress::SaysBr,
    Dress::Utf16 { big: false, header: true },
    Dress::Utf16 { big: false, header: false },
    Dress::Utf16 { big: true, header: true },
    Dress::Utf16 { big: true, header: false },
];

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_that_cannot_be_read_has_the_provider_asked() {
    // Made before anything waits for its time.
    let bombs = tokio::task::spawn_blocking(Bombs::new).await.expect("bombs").expect("bombs");
    let world = world().await;
    let process = world.sandbox.process_id().expect("a process");
    let mut table = Table::new("warming up");
    for provider in ALL.into_iter().filter(|provider| provider.name != "flexepin") {
        let hands = world.hands();
        table.row(provider.name, async move { hidden(hands, provider, Dress::TwoMarks, None).await });
    }
    table.end().await;
    let before = resident_peak_kib(process);
    let mut table = Table::with_at_once("dressed callbacks", 24);
    for provider in ALL {
        if provider.name == "flexepin" {
            table.row("flexepin calls nobody", nobody(world.hands()));
            continue;
        }
        for dress in DRESSES {
            table.row(format!("{}: {dress:?}", provider.name), hidden(world.hands(), provider, dress, Some(bombs.clone())));
        }
    }
    table.end().await;
    let after = resident_peak_kib(process);
    assert!(after < before + GROWTH_MAX_KIB, "bombs were unpacked: {before} KiB at most before, {after} KiB after");
}

fn packed(body: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body)?;
    Ok(encoder.finish()?)
}

/// Blanks, compressed: few enough bytes to be taken.
#[derive(Clone)]
struct Bombs {
    /// 32 MiB.
    once: Arc<[u8]>,
    /// 1 GiB, compressed twice.
    twice: Arc<[u8]>,
}

impl Bombs {
    fn new() -> Result<Self> {
        let blanks = |mib: usize| -> Result<Vec<u8>> {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            let block = vec![b' '; MIB];
            for _ in 0..mib {
                encoder.write_all(&block)?;
            }
            Ok(encoder.finish()?)
        };
        Ok(Self { once: blanks(32)?.into(), twice: packed(&blanks(1 << 10)?)?.into() })
    }
}

fn put_on(raw: &mut Raw, dress: Dress, bombs: Option<Bombs>) -> Result<()> {
    let text = String::from_utf8(std::mem::take(&mut raw.body))?;
    let encoding = |says: &str| ("content-encoding", says.to_owned());
    match dress {
        Dress::Bomb => {
            raw.body = bombs.context("no bombs")?.once.to_vec();
            raw.headers.push(encoding("gzip"));
        }
        Dress::BombTwice => {
            raw.body = bombs.context("no bombs")?.twice.to_vec();
            raw.headers.push(encoding("gzip, gzip"));
        }
        Dress::TwoMarks => raw.body = format!("\u{feff}\u{feff}{text}").into_bytes(),
        Dress::MarkInside => raw.body = format!("{}\u{feff}{}", &text[..1], &text[1..]).into_bytes(),
        Dress::SaysBr => {
            raw.body = packed(text.as_bytes())?;
            raw.headers.push(encoding("br"));
        }
        Dress::Utf16 { big, header } => {
            let units = std::iter::once(0xFEFF).chain(text.encode_utf16());
            raw.body = units.flat_map(|unit| if big { u16::to_be_bytes(unit) } else { u16::to_le_bytes(unit) }).collect();
            if header {
                raw.headers[0].1.push_str("; charset=UTF-16");
            }
        }
    }
    Ok(())
}

async fn hidden(hands: Hands, provider: Provider, dress: Dress, bombs: Option<Bombs>) -> Result<()> {
    let (id, mut raw) = paid(&hands, provider).await?;
    put_on(&mut raw, dress, bombs)?;
    if provider.name == "payone" {
        raw.sign_as_payone();
    }
    let status = raw.send(&hands).await?;
    ensure!([200, 400, 401, 403, 413, 415].contains(&status), "{status}");
    hands.client.wait_for(&id, &["Approved"], LIMIT).await?;
    // What is refused is sent again by the provider. Worldpay's comes to an account's address, where so many that cannot be read
    // have the pay-ins asked about together, now and then.
    if provider.name != "worldpay" && status == 200 {
        ensure!(by_callback(&hands, &id).await?, "taken, and nobody was asked: {:?}", events(&hands, &id).await?);
    }
    Ok(())
}

// --- an account's address ---------------------------------------------------------------------

/// Nothing that can be read says which transaction it is about: each that is open is asked about.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_at_an_accounts_address_has_its_pay_ins_asked_about() {
    let world = world().await;
    let mut table = Table::with_at_once("unreadable at an account's address", 10);
    for provider in ALL {
        match provider.name {
            "gigadat" | "trust" | "worldpay" => table.row(provider.name, at_the_account(world.hands(), provider)),
            // Refused, so that it comes again.
            "forumpay" => table.row("forumpay", refused_at_the_account(world.hands(), provider)),
            "flexepin" => table.row("flexepin calls nobody", nobody(world.hands())),
            // Callbacks of these come to a transaction's own address: the table before.
            _ => {}
        }
    }
    table.end().await;
}

async fn at_the_account(hands: Hands, provider: Provider) -> Result<()> {
    let (id, mut raw) = paid(&hands, provider).await?;
    raw.url = account_address(&hands, provider.psp_type).await?;
    put_on(&mut raw, Dress::Utf16 { big: false, header: false }, None)?;
    let status = raw.send(&hands).await?;
    ensure!(status == 200, "{status}");
    hands.client.wait_for(&id, &["Approved"], BEFORE_THE_SCHEDULE).await?;
    Ok(())
}

async fn refused_at_the_account(hands: Hands, provider: Provider) -> Result<()> {
    let (_, mut raw) = paid(&hands, provider).await?;
    raw.url = account_address(&hands, provider.psp_type).await?;
    put_on(&mut raw, Dress::Utf16 { big: false, header: false }, None)?;
    let status = raw.send(&hands).await?;
    ensure!(status == 400, "{status}");
    Ok(())
}
