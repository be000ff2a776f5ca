//! The order of checks (Cashier API, section 3): of any two faults, the earlier one is told; and what is known by then.

use super::super::{Ambiguous, Crowded, NoDocument, NotAdmitted, Problem};
use super::{Call, Way, World, user_token};
use crate::auth::AuthError;
use crate::shares::Full;

/// How a fault is put into a call.
type Put<'a> = Box<dyn Fn(Call) -> Call + 'a>;

/// What one call can have wrong with it.
struct Fault<'a> {
    name: &'static str,
    /// Whether this tells it.
    told: fn(&NotAdmitted) -> bool,
    put: Put<'a>,
}

/// The faults of one place in the order, which stand in for each other.
struct Rank<'a> {
    /// Whether the company is known when one of them is found.
    company: bool,
    /// Whether the fields that nobody reads are.
    warning: bool,
    faults: Vec<Fault<'a>>,
}

fn fault<'a>(name: &'static str, told: fn(&NotAdmitted) -> bool, put: impl Fn(Call) -> Call + 'a) -> Fault<'a> {
    Fault { name, told, put: Box::new(put) }
}

fn unauthorized(why: &NotAdmitted) -> bool {
    matches!(why, NotAdmitted::Auth { error: AuthError::Unauthorized, .. })
}

fn forbidden(why: &NotAdmitted) -> bool {
    matches!(why, NotAdmitted::Auth { error: AuthError::Forbidden, challenge: None })
}

/// Before the company is known, and what its token may do.
fn of_the_caller(world: &World) -> Vec<Rank<'_>> {
    let no_token = fault("no token", unauthorized, |call| Call { authorization: Some(Ok(None)), ..call });
    let strange =
        fault("another's token", unauthorized, |call| Call { authorization: Some(Ok(Some("Bearer x.y.z".into()))), ..call });
    let twice = fault("two tokens", unauthorized, |call| Call { authorization: Some(Err(Ambiguous)), ..call });
    let turned_away = |why: &NotAdmitted| matches!(why, NotAdmitted::TurnedAway);
    let away = fault("the line stands", turned_away, |call| Call { engine: world.overloaded.clone(), ..call });
    let reads = fault("no scope that pays", forbidden, |call| Call { token: world.reader.clone(), ..call });
    let crowded = |why: &NotAdmitted| matches!(why, NotAdmitted::Crowded(Crowded::Rate { again_s: 7 }));
    let rate = fault("too often", crowded, |call| Call { way: Way::Rate, ..call });
    vec![
        Rank { company: false, warning: false, faults: vec![away] },
        Rank { company: false, warning: false, faults: vec![no_token, strange, twice] },
        Rank { company: true, warning: false, faults: vec![reads] },
        Rank { company: true, warning: false, faults: vec![rate] },
    ]
}

/// Before the body means anything.
fn of_the_headers() -> Vec<Rank<'static>> {
    let media = |why: &NotAdmitted| matches!(why, NotAdmitted::MediaType);
    let no_key = |why: &NotAdmitted| matches!(why, NotAdmitted::NoKey(_));
    let other_body = |why: &NotAdmitted| matches!(why, NotAdmitted::KeyOfAnotherBody);
    let keys = vec![
        fault("key of another body", other_body, |call| Call { key: Ok(Some("used".into())), ..call }),
        fault("bad key", no_key, |call| Call { key: Ok(Some("a b".into())), ..call }),
        fault("two keys", no_key, |call| Call { key: Err(Ambiguous), ..call }),
    ];
    vec![
        Rank {
            company: true,
            warning: false,
            faults: vec![fault("not JSON by its type", media, |call| Call { is_json: false, ..call })],
        },
        Rank { company: true, warning: false, faults: keys },
    ]
}

/// The document, and which provider it means.
fn of_the_document(world: &World) -> Vec<Rank<'_>> {
    let not_json = |why: &NotAdmitted| matches!(why, NotAdmitted::Body(NoDocument::NotJson));
    let no_object = |why: &NotAdmitted| matches!(why, NotAdmitted::Body(NoDocument::NotAnObject));
    let malformed = fault("malformed", not_json, |call| call.body(r#""userId""#, "userId"));
    let list = fault("a list", no_object, |call| Call { body: format!("[{}]", call.body), ..call });
    let unknown = |why: &NotAdmitted| matches!(why, NotAdmitted::Unclear { first: Problem::UnknownPspType(_), other: None });
    let missing = |why: &NotAdmitted| matches!(why, NotAdmitted::Unclear { first: Problem::Missing("type"), other: None });
    let full = |why: &NotAdmitted| matches!(why, NotAdmitted::Crowded(Crowded::Places(Full::Share)));
    let out = fault("no scope for it", forbidden, |call| {
        // A token that may not pay at all stays the worse one.
        let token = if call.token == world.reader { call.token } else { world.payer_out.clone() };
        Call { token, ..call }
    });
    let full = fault("no place at the provider", full, |call| {
        let way = if matches!(call.way, Way::Free) { Way::Places(world.full_provider.clone()) } else { call.way };
        Call { way, ..call }
    });
    vec![
        Rank { company: true, warning: false, faults: vec![malformed, list] },
        Rank { company: true, warning: false, faults: vec![out] },
        Rank {
            company: true,
            warning: false,
            faults: vec![
                fault("unknown provider", unknown, |call| call.body("TRUST", "NOPE")),
                fault("no type", missing, |call| call.body(r#""type":"PAYIN","#, "")),
            ],
        },
        Rank { company: true, warning: true, faults: vec![full] },
    ]
}

/// The user and the fields.
fn of_the_rest() -> Vec<Rank<'static>> {
    let wrong_user = |why: &NotAdmitted| matches!(why, NotAdmitted::WrongUser);
    let card = |why: &NotAdmitted| matches!(why, NotAdmitted::CardData { keys, .. } if *keys == ["card"]);
    let missing = |why: &NotAdmitted| matches!(why, NotAdmitted::Fields(problems) if problems.missing == ["baseamount"]);
    let invalid = |why: &NotAdmitted| matches!(why, NotAdmitted::Fields(problems) if problems.invalid.len() == 1);
    let users = vec![
        fault("no user", unauthorized, |call| Call { user_token: Ok(None), ..call }),
        fault("two users", unauthorized, |call| Call { user_token: Err(Ambiguous), ..call }),
        fault("another user", wrong_user, |call| Call { user_token: Ok(Some(user_token("user_2", None))), ..call }),
    ];
    let card = fault("card data", card, |call| call.body("{", r#"{"card":{"number":"4111111111111111"},"#));
    let fields = vec![
        fault("a field missing", missing, |call| call.body(r#""baseamount":100,"#, "")),
        fault("a field invalid", invalid, |call| call.body("EUR", "EURO")),
    ];
    vec![
        Rank { company: true, warning: true, faults: users },
        Rank { company: true, warning: true, faults: vec![card] },
        Rank { company: true, warning: true, faults: fields },
    ]
}

async fn refused(call: &Call) -> NotAdmitted {
    call.admit().await.outcome.err().expect("a fault was passed over")
}

#[tokio::test]
async fn of_two_faults_the_earlier_one_is_told_and_what_was_known_by_then() {
    let world = World::new().await;
    let first = Call { key: Ok(Some("used".into())), ..world.call() }.body("100", "100.0");
    let begun = first.admit().await.outcome.unwrap_or_else(|why| panic!("{why:?}"));
    assert_eq!(world.engine.pay(begun).await.status, 200);
    let mut ranks = of_the_caller(&world);
    ranks.extend(of_the_headers());
    ranks.extend(of_the_document(&world));
    ranks.extend(of_the_rest());
    let mut pairs = 0;
    for (place, rank) in ranks.iter().enumerate() {
        for earlier in &rank.faults {
            let admission = (earlier.put)(world.call()).admit().await;
            let known = (admission.company.is_some(), admission.warning.is_some());
            assert_eq!(known, (rank.company, rank.warning), "{}: what is known", earlier.name);
            let why = admission.outcome.err().unwrap_or_else(|| panic!("{} was passed over", earlier.name));
            assert!((earlier.told)(&why), "{} alone: {why:?}", earlier.name);
            for later in ranks[place + 1..].iter().flat_map(|rank| &rank.faults) {
                // Without a type nobody can say which scope is needed.
                if (earlier.name, later.name) == ("no scope for it", "no type") {
                    continue;
                }
                let why = refused(&(later.put)((earlier.put)(world.call()))).await;
                assert!((earlier.told)(&why), "{} and {}: {why:?}", earlier.name, later.name);
                pairs += 1;
            }
        }
    }
    assert!(pairs > 200, "{pairs} pairs");
    assert_eq!(world.transactions().await, 1, "whoever is refused leaves nothing");
}
