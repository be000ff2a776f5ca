//! Our own pages in a payer's way: their tokens, what they serve, and the browser that comes back. A token that a browser sees is never the callback token, and
//! nothing that a browser brings is an outcome: at most it has the provider asked.

use super::callbacks::token_hash;
use crate::core::Engine;
use domain::Json;
use providers::Provider;
use providers::pages::PageUrls;
use store::repository::page_tokens::Page;

/// The addresses of a new transaction's pages.
impl Engine {
    pub(super) fn new_pages(&self, provider: &dyn Provider) -> PageUrls {
        let descriptor = provider.descriptor();
        let (pages, name) = (descriptor.pages, descriptor.name);
        let base = &self.config().public_url;
        let url =
            |has: bool, write: &dyn Fn(String) -> String| if has { write(self.inner.random.token()) } else { String::new() };
        PageUrls {
            pay: url(pages.pay, &|token| format!("{base}/pay/{token}")),
            challenge: url(pages.challenge, &|token| format!("{base}/3ds/{token}")),
            back: url(pages.back, &|token| format!("{base}/return/{name}/{token}")),
            device_check: url(pages.device_check, &|token| format!("{base}/callbacks/{name}/{token}/threeds")),
        }
    }
}

/// What is stored of the tokens: for each page its SHA-256.
pub(super) fn hashes(pages: &PageUrls) -> impl Iterator<Item = (Page, [u8; 32])> {
    let device_check = pages.device_check.strip_suffix("/threeds").unwrap_or_default();
    [
        (Page::Pay, pages.pay.as_str()),
        (Page::Challenge, &pages.challenge),
        (Page::Back, &pages.back),
        (Page::DeviceCheck, device_check),
    ]
    .into_iter()
    .filter_map(|(page, url)| Some((page, url.rsplit_once('/')?.1)))
    .map(|(page, token)| (page, token_hash(token)))
}

/// For the sealed part of the row.
pub(super) fn to_json(pages: &PageUrls) -> Json {
    let PageUrls { pay, challenge, back, device_check } = pages;
    let urls = [("pay", pay), ("challenge", challenge), ("back", back), ("deviceCheck", device_check)];
    Json::object(urls.into_iter().filter(|(_, url)| !url.is_empty()).map(|(name, url)| (name, Json::text(&**url))))
}

/// From the sealed part of the row.
pub(super) fn from_json(json: Option<&Json>) -> PageUrls {
    let url = |name: &str| json.and_then(|pages| pages.str_at(name)).unwrap_or_default().to_owned();
    PageUrls { pay: url("pay"), challenge: url("challenge"), back: url("back"), device_check: url("deviceCheck") }
}
