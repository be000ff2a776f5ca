//! For whom one commit claims deliveries, and how many.

/// Deliveries and endpoints that one commit claims at most.
const CLAIM_ROWS: usize = 512;
const CLAIM_ENDPOINTS: usize = 32;
/// Of both, what is kept for endpoints that are unknown, slow or failing while any has something: however deep the backlog of the
/// others is, a new endpoint becomes known.
const CLAIM_ROWS_DOUBTFUL: usize = 64;
const CLAIM_ENDPOINTS_DOUBTFUL: usize = 8;

/// Shares the places out: who wants some, whether it takes events, and how many it has room for. Those that take events come
/// first, but for what is kept for the others; those have no more than `left_doubtful`.
pub(super) fn shared_out<K>(wanting: Vec<(K, bool, usize)>, left: usize, mut left_doubtful: usize) -> Vec<(K, u32)> {
    let mut left = left.min(CLAIM_ROWS);
    let (mut good, mut doubtful): (Vec<_>, Vec<_>) = wanting.into_iter().partition(|(_, is_good, _)| *is_good);
    let kept = if doubtful.is_empty() { 0 } else { CLAIM_ROWS_DOUBTFUL.min(left_doubtful).min(left) };
    good.truncate(CLAIM_ENDPOINTS - doubtful.len().min(CLAIM_ENDPOINTS_DOUBTFUL));
    doubtful.truncate(CLAIM_ENDPOINTS - good.len());
    let mut asks = Vec::new();
    for (key, is_good, room) in good.into_iter().chain(doubtful) {
        let most = if is_good { left.saturating_sub(kept) } else { left.min(left_doubtful) };
        let ask = room.min(most);
        if !is_good {
            left_doubtful -= ask;
        }
        if ask > 0 {
            left -= ask;
            asks.push((key, u32::try_from(ask).unwrap_or(u32::MAX)));
        }
    }
    asks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_backlogs_of_others_leave_places_for_a_new_endpoint() {
        let good = |n: usize| (n, true, 256);
        // Seventeen in deep backlog, and more of them than one commit claims for.
        for many in [17, 64] {
            for left in [1, 64, 512] {
                let wanting: Vec<_> = (0..many).map(good).chain([(1_000, false, 16)]).collect();
                let asks = shared_out(wanting, left, 1_024);
                assert_eq!(asks.last(), Some(&(1_000, u32::try_from(left.min(16)).unwrap())), "{many}, {left}");
                assert!(asks.len() <= CLAIM_ENDPOINTS && asks.iter().map(|(_, ask)| *ask as usize).sum::<usize>() <= left);
            }
        }
        // With their share in use already they get nothing, and nothing is kept back for them.
        let asks = shared_out(vec![good(1), (2, false, 16)], 512, 0);
        assert_eq!(asks, [(1, 256)]);
        assert_eq!(shared_out((0..3).map(good).collect(), 512, 0), [(0, 256), (1, 256)]);
    }
}
