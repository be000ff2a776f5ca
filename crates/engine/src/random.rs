//! Randomness, from one place.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};

/// The source of random bytes.
#[derive(Debug, Default)]
pub struct Random(SystemRandom);

impl Random {
    /// `N` random bytes.
    ///
    /// # Panics
    /// When the operating system gives no randomness: nothing that we do would be safe then.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        // A system without a random source cannot make tokens, nonces or ids: going on would be worse than stopping.
        self.0.fill(&mut bytes).expect("the system's random source works");
        bytes
    }

    /// A random number.
    pub fn number(&self) -> u32 {
        u32::from_be_bytes(self.bytes())
    }

    /// A token of 32 random bytes in base64url without padding.
    pub fn token(&self) -> String {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(self.bytes::<32>())
    }
}
