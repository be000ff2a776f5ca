//! Worldpay: cards and wallets on its hosted page, or a card taken in the shop. No pay-out.

use super::cards::{CODE, MONTH, NAME, NUMBER, YEAR};
use super::common::{
    ACCEPT_HEADER, ADDRESS_COUNTRY, BLOCKED, CITY, COLOR_DEPTH, COUNTRY_CODE, DOB, EMAIL_VERIFICATION, FIRST_NAME, GENDER,
    IS_VELOCITY, JAVA_ENABLED, JAVA_SCRIPT_ENABLED, KYC_VERIFIED, LANGUAGE, LAST_NAME, LINE1, PARTNER_NAME, PHONE, POSTAL_CODE,
    SCREEN_HEIGHT, SCREEN_WIDTH, TIME_ZONE, TRANSACTION_COUNT, USER_AGENT, USER_BALANCE, VERIFICATION_DATE,
};
use super::{Field, Kind, PayerPage, Prefill, Provider, TestCard, Trigger, Way};

/// The way in which the shop takes the card.
const CARD_WAY: &[&str] = &["card"];

pub(super) static PROVIDER: Provider = Provider {
    psp_type: "WORLDPAY_EU",
    name: "Worldpay",
    tagline: "Cards and wallets",
    symbol: "card",
    currencies: &["EUR", "GBP", "USD"],
    buttons: ("Continue to Worldpay", ""),
    ways_title: "Card details",
    ways: &[
        Way { code: "page", title: "Worldpay's page", detail: "hosted", ..Way::PLAIN },
        Way {
            code: "card",
            title: "This shop",
            detail: "direct",
            button: "Pay by card",
            payer_page: Some(PayerPage::Challenge),
            triggers: DIRECT_TRIGGERS,
            ..Way::PLAIN
        },
    ],
    fields: &[
        Field {
            name: "paymentMethod",
            label: "Offer on the page",
            kind: Kind::Choice(&[
                ("", "All that the account has"),
                ("CARD", "Cards"),
                ("APPLEPAY", "Apple Pay"),
                ("GOOGLEPAY", "Google Pay"),
            ]),
            prefill: Prefill::Fixed(""),
            optional: true,
            ways: &["page"],
            ..Field::TEXT
        },
        Field { ways: CARD_WAY, ..NUMBER },
        Field { ways: CARD_WAY, ..MONTH },
        Field { ways: CARD_WAY, ..YEAR },
        Field { ways: CARD_WAY, ..CODE },
        Field { ways: CARD_WAY, ..NAME },
        FIRST_NAME,
        LAST_NAME,
        Field { hint: "6 to 15 digits", ..PHONE },
        GENDER,
        DOB,
        COUNTRY_CODE,
        LINE1,
        POSTAL_CODE,
        CITY,
        ADDRESS_COUNTRY,
        KYC_VERIFIED,
        BLOCKED,
        IS_VELOCITY,
        TRANSACTION_COUNT,
        USER_BALANCE,
        PARTNER_NAME,
        EMAIL_VERIFICATION,
        VERIFICATION_DATE,
        Field { ways: CARD_WAY, ..USER_AGENT },
        Field { ways: CARD_WAY, ..ACCEPT_HEADER },
        Field { ways: CARD_WAY, ..LANGUAGE },
        Field { ways: CARD_WAY, ..JAVA_ENABLED },
        Field { ways: CARD_WAY, ..JAVA_SCRIPT_ENABLED },
        Field { ways: CARD_WAY, ..COLOR_DEPTH },
        Field { ways: CARD_WAY, ..SCREEN_HEIGHT },
        Field { ways: CARD_WAY, ..SCREEN_WIDTH },
        Field { ways: CARD_WAY, ..TIME_ZONE },
    ],
    cards: CARDS,
    triggers: TRIGGERS,
    ..Provider::BASE
};

/// Worldpay sheet, Simulator: numbers and names that steer it.
static CARDS: &[TestCard] = &[
    TestCard::of("4444333322221111", "approved"),
    TestCard::of("4000000000001091", "challenge"),
    TestCard::of("5555555555554444", "approved, Mastercard"),
    TestCard { number: "343434343434343", code: "1234", name: "", does: "approved, American Express" },
    TestCard { number: "4444333322221111", code: "123", name: "3DS_V2_CHALLENGE_IDENTIFIED", does: "challenge, by the name" },
    TestCard { number: "4444333322221111", code: "123", name: "REFUSED", does: "refused, by the name" },
];

/// Worldpay sheet, Simulator, hpp.
static TRIGGERS: &[Trigger] = &[
    Trigger { digits: "01", pay_in: "The issuer refuses: Declined", pay_out: "" },
    Trigger { digits: "02", pay_in: "The payer cancels: Cancelled", pay_out: "" },
    Trigger { digits: "03", pay_in: "The page's link is dead: Expired", pay_out: "" },
    Trigger { digits: "04", pay_in: "The provider is down: Failed", pay_out: "" },
    Trigger { digits: "05", pay_in: "The provider is silent: Failed", pay_out: "" },
    Trigger { digits: "06", pay_in: "Too many requests: Failed", pay_out: "" },
    Trigger { digits: "07", pay_in: "Our credentials are refused: Failed", pay_out: "" },
    Trigger { digits: "08", pay_in: "Callback three times: one webhook", pay_out: "" },
    Trigger { digits: "09", pay_in: "Declined, then paid after all: two webhooks", pay_out: "" },
    Trigger { digits: "10", pay_in: "Paid before we have our answer", pay_out: "" },
    Trigger { digits: "11", pay_in: "The answer is cut off: Failed", pay_out: "" },
    Trigger { digits: "12", pay_in: "The line drops: Failed", pay_out: "" },
];

/// Worldpay sheet, Simulator, direct.
static DIRECT_TRIGGERS: &[Trigger] = &[
    Trigger { digits: "01", pay_in: "The issuer refuses: Declined", pay_out: "" },
    Trigger { digits: "02", pay_in: "A challenge that ends as cancelled: Cancelled", pay_out: "" },
    Trigger { digits: "03", pay_in: "A challenge that never comes back: Expired", pay_out: "" },
    Trigger { digits: "04", pay_in: "Fault, nothing taken: Pending, later Failed", pay_out: "" },
    Trigger { digits: "05", pay_in: "Silence, nothing taken: Pending, later Failed", pay_out: "" },
    Trigger { digits: "06", pay_in: "Too many requests: Failed", pay_out: "" },
    Trigger { digits: "07", pay_in: "Our credentials are refused: Failed", pay_out: "" },
    Trigger { digits: "08", pay_in: "Callback three times: one webhook", pay_out: "" },
    Trigger { digits: "09", pay_in: "Declined, then paid after all: two webhooks", pay_out: "" },
    Trigger { digits: "10", pay_in: "Paid before we have our answer", pay_out: "" },
    Trigger { digits: "11", pay_in: "The answer is cut off: Approved by asking, charged once", pay_out: "" },
    Trigger { digits: "12", pay_in: "The line drops: Approved by asking, charged once", pay_out: "" },
];
