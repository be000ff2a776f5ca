//! Account secrets at rest. The simulators must know the providers' secrets (they check and make signatures),
//! but a copy of `simulators.db` must not contain them in the clear: the bodies are sealed with AES-256-GCM
//! under the key in `simulators.key`, and names that are secrets themselves (API keys, voucher PINs) are kept
//! as keyed digests.

use std::fs;
use std::io::Write;
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};

use super::Error;
use super::text::{hmac_sha256_hex, random_bytes};

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;
const KEY_FILE: &str = "simulators.key";
/// What it opens.
const DATABASE_FILE: &str = "simulators.db";

/// The key of one data directory.
pub(crate) struct Seal {
    cipher: RandomizedNonceKey,
    digest_key: [u8; KEY_BYTES],
}

impl Seal {
    /// Reads the key of the directory, making one (mode 0600) when there is none.
    pub(crate) fn open(directory: &Path) -> Result<Self, Error> {
        let path = directory.join(KEY_FILE);
        let key: [u8; KEY_BYTES] = match fs::read(&path) {
            Ok(bytes) => bytes.try_into().map_err(|_| Error::Crypto("simulators.key does not have 32 bytes"))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                if fs::metadata(directory.join(DATABASE_FILE)).is_ok_and(|found| found.len() > 0) {
                    return Err(Error::Crypto(
                        "simulators.key is gone, but simulators.db is there: put the key back, or begin anew",
                    ));
                }
                let key = random_bytes::<KEY_BYTES>();
                write_private(directory, &path, &key)?;
                key
            }
            Err(error) => return Err(std::io::Error::new(error.kind(), format!("{}: {error}", path.display())).into()),
        };
        let cipher = RandomizedNonceKey::new(&AES_256_GCM, &key).map_err(|_| Error::Crypto("the key is not usable"))?;
        let mut digest_key = [0u8; KEY_BYTES];
        let derived = hmac_sha256_hex(&key, b"digest");
        hex::decode_to_slice(derived, &mut digest_key).map_err(|_| Error::Crypto("the digest key is not usable"))?;
        Ok(Self { cipher, digest_key })
    }

    /// Keyed digest of a name, in hex.
    pub(crate) fn digest(&self, name: &str) -> String {
        hmac_sha256_hex(&self.digest_key, name.as_bytes())
    }

    /// Seals a text for one place; the place is part of the seal.
    pub(crate) fn seal(&self, place: &str, text: &str) -> Result<Vec<u8>, Error> {
        let mut sealed = text.as_bytes().to_vec();
        let nonce = self
            .cipher
            .seal_in_place_append_tag(Aad::from(place.as_bytes()), &mut sealed)
            .map_err(|_| Error::Crypto("sealing failed"))?;
        let mut out = nonce.as_ref().to_vec();
        out.extend_from_slice(&sealed);
        Ok(out)
    }

    /// Opens what [`Seal::seal`] made for the same place.
    pub(crate) fn open_text(&self, place: &str, sealed: &[u8]) -> Result<String, Error> {
        let (nonce, rest) = sealed.split_at_checked(NONCE_BYTES).ok_or(Error::Crypto("a seal is too short"))?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Error::Crypto("a nonce is not usable"))?;
        let mut buffer = rest.to_vec();
        let open = self
            .cipher
            .open_in_place(nonce, Aad::from(place.as_bytes()), &mut buffer)
            .map_err(|_| Error::Crypto("a seal does not fit its place or simulators.key"))?;
        String::from_utf8(open.to_vec()).map_err(|_| Error::Crypto("a sealed text is not UTF-8"))
    }
}

/// Writes the key so that a crash leaves either no file or the whole key.
fn write_private(directory: &Path, path: &Path, key: &[u8]) -> Result<(), Error> {
    let draft = path.with_extension("key.new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft)?;
    file.write_all(key)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    fs::File::open(directory)?.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_opens_in_its_own_place_with_its_own_key_only() {
        let here = tempfile::tempdir().unwrap();
        let seal = Seal::open(here.path()).unwrap();
        let sealed = seal.seal("payone/a", "a secret").unwrap();
        assert!(!sealed.windows(8).any(|window| window == b"a secret"));
        assert_eq!(Seal::open(here.path()).unwrap().open_text("payone/a", &sealed).unwrap(), "a secret");
        assert!(seal.open_text("payone/b", &sealed).is_err());
        let elsewhere = tempfile::tempdir().unwrap();
        let other = Seal::open(elsewhere.path()).unwrap();
        assert!(other.open_text("payone/a", &sealed).is_err());
        assert_ne!(seal.digest("name"), other.digest("name"));
    }
}
