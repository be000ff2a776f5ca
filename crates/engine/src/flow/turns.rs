//! What became of a payment's money after it was paid: refunds and chargebacks, each counted once. Providers/common, "Reading a
//! provider's answers"; books, "Postings".

use domain::{GivenBack, Json, Money, Operation, Transaction, TransactionStatus};
use providers::{Finding, Standing, Turn, TurnKind};

/// Most turns of one payment that are counted.
const TURNS_MAX: usize = 200;
/// Longest key of a turn, characters.
const KEY_MAX_CHARS: usize = 100;
/// The keys of refunds that the provider's record told by what is left alone, and of the rest of a payment that went back whole.
const BY_RECORD: &str = "by the record";
const THE_REST: &str = "the rest";

/// A turn that is counted, as it is sealed with its transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) kind: TurnKind,
    key: String,
    /// Minor units; `None`: not said, and nothing is counted of it.
    minor: Option<i64>,
}

impl Counted {
    /// What the timeline shows of it.
    pub(super) fn detail(&self, amount: Money) -> Json {
        let mut detail = Json::object([("part", Json::text(&*self.key))]);
        if let Some(minor) = self.minor {
            detail.set("minorUnits", Json::from(minor));
            detail.set("amount", Json::text(Money::from_minor(minor, amount.currency()).to_fixed()));
        }
        detail
    }

    pub(super) fn count(&self, sums: &mut GivenBack) {
        match self.kind {
            TurnKind::Refunded => sums.refunded_minor += self.minor.unwrap_or_default(),
            TurnKind::ChargedBack => sums.disputed = true,
            TurnKind::ChargebackWon | TurnKind::ChargebackLost => sums.disputed = false,
        }
    }

    fn of(turn: &Turn) -> Self {
        Self { kind: turn.kind, key: turn.key.chars().take(KEY_MAX_CHARS).collect(), minor: turn.minor }
    }

    fn is(&self, other: &Self) -> bool {
        self.kind == other.kind && self.key == other.key
    }
}

pub(super) fn to_json(turns: &[Counted]) -> Json {
    let entry = |turn: &Counted| {
        Json::object([
            ("kind", Json::text(turn.kind.as_str())),
            ("key", Json::text(&*turn.key)),
            ("minor", Json::from(turn.minor)),
        ])
    };
    Json::Array(turns.iter().map(entry).collect())
}

pub(super) fn from_json(json: Option<&Json>) -> Vec<Counted> {
    let entry = |json: &Json| {
        let kind = TurnKind::ALL.into_iter().find(|kind| Some(kind.as_str()) == json.str_at("kind"))?;
        let minor = json.get("minor").and_then(Json::as_number).and_then(|number| number.parse().ok());
        Some(Counted { kind, key: json.str_at("key")?.to_owned(), minor })
    };
    json.and_then(Json::as_array).unwrap_or_default().iter().filter_map(entry).collect()
}

/// What a finding adds, and where it leaves the payment.
pub(super) struct Plan {
    /// The finding's own, or `Reversed` once nothing is left.
    pub(super) standing: Standing,
    pub(super) turns: Vec<Counted>,
    pub(super) anomalies: Vec<String>,
}

/// What is counted so far: the refunds, and what chargebacks hold or have taken.
struct Sums {
    whole: i64,
    refunded: i64,
    charged: i64,
}

impl Sums {
    fn of(whole: i64, counted: &[Counted]) -> Self {
        let mut sums = Self { whole, refunded: 0, charged: 0 };
        for turn in counted {
            sums.add(turn);
        }
        sums
    }

    fn add(&mut self, turn: &Counted) {
        match turn.kind {
            TurnKind::Refunded => self.refunded += turn.minor.unwrap_or_default(),
            TurnKind::ChargedBack => self.charged += turn.minor.unwrap_or_default(),
            TurnKind::ChargebackWon => self.charged -= turn.minor.unwrap_or(self.charged).min(self.charged),
            TurnKind::ChargebackLost => {}
        }
    }

    fn left(&self) -> i64 {
        self.whole - self.refunded - self.charged
    }
}

pub(super) fn plan(transaction: &Transaction, counted: &[Counted], finding: &Finding) -> Plan {
    let mut plan = Plan { standing: finding.standing, turns: Vec::new(), anomalies: Vec::new() };
    if transaction.operation != Operation::PayIn {
        return plan;
    }
    let mut sums = Sums::of(transaction.amount.minor(), counted);
    let shown = |minor: i64| Money::from_minor(minor, transaction.amount.currency()).to_string();
    for turn in fresh(counted, &sums, finding, &shown, &mut plan.anomalies) {
        let left = sums.left();
        let turn = match (turn.kind, turn.minor) {
            (TurnKind::Refunded, Some(minor)) if !(1..=left).contains(&minor) => {
                let text = format!("a refund of {} is more than the {} that are left", shown(minor), shown(left));
                plan.anomalies.push(text);
                continue;
            }
            (TurnKind::ChargedBack, minor) => {
                Counted { minor: Some(minor.filter(|minor| (1..=left).contains(minor)).unwrap_or(left)), ..turn }
            }
            (TurnKind::ChargebackWon | TurnKind::ChargebackLost, None) if sums.charged > 0 => {
                Counted { minor: Some(sums.charged), ..turn }
            }
            _ => turn,
        };
        if counted.len() + plan.turns.len() >= TURNS_MAX {
            plan.anomalies.push("more refunds and chargebacks are told than can be counted".to_owned());
            break;
        }
        sums.add(&turn);
        plan.turns.push(turn);
    }
    let open = matches!(plan.standing, Standing::Approved | Standing::Unchanged);
    if open && !plan.turns.is_empty() && sums.left() <= 0 {
        plan.standing = Standing::Reversed;
    }
    let reverses = plan.standing == Standing::Reversed && transaction.status != TransactionStatus::Reversed;
    let charged_back = plan.turns.iter().any(|turn| turn.kind == TurnKind::ChargedBack);
    // Reversed without a better word is a refund of what is left.
    if reverses && sums.left() > 0 && !charged_back {
        plan.turns.push(Counted { kind: TurnKind::Refunded, key: THE_REST.to_owned(), minor: Some(sums.left()) });
    }
    plan
}

/// What of a finding's turns is not counted yet; where the record says how much went back, they are believed only as far as they
/// agree with it.
fn fresh(
    counted: &[Counted],
    sums: &Sums,
    finding: &Finding,
    shown: &impl Fn(i64) -> String,
    anomalies: &mut Vec<String>,
) -> Vec<Counted> {
    let mut fresh: Vec<Counted> = Vec::new();
    for turn in finding.turns.iter().map(Counted::of) {
        if !counted.iter().chain(&fresh).any(|known| known.is(&turn)) {
            fresh.push(turn);
        }
    }
    let Some(given_back) = finding.given_back else { return fresh };
    let is_refund = |turn: &Counted| turn.kind == TurnKind::Refunded;
    let parts =
        fresh.iter().filter(|turn| is_refund(turn)).fold(0_i64, |sum, turn| sum.saturating_add(turn.minor.unwrap_or_default()));
    if sums.refunded.saturating_add(parts) == given_back {
        return fresh;
    }
    fresh.retain(|turn| !is_refund(turn));
    if given_back > sums.refunded {
        let key = format!("{BY_RECORD}: {}", shown(given_back));
        fresh.push(Counted { kind: TurnKind::Refunded, key, minor: Some(given_back - sums.refunded) });
    } else if given_back < sums.refunded {
        anomalies.push(format!(
            "the provider's record says that {} went back, {} were counted",
            shown(given_back),
            shown(sums.refunded)
        ));
    }
    fresh
}
