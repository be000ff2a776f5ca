//! Direct orders: the card in the first submit, the outcome of a challenge in the second.

use super::api::{Asked, DETAILS, INVALID, Refusal, cut, direct_fault_before, document, new_machine, refusal};
use super::card::{Card, Wish};
use super::order::{AUTHORISED, Answered, CANCELLED, Challenge, ERROR, Order, REFUSED, key_of};
use super::told;
use super::xml::Element;
use crate::kit::{Error, Reply, Tx, random_letters, random_token, same_text};

const TRANSACTION_ID_LETTERS: usize = 20;

/// What the first submit leads to.
enum Course {
    /// A payment with this `lastEvent`, its return code, and an event that follows its notification.
    Paid(&'static str, Option<String>, Option<&'static str>),
    Challenge {
        cancels: bool,
        never_returns: bool,
    },
}

/// The first submit: transport faults come first, then published values, then the other digits.
pub(super) fn first(tx: &Tx<'_>, asked: &Asked<'_>, mut order: Order, details: &Element) -> Result<Reply, Error> {
    let card = match card(details) {
        Ok(card) => card,
        Err(refused) => return Ok(asked.error(Some(&order.code), &refused)),
    };
    let kept = match card.check(tx) {
        Ok(kept) => kept,
        Err(why) => return Ok(asked.error(Some(&order.code), &refusal(DETAILS, why))),
    };
    if let Some(fault) = direct_fault_before(&order) {
        return Ok(fault);
    }
    let course = course(order.scenario(), card.wish());
    order.card = Some(kept.clone());
    let key = key_of(&order.account, &order.code);
    tx.insert(&key, &[&order.code, &order.reference_id], &order)?;
    let (machine, cookie) = new_machine();
    let (word, code, then) = match course {
        Course::Paid(word, code, then) => (word, code, then),
        Course::Challenge { cancels, never_returns } => {
            let session = details.child("session").and_then(|session| session.attribute("id"));
            let challenge = Challenge {
                transaction_id: random_letters(TRANSACTION_ID_LETTERS),
                acs_url: format!("{}/acs", asked.call.base),
                payload: random_token(),
                session: session.map(str::to_owned),
                machine: tx.digest(&machine),
                cancels,
                never_returns,
                answered: None,
                closed: false,
                way_back: None,
            };
            tx.add_name(&challenge.transaction_id, &key)?;
            let answer = document(told::challenge(&order, &challenge)).header("set-cookie", &cookie);
            order.challenge = Some(challenge);
            tx.save(&key, &order)?;
            return Ok(answer);
        }
    };
    let index = order.add_payment(Some(&kept));
    order.payments[index].return_code = code;
    if word == AUTHORISED {
        order.make_token(tx, &kept)?;
    }
    let job = order.became(tx, &key, index, word, then)?;
    let answer = document(told::paid(&asked.account, &order, &order.payments[index])).header("set-cookie", &cookie);
    Ok(match order.scenario() {
        10 => answer.after(job.map(|job| tx.sent_once(job))),
        11 => cut(answer),
        12 => Reply::close(),
        _ => answer,
    })
}

fn course(scenario: u8, wish: Option<Wish>) -> Course {
    let challenge = |cancels, never_returns| Course::Challenge { cancels, never_returns };
    match (scenario, wish) {
        (11 | 12, _) => Course::Paid(AUTHORISED, None, None),
        (_, Some(Wish::Refused { code })) => Course::Paid(REFUSED, Some(code), None),
        (_, Some(Wish::Error)) => Course::Paid(ERROR, None, None),
        (_, Some(Wish::Challenge)) => challenge(false, false),
        (1, None) => Course::Paid(REFUSED, None, None),
        (2, None) => challenge(true, false),
        (3, None) => challenge(false, true),
        (9, None) => Course::Paid(REFUSED, None, Some("second")),
        _ => Course::Paid(AUTHORISED, None, None),
    }
}

fn card(details: &Element) -> Result<Card<'_>, Refusal> {
    if details.attribute("action").is_some_and(|action| action != "AUTHORISE") {
        return Err(refusal(INVALID, "Invalid action"));
    }
    let text = |path: &[&str]| details.text_at(path).unwrap_or_default();
    let date = details.at(&["CARD-SSL", "expiryDate", "date"]);
    let part = |name: &str| date.and_then(|date| date.attribute(name)).unwrap_or_default();
    Ok(Card {
        number: text(&["CARD-SSL", "cardNumber"]),
        month: part("month"),
        year: part("year"),
        holder: text(&["CARD-SSL", "cardHolderName"]),
        cvc: details.text_at(&["CARD-SSL", "cvc"]),
    })
}

/// The second submit: the same session, the cookie of the first one, once, while the challenge is open. A shopper
/// who pressed nothing did not authenticate.
pub(super) fn second(tx: &Tx<'_>, asked: &Asked<'_>, code: &str, element: &Element) -> Result<Reply, Error> {
    let key = key_of(&asked.digest, code);
    let invalid = |text: &str| Ok(asked.error(Some(code), &refusal(INVALID, text)));
    let Some(mut order) = tx.load::<Order>(&key)? else {
        return invalid("Order has no open challenge");
    };
    let Some(challenge) = order.challenge.as_mut().filter(|challenge| !challenge.closed) else {
        return invalid("Order has no open challenge");
    };
    let session = element.child("session").and_then(|session| session.attribute("id"));
    if session.is_none() || session != challenge.session.as_deref() {
        return invalid("The session is not that of the first request");
    }
    if !machine_of(asked).is_some_and(|machine| same_text(&tx.digest(&machine), &challenge.machine)) {
        return invalid("The cookie of the first reply is missing");
    }
    challenge.closed = true;
    let word = match challenge.answered {
        _ if challenge.cancels => CANCELLED,
        Some(Answered::Authenticated) => AUTHORISED,
        Some(Answered::Cancelled) => CANCELLED,
        Some(Answered::Failed) | None => REFUSED,
    };
    let card = order.card.clone();
    let index = order.add_payment(card.as_ref());
    if let Some(card) = card.filter(|_| word == AUTHORISED) {
        order.make_token(tx, &card)?;
    }
    let job = order.became(tx, &key, index, word, None)?;
    let answer = document(told::paid(&asked.account, &order, &order.payments[index]));
    Ok(if order.scenario() == 10 { answer.after(job.map(|job| tx.sent_once(job))) } else { answer })
}

/// The cookie `machine` of a request.
fn machine_of(asked: &Asked<'_>) -> Option<String> {
    let cookies = asked.call.header("cookie")?;
    cookies.split(';').find_map(|cookie| cookie.trim().strip_prefix("machine=")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(scenario: u8, wish: Option<Wish>) -> String {
        match course(scenario, wish) {
            Course::Paid(word, code, then) => format!("{word} {} {}", code.unwrap_or_default(), then.unwrap_or_default()),
            Course::Challenge { cancels, never_returns } => format!("challenge {cancels} {never_returns}"),
        }
    }

    #[test]
    fn transport_comes_before_published_values_and_those_before_the_other_digits() {
        let refused = || Some(Wish::Refused { code: "51".to_owned() });
        assert_eq!(told(11, refused()), "AUTHORISED  ");
        assert_eq!(told(2, refused()), "REFUSED 51 ");
        assert_eq!(told(1, Some(Wish::Challenge)), "challenge false false");
        assert_eq!(told(9, Some(Wish::Error)), "ERROR  ");
        assert_eq!(told(2, None), "challenge true false");
        assert_eq!(told(3, None), "challenge false true");
        assert_eq!(told(9, None), "REFUSED  second");
        assert_eq!(told(0, None), "AUTHORISED  ");
    }
}
