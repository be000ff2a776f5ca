//! When things are tried again. Times are as written; the clock's time scale divides them where they are waited for.

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

/// First waits of the inquiry schedule, milliseconds after our last call (providers/common "One inquiry schedule").
pub const INQUIRY_WAITS_MS: [i64; 8] =
    [10 * SECOND, 30 * SECOND, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE, 60 * MINUTE];
/// The inquiry schedule ends with a person after so long of waiting, milliseconds.
pub const INQUIRY_END_MS: i64 = 72 * HOUR;
/// So many inquiries, the first included, are those three days by [`INQUIRY_WAITS_MS`] and then one an hour.
pub const INQUIRIES_MAX: u32 = 78;
/// After a negative ending of a pay-in the provider is asked again, milliseconds after the ending.
pub const LATE_CHECKS_MS: [i64; 3] = [HOUR, 24 * HOUR, 72 * HOUR];
/// Waits before the 2nd to 13th delivery attempt of a webhook, milliseconds (webhooks "Delivery").
pub const DELIVERY_WAITS_MS: [i64; 12] = [
    5 * SECOND,
    30 * SECOND,
    2 * MINUTE,
    10 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    4 * HOUR,
    8 * HOUR,
    12 * HOUR,
    24 * HOUR,
    24 * HOUR,
];
/// Each delivery wait is spread by this share either way, per cent.
pub const DELIVERY_SPREAD_PERCENT: i64 = 20;
/// An endpoint's own `Retry-After` counts up to this, milliseconds.
pub const DELIVERY_RETRY_AFTER_MAX_MS: i64 = 24 * HOUR;
/// An endpoint that has only failed for this long is switched off, milliseconds.
pub const ENDPOINT_DISABLED_AFTER_MS: i64 = 120 * HOUR;
/// And no sooner than at this failed attempt of one of its deliveries: a time alone may be a clock's mistake.
pub const ENDPOINT_DISABLED_AFTER_ATTEMPTS: u32 = 3;
/// Raw callbacks are kept this long unless the operator sets another time, milliseconds.
pub const CALLBACKS_KEPT_MS: i64 = 30 * 24 * HOUR;
/// Events and deliveries are kept and can be replayed for this long, the operator's setting at least, milliseconds.
pub const EVENTS_KEPT_MS: i64 = 30 * 24 * HOUR;
/// An idempotency key is kept this long after its transaction is final, the operator's setting at least, milliseconds.
pub const IDEMPOTENCY_KEPT_MS: i64 = 24 * HOUR;
/// A pay-out on hold that nobody decided is shown as stuck after this long, milliseconds.
pub const HOLD_ATTENTION_MS: i64 = 72 * HOUR;

/// The wait before inquiry number `attempt` (0 = the first).
pub fn inquiry_step_ms(attempt: u32) -> i64 {
    let index = usize::try_from(attempt).unwrap_or(usize::MAX);
    INQUIRY_WAITS_MS.get(index).copied().unwrap_or(HOUR)
}

/// The wait before attempt number `attempt` (0 = the first) of what is tried on the inquiry schedule, or `None` once there were
/// as many as it has. It ends by their number, because a time that has passed by some clock may be that clock's mistake.
pub fn inquiry_wait_ms(attempt: u32) -> Option<i64> {
    (attempt < INQUIRIES_MAX).then(|| inquiry_step_ms(attempt))
}

/// The wait before delivery attempt number `attempt` (2 = the first retry), spread by `random` (any value), or `None` when the
/// attempts are used up.
pub fn delivery_wait_ms(attempt: u32, random: u32) -> Option<i64> {
    let index = usize::try_from(attempt.checked_sub(2)?).ok()?;
    let wait = *DELIVERY_WAITS_MS.get(index)?;
    let permille = i64::from(random % 401) - 200; // -200..=200, i.e. +-20 %
    Some(wait + wait * permille / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirteen_attempts_over_about_75_hours() {
        let total: i64 = DELIVERY_WAITS_MS.iter().sum();
        assert!((75 * HOUR..77 * HOUR).contains(&total), "{total}");
        assert!(delivery_wait_ms(14, 0).is_none());
        assert!(delivery_wait_ms(13, 0).is_some());
        for random in [0, 200, 400, u32::MAX] {
            let wait = delivery_wait_ms(2, random).unwrap();
            assert!((4_000..=6_000).contains(&wait));
        }
    }

    #[test]
    fn inquiries_end_with_a_person() {
        assert_eq!(inquiry_wait_ms(0), Some(10_000));
        assert_eq!(inquiry_wait_ms(7), Some(HOUR));
        assert_eq!(inquiry_wait_ms(77), Some(HOUR));
        assert_eq!(inquiry_wait_ms(78), None);
        let waited = |inquiries: u32| -> i64 { (0..inquiries).map(inquiry_step_ms).sum() };
        assert!(waited(INQUIRIES_MAX - 1) < INQUIRY_END_MS && waited(INQUIRIES_MAX) >= INQUIRY_END_MS);
    }
}
