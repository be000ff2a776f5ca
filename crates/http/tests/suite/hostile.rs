//! Bodies and queries that nobody would send on purpose: whatever comes, the answer is one of the documented ones (reliability
//! D9).

use crate::platform::{EVENTS, PAY_IN, Platform, TRANSACTIONS};
use crate::wire::{Answer, Peer};
use domain::Json;

/// Bodies that are tried.
const BODIES: u32 = 1_500;
/// Pieces that are put into a good body.
const PIECES: [&[u8]; 22] = [
    b"\0",
    b"\\u0000",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"\\ud800",
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"null",
    b"-1",
    b"1e999",
    b"0.00000000000000000000000000001",
    b"99999999999999999999999999",
    b"\"\"",
    b"\xe2\x80\xae",
    b"true",
    b" ",
];

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap_or_default() % bound
    }
}

/// A good body with one to three things done to it.
fn spoilt(dice: &mut Dice) -> Vec<u8> {
    let mut body = PAY_IN.as_bytes().to_vec();
    for _ in 0..=dice.below(3) {
        let at = dice.below(body.len());
        let end = (at + dice.below(24)).min(body.len());
        match dice.below(5) {
            0 => drop(body.drain(at..end)),
            1 => body[at] ^= 1 << dice.below(8),
            2 => drop(body.splice(at..end, PIECES[dice.below(PIECES.len())].iter().copied())),
            3 => drop(body.splice(at..at, PIECES[dice.below(PIECES.len())].iter().copied())),
            _ => {
                let again = body[at..end].to_vec();
                body.splice(at..at, again);
            }
        }
        if body.is_empty() {
            break;
        }
    }
    body
}

async fn ask(peer: &mut Peer, head: &str, body: &[u8]) -> Answer {
    let mut request = format!("{head}content-length: {}\r\n\r\n", body.len()).into_bytes();
    request.extend_from_slice(body);
    peer.send(&request).await;
    peer.answer().await.unwrap_or_else(|| panic!("no answer to {:?}", String::from_utf8_lossy(body)))
}

fn assert_documented(answer: &Answer, statuses: &[u16], sent: &[u8]) {
    let sent = String::from_utf8_lossy(sent);
    assert!(statuses.contains(&answer.status), "{sent}: {answer:?}");
    let json = answer.json();
    assert_eq!(json.get("isSuccess").and_then(Json::as_bool), Some(answer.status == 200), "{sent}: {answer:?}");
    assert!(json.str_at("message").is_some_and(|message| !message.is_empty()), "{sent}: {answer:?}");
    if answer.status != 200 {
        assert!(json.get("errors").and_then(Json::as_array).is_some(), "{sent}: {answer:?}");
    }
}

#[tokio::test]
async fn no_body_is_our_error() {
    let platform = Platform::start().await;
    let call = platform.cashier("").text();
    let head = call.split("content-length").next().unwrap().replace("connection: close\r\n", "");
    let mut peer = platform.server.connect().await;
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut refused = 0;
    for _ in 0..BODIES {
        let body = spoilt(&mut dice);
        let answer = ask(&mut peer, &head, &body).await;
        assert_documented(&answer, &[200, 400], &body);
        refused += u32::from(answer.status == 400);
    }
    assert!(refused > BODIES / 2 && refused < BODIES, "{refused} of {BODIES} were refused");
}

#[tokio::test]
async fn no_query_is_our_error() {
    let platform = Platform::start().await;
    platform.paid(PAY_IN).await;
    let names =
        ["limit", "cursor", "after", "from", "to", "type", "pspType", "transaction_status", "userId", "merchantReference", "x"];
    let values = [
        "",
        "0",
        "1",
        "200",
        "201",
        "-1",
        "1e3",
        "%00",
        "%ff",
        "%ED%A0%80",
        "a%20b",
        "%F0%9F%92%B0",
        "PAYIN",
        "PAYONE",
        "Pending",
        "user_123",
        "2026-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "-9999-01-01T00:00:00Z",
        "evt_0123456789abcdef01234567",
        "0123456789abcdef01234567",
        "'--",
    ];
    let mut peer = platform.server.connect().await;
    let mut dice = Dice(77);
    for _ in 0..600 {
        let parameters: Vec<String> = (0..=dice.below(3))
            .map(|_| format!("{}={}", names[dice.below(names.len())], values[dice.below(values.len())]))
            .collect();
        let path = format!("{}?{}", [TRANSACTIONS, EVENTS][dice.below(2)], parameters.join("&"));
        let call = platform.get(&path).text().replace("connection: close\r\n", "");
        peer.send(call.as_bytes()).await;
        let answer = peer.answer().await.unwrap_or_else(|| panic!("no answer to {path}"));
        assert_documented(&answer, &[200, 400, 404], path.as_bytes());
    }
}
