//! At a start: what is due further ahead than one step of its schedule was put there by a clock that went wrong, and is brought
//! back to one step.

use crate::Batch;
use domain::Timestamp;

macro_rules! wait {
    ($first:literal: $($attempt:literal => $param:literal),*; $last:literal) => {
        concat!("(CASE ", $first, $(" WHEN ", $attempt, " THEN ", $param,)* " ELSE ", $last, " END)")
    };
}

/// The steps, milliseconds as they are really waited.
#[derive(Clone, Debug)]
pub struct Steps {
    /// Of the common schedule: before the 1st, 2nd, ... attempt; the last one is repeated.
    pub inquiry: [i64; 8],
    /// Between late checks.
    pub late: [i64; 3],
    /// Until a hold is shown as stuck.
    pub hold: i64,
    /// Before the 2nd, 3rd, ... attempt of a delivery, at the longest.
    pub delivery: [i64; 12],
    /// What an endpoint may ask for in place of that.
    pub retry_after: i64,
}

macro_rules! common {
    ($column:literal) => {
        wait!($column: "0" => "?2", "1" => "?3", "2" => "?4", "3" => "?5", "4" => "?6", "5" => "?7", "6" => "?8"; "?9")
    };
}

macro_rules! of_job {
    () => {
        concat!(
            "(CASE next_kind WHEN 'late' THEN (CASE next_tries WHEN 0 THEN ?10 WHEN 1 THEN ?11 ELSE ?12 END) WHEN 'hold' THEN ?13 ELSE ",
            common!("next_tries"),
            " END)"
        )
    };
}

const JOBS: &str = concat!(
    "UPDATE attempts INDEXED BY attempts_by_due SET next_at = ?1 + ",
    of_job!(),
    " WHERE next_at IS NOT NULL AND COALESCE(next_owner, '') = '' AND next_at + 0 > ?1 AND next_at + 0 > ?1 + ",
    of_job!()
);
const CALLBACKS: &str = concat!(
    "UPDATE callbacks SET due_at = ?1 + ",
    common!("attempt"),
    " WHERE owner IS NULL AND due_at > ?1 AND due_at > ?1 + ",
    common!("attempt")
);

macro_rules! of_delivery {
    () => {
        wait!("attempts": "0" => "?2", "1" => "?2", "2" => "?3", "3" => "?4", "4" => "?5", "5" => "?6", "6" => "?7", "7" => "?8",
            "8" => "?9", "9" => "?10", "10" => "?11", "11" => "?12"; "?13")
    };
}

const DELIVERIES: &str = concat!(
    "UPDATE deliveries SET next_at = ?1 + ",
    of_delivery!(),
    " WHERE owner IS NULL AND state = 'failing' AND next_at > ?1 AND next_at > ?1 + ",
    of_delivery!(),
    " AND (last_http_status IS NULL OR last_http_status NOT IN (429, 503) OR next_at > ?1 + ?14)"
);
// Whoever waits behind an earlier one is looked at anew: its own time says nothing.
const WAITING: &str = "UPDATE deliveries SET next_at = ?1 WHERE owner IS NULL AND state = 'waiting' AND next_at > ?1 + ?2";

// A lease of a process that is no more, by a clock that went wrong, would last for as long as that was ahead.
const LEASES: &str = "UPDATE deliveries SET next_at = ?1, owner = NULL, lease_until = NULL WHERE next_at > ?1 AND owner IS NOT NULL \
                      AND owner NOT IN (SELECT id FROM nodes)";

/// Brings back what nobody works on. All that is due within its step stays as it is.
pub fn bring_back(batch: &mut Batch, now: Timestamp, steps: &Steps) {
    let at = || vec![now.millis().into()];
    let with = |more: &[i64]| {
        let mut values: Vec<crate::Value> = at();
        values.extend(more.iter().map(|step| crate::Value::from(*step)));
        values
    };
    let mut of_jobs = steps.inquiry.to_vec();
    of_jobs.extend(steps.late);
    of_jobs.push(steps.hold);
    batch.run(JOBS, with(&of_jobs));
    batch.run(CALLBACKS, with(&steps.inquiry));
    let mut of_deliveries = steps.delivery.to_vec();
    of_deliveries.push(steps.retry_after);
    batch.run(DELIVERIES, with(&of_deliveries));
    batch.run(LEASES, at());
    batch.run(WAITING, with(&[steps.delivery.iter().copied().max().unwrap_or_default()]));
}

const SHIFT_FAILING: &str =
    "UPDATE endpoint_health SET failing_since = failing_since + ?1 WHERE failing_since IS NOT NULL AND disabled_at IS NULL";
// When was asked last stays: of a wait one step counts at most, whatever a clock did in it.
const SHIFT_JOBS: &str = "UPDATE attempts INDEXED BY attempts_by_due SET next_first_at = next_first_at + ?1, \
                          next_detail = CASE WHEN json_type(next_detail, '$.sentAt') = 'integer' \
                          THEN json_set(next_detail, '$.sentAt', json_extract(next_detail, '$.sentAt') + ?1) ELSE next_detail END \
                          WHERE next_at IS NOT NULL";
const SHIFT_WAITING: &str = "UPDATE callbacks SET received_at = received_at + ?1 WHERE due_at IS NOT NULL";
const SHIFT_KEYS: &str = "UPDATE idempotency SET expires_at = expires_at + ?1 WHERE expires_at IS NOT NULL";

/// What ends after a time ends after that time of running: the time in which nobody ran, and whatever a clock did in it, counts
/// for nothing. In the rows themselves, in the commit that notes that the store is in use again: so it is left out once, however
/// often is started afterwards. These are all the points in time of the embedded store from which a time is counted; the others
/// are dates (when something was made, until when a token is good) or due times, which [`bring_back`] looks after.
pub fn leave_out(batch: &mut Batch, pause_ms: i64) {
    for sql in [SHIFT_FAILING, SHIFT_JOBS, SHIFT_WAITING, SHIFT_KEYS] {
        batch.run(sql, vec![pause_ms.into()]);
    }
}
