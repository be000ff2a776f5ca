//! The gateway's signatures: plain digests over an id and the API password (sheet, "3DS method" and "Callbacks").

use aws_lc_rs::digest;
use serde::Deserialize;

/// The digest of an account's notifications.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum NotificationDigest {
    /// 40 hex digits.
    #[default]
    Sha1,
    /// 64 hex digits.
    Sha256,
    /// 128 hex digits.
    Sha512,
}

impl NotificationDigest {
    fn algorithm(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha512 => &digest::SHA512,
        }
    }

    /// The length of a signature in hex digits.
    pub(super) fn hex_digits(self) -> usize {
        self.algorithm().output_len() * 2
    }
}

fn hex_of(algorithm: &'static digest::Algorithm, parts: &[&str]) -> String {
    let mut context = digest::Context::new(algorithm);
    parts.iter().for_each(|part| context.update(part.as_bytes()));
    hex::encode(context.finish())
}

/// The signature of a notification: the id and the password.
pub(super) fn notification(digest: NotificationDigest, unique_id: &str, password: &str) -> String {
    hex_of(digest.algorithm(), &[unique_id, password])
}

/// What the merchant signs the 3DS method and its continuation with; `amount` in minor units, both it and the
/// timestamp those of the first answer.
pub(super) fn method(unique_id: &str, amount: &str, timestamp: &str, password: &str) -> String {
    hex_of(&digest::SHA512, &[unique_id, amount, timestamp, password])
}

/// What the gateway signs its callback about the 3DS method with.
pub(super) fn method_callback(unique_id: &str, status: &str, password: &str) -> String {
    hex_of(&digest::SHA512, &[unique_id, status, password])
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "44177a21403427eb96664a6d7e5d5d48";

    #[test]
    fn notifications_have_the_signatures_of_the_sheet() {
        for (id, password, signature) in [
            ("fc6c3c8c0219730c7a099eaa540f70dc", "bogus", "08d01ae1ebdc22b6a1a764257819bb26e9e94e8d"),
            ("130319cfb3bf65ff3c4a4045487b173e", "test123", "1b34dabed996788efcc049567809484454ee8b17"),
            (ID, "secretpw", "7769837b70a3bf7b323f24a3e7f4dfbb253a057a"),
        ] {
            assert_eq!(notification(NotificationDigest::Sha1, id, password), signature);
        }
        for digest in [NotificationDigest::Sha1, NotificationDigest::Sha256, NotificationDigest::Sha512] {
            assert_eq!(notification(digest, ID, "secretpw").len(), digest.hex_digits());
        }
    }

    #[test]
    fn the_method_has_the_signatures_of_the_sheet() {
        for (amount, signature) in [
            (
                "5000",
                "53489530cccf72e7d849059497e532d8c7f14c52a80dbdfc6ba770f52cdaa81f\
                 9d0f2684f59eee34ce99c8636885f8e736196ea96307dd9067d0089736962383",
            ),
            (
                "10000",
                "6603f069c744fe64a082c0f13d464234f3f1a50d38e8c981c2dd2efd511d02b0\
                 803abcfc349da58f53cb1e38f78b1652d586591be6a1e7b2f0949530167fae90",
            ),
        ] {
            assert_eq!(method(ID, amount, "2026-01-02T03:04:05Z", "secretpw"), signature);
        }
        assert_eq!(
            method_callback(ID, "completed", "secretpw"),
            "fc545444b087eb347511a1a4c21b729ab1d02f67ce7e32c6d7534c422802127d\
             edf7658a766b4bbbbaee62a13369958283dd684e422df6d96e5d86093c6be49f"
        );
    }
}
