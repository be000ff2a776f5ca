//! Addresses whose token nobody was given: each costs the store a look-up, so that one peer has only so many of them.

use crate::peer::{Client, one_peer};
use crate::reply;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So many of a peer within the time; what it asks for after that is refused until the time is over, whatever its token.
const GUESSES_MAX: u32 = 200;
const WITHIN: Duration = Duration::from_secs(10);
/// Peers that are remembered; once there are so many, those are forgotten whose time is over, and all if that is nobody.
const PEERS_MAX: usize = 10_000;
/// When whoever is refused may come again, seconds.
const AGAIN_S: u32 = 1;

/// How many such addresses each peer has asked for, and since when.
#[derive(Debug, Default)]
pub(crate) struct Guesses(Mutex<HashMap<IpAddr, (Instant, u32)>>);

impl Guesses {
    fn has_too_many(&self, peer: IpAddr) -> bool {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(&peer).is_some_and(|(since, count)| *count >= GUESSES_MAX && since.elapsed() < WITHIN)
    }

    fn note(&self, peer: IpAddr) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= PEERS_MAX && !seen.contains_key(&peer) {
            seen.retain(|_, (since, _)| since.elapsed() < WITHIN);
            if seen.len() >= PEERS_MAX {
                seen.clear();
            }
        }
        let (since, count) = seen.entry(peer).or_insert_with(|| (Instant::now(), 0));
        if since.elapsed() >= WITHIN {
            (*since, *count) = (Instant::now(), 0);
        }
        *count = count.saturating_add(1);
    }
}

/// Before whatever is found by the token in its address.
pub(crate) async fn bounded(State(guesses): State<Arc<Guesses>>, request: Request, next: Next) -> Response {
    let Some(peer) = request.extensions().get::<Client>().map(|client| one_peer(client.ip)) else {
        return next.run(request).await;
    };
    if guesses.has_too_many(peer) {
        return reply::response(reply::too_many(AGAIN_S)).into_response();
    }
    let response = next.run(request).await;
    if response.status() == StatusCode::NOT_FOUND {
        guesses.note(peer);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn each_peer_has_its_own_and_the_room_is_bounded() {
        let (guesses, peer) = (Guesses::default(), |n: u32| IpAddr::V4(Ipv4Addr::from_bits(n)));
        for n in 0..GUESSES_MAX {
            assert!(!guesses.has_too_many(peer(1)), "{n}");
            guesses.note(peer(1));
        }
        assert!(guesses.has_too_many(peer(1)) && !guesses.has_too_many(peer(2)));
        for n in 0..u32::try_from(PEERS_MAX).unwrap() * 2 {
            guesses.note(peer(10 + n));
        }
        assert!(guesses.0.lock().unwrap().len() <= PEERS_MAX);
    }
}
