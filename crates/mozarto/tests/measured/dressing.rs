//! Byte order marks, exponents, compressed answers, character sets: dressing is not meaning.
