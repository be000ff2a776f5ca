//! A text as its letters and digits, with the way back to where they stand.

/// How often escapes over escapes are taken off.
const LAYERS_MAX: usize = 5;
/// Longest entity that is looked at, characters between `&` and `;`.
const ENTITY_MAX_CHARS: usize = 10;
/// A word with fewer letters beside a CVV's digits is no id.
const SHORT_WORD_CHARS: usize = 8;
/// Markup that may stand in the middle of a text without being part of it.
const MARKERS: [&str; 2] = ["<![CDATA[", "]]>"];
/// Names of entities that stand for punctuation; it is enough that they are no letters.
const PUNCTUATION: [&str; 24] = [
    "amp", "lt", "gt", "quot", "apos", "nbsp", "sol", "plus", "equals", "colon", "commat", "hyphen", "lowbar", "period", "comma",
    "num", "dollar", "percnt", "ast", "lpar", "rpar", "excl", "quest", "semi",
];

/// A character of the text, or what an escape stands for.
#[derive(Clone, Copy)]
struct Unit {
    c: char,
    /// Where it stands in the text, bytes.
    start: usize,
    end: usize,
}

/// The letters and digits of a text, in lower case.
pub(super) struct Letters {
    units: Vec<Unit>,
    /// The letters and digits alone.
    pub(super) text: String,
    /// For each byte of `text`: its unit.
    at: Vec<usize>,
    layer: usize,
}

/// Adds a letter or digit in lower case; nothing else.
fn add_plain(c: char, plain: &mut String) {
    if c.is_ascii() {
        if c.is_ascii_alphanumeric() {
            plain.push(c.to_ascii_lowercase());
        }
    } else if c.is_alphanumeric() {
        plain.extend(c.to_lowercase());
    }
}

/// Letters and digits alone, in lower case, of a text in which nothing is escaped.
pub(super) fn plain(text: &str) -> String {
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return text.to_ascii_lowercase();
    }
    let mut plain = String::with_capacity(text.len());
    text.chars().for_each(|c| add_plain(c, &mut plain));
    plain
}

fn begins_escape(c: char) -> bool {
    matches!(c, '%' | '\\' | '&' | '<' | ']')
}

/// Whether something in the text may be escaped.
pub(super) fn may_be_escaped(text: &str) -> bool {
    text.contains(begins_escape)
}

impl Letters {
    /// Of the text as it is written.
    pub(super) fn of(text: &str) -> Self {
        let units = text.char_indices().map(|(start, c)| Unit { c, start, end: start + c.len_utf8() }).collect();
        Self::from_units(units, 0)
    }

    fn from_units(units: Vec<Unit>, layer: usize) -> Self {
        let mut text = String::with_capacity(units.len());
        let mut at = Vec::with_capacity(units.len());
        for (index, unit) in units.iter().enumerate() {
            add_plain(unit.c, &mut text);
            at.resize(text.len(), index);
        }
        Self { units, text, at, layer }
    }

    /// With one layer of escapes taken off; `None` when there is none (any more).
    pub(super) fn unescaped(&self) -> Option<Self> {
        if self.layer >= LAYERS_MAX || !self.units.iter().any(|unit| begins_escape(unit.c)) {
            return None;
        }
        let mut units = Vec::with_capacity(self.units.len());
        let (mut at, mut changed) = (0, false);
        while let Some(unit) = self.units.get(at) {
            let rest = &self.units[at..];
            let taken = match unit.c {
                '%' => percent(rest, &mut units),
                '\\' => backslash(rest, &mut units),
                '&' => entity(rest, &mut units),
                '<' | ']' => marker(rest),
                _ => 0,
            };
            if taken == 0 {
                units.push(*unit);
            }
            changed |= taken > 0;
            at += taken.max(1);
        }
        changed.then(|| Self::from_units(units, self.layer + 1))
    }

    /// Characters of the text, escapes as what they stand for.
    pub(super) fn count(&self) -> usize {
        self.units.len()
    }

    /// Where letters stand in the source; positions in `text`.
    pub(super) fn span(&self, start: usize, end: usize) -> (usize, usize) {
        let (first, last) = (self.at[start], self.at[end - 1]);
        (self.units[first].start, self.units[last].end)
    }

    /// Whether something that is no letter stands before this one.
    fn begins_word(&self, at: usize) -> bool {
        at == 0 || at >= self.text.len() || self.at[at] > self.at[at - 1] + 1
    }

    /// Whether the letters are whole words, broken up or not. `digits`: those of a CVV, which are broken up by blanks and dashes
    /// alone (`1.23` is an amount), and count in a short word too.
    pub(super) fn are_words(&self, start: usize, end: usize, digits: bool) -> bool {
        let whole = self.begins_word(start) && self.begins_word(end);
        let (first, last) = (self.at[start], self.at[end - 1]);
        if !digits {
            return whole;
        }
        let between = |unit: &Unit| unit.c.is_alphanumeric() || unit.c.is_whitespace() || unit.c == '-';
        (whole || self.is_in_a_short_word(first, last)) && self.units[first..=last].iter().all(between)
    }

    /// Whether the units are digits beside letters, in a word that is too short to be an id.
    fn is_in_a_short_word(&self, first: usize, last: usize) -> bool {
        let in_word = |unit: &&Unit| unit.c.is_alphanumeric();
        let before = self.units[..first].iter().rev().take_while(in_word);
        let behind = self.units[last + 1..].iter().take_while(in_word);
        let around: Vec<char> = before.chain(behind).map(|unit| unit.c).collect();
        around.len() < SHORT_WORD_CHARS && around.iter().all(|c| c.is_alphabetic())
    }

    /// Like [`span`](Self::span), with all that is encoded around it, folded over lines or not.
    pub(super) fn encoded_span(&self, start: usize, end: usize) -> (usize, usize) {
        let encoded = |unit: &Unit| unit.c.is_ascii_alphanumeric() || matches!(unit.c, '+' | '/' | '=' | '_' | '-');
        let blank = |unit: &Unit| unit.c.is_whitespace();
        let (mut first, mut last) = (self.at[start], self.at[end - 1]);
        loop {
            while self.units.get(last + 1).is_some_and(encoded) {
                last += 1;
            }
            // Past the end of a line.
            let fold = self.units[last + 1..].iter().take_while(|unit| blank(unit)).count();
            let folded = self.units[last + 1..last + 1 + fold].iter().any(|unit| unit.c == '\n');
            if !(folded && self.units.get(last + 1 + fold).is_some_and(encoded)) {
                break;
            }
            last += fold + 1;
        }
        loop {
            while first > 0 && encoded(&self.units[first - 1]) {
                first -= 1;
            }
            let fold = self.units[..first].iter().rev().take_while(|unit| blank(unit)).count();
            let folded = self.units[first - fold..first].iter().any(|unit| unit.c == '\n');
            if !(folded && first > fold && encoded(&self.units[first - fold - 1])) {
                break;
            }
            first -= fold + 1;
        }
        (self.units[first].start, self.units[last].end)
    }

    /// The token behind the words of an address, blanks in it passed over; `None` when there are fewer than `least` of its
    /// characters.
    pub(super) fn address_span(&self, start: usize, end: usize, least: usize, most: usize) -> Option<(usize, usize)> {
        let of_token = |unit: &Unit| unit.c.is_ascii_alphanumeric() || matches!(unit.c, '-' | '_');
        let mut last = self.at[end - 1];
        let mut characters = 0;
        let first = last + 1;
        let slash = self.units[first..].iter().position(|unit| !(unit.c.is_whitespace() || unit.c == '-'))?;
        if self.units[first + slash].c != '/' {
            return None;
        }
        for (offset, unit) in self.units[first..].iter().enumerate().skip(slash + 1) {
            if of_token(unit) {
                characters += 1;
                last = first + offset;
            } else if !unit.c.is_whitespace() || characters >= most {
                break;
            }
        }
        (characters >= least).then(|| (self.units[self.at[start]].start, self.units[last].end))
    }

    /// Where these characters stand, in either case, broken up by blanks and dashes or not.
    pub(super) fn find_verbatim(&self, lower: &str, spans: &mut Vec<(usize, usize)>) {
        let breaks = |c: char| c.is_whitespace() || c == '-';
        // Of one that is nearly all blanks and dashes little or nothing would be left to look for.
        let may_break = lower.chars().filter(|c| !breaks(*c)).count() >= super::VERBATIM_MIN;
        let counts = |c: char| !(may_break && breaks(c));
        let needle: Vec<char> = lower.chars().filter(|c| counts(*c)).collect();
        let units: Vec<&Unit> = self.units.iter().filter(|unit| counts(unit.c)).collect();
        let same = |unit: &Unit, c: &char| unit.c == *c || unit.c.to_lowercase().eq([*c]);
        for window in units.windows(needle.len().max(1)) {
            if window.iter().zip(&needle).all(|(unit, c)| same(unit, c)) {
                spans.push((window[0].start, window[window.len() - 1].end));
            }
        }
    }
}

fn digit(unit: Option<&Unit>) -> Option<u32> {
    unit?.c.to_digit(16)
}

fn number(units: &[Unit], radix: u32) -> Option<u32> {
    units.iter().try_fold(0_u32, |value, unit| value.checked_mul(radix)?.checked_add(unit.c.to_digit(radix)?))
}

/// Bytes that escapes stand for, as characters; each with the place of its escapes. Bytes that are no UTF-8 are taken one by one.
fn decoded(bytes: &[(u8, usize, usize)], units: &mut Vec<Unit>) {
    let mut at = 0;
    while let Some((byte, start, end)) = bytes.get(at).copied() {
        let width = match byte {
            0xC2..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF4 => 4,
            _ => 1,
        };
        let raw: Vec<u8> = bytes.iter().skip(at).take(width).map(|(byte, ..)| *byte).collect();
        match std::str::from_utf8(&raw).ok().and_then(|text| text.chars().next()) {
            Some(c) => {
                units.push(Unit { c, start, end: bytes[at + width - 1].2 });
                at += width;
            }
            None => {
                units.push(Unit { c: char::from(byte), start, end });
                at += 1;
            }
        }
    }
}

/// `%41%42`: how many units were taken.
fn percent(rest: &[Unit], units: &mut Vec<Unit>) -> usize {
    let mut bytes = Vec::new();
    for three in rest.chunks_exact(3) {
        let (Some(high), Some(low)) = (digit(three.get(1)), digit(three.get(2))) else { break };
        if three[0].c != '%' {
            break;
        }
        bytes.push((u8::try_from(high * 16 + low).unwrap_or_default(), three[0].start, three[2].end));
    }
    decoded(&bytes, units);
    bytes.len() * 3
}

/// `\u0041`, `\x41`, `\/`, `\n`.
fn backslash(rest: &[Unit], units: &mut Vec<Unit>) -> usize {
    let start = rest[0].start;
    match rest.get(1).map(|unit| unit.c) {
        Some('u') => {
            let code = |at: usize| rest.get(at..at + 4).and_then(|four| number(four, 16));
            let Some(first) = code(2) else { return 0 };
            let pair = (0xD800..0xDC00).contains(&first) && rest.get(6).is_some_and(|unit| unit.c == '\\');
            let second = if pair { code(8).filter(|low| (0xDC00..0xE000).contains(low)) } else { None };
            let (value, taken) = match second {
                Some(low) => (0x1_0000 + ((first - 0xD800) << 10) + (low - 0xDC00), 12),
                None => (first, 6),
            };
            units.push(Unit { c: char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER), start, end: rest[taken - 1].end });
            taken
        }
        Some('x') => {
            let mut bytes = Vec::new();
            for four in rest.chunks_exact(4).take_while(|four| four[0].c == '\\' && four[1].c == 'x') {
                let Some(value) = number(&four[2..], 16) else { break };
                bytes.push((u8::try_from(value).unwrap_or_default(), four[0].start, four[3].end));
            }
            decoded(&bytes, units);
            bytes.len() * 4
        }
        Some('n' | 'r' | 't' | 'b' | 'f') => {
            units.push(Unit { c: '\n', start, end: rest[1].end });
            2
        }
        Some(c @ ('/' | '\\' | '"' | '\'')) => {
            units.push(Unit { c, start, end: rest[1].end });
            2
        }
        _ => 0,
    }
}

/// `&amp;`, `&#65;`, `&#x41;`.
fn entity(rest: &[Unit], units: &mut Vec<Unit>) -> usize {
    let Some(length) = rest.iter().skip(1).take(ENTITY_MAX_CHARS + 1).position(|unit| unit.c == ';') else { return 0 };
    let inside = &rest[1..=length];
    let c = match inside {
        [hash, x, digits @ ..] if hash.c == '#' && matches!(x.c, 'x' | 'X') => number(digits, 16).and_then(char::from_u32),
        [hash, digits @ ..] if hash.c == '#' => number(digits, 10).and_then(char::from_u32),
        name => {
            let name: String = name.iter().map(|unit| unit.c).collect();
            match name.as_str() {
                // Those that may begin another escape.
                "amp" => Some('&'),
                "lt" => Some('<'),
                "percnt" => Some('%'),
                "bsol" => Some('\\'),
                other => PUNCTUATION.contains(&other).then_some(' '),
            }
        }
    };
    let Some(c) = c else { return 0 };
    units.push(Unit { c, start: rest[0].start, end: rest[length + 1].end });
    length + 2
}

fn marker(rest: &[Unit]) -> usize {
    let is_here = |marker: &&str| marker.chars().zip(rest).filter(|(c, unit)| *c == unit.c).count() == marker.len();
    MARKERS.iter().find(|marker| is_here(marker)).map_or(0, |marker| marker.len())
}
