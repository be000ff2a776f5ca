//! What every answer has, whatever was asked.

use crate::wire::{Server, small_router};
use mozarto_http::Limits;

const NOT_FOUND: &str = r#"{"status":"error","message":"Not found","isSuccess":false,"errors":[]}"#;

#[tokio::test]
async fn unknown_paths_and_methods_are_in_the_envelope() {
    let server = Server::start(small_router(), Limits::default());
    for path in ["/", "/nowhere", "/now/", "//now", "/%ff", "/now%00", "*"] {
        let answer = server.ask(&format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
        assert_eq!((answer.status, answer.body.as_str()), (404, NOT_FOUND), "{path}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    for (method, path, allow) in [
        ("POST", "/now", "GET,HEAD"),
        ("OPTIONS", "/now", "GET,HEAD"),
        ("TRACE", "/now", "GET,HEAD"),
        ("BREW", "/now", "GET,HEAD"),
        ("GET", "/read", "POST"),
        ("DELETE", "/read", "POST"),
    ] {
        let answer = server.ask(&format!("{method} {path} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some(allow)), "{method} {path}");
        assert!(answer.body.contains(r#""message":"Method not allowed""#), "{answer:?}");
    }
}

#[tokio::test]
async fn a_large_body_to_a_wrong_path_does_not_lose_the_answer() {
    let server = Server::start(small_router(), Limits::default());
    let body = "x".repeat(900_000);
    for path in ["/nowhere", "/now"] {
        let answer =
            server.ask(&format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}", body.len())).await;
        assert_eq!(answer.status, if path == "/now" { 405 } else { 404 });
    }
}

#[tokio::test]
async fn every_answer_has_an_id_of_ours_and_is_not_sniffed() {
    let server = Server::start(small_router(), Limits::default());
    let mut ids = std::collections::HashSet::new();
    for path in ["/now", "/nowhere", "/panic"] {
        let answer = server.ask(&format!("GET {path} HTTP/1.1\r\nhost: x\r\nx-request-id: 4111111111111111\r\n\r\n")).await;
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        let id = answer.header("x-request-id").unwrap().to_owned();
        assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        assert!(ids.insert(id));
    }
}

#[tokio::test]
async fn a_panic_is_our_error_and_ends_nothing_else() {
    let server = Server::start(small_router(), Limits::default());
    let mut peer = server.connect().await;
    for _ in 0..2 {
        peer.send(b"GET /panic HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let answer = peer.answer().await.unwrap();
        let expected =
            r#"{"status":"error","message":"Internal server error","isSuccess":false,"errors":[],"data":"Something went wrong"}"#;
        assert_eq!((answer.status, answer.body.as_str()), (500, expected));
    }
    peer.send(b"GET /now HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(peer.answer().await.unwrap().body, "now");
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let server = Server::start(small_router(), Limits::default());
    let mut peer = server.connect().await;
    peer.send(b"HEAD /now HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    let mut all = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut peer.0, &mut all).await.unwrap();
    let text = String::from_utf8(all).unwrap();
    assert!(text.starts_with("HTTP/1.1 200") && text.ends_with("\r\n\r\n"), "{text}");
}
