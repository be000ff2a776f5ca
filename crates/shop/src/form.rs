//! The cashier form: what it holds at first, what was sent, the request it makes, and where each sentence of the
//! platform belongs.

use aws_lc_rs::rand;

use crate::body::Node;
use crate::catalog::{
    CUSTOMERS, Claim, Customer, Direction, Field, Group, Keep, Kind, PROVIDERS, PayerPage, Prefill, Provider, TestCard, Way,
    voucher_pin,
};
use crate::error::Error;
use crate::user_token::Claims;

/// Characters of one value that are taken; the rest is cut off.
const VALUE_MAX: usize = 512;
/// Pairs of a sent form that are looked at.
const PAIRS_MAX: usize = 64;
/// Random bytes of a form's key.
const KEY_BYTES: usize = 16;
/// The request's name of the amount, and the form's.
pub(crate) const AMOUNT: &str = "baseamount";
pub(crate) const CURRENCY: &str = "currency";
const LAST_SHOWN: usize = 4;

/// A filled-in form.
#[derive(Clone)]
pub(crate) struct Form {
    pub(crate) provider: &'static Provider,
    pub(crate) direction: Direction,
    /// One of the provider's, if it has any.
    pub(crate) way: Option<&'static Way>,
    pub(crate) customer: &'static Customer,
    /// One per page that was shown: sent twice, it is still one order, and the `Idempotency-Key` of its call.
    pub(crate) key: String,
    pub(crate) amount: String,
    pub(crate) currency: String,
    /// In the provider's order.
    pub(crate) values: Vec<(&'static Field, String)>,
}

/// The platform's sentences, by field where they name one.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    pub(crate) general: Vec<String>,
    pub(crate) by_field: Vec<(String, String)>,
}

impl Problems {
    pub(crate) fn of(&self, field: &str) -> Option<&str> {
        self.by_field.iter().find(|(name, _)| name == field).map(|(_, sentence)| sentence.as_str())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.general.is_empty() && self.by_field.is_empty()
    }
}

/// `bytes` random bytes in hex.
fn random_hex(bytes: usize) -> Result<String, Error> {
    let mut random = vec![0_u8; bytes];
    rand::fill(&mut random).map_err(|_| Error::Random)?;
    Ok(hex::encode(random))
}

/// Four characters without those that are mistaken for one another.
pub(crate) fn number_suffix() -> Result<String, Error> {
    const LETTERS: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
    let mut random = [0_u8; 4];
    rand::fill(&mut random).map_err(|_| Error::Random)?;
    Ok(random.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect())
}

/// Six random digits.
fn voucher_serial() -> Result<String, Error> {
    let mut random = [0_u8; 4];
    rand::fill(&mut random).map_err(|_| Error::Random)?;
    Ok(format!("{:06}", u32::from_le_bytes(random) % 1_000_000))
}

impl Form {
    /// The form as it is shown at first. Each of `pairs` may choose something: `provider`, `direction`,
    /// `customer`, `amount`, `currency`; what is unknown is as if it were not there.
    pub(crate) fn blank(pairs: &[(String, String)]) -> Result<Form, Error> {
        let mut form = Form::frame(pairs)?;
        if form.amount.is_empty() {
            form.amount = form.usual_amount().to_owned();
        }
        let card = chosen(pairs, "card").and_then(|place| place.parse::<usize>().ok()).unwrap_or_default();
        let card = form.provider.cards.get(card).or(form.provider.cards.first());
        let pin = voucher_pin(&form.currency, &form.amount, &voucher_serial()?);
        for (field, value) in &mut form.values {
            *value = match field.prefill {
                Prefill::Fixed(text) => text.to_owned(),
                Prefill::Claim(claim) => claim.of(form.customer).to_owned(),
                Prefill::Of(known) => known(form.customer).to_owned(),
                Prefill::FreshVoucher => pin.clone().unwrap_or_default(),
                Prefill::Card(part) => card.map(|card| card.part(part, form.customer)).unwrap_or_default().to_owned(),
            };
        }
        Ok(form)
    }

    /// The form as it was sent.
    pub(crate) fn sent(pairs: &[(String, String)]) -> Result<Form, Error> {
        let mut form = Form::frame(pairs)?;
        if let Some(key) = chosen(pairs, "key").filter(|key| is_key(key)) {
            form.key = key.to_owned();
        }
        if let Some(currency) = chosen(pairs, CURRENCY) {
            form.currency = clipped(currency);
        }
        form.amount = clipped(chosen(pairs, AMOUNT).unwrap_or_default());
        for (field, value) in &mut form.values {
            *value = clipped(chosen(pairs, field.name).unwrap_or_default());
        }
        Ok(form)
    }

    fn frame(pairs: &[(String, String)]) -> Result<Form, Error> {
        let provider = chosen(pairs, "provider").and_then(Provider::of).unwrap_or(PROVIDERS[0]);
        let direction = chosen(pairs, "direction")
            .and_then(Direction::from_code)
            .filter(|direction| provider.directions.contains(direction))
            .unwrap_or(provider.directions[0]);
        let way = chosen(pairs, "way")
            .and_then(|code| provider.ways_for(direction).find(|way| way.code == code))
            .or_else(|| provider.ways_for(direction).next());
        let usual = way.map(|way| way.customer).filter(|own| !own.is_empty()).unwrap_or(provider.customer);
        let customer_of = |wanted: &str| CUSTOMERS.iter().find(|customer| customer.user_id == wanted);
        let customer = chosen(pairs, "customer").and_then(customer_of).or_else(|| customer_of(usual)).unwrap_or(&CUSTOMERS[0]);
        let currencies = currencies_of(provider, way);
        let currency = chosen(pairs, CURRENCY).filter(|code| currencies.contains(code)).unwrap_or(currencies[0]);
        Ok(Form {
            provider,
            direction,
            way,
            customer,
            key: random_hex(KEY_BYTES)?,
            amount: clipped(chosen(pairs, "amount").unwrap_or_default()),
            currency: currency.to_owned(),
            values: provider.fields_for(direction, way).map(|field| (field, String::new())).collect(),
        })
    }

    /// The codes to choose from.
    pub(crate) fn currencies(&self) -> &'static [&'static str] {
        currencies_of(self.provider, self.way)
    }

    /// The amount at first.
    pub(crate) fn usual_amount(&self) -> &'static str {
        self.way.map(|way| way.amount).filter(|own| !own.is_empty()).unwrap_or(self.provider.amount)
    }

    /// Where the payer of a pay-in goes.
    pub(crate) fn payer_page(&self) -> PayerPage {
        self.way.and_then(|way| way.payer_page).unwrap_or(self.provider.payer_page)
    }

    /// What is written on the button.
    pub(crate) fn button(&self) -> &'static str {
        let usual = match self.direction {
            Direction::PayIn => self.provider.buttons.0,
            Direction::PayOut => self.provider.buttons.1,
        };
        self.way.map(|way| way.button).filter(|own| !own.is_empty()).unwrap_or(usual)
    }

    /// Whether the form takes a card.
    pub(crate) fn takes_card(&self) -> bool {
        self.values.iter().any(|(field, _)| field.group == Group::Card)
    }

    /// The public test card that the form holds; any other card is nobody's to show.
    pub(crate) fn test_card(&self) -> Option<&'static TestCard> {
        let part = |name: &str| self.values.iter().find(|(field, _)| field.name == name).map(|(_, value)| value.as_str());
        let number: String = part("card.pan")?.chars().filter(char::is_ascii_digit).collect();
        let holder = part("card.cardHolderName").unwrap_or_default();
        let mut same = self.provider.cards.iter().filter(|card| card.number == number).peekable();
        let first = same.peek().copied();
        same.find(|card| card.name == holder).or(first)
    }

    /// What the page may show of a field: all but card data, of which it shows the public test card's.
    pub(crate) fn shown(&self, field: &Field, value: &str) -> String {
        match (field.keep, field.prefill) {
            (Keep::Nothing, Prefill::Card(part)) => {
                self.test_card().map(|card| card.part(part, self.customer)).unwrap_or_default().to_owned()
            }
            (Keep::Nothing, _) => String::new(),
            (Keep::Whole | Keep::LastFour, _) => value.to_owned(),
        }
    }

    /// What 3-D Secure wants of the browser and the form's own request tells.
    pub(crate) fn take_headers(&mut self, user_agent: &str, accept: &str) {
        for (field, value) in &mut self.values {
            match field.name {
                "browser.userAgent" => *value = clipped(user_agent),
                "browser.acceptHeader" => *value = clipped(accept),
                _ => {}
            }
        }
    }

    /// A new key: the next attempt is another order.
    pub(crate) fn renew_key(&mut self) -> Result<(), Error> {
        self.key = random_hex(KEY_BYTES)?;
        Ok(())
    }

    /// The JSON of the Cashier call, with `number` as its `merchantReference`.
    pub(crate) fn request(&self, number: &str) -> Result<String, Error> {
        Ok(serde_json::to_string(&self.body(number, |_, value| value.to_owned()))?)
    }

    /// The same for people and for the store: indented, and what is worth money masked.
    pub(crate) fn masked_request(&self, number: &str) -> Result<String, Error> {
        let body = self.body(number, |field, value| match field.keep {
            Keep::Whole => value.to_owned(),
            Keep::LastFour => last_four(value),
            Keep::Nothing => "(not kept)".to_owned(),
        });
        Ok(serde_json::to_string_pretty(&body)?)
    }

    fn body(&self, number: &str, shown: impl Fn(&Field, &str) -> String) -> Node {
        let text = |value: &str| Node::Text(value.to_owned());
        let mut body = Node::Object(Vec::new());
        body.put("pspType", text(self.provider.psp_type));
        body.put("type", text(self.direction.code()));
        body.put(AMOUNT, Node::number_or_text(&self.amount));
        body.put(CURRENCY, text(&self.currency));
        if self.provider.currency_code {
            body.put("currencyCode", text(&self.currency));
        }
        body.put("userId", text(self.customer.user_id));
        for (name, value) in self.way.into_iter().flat_map(|way| way.sets) {
            body.put(name, text(value));
        }
        for (field, value) in &self.values {
            if field.optional && value.is_empty() {
                continue;
            }
            let value = shown(field, value);
            body.put(
                field.name,
                match field.kind {
                    Kind::Number => Node::number_or_text(&value),
                    Kind::Flag => Node::Flag(value == "true"),
                    Kind::Text | Kind::Email | Kind::Phone | Kind::Choice(_) | Kind::Voucher => Node::Text(value),
                },
            );
        }
        body.put("merchantReference", text(number));
        body
    }

    /// Who is signed in. The platform lets the claims win over the body, so what the form shows goes in here.
    pub(crate) fn claims(&self) -> Claims {
        let claim = |claim: Claim| {
            self.values
                .iter()
                .find(|(field, _)| field.claim == Some(claim))
                .map_or_else(|| claim.of(self.customer).to_owned(), |(_, value)| value.clone())
        };
        Claims {
            user_id: self.customer.user_id.to_owned(),
            email: claim(Claim::Email),
            first_name: claim(Claim::FirstName),
            last_name: claim(Claim::LastName),
            phone: claim(Claim::Phone),
            country_code: claim(Claim::CountryCode),
            email_verified: self.customer.email.to_owned(),
        }
    }

    /// Sorts the platform's sentences by the field that each begins with.
    pub(crate) fn problems(&self, message: &str, errors: &[String]) -> Problems {
        let mut problems = Problems::default();
        for sentence in errors {
            self.place(sentence, &mut problems);
        }
        if problems.is_empty() {
            self.place(message, &mut problems);
        }
        problems
    }

    fn place(&self, sentence: &str, problems: &mut Problems) {
        let named = sentence.strip_prefix("Missing required field: ").or_else(|| sentence.split(' ').next()).unwrap_or_default();
        let named = if named == "currencyCode" { CURRENCY } else { named };
        // A card that has expired is told of as a whole.
        let named = if named == "card" && self.takes_card() { "card.expMonth" } else { named };
        let is_ours = named == AMOUNT
            || named == CURRENCY
            || self.values.iter().any(|(field, _)| field.name == named && field.group != Group::Device);
        if is_ours && problems.of(named).is_none() {
            problems.by_field.push((named.to_owned(), sentence.to_owned()));
        } else {
            problems.general.push(sentence.to_owned());
        }
    }
}

fn currencies_of(provider: &Provider, way: Option<&Way>) -> &'static [&'static str] {
    way.map(|way| way.currencies).filter(|own| !own.is_empty()).unwrap_or(provider.currencies)
}

fn chosen<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().take(PAIRS_MAX).find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// Without blanks around it and not endless.
fn clipped(value: &str) -> String {
    value.trim().chars().take(VALUE_MAX).collect()
}

fn is_key(text: &str) -> bool {
    text.len() == 2 * KEY_BYTES && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The last four characters behind dots; a short value shows none.
fn last_four(value: &str) -> String {
    let length = value.chars().count();
    if length <= 2 * LAST_SHOWN {
        return "••••".to_owned();
    }
    let shown: String = value.chars().skip(length - LAST_SHOWN).collect();
    format!("••••{shown}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &[(&str, &str)]) -> Vec<(String, String)> {
        text.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_blank_form_is_filled_with_what_works() {
        let form = Form::blank(&pairs(&[("provider", "FLEXEPIN"), ("amount", "25.01"), ("currency", "CAD")])).expect("form");
        assert_eq!((form.amount.as_str(), form.currency.as_str()), ("25.01", "CAD"));
        let pin = &form.values.iter().find(|(field, _)| field.name == "voucherPin").expect("field").1;
        assert!(pin.starts_with("20") && pin.ends_with("00002501") && pin.len() == 16, "{pin}");
        let other = Form::blank(&pairs(&[("provider", "FLEXEPIN")])).expect("form");
        assert_ne!(form.key, other.key);
    }

    #[test]
    fn unknown_choices_are_as_if_not_there() {
        let form = Form::blank(&pairs(&[
            ("provider", "FLEXEPIN"),
            ("direction", "PAYOUT"),
            ("customer", "nobody"),
            ("currency", "XXX"),
        ]))
        .expect("form");
        assert_eq!(form.direction, Direction::PayIn);
        assert_eq!(form.currency, "EUR");
        assert_eq!(form.customer.user_id, "demo-clara");
    }

    #[test]
    fn a_pin_is_masked_where_it_is_kept() {
        let form = Form::sent(&pairs(&[
            ("provider", "FLEXEPIN"),
            (AMOUNT, "25.00"),
            (CURRENCY, "EUR"),
            ("voucherPin", "1000000100002500"),
            ("email", "a@b.example"),
        ]))
        .expect("form");
        let masked = form.masked_request("ORD-1").expect("JSON");
        assert!(masked.contains("\"••••2500\"") && !masked.contains("10000001"), "{masked}");
        assert!(form.request("ORD-1").expect("JSON").contains("\"1000000100002500\""));
        assert_eq!(last_four("12345678"), "••••");
    }

    fn card_form(number: &str, holder: &str) -> Form {
        let sent = [
            ("provider", "EMERCHANTPAY"),
            (AMOUNT, "100.00"),
            ("card.pan", number),
            ("card.expMonth", "13"),
            ("card.expYear", "2031"),
            ("card.cvv", "987"),
            ("card.cardHolderName", holder),
            ("browser.screenWidth", "1280"),
        ];
        Form::sent(&pairs(&sent)).expect("form")
    }

    fn shown(form: &Form) -> Vec<String> {
        let cards = form.values.iter().filter(|(field, _)| field.group == Group::Card);
        cards.map(|(field, value)| form.shown(field, value)).collect()
    }

    #[test]
    fn a_card_is_shown_again_only_if_it_is_a_public_one() {
        let form = card_form("4111 1111 1111 1111", "Somebody Else");
        assert_eq!(shown(&form), ["4111111111111111", "12", "2030", "123", "Clara Lindner"]);
        for number in ["4929123456781234", "", "411111111111111"] {
            assert_eq!(shown(&card_form(number, "Clara Lindner")), ["", "", "", "", ""], "{number}");
        }
    }

    #[test]
    fn a_card_is_in_the_request_and_in_nothing_that_is_kept() {
        let mut form = card_form("4929123456781234", "Canary Holder");
        form.take_headers("Agent/1", "text/html");
        let request = form.request("ORD-1").expect("JSON");
        assert!(request.contains(
            r#""card":{"pan":"4929123456781234","expMonth":"13","expYear":"2031","cvv":"987","cardHolderName":"Canary Holder"}"#
        ), "{request}");
        assert!(
            request.contains(r#""browser":{"userAgent":"Agent/1","acceptHeader":"text/html","screenWidth":1280}"#),
            "{request}"
        );
        let masked = form.masked_request("ORD-1").expect("JSON");
        for canary in ["4929", "1234\"", "987", "Canary Holder", "2031"] {
            assert!(!masked.contains(canary), "{canary}: {masked}");
        }
        assert_eq!(masked.matches("(not kept)").count(), 5);
    }

    #[test]
    fn a_way_chooses_fields_currency_and_customer() {
        let peru = Form::blank(&pairs(&[("provider", "CLEO"), ("way", "pe"), ("direction", "PAYOUT")])).expect("form");
        assert_eq!((peru.currency.as_str(), peru.amount.as_str(), peru.customer.user_id), ("PEN", "100.00", "demo-luis"));
        let body = peru.request("ORD-1").expect("JSON");
        assert!(body.contains(r#""countryCode":"PE","#) && body.contains(r#""documentType":"DNI""#), "{body}");
        assert!(!body.contains("bankCode"), "{body}");
        let first = Form::blank(&pairs(&[("provider", "CLEO"), ("way", "nowhere")])).expect("form");
        assert_eq!((first.currency.as_str(), first.customer.user_id), ("CLP", "demo-camila"));
        let mobile = Form::blank(&pairs(&[("provider", "GIGADAT"), ("direction", "PAYOUT")])).expect("form");
        let body = mobile.request("ORD-1").expect("JSON");
        assert!(body.contains(r#""payoutType":"ETO""#) && body.contains("mobile") && !body.contains("bank"), "{body}");
    }

    #[test]
    fn sentences_go_to_their_fields() {
        let form = Form::blank(&pairs(&[("provider", "PAYONE")])).expect("form");
        let problems = form.problems(
            "Missing required field: lastName",
            &[
                "Missing required field: lastName".to_owned(),
                "baseamount must have at most 2 decimals for CAD".to_owned(),
                "currencyCode must be CAD".to_owned(),
                "phone must contain at least 6 digits".to_owned(),
                "userIp must be an IP address".to_owned(),
            ],
        );
        for field in ["lastName", AMOUNT, CURRENCY, "phone"] {
            assert!(problems.of(field).is_some(), "{field}");
        }
        assert_eq!(problems.general, ["userIp must be an IP address"]);
        let lone = form.problems("Missing required field: email", &[]);
        assert!(lone.of("email").is_some() && lone.general.is_empty());
        let general = form.problems("Rules action is not matched", &[]);
        assert_eq!(general.general, ["Rules action is not matched"]);
    }
}
