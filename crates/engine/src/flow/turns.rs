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

/// Takes what was counted last over into what is shown of the payment.
pub(super) fn count(counted: &[Counted], shown: &mut GivenBack) {
    if let Some(Counted { kind: TurnKind::Refunded, minor, .. }) = counted.last() {
        shown.refunded_minor += minor.unwrap_or_default();
    }
    shown.disputed = Sums::of(0, counted).chargebacks.iter().any(|one| one.open);
}

/// A chargeback that is counted.
struct Chargeback {
    key: String,
    /// What it took and has not given back, minor units.
    held: i64,
    /// Neither won nor lost.
    open: bool,
}

/// What is counted so far: the refunds, and what chargebacks hold or have taken.
struct Sums {
    whole: i64,
    refunded: i64,
    chargebacks: Vec<Chargeback>,
}

impl Sums {
    fn of(whole: i64, counted: &[Counted]) -> Self {
        let mut sums = Self { whole, refunded: 0, chargebacks: Vec::new() };
        for turn in counted {
            sums.add(turn);
        }
        sums
    }

    fn add(&mut self, turn: &Counted) {
        match turn.kind {
            TurnKind::Refunded => self.refunded += turn.minor.unwrap_or_default(),
            TurnKind::ChargedBack => {
                let held = turn.minor.unwrap_or_default();
                // With nothing left to take it is the next round of the one that is open: nobody told of the one between.
                if held > 0 || !self.chargebacks.iter().any(|one| one.open) {
                    self.chargebacks.push(Chargeback { key: turn.key.clone(), held, open: true });
                }
            }
            TurnKind::ChargebackWon => self.won(turn),
            TurnKind::ChargebackLost => {
                if let Some(one) = self.decided(turn) {
                    self.chargebacks[one].open = false;
                }
            }
        }
    }

    /// Gives back what is won: of the chargeback that was decided, and what is more than it held, of the others.
    fn won(&mut self, turn: &Counted) {
        let Some(decided) = self.decided(turn) else { return };
        let mut back = turn.minor.unwrap_or(self.chargebacks[decided].held);
        self.chargebacks[decided].open = false;
        let others = (0..self.chargebacks.len()).filter(|at| *at != decided);
        for at in std::iter::once(decided).chain(others) {
            let one = &mut self.chargebacks[at];
            let part = back.clamp(0, one.held);
            one.held -= part;
            back -= part;
            one.open &= part == 0 || one.held > 0;
        }
    }

    /// Which chargeback a decision is about: the one of its key, else of its amount, else the oldest; of those that are open, or
    /// where none is, and it was won, of those that were lost.
    fn decided(&self, turn: &Counted) -> Option<usize> {
        let among = |may: &dyn Fn(&Chargeback) -> bool| {
            let find = |fits: &dyn Fn(&Chargeback) -> bool| self.chargebacks.iter().position(|one| may(one) && fits(one));
            find(&|one| one.key == turn.key).or_else(|| find(&|one| turn.minor == Some(one.held))).or_else(|| find(&|_| true))
        };
        let won = turn.kind == TurnKind::ChargebackWon;
        among(&|one| one.open).or_else(|| won.then(|| among(&|one| one.held > 0)).flatten())
    }

    fn left(&self) -> i64 {
        self.whole - self.refunded - self.chargebacks.iter().map(|one| one.held).sum::<i64>()
    }

    /// The turn with what it moves; an error says why it is not counted.
    fn sized(&self, turn: Counted, shown: &impl Fn(i64) -> String) -> Result<Counted, String> {
        let left = self.left();
        let minor = match (turn.kind, turn.minor) {
            (TurnKind::Refunded, Some(minor)) if !(1..=left).contains(&minor) => {
                return Err(format!("a refund of {} is more than the {} that are left", shown(minor), shown(left)));
            }
            (TurnKind::ChargedBack, minor) => Some(minor.filter(|minor| (1..=left).contains(minor)).unwrap_or(left)),
            (TurnKind::ChargebackWon | TurnKind::ChargebackLost, None) => {
                self.decided(&turn).map(|one| self.chargebacks[one].held).filter(|held| *held > 0)
            }
            (_, minor) => minor,
        };
        Ok(Counted { minor, ..turn })
    }
}

/// What a finding adds to what is counted. Status: what was charged back is `Reversed`, and stays so when it is won (books,
/// "Postings").
pub(super) fn plan(transaction: &Transaction, counted: &[Counted], finding: &Finding) -> Plan {
    use TransactionStatus::{Approved, Reversed};
    let mut plan = Plan { standing: finding.standing, turns: Vec::new(), anomalies: Vec::new() };
    if transaction.operation != Operation::PayIn {
        return plan;
    }
    let mut sums = Sums::of(transaction.amount.minor(), counted);
    let shown = |minor: i64| Money::from_minor(minor, transaction.amount.currency()).to_string();
    let mut reverses = false;
    for turn in fresh(counted, &sums, finding, &shown, &mut plan.anomalies) {
        let turn = match sums.sized(turn, &shown) {
            Ok(turn) => turn,
            Err(anomaly) => {
                plan.anomalies.push(anomaly);
                continue;
            }
        };
        if counted.len() + plan.turns.len() >= TURNS_MAX {
            plan.anomalies.push("more refunds and chargebacks are told than can be counted".to_owned());
            break;
        }
        sums.add(&turn);
        reverses |= turn.kind == TurnKind::ChargedBack || sums.left() <= 0;
        plan.turns.push(turn);
    }
    let paid = matches!(transaction.status, Approved | Reversed);
    if reverses && (plan.standing == Standing::Approved || plan.standing == Standing::Unchanged && paid) {
        plan.standing = Standing::Reversed;
    }
    let is_chargeback = |kind| kind == TurnKind::ChargedBack;
    // Reversed without a better word is a refund of what is left: also of what a chargeback had taken, and gave back.
    if plan.standing != Standing::Reversed || finding.turns.iter().any(|turn| is_chargeback(turn.kind)) {
        return plan;
    }
    let again = transaction.status == Reversed;
    let after_chargeback = finding.standing == Standing::Reversed && counted.iter().any(|turn| is_chargeback(turn.kind));
    if sums.left() > 0 && (!again || after_chargeback) {
        plan.turns.push(Counted { kind: TurnKind::Refunded, key: THE_REST.to_owned(), minor: Some(sums.left()) });
    } else if finding.turns.is_empty()
        && finding.given_back.is_none()
        && counted.last().is_some_and(|turn| {
            // Told before it, a refund leaves a chargeback nothing to take.
            is_chargeback(turn.kind) && turn.minor > Some(0)
        })
    {
        let text = format!("the provider says Reversed ({}) of a payment whose money a chargeback has taken", finding.status);
        plan.anomalies.push(text);
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
