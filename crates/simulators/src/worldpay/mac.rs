//! The MAC of result redirects (Worldpay sheet, Upstream 2): `mac2` is HMAC-SHA256 over the values joined with
//! colons, `mac` (legacy) MD5 over the values joined without separator and followed by the secret.

use md5::{Digest, Md5};
use serde::Deserialize;

use crate::kit::hmac_sha256_hex;

/// Which MAC an installation puts on its redirects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum MacKind {
    #[default]
    Mac2,
    Mac,
}

/// Name and lower-case hex value of the MAC over the values.
pub(super) fn mac(kind: MacKind, secret: &str, values: &[&str]) -> (&'static str, String) {
    match kind {
        MacKind::Mac2 => ("mac2", hmac_sha256_hex(secret.as_bytes(), values.join(":").as_bytes())),
        MacKind::Mac => ("mac", hex::encode(Md5::digest(format!("{}{secret}", values.concat())))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "@p-p1epie";
    const ORDER_KEY: &str = "MYADMINCODE^MYMERCHANT^T0211010";

    #[test]
    fn vectors_of_the_sheet() {
        let of = |kind, values: &[&str]| mac(kind, SECRET, values).1;
        let authorised = [ORDER_KEY, "1400", "GBP", "AUTHORISED"];
        assert_eq!(of(MacKind::Mac2, &authorised), "856ff737b2987f21513b91992818d983ce9fed97847b15756c56493a23090415");
        assert_eq!(of(MacKind::Mac, &authorised), "62441c9c7dce375a6913e55f34fc6d1a");
        let refused = [ORDER_KEY, "1400", "GBP", "REFUSED"];
        assert_eq!(of(MacKind::Mac2, &refused), "f2cc645ae74447c0082fdab725405aea4ef962ded52bc16af3b805ced8ec0e43");
        let cancel = [ORDER_KEY, "1400", "GBP"];
        assert_eq!(of(MacKind::Mac2, &cancel), "0be2ab0975179f4b81acf839a529ab46be3087e9e92db5c763600b784a7d287a");
        assert_eq!(of(MacKind::Mac, &cancel), "89f14ca77be0810bf1f127931b2b3d3e");
    }
}
