//! Callbacks, altered in every byte: what none of them may prove.

use crate::api::{CallbackOutcome, Lost, Reply, Step, Task};
use crate::testing::{World, folder, is_final};
use crate::{Provider, all};
use domain::Operation;

pub(super) type Headers = Vec<(String, String)>;

/// A good callback of the provider: header lines, an empty line, the body.
pub(super) fn good_callback(provider: &dyn Provider) -> Option<(Headers, Vec<u8>)> {
    let text = std::fs::read_to_string(folder(provider).join("fixtures/callback.http")).ok()?;
    let (headers, body) = text.split_once("\n\n").unwrap();
    let headers =
        headers.lines().map(|line| line.split_once(": ").unwrap()).map(|(name, value)| (name.to_owned(), value.to_owned()));
    Some((headers.collect(), body.trim_end().as_bytes().to_vec()))
}

/// What stands in the place of an altered byte, or between two: what parts fields and escapes them in every form, digits that
/// move an amount, letters.
const STRANGE: &[u8] = b"019aZ&=+%;\",:}\0\xff";

/// One in so many alterations is also read as it is before the transaction is known.
const UNLOCATED_EVERY: usize = 16;

/// Each byte of a text replaced, taken out, doubled, moved behind its neighbour, or with another in front of it; the text cut at
/// either end.
fn altered(text: &[u8]) -> Vec<Vec<u8>> {
    let spliced = |at: usize, taken: usize, put: &[u8]| [&text[..at], put, &text[at + taken..]].concat();
    let mut all = Vec::new();
    for (at, byte) in text.iter().enumerate() {
        let flipped = [1, 0x20, 0x80].map(|bit| byte ^ bit);
        for other in flipped.iter().chain(STRANGE).filter(|other| *other != byte) {
            all.push(spliced(at, 1, &[*other]));
        }
        all.extend(STRANGE.iter().map(|other| spliced(at, 0, &[*other])));
        all.extend([spliced(at, 1, b""), spliced(at, 0, &[*byte]), text[..at].to_vec(), text[at..].to_vec()]);
        if let Some(next) = text.get(at + 1) {
            all.push(spliced(at, 2, &[*next, *byte]));
        }
    }
    all.extend(STRANGE.iter().map(|other| spliced(text.len(), 0, &[*other])));
    all
}

/// The same callback with one header altered, left out, renamed, or there twice with two values.
fn altered_headers(headers: &Headers) -> Vec<Headers> {
    let mut all = Vec::new();
    for index in 0..headers.len() {
        let with = |value: String| {
            let mut other = headers.clone();
            other[index].1 = value;
            other
        };
        let values = altered(headers[index].1.as_bytes()).into_iter().filter_map(|value| String::from_utf8(value).ok());
        for other in values.map(with) {
            let mut twice = other.clone();
            twice.insert(index + 1, headers[index].clone());
            all.extend([other, twice]);
        }
        let (mut without, mut renamed) = (headers.clone(), headers.clone());
        without.remove(index);
        renamed[index].0.push('x');
        all.extend([without, renamed]);
    }
    all
}

/// Hints that were looked at, and what each proves.
type Seen = std::collections::BTreeMap<String, Option<String>>;

/// What a callback leads to where the provider cannot be asked: the ending that it proves by itself, taken at once or as a hint
/// that is believed; `None`: none.
fn proven_by_itself(world: &mut World, seen: &mut Seen, outcome: CallbackOutcome) -> Option<String> {
    let ending = |finding: &crate::Finding| {
        let shown = format!("{:?} {} {:?}", finding.standing, finding.status, finding.psp_transaction_id);
        is_final(finding.standing).then_some(shown)
    };
    match outcome {
        CallbackOutcome::Fact(finding) => ending(&finding),
        CallbackOutcome::Hint(hint) => seen
            .entry(hint.to_text())
            .or_insert_with(|| {
                world.hint = Some(hint);
                let (memo, id) = (world.memo.clone(), world.psp_transaction_id.clone());
                let (_, end) = world.run_with(Task::Inquire, |_, _| Reply::Lost(Lost::TimedOut));
                (world.memo, world.psp_transaction_id, world.hint) = (memo, id, None);
                if let Step::Found(finding) = end { ending(&finding) } else { None }
            })
            .clone(),
        CallbackOutcome::Ignore | CallbackOutcome::Anomaly(_) => None,
    }
}

/// Whether a form still says the same: the letters of a digest in another case, another escape and Trust's
/// `notificationreference`, which its hash leaves out, are all that may differ.
fn says_the_same(body: &[u8], good: &[u8]) -> bool {
    let counts = |(name, _): &(String, String)| name != "notificationreference";
    let pairs = |body| url::form_urlencoded::parse(body).into_owned().filter(counts).collect::<Vec<_>>();
    let (ours, theirs) = (pairs(good), pairs(body));
    let is_digest = |text: &str| text.len() >= 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let same = |((name, good), (other, value)): (&(String, String), &(String, String))| {
        name == other && (good == value || (is_digest(good) && good.eq_ignore_ascii_case(value)))
    };
    ours.len() == theirs.len() && ours.iter().zip(&theirs).all(same)
}

#[test]
fn altered_callbacks_prove_nothing() {
    for provider in all() {
        let callbacks = provider.descriptor().callbacks;
        let name = provider.descriptor().name;
        let Some((headers, body)) = good_callback(*provider) else {
            assert!(!callbacks.per_transaction && !callbacks.per_account, "{name} has no callback fixture");
            let reading = World::new(*provider, Operation::PayIn).callback(&[], b"{}", true);
            assert_eq!(reading.answer.status, 404);
            continue;
        };
        let mut world = World::open(*provider, Operation::PayIn);
        let good = world.callback(&headers, &body, true);
        assert_eq!(good.answer.status, 200);
        assert!(!matches!(good.outcome, CallbackOutcome::Ignore | CallbackOutcome::Anomaly(_)), "the fixture is a good one");
        let mut seen = Seen::new();
        let meant = proven_by_itself(&mut world, &mut seen, good.outcome);
        let bodies = altered(&body).into_iter().map(|body| (headers.clone(), body));
        let alterations = bodies.chain(altered_headers(&headers).into_iter().map(|headers| (headers, body.clone())));
        for (index, (headers, altered)) in alterations.enumerate() {
            // An account's token: read without the transaction first, to find it, then with it, which is what counts.
            let unlocated = callbacks.per_account && index % UNLOCATED_EVERY == 0;
            for known in [true, false].into_iter().filter(|known| *known || unlocated) {
                let reading = world.callback(&headers, &altered, known);
                if let Some(said) = proven_by_itself(&mut world, &mut seen, reading.outcome) {
                    let shown = format!("{name}: {headers:?} {}", String::from_utf8_lossy(&altered));
                    assert_eq!(Some(&said), meant.as_ref(), "{shown}");
                    assert!(says_the_same(&altered, &body), "not proven any more: {shown}");
                }
            }
        }
    }
}
