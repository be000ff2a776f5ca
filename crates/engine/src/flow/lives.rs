//! Which of the processes that share a store are dead: those whose heartbeat was not renewed while this one looked, again and
//! again. No clock is compared with another's, and a time in which nobody could look (the store was away, this process was
//! paused) counts for nothing.

use domain::Timestamp;
use std::collections::HashMap;

/// A process whose heartbeat is the same at so many looks after the first, one a second, is dead.
const DEAD_AFTER_LOOKS: u32 = 5;

/// What this process has seen of the others.
#[derive(Debug, Default)]
pub(super) struct Lives(HashMap<String, (Timestamp, u32)>);

impl Lives {
    /// Takes in what the store says now. Answers who is dead, each with the heartbeat that was its last.
    pub(super) fn look(&mut self, beats: Vec<(String, Timestamp)>, this: &str) -> Vec<(String, Timestamp)> {
        let mut seen = HashMap::with_capacity(beats.len());
        let mut dead = Vec::new();
        for (node, beat) in beats.into_iter().filter(|(node, _)| node != this) {
            let looks = match self.0.get(&node) {
                Some((before, looks)) if *before == beat => looks.saturating_add(1),
                _ => 0,
            };
            if looks >= DEAD_AFTER_LOOKS {
                dead.push((node.clone(), beat));
            }
            seen.insert(node, (beat, looks));
        }
        self.0 = seen;
        dead
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_millis(second * 1_000)
    }

    #[test]
    fn who_beats_lives_whatever_the_clock_says() {
        let mut lives = Lives::default();
        for second in 0..20 {
            // Its clock goes backwards.
            let beats = vec![("me".to_owned(), at(0)), ("other".to_owned(), at(-second))];
            assert!(lives.look(beats, "me").is_empty());
        }
    }

    #[test]
    fn who_does_not_is_dead_after_five_looks_and_alive_with_the_next_beat() {
        let mut lives = Lives::default();
        let mut look = |second| lives.look(vec![("other".to_owned(), at(second))], "me");
        for _ in 0..5 {
            assert!(look(7).is_empty());
        }
        assert_eq!(look(7), [("other".to_owned(), at(7))]);
        assert_eq!(look(7), [("other".to_owned(), at(7))]);
        assert!(look(8).is_empty());
    }
}
