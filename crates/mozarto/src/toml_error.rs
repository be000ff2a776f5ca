//! What is wrong with a TOML file, said without showing any of it: the line that is wrong may be the one with the password.

/// Longest name of an unknown setting that is repeated, characters; ours are shorter.
const NAME_MAX_CHARS: usize = 40;

/// Line, column and the kind of mistake.
pub(crate) fn explain(text: &str, error: &toml::de::Error) -> String {
    let place = error.span().map(|span| place(text, span.start));
    let kind = kind(error.message());
    match place {
        Some((line, column)) => format!("line {line}, column {column}: {kind}"),
        None => kind,
    }
}

/// Line and column (characters), both from 1.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// The reader's own sentence repeats what it met; of that only our own words are kept.
fn kind(message: &str) -> String {
    let expected = message.rsplit_once(", expected ").map_or("another one", |(_, expected)| expected);
    if let Some(rest) = message.strip_prefix("unknown field `") {
        let name = rest.split('`').next().unwrap_or_default();
        let is_a_name = name.len() <= NAME_MAX_CHARS && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        return if is_a_name { format!("{name} is no setting here") } else { "there is no such setting here".to_owned() };
    }
    if message.starts_with("invalid type") || message.starts_with("invalid value") {
        // `struct LimitsFile` is a word of the program.
        let expected = if expected.starts_with("struct ") { "a table" } else { expected };
        return format!("the value is of the wrong kind: it must be {expected}");
    }
    if message.starts_with("duplicate") {
        return "this stands here twice".to_owned();
    }
    "this is not TOML (a text stands in quotes: name = \"text\")".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::File;

    #[test]
    fn the_place_and_the_kind_and_nothing_of_the_line() {
        for (text, place, word) in [
            ("environment = \"sandbox\"\ndatabase = postgres://u:s3cret@h/d\n", "line 2, column ", "not TOML"),
            ("database = \"postgres://u:s3cret@h/d\nlisten = \"x\"\n", "line 1, column ", "not TOML"),
            ("database \"s3cret\"\n", "line 1, column ", "not TOML"),
            ("s3cret\n", "line 1, column ", "not TOML"),
            ("limits = \"postgres://u:s3cret@h/d\"\n", "line 1, column 10", "must be a table"),
            ("[limits]\nconnections = \"s3cret\"\n", "line 2, column 15", "must be"),
            ("[limits]\nburst = 0\n", "line 2, column 9", "must be"),
            ("listen = [\"s3cret\"]\n", "line 1, column 10", "must be a string"),
            ("databse = \"s3cret\"\n", "line 1, column 1", "databse is no setting here"),
            ("\"s3cret@host\" = 1\n", "line 1, column 1", "no such setting"),
            ("[providers.payone]\nsecret = \"s3cret\"\n", "line 2, column 1", "secret is no setting here"),
            ("data = \"a\"\ndata = \"s3cret\"\n", "line 2, column ", "twice"),
            ("data = \"s3cret\\q\"\n", "line 1, column ", "not TOML"),
        ] {
            let error = toml::from_str::<File>(text).unwrap_err();
            let said = explain(text, &error);
            assert!(said.contains(place) && said.contains(word), "{text:?}: {said} ({})", error.message());
            assert!(!said.contains("s3cret"), "{said}");
        }
    }
}
