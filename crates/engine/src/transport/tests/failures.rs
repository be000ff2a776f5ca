//! What became of a call is named rightly: "certainly nothing was sent" only where no connection stood.

use super::*;

#[tokio::test]
async fn an_answer_comes_back_with_lower_case_headers() {
    let server = Server::start(|mut peer| {
        Box::pin(async move {
            let request = peer.request().await.unwrap();
            assert!(request.starts_with("POST /hook HTTP/1.1\r\n"), "{request}");
            assert!(
                request.contains("authorization: Bearer canary-secret\r\n") && request.ends_with("{\"canary\":1}"),
                "{request}"
            );
            peer.answer("HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/\r\nX-Thing: A\r\ncontent-length: 5\r\n\r\nhello").await;
        })
    })
    .await;
    let incoming = sandbox().send(post(server.url())).await.unwrap();
    assert_eq!((incoming.status, incoming.body.as_slice(), incoming.truncated), (302, b"hello".as_slice(), false));
    assert_eq!(incoming.header("x-thing"), Some("A"));
    assert_eq!(server.requests(), 1, "a redirect is not followed");
}

#[tokio::test]
async fn a_refused_connection_is_certainly_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let failure = sandbox().send(post(&url)).await.unwrap_err();
    assert_eq!(failure, Failure::Connect);
    assert!(failure.nothing_sent());
}

#[tokio::test]
async fn a_name_without_addresses_is_dns() {
    let transport = Transport::with_lookup(Environment::Production, 1, Arc::new(Table::default())).unwrap();
    assert_eq!(transport.send(post("https://nowhere.example.com/")).await.unwrap_err(), Failure::Dns);
}

/// A resolver that never answers.
struct Silent;

impl Lookup for Silent {
    fn addresses(&self, _name: String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn connecting_has_its_own_limit_and_covers_the_resolver() {
    let transport = Transport::with_lookup(Environment::Production, 1, Arc::new(Silent)).unwrap();
    let call = Outgoing { connect_ms: 50, answer_ms: 60_000, ..post("https://shop.example.com/") };
    let started = std::time::Instant::now();
    assert_eq!(transport.send(call).await.unwrap_err(), Failure::ConnectTimeout);
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn an_end_after_the_request_was_read_is_broken() {
    for reset in [false, true] {
        let server = Server::start(move |mut peer| {
            Box::pin(async move {
                peer.request().await;
                if reset {
                    peer.reset();
                }
            })
        })
        .await;
        let failure = sandbox().send(post(server.url())).await.unwrap_err();
        assert_eq!(failure, Failure::Broken, "reset: {reset}");
        assert!(!failure.nothing_sent());
        assert_eq!(server.requests(), 1, "sent once");
    }
}

#[tokio::test]
async fn no_answer_in_time_is_a_timeout() {
    let server = Server::start(|mut peer| {
        Box::pin(async move {
            peer.request().await;
            std::future::pending::<()>().await;
        })
    })
    .await;
    let call = Outgoing { answer_ms: 80, ..post(server.url()) };
    let started = std::time::Instant::now();
    assert_eq!(sandbox().send(call).await.unwrap_err(), Failure::Timeout);
    assert!(started.elapsed() < Duration::from_millis(1_500), "the connect limit is not added to the answer's");
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn the_time_scale_divides_limits() {
    let server = Server::start(|mut peer| {
        Box::pin(async move {
            peer.request().await;
            std::future::pending::<()>().await;
        })
    })
    .await;
    let transport = Transport::new(Environment::Sandbox, 1_000).unwrap();
    let call = Outgoing { connect_ms: 500_000, answer_ms: 60_000, ..post(server.url()) };
    let started = std::time::Instant::now();
    assert_eq!(transport.send(call).await.unwrap_err(), Failure::Timeout);
    assert!(started.elapsed() >= Duration::from_millis(60) && started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn what_is_not_http_is_broken() {
    for answer in ["SSH-2.0-OpenSSH_9.6\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort"] {
        let server = Server::start(move |mut peer| {
            Box::pin(async move {
                peer.request().await;
                peer.answer(answer).await;
            })
        })
        .await;
        assert_eq!(sandbox().send(post(server.url())).await.unwrap_err(), Failure::Broken, "{answer:?}");
    }
}

#[tokio::test]
async fn an_endless_head_is_too_large() {
    let server = Server::start(|mut peer| {
        Box::pin(async move {
            peer.request().await;
            let line = format!("x-filler: {}\r\n", "a".repeat(8_000));
            peer.answer("HTTP/1.1 200 OK\r\n").await;
            for _ in 0..2_000 {
                if peer.stream.write_all(line.as_bytes()).await.is_err() {
                    return;
                }
            }
        })
    })
    .await;
    assert_eq!(sandbox().send(post(server.url())).await.unwrap_err(), Failure::TooLarge);
}

/// The heart of the matter: on a reused connection that dies once the request was read, the client must not send again on its
/// own.
#[tokio::test]
async fn a_request_read_on_a_reused_connection_is_never_sent_again() {
    for reset in [false, true] {
        let server = Server::start(move |mut peer| {
            Box::pin(async move {
                if peer.number > 0 {
                    // A second connection would be a second sending: it would be answered, and the test would see it.
                    while peer.request().await.is_some() {
                        peer.ok().await;
                    }
                    return;
                }
                peer.request().await;
                peer.ok().await;
                peer.request().await;
                if reset {
                    peer.reset();
                }
            })
        })
        .await;
        let transport = sandbox();
        assert_eq!(transport.send(post(server.url())).await.unwrap().status, 200);
        assert_eq!(transport.send(post(server.url())).await.unwrap_err(), Failure::Broken, "reset: {reset}");
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!((server.connections(), server.requests()), (1, 2));
    }
}

/// Connections that their server closes while idle, at every instant around the next request: each call is read at most once, and
/// when the client says "certainly not sent" it was not read.
#[tokio::test]
async fn racing_a_closing_server_never_doubles_a_request() {
    let server = Server::start(|mut peer| {
        Box::pin(async move {
            while peer.request().await.is_some() {
                peer.ok().await;
                if peer.number % 2 == 0 {
                    return;
                }
            }
        })
    })
    .await;
    let transport = sandbox();
    let (mut answered, mut unknown) = (0, 0);
    for round in 0..400_u64 {
        let before = server.requests();
        match transport.send(post(server.url())).await {
            Ok(_) => answered += 1,
            Err(failure) => {
                assert!(!failure.nothing_sent(), "the server listens: {failure:?}");
                unknown += 1;
            }
        }
        let read = server.requests() - before;
        assert!(read <= 1, "round {round}: read {read} times");
        if round % 3 == 0 {
            tokio::time::sleep(Duration::from_micros(round * 7 % 500)).await;
        }
    }
    assert_eq!(answered + unknown, 400);
    assert!(answered > 300, "{answered} answered, {unknown} unknown");
}

#[tokio::test]
async fn connections_are_reused() {
    let server = Server::start(|mut peer| {
        Box::pin(async move {
            while peer.request().await.is_some() {
                peer.ok().await;
            }
        })
    })
    .await;
    let transport = sandbox();
    for _ in 0..20 {
        assert_eq!(transport.send(post(server.url())).await.unwrap().body, b"ok");
    }
    assert_eq!((server.connections(), server.requests()), (1, 20));
}

#[tokio::test]
async fn values_that_http_cannot_carry_send_nothing() {
    let server = Server::start(|mut peer| {
        Box::pin(async move {
            peer.request().await;
        })
    })
    .await;
    let url = server.url();
    let transport = sandbox();
    let bad_value = Outgoing { headers: &[("authorization", "canary\r\nx: y")], ..post(url) };
    assert!(transport.send(bad_value).await.unwrap_err().nothing_sent());
    let bad_name = Outgoing { headers: &[("a b", "c")], ..post(url) };
    assert!(transport.send(bad_name).await.unwrap_err().nothing_sent());
    let bad_method = Outgoing { method: "PO ST", ..post(url) };
    assert!(transport.send(bad_method).await.unwrap_err().nothing_sent());
    assert_eq!(server.connections(), 0);
}

#[test]
fn nothing_secret_prints() {
    let shown = format!("{:?}", post("https://shop.example.com/canary-path?token=canary"));
    assert!(!shown.contains("canary"), "{shown}");
    let incoming = Incoming {
        status: 200,
        headers: vec![("set-cookie".into(), "canary".into())],
        body: b"canary".to_vec(),
        truncated: false,
    };
    assert!(!format!("{incoming:?}").contains("canary"));
    assert!(!format!("{:?}", sandbox()).contains("canary"));
}

#[tokio::test]
async fn a_cut_answer_of_a_provider_is_what_came_of_it() {
    for (cut, came) in [("{\"success\":tr", Some("{\"success\":tr")), ("", None)] {
        let server = Server::start(move |mut peer| {
            Box::pin(async move {
                peer.request().await;
                peer.answer(&format!("HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{cut}")).await;
            })
        })
        .await;
        let incoming = sandbox().send_to_provider(post(server.url())).await;
        match came {
            Some(text) => {
                let incoming = incoming.unwrap();
                assert_eq!((incoming.status, incoming.body.as_slice(), incoming.truncated), (200, text.as_bytes(), false));
            }
            None => assert_eq!(incoming.unwrap_err(), Failure::Broken, "no body at all"),
        }
    }
}
