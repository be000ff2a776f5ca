//! Trust Payments: a card on its payment page, which the payer enters over a page of the platform. No pay-out.

use super::common::{ADDRESS_COUNTRY, CITY, COUNTRY_CODE, FIRST_NAME, LAST_NAME, LINE1, PHONE, POSTAL_CODE};
use super::{Field, Note, PayerPage, Provider, Trigger};

pub(super) static PROVIDER: Provider = Provider {
    psp_type: "TRUST",
    name: "Trust",
    tagline: "Card on a page",
    symbol: "lock",
    currencies: &["EUR", "GBP", "USD"],
    payer_page: PayerPage::PlatformFirst,
    buttons: ("Continue to Trust", ""),
    fields: &[
        Field { optional: true, ..FIRST_NAME },
        Field { optional: true, ..LAST_NAME },
        Field { optional: true, hint: "", ..PHONE },
        Field { optional: true, ..LINE1 },
        Field { optional: true, ..POSTAL_CODE },
        Field { optional: true, ..CITY },
        Field { optional: true, ..ADDRESS_COUNTRY },
        Field { optional: true, ..COUNTRY_CODE },
    ],
    note: Some(Note {
        title: "The card is typed on Trust's page",
        text: "The shop never sees it, and the link leads there once. What the shop knows of the payer is filled in there.",
        rows: &[
            ("4111111111111111", "approved, Visa"),
            ("5100000000000511", "approved, Mastercard"),
            ("4242424242424242", "declined"),
        ],
        example: "700.00 is declined whatever the card; so 600.10 is a bank system error.",
    }),
    triggers: TRIGGERS,
    ..Provider::BASE
};

/// Trust sheet, Simulator.
static TRIGGERS: &[Trigger] = &[
    Trigger { digits: "01", pay_in: "The issuer refuses: Declined", pay_out: "" },
    Trigger { digits: "02", pay_in: "The payer cancels: Cancelled", pay_out: "" },
    Trigger { digits: "03", pay_in: "The page takes no payment: Expired", pay_out: "" },
    Trigger { digits: "04", pay_in: "Paid, no callback, asking fails three times: Approved", pay_out: "" },
    Trigger { digits: "05", pay_in: "Paid, no callback, asking hangs three times: Approved", pay_out: "" },
    Trigger { digits: "06", pay_in: "Paid, no callback, asked too often three times: Approved", pay_out: "" },
    Trigger { digits: "07", pay_in: "Paid, no callback, asking refused three times: Approved", pay_out: "" },
    Trigger { digits: "08", pay_in: "Callback three times: one webhook", pay_out: "" },
    Trigger { digits: "09", pay_in: "Declined, then paid after all: two webhooks", pay_out: "" },
    Trigger { digits: "10", pay_in: "Paid before the payer sees the page", pay_out: "" },
    Trigger { digits: "11", pay_in: "Paid, no callback, an answer cut off: Approved by asking", pay_out: "" },
    Trigger { digits: "12", pay_in: "Paid, then the line drops: Approved by asking", pay_out: "" },
];
