//! Answers that come compressed although every request says `accept-encoding: identity`: gzip, `x-gzip`, and deflate, as zlib or
//! raw.
//!
//! **Bounded**: not more is inflated than may be read; what is longer is cut there and marked as such. A body that is not what
//! its `Content-Encoding` says - another format, a cut or spoilt one, one with something behind it - is read as it stands.

use domain::limits::{BODY_MAX_BYTES, PROVIDER_ANSWER_MAX_BYTES};
use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::HeaderMap;
use std::io::Read as _;

/// Most encodings, one over the other, that are taken off.
const ENCODINGS_MAX: usize = 3;
const _: () = assert!(BODY_MAX_BYTES <= PROVIDER_ANSWER_MAX_BYTES);

/// What came of unpacking.
#[derive(Debug, PartialEq, Eq)]
enum Unpacked {
    /// All of it.
    Whole(Vec<u8>),
    /// More than may be read; its beginning.
    Cut(Vec<u8>),
}

/// Takes the encodings off that `content_encoding` names. Answers the body, and whether there was more of it than `max_bytes`.
pub(super) fn unpack(content_encoding: &str, body: Vec<u8>, max_bytes: usize) -> (Vec<u8>, bool) {
    let names =
        content_encoding.split(',').map(str::trim).filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case("identity"));
    let names: Vec<&str> = names.collect();
    if names.is_empty() || names.len() > ENCODINGS_MAX || body.is_empty() {
        return (body, false);
    }
    let mut inner: Option<Vec<u8>> = None;
    // The last one was put on last.
    for name in names.iter().rev() {
        match one(name, inner.as_deref().unwrap_or(&body), max_bytes) {
            Some(Unpacked::Whole(bytes)) => inner = Some(bytes),
            Some(Unpacked::Cut(bytes)) => return (bytes, true),
            None => return (body, false),
        }
    }
    (inner.unwrap_or(body), false)
}

/// What all `Content-Encoding` headers say; names are in lower case.
pub(super) fn named(headers: &[(String, String)]) -> String {
    let of_them = headers.iter().filter(|(name, _)| name == "content-encoding").map(|(_, value)| value.as_str());
    of_them.collect::<Vec<_>>().join(",")
}

/// The body of a callback with these headers, unpacked within the limit of bodies; `None` where it is to be read as it stands.
pub fn unpacked_callback(headers: &HeaderMap, body: &[u8]) -> Option<Vec<u8>> {
    let said = headers.get_all(http::header::CONTENT_ENCODING).into_iter().filter_map(|value| value.to_str().ok());
    let encoding = said.collect::<Vec<_>>().join(",");
    if encoding.is_empty() {
        return None;
    }
    let (bytes, cut) = unpack(&encoding, body.to_vec(), BODY_MAX_BYTES);
    (!cut && bytes != body).then_some(bytes)
}

fn one(name: &str, packed: &[u8], max_bytes: usize) -> Option<Unpacked> {
    match name.to_ascii_lowercase().as_str() {
        "gzip" | "x-gzip" => {
            let mut decoder = MultiGzDecoder::new(packed);
            inflated(&mut decoder, max_bytes)
        }
        // RFC 9110 means zlib; many send the raw stream.
        "deflate" => zlib(packed, max_bytes).or_else(|| raw(packed, max_bytes)),
        _ => None,
    }
}

fn zlib(packed: &[u8], max_bytes: usize) -> Option<Unpacked> {
    let mut decoder = ZlibDecoder::new(packed);
    let unpacked = inflated(&mut decoder, max_bytes)?;
    (matches!(unpacked, Unpacked::Cut(_)) || decoder.into_inner().is_empty()).then_some(unpacked)
}

fn raw(packed: &[u8], max_bytes: usize) -> Option<Unpacked> {
    let mut decoder = DeflateDecoder::new(packed);
    let unpacked = inflated(&mut decoder, max_bytes)?;
    (matches!(unpacked, Unpacked::Cut(_)) || decoder.into_inner().is_empty()).then_some(unpacked)
}

fn inflated(decoder: &mut impl std::io::Read, max_bytes: usize) -> Option<Unpacked> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(max_bytes).unwrap_or(u64::MAX).saturating_add(1);
    decoder.take(limit).read_to_end(&mut bytes).ok()?;
    if bytes.len() <= max_bytes {
        return Some(Unpacked::Whole(bytes));
    }
    bytes.truncate(max_bytes);
    Some(Unpacked::Cut(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use std::io::Write as _;

    const MAX: usize = 4_096;
    const TEXT: &[u8] = br#"{"status":"APPROVED","amount":"100.00"}"#;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn deflate(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_was_packed_is_read() {
        let twice = gzip(&deflate(TEXT));
        let members = [gzip(&TEXT[..10]), gzip(&TEXT[10..])].concat();
        for (encoding, body) in [
            ("gzip", gzip(TEXT)),
            ("X-GZip", gzip(TEXT)),
            ("deflate", zlib(TEXT)),
            ("Deflate", deflate(TEXT)),
            ("identity, gzip", gzip(TEXT)),
            ("deflate , gzip", twice),
            ("gzip", members),
            ("identity", TEXT.to_vec()),
            ("", TEXT.to_vec()),
        ] {
            assert_eq!(unpack(encoding, body, MAX), (TEXT.to_vec(), false), "{encoding}");
        }
    }

    #[test]
    fn what_is_not_what_it_says_is_read_as_it_stands() {
        let spoilt = |mut bytes: Vec<u8>, at: usize| {
            bytes[at] ^= 0x55;
            bytes
        };
        let gz = gzip(TEXT);
        for (encoding, body) in [
            ("gzip", TEXT.to_vec()),
            ("deflate", TEXT.to_vec()),
            ("gzip", zlib(TEXT)),
            ("deflate", gz.clone()),
            ("br", gz.clone()),
            ("zstd, gzip", gz.clone()),
            ("gzip, gzip", gz.clone()),
            ("gzip, gzip, gzip, gzip", gz.clone()),
            ("gzip", gz[..gz.len() - 1].to_vec()),
            ("gzip", spoilt(gz.clone(), gz.len() - 6)),
            ("gzip", [gz.as_slice(), b"x"].concat()),
            ("deflate", [deflate(TEXT).as_slice(), b"x"].concat()),
            ("deflate", zlib(TEXT)[..20].to_vec()),
            ("gzip", Vec::new()),
        ] {
            assert_eq!(unpack(encoding, body.clone(), MAX), (body, false), "{encoding}");
        }
    }

    #[test]
    fn a_bomb_is_cut_at_the_limit() {
        let bomb = gzip(&vec![b' '; 8 << 20]);
        assert!(bomb.len() < 16_384);
        for (encoding, body) in [
            ("gzip", bomb.clone()),
            ("deflate", zlib(&vec![b' '; 8 << 20])),
            ("deflate", deflate(&vec![b' '; 8 << 20])),
            ("gzip, gzip", gzip(&bomb)),
        ] {
            let (bytes, cut) = unpack(encoding, body, MAX.max(16_384));
            assert!(cut && bytes.len() == 16_384 && bytes.capacity() < 100_000, "{encoding}");
        }
        let exact = vec![b'x'; MAX];
        assert_eq!(unpack("gzip", gzip(&exact), MAX), (exact.clone(), false));
        assert_eq!(unpack("gzip", gzip(&[exact.as_slice(), b"y"].concat()), MAX), (exact, true));
        let said = |encoding| HeaderMap::from_iter([(http::header::CONTENT_ENCODING, http::HeaderValue::from_static(encoding))]);
        assert_eq!(unpacked_callback(&said("gzip"), &gzip(TEXT)).as_deref(), Some(TEXT));
        assert_eq!(unpacked_callback(&said("gzip"), &bomb), None);
        assert_eq!(unpacked_callback(&HeaderMap::new(), &gzip(TEXT)), None);
    }
}
