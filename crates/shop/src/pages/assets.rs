//! The files that pages use, from the binary itself.

use std::sync::LazyLock;

use aws_lc_rs::digest;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, StatusCode};

struct Asset {
    name: &'static str,
    kind: &'static str,
    content: &'static str,
    tag: String,
}

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    [
        ("shop.css", "text/css; charset=utf-8", include_str!("../../assets/shop.css")),
        ("shop.js", "text/javascript; charset=utf-8", include_str!("../../assets/shop.js")),
        ("icon.svg", "image/svg+xml", include_str!("../../assets/icon.svg")),
    ]
    .into_iter()
    .map(|(name, kind, content)| Asset {
        name,
        kind,
        content,
        tag: format!("\"{}\"", &hex::encode(digest::digest(&digest::SHA256, content.as_bytes()))[..16]),
    })
    .collect()
});

/// One file; a browser that has it already gets a 304.
pub(super) async fn serve(Path(file): Path<String>, headers: HeaderMap) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == file) else {
        return (StatusCode::NOT_FOUND, "Not found").into_response();
    };
    // Asked for again each time, so that a new version is never mixed with an old page.
    let caching = [(CACHE_CONTROL, "no-cache"), (ETAG, asset.tag.as_str())];
    let known = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok()).is_some_and(|tags| tags.contains(&asset.tag));
    if known {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    (caching, [(CONTENT_TYPE, asset.kind)], asset.content).into_response()
}
