//! How much of an answer is read, and what is kept of one that breaks off.

use super::*;

async fn answering(answer: String) -> Server {
    Server::start(move |mut peer| {
        let answer = answer.clone();
        Box::pin(async move {
            peer.request().await;
            peer.answer(&answer).await;
            std::future::pending::<()>().await;
        })
    })
    .await
}

#[tokio::test]
async fn a_long_body_is_cut_and_said_to_be() {
    let body = "b".repeat(1_000_000);
    for answer in [
        format!("HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n{body}"),
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nf4240\r\n{body}\r\n0\r\n\r\n"),
    ] {
        let server = answering(answer).await;
        let incoming = sandbox().send(post(server.url())).await.unwrap();
        assert_eq!((incoming.status, incoming.body.len(), incoming.truncated), (200, 1_024, true));
    }
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_is_whole() {
    let server = answering(format!("HTTP/1.1 200 OK\r\ncontent-length: 1024\r\n\r\n{}", "c".repeat(1_024))).await;
    let incoming = sandbox().send(post(server.url())).await.unwrap();
    assert_eq!((incoming.body.len(), incoming.truncated), (1_024, false));
}

#[tokio::test]
async fn for_the_status_a_body_that_hangs_or_breaks_does_not_matter() {
    let hanging = answering("HTTP/1.1 204 Fine\r\ncontent-length: 100\r\n\r\nbegin".into()).await;
    // 204 has no body: hyper ends it at the head. The next one has.
    assert_eq!(sandbox().send_for_status(post(hanging.url()), 200).await.unwrap().status, 204);
    let hanging = answering("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nbegin".into()).await;
    let incoming = sandbox().send_for_status(post(hanging.url()), 200).await.unwrap();
    assert_eq!((incoming.status, incoming.body.as_slice()), (200, b"begin".as_slice()));
    let call = Outgoing { answer_ms: 200, ..post(hanging.url()) };
    assert_eq!(sandbox().send(call).await.unwrap_err(), Failure::Timeout, "a provider's answer must be whole");
}

#[tokio::test]
async fn the_total_limit_covers_everything() {
    let server = Server::start(|mut peer| {
        Box::pin(async move {
            peer.request().await;
            std::future::pending::<()>().await;
        })
    })
    .await;
    let started = std::time::Instant::now();
    let call = Outgoing { connect_ms: 60_000, answer_ms: 60_000, ..post(server.url()) };
    assert_eq!(sandbox().send_for_status(call, 100).await.unwrap_err(), Failure::Timeout);
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn json_is_posted_with_its_type() {
    let server = Server::start(|mut peer| {
        Box::pin(async move {
            let request = peer.request().await.unwrap();
            assert!(
                request.contains("content-type: application/json\r\n") && request.contains("authorization: tok\r\n"),
                "{request}"
            );
            assert!(request.ends_with("{\"userId\":\"u\"}"), "{request}");
            peer.ok().await;
        })
    })
    .await;
    let body = Json::object([("userId", Json::text("u"))]);
    let incoming = sandbox().post_json(server.url(), &[("authorization", "tok")], &body, 5_000).await.unwrap();
    assert_eq!(incoming.status, 200);
}
