//! Peers whose TLS must be refused: before anything of the request is sent.

use super::*;
use rcgen::{CertificateParams, KeyPair};
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::{TlsAcceptor, rustls};

/// A TLS server with that certificate, signed by nobody that the system knows. Answers 200 to whoever gets through.
async fn server(params: CertificateParams) -> (SocketAddr, Arc<AtomicUsize>) {
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let through = Arc::new(AtomicUsize::new(0));
    let counted = through.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, counted) = (acceptor.clone(), counted.clone());
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    return;
                };
                let mut buffer = [0; 1024];
                if let Ok(1..) = stream.read(&mut buffer).await {
                    counted.fetch_add(1, Ordering::SeqCst);
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
                }
            });
        }
    });
    (address, through)
}

#[tokio::test]
async fn peers_that_cannot_prove_themselves_are_refused() {
    let mut expired = CertificateParams::new(vec!["localhost".into()]).unwrap();
    expired.not_before = rcgen::date_time_ymd(2001, 1, 1);
    expired.not_after = rcgen::date_time_ymd(2002, 1, 1);
    let cases = [
        ("unknown issuer", CertificateParams::new(vec!["localhost".into(), "127.0.0.1".into()]).unwrap()),
        ("another name", CertificateParams::new(vec!["somebody-else.example".into()]).unwrap()),
        ("expired", expired),
    ];
    for (what, params) in cases {
        let (address, through) = server(params).await;
        for host in ["localhost", "127.0.0.1"] {
            let url = format!("https://{host}:{}/", address.port());
            let failure = sandbox().send(post(&url)).await.unwrap_err();
            assert_eq!(failure, Failure::Tls, "{what} as {host}");
            assert!(failure.nothing_sent());
        }
        assert_eq!(through.load(Ordering::SeqCst), 0, "{what}: a request was sent");
    }
}

#[tokio::test]
async fn a_peer_that_does_not_speak_tls_is_refused() {
    for answer in ["HTTP/1.1 400 Bad Request\r\n\r\n", "\u{15}\u{3}\u{1}garbage", ""] {
        let server = Server::start(move |mut peer| {
            Box::pin(async move {
                let mut buffer = [0; 64];
                let _ = peer.stream.read(&mut buffer).await;
                peer.answer(answer).await;
            })
        })
        .await;
        let url = format!("https://{}/", server.address);
        let failure = sandbox().send(post(&url)).await.unwrap_err();
        // Hanging up with our hello half read is a reset on some systems: no connection either way.
        assert!(matches!(failure, Failure::Tls | Failure::Connect), "{answer:?}: {failure:?}");
    }
}

#[tokio::test]
async fn a_handshake_that_hangs_is_a_connect_timeout() {
    let server = Server::start(|peer| {
        Box::pin(async move {
            let _peer = peer;
            std::future::pending::<()>().await;
        })
    })
    .await;
    let url = format!("https://{}/", server.address);
    let call = Outgoing { connect_ms: 80, ..post(&url) };
    assert_eq!(sandbox().send(call).await.unwrap_err(), Failure::ConnectTimeout);
}
