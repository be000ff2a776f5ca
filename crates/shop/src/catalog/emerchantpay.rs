//! eMerchantPay: a card, sent with the call; approved at once or after 3-D Secure. No pay-out.

use super::cards::{CODE, MONTH, NAME, NUMBER, YEAR};
use super::common::{
    ACCEPT_HEADER, CITY, COLOR_DEPTH, COUNTRY_CODE, FIRST_NAME, JAVA_ENABLED, LANGUAGE, LAST_NAME, LINE1, PHONE, POSTAL_CODE,
    SCREEN_HEIGHT, SCREEN_WIDTH, TIME_ZONE, USER_AGENT, USER_IP,
};
use super::{PayerPage, Provider, TestCard, Trigger};

pub(super) static PROVIDER: Provider = Provider {
    psp_type: "EMERCHANTPAY",
    name: "eMerchantPay",
    tagline: "Card, 3-D Secure",
    symbol: "shield",
    payer_page: PayerPage::Challenge,
    buttons: ("Pay by card", ""),
    fields: &[
        NUMBER,
        MONTH,
        YEAR,
        CODE,
        NAME,
        FIRST_NAME,
        LAST_NAME,
        PHONE,
        LINE1,
        POSTAL_CODE,
        CITY,
        COUNTRY_CODE,
        USER_IP,
        USER_AGENT,
        ACCEPT_HEADER,
        LANGUAGE,
        JAVA_ENABLED,
        COLOR_DEPTH,
        SCREEN_HEIGHT,
        SCREEN_WIDTH,
        TIME_ZONE,
    ],
    cards: CARDS,
    triggers: TRIGGERS,
    ..Provider::BASE
};

/// eMerchantPay sheet, Simulator: each takes its own way through 3-D Secure.
static CARDS: &[TestCard] = &[
    TestCard::of("4918190000000002", "challenge"),
    TestCard::of("4012000000060085", "approved, no challenge"),
    TestCard::of("4066330000000004", "device check, approved"),
    TestCard::of("4938730000000001", "device check, challenge"),
    TestCard::of("4711100000000000", "redirect (3-D Secure 1)"),
    TestCard::of("4111111111111111", "declined"),
];

/// eMerchantPay sheet, Simulator.
static TRIGGERS: &[Trigger] = &[
    Trigger { digits: "01", pay_in: "The issuer refuses: Declined", pay_out: "" },
    Trigger { digits: "02", pay_in: "The payer cancels the challenge: Cancelled", pay_out: "" },
    Trigger { digits: "03", pay_in: "The challenge runs out: Expired", pay_out: "" },
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
