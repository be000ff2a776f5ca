//! PayOne: Interac bank transfer in Canada, both ways.

use super::common::{FIRST_NAME, LAST_NAME, PHONE};
use super::{Direction, Provider, Trigger};

pub(super) static PROVIDER: Provider = Provider {
    psp_type: "PAYONE",
    name: "PayOne",
    tagline: "Interac bank transfer",
    symbol: "bank",
    directions: &[Direction::PayIn, Direction::PayOut],
    currencies: &["CAD"],
    currency_code: true,
    customer: "demo-noah",
    buttons: ("Continue to PayOne", "Request pay-out"),
    fields: &[FIRST_NAME, LAST_NAME, PHONE],
    triggers: TRIGGERS,
    ..Provider::BASE
};

/// PayOne sheet, Simulator. Every refusal is `Declined` there: PayOne knows two endings only.
static TRIGGERS: &[Trigger] = &[
    Trigger { digits: "01", pay_in: "The bank refuses: Declined", pay_out: "Refused: Declined" },
    Trigger { digits: "02", pay_in: "The payer cancels: Declined", pay_out: "Cancelled: Declined" },
    Trigger { digits: "03", pay_in: "The time runs out: Declined", pay_out: "Expired: Declined" },
    Trigger { digits: "04", pay_in: "The provider is down: Failed", pay_out: "Fault, nothing taken: Pending, later Failed" },
    Trigger { digits: "05", pay_in: "The provider is silent: Failed", pay_out: "Silence, nothing taken: Pending, later Failed" },
    Trigger { digits: "06", pay_in: "Too many requests: Failed", pay_out: "Too many requests: Failed" },
    Trigger { digits: "07", pay_in: "Our credentials are refused: Failed", pay_out: "Our credentials are refused: Failed" },
    Trigger { digits: "08", pay_in: "Callback three times: one webhook", pay_out: "Callback three times: one webhook" },
    Trigger { digits: "09", pay_in: "Declined, then paid after all: two webhooks", pay_out: "" },
    Trigger { digits: "10", pay_in: "Paid before we have our answer", pay_out: "Paid before we have our answer" },
    Trigger {
        digits: "11",
        pay_in: "The answer is cut off: an error, then Pending",
        pay_out: "The answer is cut off: Approved by asking, paid once",
    },
    Trigger {
        digits: "12",
        pay_in: "The line drops: an error, then Pending",
        pay_out: "The line drops: Approved by asking, paid once",
    },
];
