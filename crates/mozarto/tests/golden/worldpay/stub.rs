//! A Worldpay that answers what a row says, with the order that it was asked about in it: the simulator's next answer is made
//! before there is an order.

use crate::recorder::Recorder;
use anyhow::Result;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// Stands for the order in an answer.
pub(super) const ORDER: &str = "{order}";
const ORDER_CODE: &str = "orderCode=\"";

/// Its next answers, and the recorder before it.
pub(super) struct Stub {
    pub(super) recorder: Recorder,
    answer: Arc<Mutex<String>>,
}

impl Stub {
    pub(super) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let recorder = Recorder::start(&format!("http://{}", listener.local_addr()?), false).await?;
        let answer: Arc<Mutex<String>> = Arc::default();
        let template = answer.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let template = template.lock().unwrap_or_else(PoisonError::into_inner).clone();
                tokio::spawn(async move {
                    let mut read = Vec::new();
                    // What is sent ends with its document.
                    while !String::from_utf8_lossy(&read).contains("</paymentService>") {
                        let mut buffer = vec![0; 16_384];
                        match stream.read(&mut buffer).await {
                            Ok(got) if got > 0 => read.extend_from_slice(&buffer[..got]),
                            _ => return,
                        }
                    }
                    let _ = stream.write_all(answer_to(&String::from_utf8_lossy(&read), &template).as_bytes()).await;
                });
            }
        });
        Ok(Self { recorder, answer })
    }

    /// What it answers from now on.
    pub(super) fn says(&self, answer: &str) {
        answer.clone_into(&mut self.answer.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

fn answer_to(request: &str, template: &str) -> String {
    let order = request.split_once(ORDER_CODE).and_then(|(_, rest)| rest.split('"').next()).unwrap_or_default();
    let body = template.replace(ORDER, order);
    let headers = "content-type: text/xml\r\nset-cookie: other=1; Path=/\r\nset-cookie: machine=0aa20016; Secure; path=/";
    format!("HTTP/1.1 200 OK\r\n{headers}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}
