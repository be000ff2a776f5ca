//! The accept loop: slow, greedy, broken and too many clients, and the graceful stop (reliability S11, running "Health").

use crate::wire::{Peer, Server, small_router};
use mozarto_http::Limits;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_millis(400);

fn quick() -> Limits {
    Limits { header_read: SOON, body_read: SOON, drain: Duration::from_secs(2), ..Limits::default() }
}

#[tokio::test]
async fn a_head_that_does_not_come_in_time_ends_the_connection() {
    let server = Server::start(small_router(), quick());
    for part in ["", "GET", "GET /now HTTP/1.1\r\nhost: x\r\nx-slow: "] {
        let mut peer = server.connect().await;
        let start = Instant::now();
        peer.send(part.as_bytes()).await;
        peer.hung_up().await;
        assert!((SOON / 2..SOON * 5).contains(&start.elapsed()), "{part:?}: {:?}", start.elapsed());
    }
}

#[tokio::test]
async fn a_head_in_drops_does_not_last_longer() {
    let server = Server::start(small_router(), quick());
    let mut peer = server.connect().await;
    let start = Instant::now();
    peer.send(b"GET /now HTTP/1.1\r\n").await;
    while start.elapsed() < SOON * 10 && peer.send(b"a: b\r\n").await {
        tokio::time::sleep(SOON / 10).await;
    }
    assert!(start.elapsed() < SOON * 5, "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_thousand_half_open_requests_hurt_nobody() {
    let limits = Limits { header_read: Duration::from_secs(3), connections_per_peer: 2_000, ..Limits::default() };
    let server = Server::start(small_router(), limits);
    let mut half_open = Vec::new();
    for _ in 0..1_000 {
        let mut peer = server.connect().await;
        peer.send(b"POST /read HTTP/1.1\r\nhost: x\r\ncontent-le").await;
        half_open.push(peer);
    }
    let start = Instant::now();
    let mut slowest = Duration::ZERO;
    for _ in 0..50 {
        let asked = Instant::now();
        assert_eq!(server.ask("GET /now HTTP/1.1\r\nhost: x\r\n\r\n").await.status, 200);
        slowest = slowest.max(asked.elapsed());
    }
    assert!(slowest < Duration::from_millis(500), "{slowest:?}");
    for peer in &mut half_open {
        peer.hung_up().await;
    }
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_body_that_does_not_come_in_time_is_408() {
    let server = Server::start(small_router(), quick());
    for request in [
        "POST /read HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc",
        "POST /read HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ] {
        let mut peer = server.connect().await;
        peer.send(request.as_bytes()).await;
        let answer = peer.answer().await.unwrap();
        assert_eq!((answer.status, answer.header("connection")), (408, Some("close")), "{answer:?}");
        peer.hung_up().await;
    }
}

#[tokio::test]
async fn bodies_pass_up_to_the_limit_and_not_a_byte_more() {
    let server = Server::start(small_router(), Limits::default());
    let limit = 64 * 1024;
    let with_length = |n: usize| format!("POST /read HTTP/1.1\r\nhost: x\r\ncontent-length: {n}\r\n\r\n{}", "x".repeat(n));
    let chunked = |n: usize| {
        format!("POST /read HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n{n:x}\r\n{}\r\n0\r\n\r\n", "x".repeat(n))
    };
    for request in [with_length(limit), chunked(limit)] {
        let answer = server.ask(&request).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "65536"));
    }
    for request in [with_length(limit + 1), chunked(limit + 1), with_length(900_000), chunked(900_000)] {
        let mut peer = server.connect().await;
        peer.send(request.as_bytes()).await;
        let answer = peer.answer().await.expect("the answer survives the early end");
        let expected = r#"{"status":"error","message":"Request body is too large","isSuccess":false,"errors":[]}"#;
        assert_eq!((answer.status, answer.body.as_str()), (413, expected));
    }
    // What only says that it is too long is not waited for.
    let mut peer = server.connect().await;
    peer.send(b"POST /read HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 70000\r\n\r\n").await;
    assert_eq!(peer.answer().await.unwrap().status, 413);
}

#[tokio::test]
async fn heads_have_limits_too() {
    let server = Server::start(small_router(), Limits::default());
    let many: String = (0..300).map(|n| format!("x-{n}: y\r\n")).collect();
    let long = format!("x: {}\r\n", "y".repeat(64 * 1024));
    for headers in [many, long] {
        let answer = server.ask(&format!("GET /now HTTP/1.1\r\nhost: x\r\n{headers}\r\n")).await;
        assert_eq!(answer.status, 431);
    }
    for bad in ["GET\r\n\r\n", "GET /now HTTP/1.1\r\nhost x\r\n\r\n", "\x16\x03\x01\x02\r\n\r\n"] {
        assert_eq!(server.ask(bad).await.status, 400, "{bad:?}");
    }
    // Two readers could see two bodies here.
    let smuggled = "POST /read HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ncontent-length: 5\r\n\r\nabcde";
    assert_eq!(server.ask(smuggled).await.status, 400);
}

#[tokio::test]
async fn one_connection_too_many_is_told_so() {
    let server = Server::start(small_router(), Limits { connections: 3, ..quick() });
    let mut held: Vec<Peer> = Vec::new();
    for _ in 0..3 {
        let mut peer = server.connect().await;
        peer.send(b"GET /now HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert_eq!(peer.answer().await.unwrap().status, 200);
        held.push(peer);
    }
    let mut fourth = server.connect().await;
    let answer = fourth.answer().await.unwrap();
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    assert!(answer.body.contains(r#""isSuccess":false"#), "{answer:?}");
    fourth.hung_up().await;
    // The three idle ones end by themselves, and there is room again.
    for mut peer in held {
        peer.hung_up().await;
    }
    assert_eq!(server.ask("GET /now HTTP/1.1\r\nhost: x\r\n\r\n").await.status, 200);
}

#[tokio::test]
async fn one_connection_too_many_of_a_peer_is_told_so_even_while_it_sends() {
    let server = Server::start(small_router(), Limits { connections_per_peer: 2, ..quick() });
    let _held = [server.connect().await, server.connect().await];
    for _ in 0..20 {
        let answer = server.ask("GET /now HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert_eq!((answer.status, answer.header("retry-after")), (429, Some("1")));
        assert!(answer.body.contains(r#""isSuccess":false"#), "{answer:?}");
    }
    let proxy = Limits { connections_per_peer: 1, trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()], ..quick() };
    let server = Server::start(small_router(), proxy);
    let _held = [server.connect().await, server.connect().await];
    assert_eq!(server.ask("GET /now HTTP/1.1\r\nhost: x\r\n\r\n").await.status, 200);
}

#[tokio::test]
async fn a_graceful_stop_lets_answers_finish() {
    let server = Server::start(small_router(), Limits { header_read: Duration::from_secs(10), ..quick() });
    let mut idle = server.connect().await;
    idle.send(b"GET /now HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(idle.answer().await.unwrap().status, 200);
    let mut busy = server.connect().await;
    busy.send(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    tokio::time::sleep(Duration::from_millis(200)).await;

    let start = Instant::now();
    server.stop.cancel();
    idle.hung_up().await;
    assert!(start.elapsed() < Duration::from_millis(400), "an idle connection is closed at once: {:?}", start.elapsed());
    let answer = busy.answer().await.expect("the answer under way is given");
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    server.ended.await.unwrap().unwrap();
    assert!(start.elapsed() < Duration::from_millis(1_500), "{:?}", start.elapsed());
    assert!(tokio::net::TcpStream::connect(server.address).await.is_err(), "nothing listens any more");
}

#[tokio::test]
async fn a_graceful_stop_does_not_wait_for_ever() {
    let server = Server::start(small_router(), quick());
    let mut stuck = server.connect().await;
    stuck.send(b"GET /never HTTP/1.1\r\nhost: x\r\n\r\n").await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let start = Instant::now();
    server.stop.cancel();
    server.ended.await.unwrap().unwrap();
    assert!((Duration::from_secs(2)..Duration::from_secs(4)).contains(&start.elapsed()), "{:?}", start.elapsed());
    assert!(stuck.answer().await.is_none());
}
