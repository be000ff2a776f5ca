//! Nothing is left out: every statement in the repositories' source is among those that are recorded, and every function that
//! sends one is called.

use super::statements::recorded;
use super::{EXCUSED, is_excused};
use crate::Dialect;
use std::path::{Path, PathBuf};

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/repository");
const CALLS: [&str; 2] = [include_str!("statements.rs"), include_str!("settings.rs")];
const VERBS: [&str; 5] = ["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH "];

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Text(String),
    Word(String),
    Sign(char),
}

/// Rust as far as it is needed here: literals, words, signs; without comments.
fn tokens(source: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = rest.find('\n').map_or("", |at| &rest[at..]);
        } else if c == '"' {
            let (text, after) = literal(&rest[1..]);
            tokens.push(Token::Text(text));
            rest = after;
        } else if let Some(after) = rest.strip_prefix("'\"'") {
            rest = after;
        } else if c.is_alphanumeric() || c == '_' {
            let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..end].to_owned()));
            rest = &rest[end..];
        } else {
            if !c.is_whitespace() {
                tokens.push(Token::Sign(c));
            }
            rest = &rest[c.len_utf8()..];
        }
    }
    tokens
}

/// What a string literal says, and what comes after it.
fn literal(source: &str) -> (String, &str) {
    let mut text = String::new();
    let mut chars = source.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (text, &source[at + 1..]),
            '\\' => match chars.next() {
                Some((at, '\n')) => {
                    let next = source[at..].trim_start();
                    let (more, after) = literal(next);
                    text.push_str(&more);
                    return (text, after);
                }
                Some((_, 'n')) => text.push('\n'),
                Some((_, c)) => text.push(c),
                None => break,
            },
            c => text.push(c),
        }
    }
    panic!("a string without an end: {text}");
}

/// A statement as the source has it; `None` stands for what is put in.
type Pieces = Vec<Option<String>>;

fn is_sql(pieces: &Pieces) -> bool {
    pieces.iter().flatten().any(|text| VERBS.iter().any(|verb| text.trim_start_matches(['(', ' ']).starts_with(verb)))
}

/// The constants that are statements, whole; and the other literals that begin like one, with anything around them.
fn statements(tokens: &[Token]) -> Vec<Pieces> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let end = tokens[at..].iter().position(|token| *token == Token::Sign(';')).map_or(tokens.len(), |end| at + end);
        match &tokens[at] {
            Token::Word(word) if word == "const" && tokens[at..end].contains(&Token::Sign('=')) => {
                let value = tokens[at..end].iter().position(|token| *token == Token::Sign('=')).map_or(end, |value| at + value);
                let pieces = constant(&tokens[value..end]);
                // What a macro of ours makes is a statement, whatever it is given; the other constants are labels.
                if is_sql(&pieces) || pieces.contains(&None) {
                    found.push(pieces);
                }
                at = end;
            }
            Token::Text(text) => {
                let mut pieces = vec![None];
                for (n, part) in text.split(['{', '}']).enumerate() {
                    pieces.push((n % 2 == 0).then(|| part.to_owned()));
                }
                pieces.push(None);
                if is_sql(&pieces) {
                    found.push(pieces);
                }
                at += 1;
            }
            _ => at += 1,
        }
    }
    found
}

/// The literals of a constant; what macros of ours put around theirs or in between may be anything.
fn constant(tokens: &[Token]) -> Pieces {
    let mut pieces: Pieces = Vec::new();
    // The brackets of a macro of ours that are open.
    let mut open = 0;
    for (at, token) in tokens.iter().enumerate() {
        let of_a_macro = open > 0;
        match token {
            Token::Text(text) => match pieces.last_mut() {
                Some(Some(before)) if !of_a_macro => before.push_str(text),
                _ => pieces.push(Some(text.clone())),
            },
            Token::Word(word) if word != "concat" && tokens.get(at + 1) == Some(&Token::Sign('!')) => pieces.push(None),
            Token::Sign('(') if of_a_macro || begins_a_macro(tokens, at) => open += 1,
            Token::Sign(')') if of_a_macro => open -= 1,
            _ => {}
        }
        if of_a_macro && pieces.last() != Some(&None) {
            pieces.push(None);
        }
    }
    pieces
}

/// Whether the bracket is the first of a macro of ours.
fn begins_a_macro(tokens: &[Token], bracket: usize) -> bool {
    bracket >= 2
        && tokens[bracket - 1] == Token::Sign('!')
        && matches!(&tokens[bracket - 2], Token::Word(word) if word != "concat")
}

/// Whether a statement is made of these pieces: from its beginning to its end, where they begin and end with a literal.
fn is_made_of(statement: &str, pieces: &Pieces) -> bool {
    let mut rest = statement;
    let mut anything = false;
    for piece in pieces {
        let Some(text) = piece else {
            anything = true;
            continue;
        };
        let at = if anything { rest.find(&**text) } else { rest.starts_with(&**text).then_some(0) };
        let Some(at) = at else { return false };
        rest = &rest[at + text.len()..];
        anything = false;
    }
    anything
        || rest.is_empty()
        || pieces.last().is_some_and(|last| last.as_ref().is_some_and(|last| statement.ends_with(&**last)))
}

/// The public functions that are handed a store or a batch.
fn functions(tokens: &[Token]) -> Vec<String> {
    let word = |at: usize, word: &str| tokens.get(at) == Some(&Token::Word(word.to_owned()));
    let mut found = Vec::new();
    for at in (0..tokens.len()).filter(|at| word(*at, "pub")) {
        let name = if word(at + 1, "async") { at + 3 } else { at + 2 };
        let Some(Token::Word(name_word)) = tokens.get(name).filter(|_| word(name - 1, "fn")) else { continue };
        let end = tokens[name..].iter().position(|token| *token == Token::Sign('{')).map_or(tokens.len(), |end| name + end);
        if (name..end).any(|at| word(at, "Driver") || (word(at, "Batch") && tokens[at - 1] == Token::Word("mut".to_owned()))) {
            found.push(name_word.clone());
        }
    }
    found
}

/// The sources, each with the name of its room.
fn sources(directory: &Path, found: &mut Vec<(String, PathBuf)>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() && stem != "tests" {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") && stem != "tests" {
            let inside = directory != Path::new(REPOSITORY);
            let room = if inside { directory.file_name().unwrap().to_str().unwrap().to_owned() } else { stem };
            found.push((room, path));
        }
    }
}

#[tokio::test]
async fn no_statement_of_the_repositories_is_left_out() {
    let mut sent = recorded(Dialect::Sqlite).await;
    sent.extend(recorded(Dialect::Postgres).await);
    let mut rooms = Vec::new();
    sources(Path::new(REPOSITORY), &mut rooms);
    let (mut seen, mut missing) = (0, Vec::new());
    for (room, path) in &rooms {
        let tokens = tokens(&std::fs::read_to_string(path).unwrap());
        for name in functions(&tokens) {
            if !CALLS.iter().any(|calls| calls.contains(&format!("{room}::{name}("))) {
                missing.push(format!("{}: {name} is not called", path.display()));
            }
        }
        for pieces in statements(&tokens) {
            seen += 1;
            if !sent.iter().any(|(text, _, _)| is_made_of(text, &pieces)) {
                missing.push(format!("{}: not recorded: {pieces:?}", path.display()));
            }
        }
    }
    assert!(missing.is_empty(), "call it in tests/plans/statements.rs or settings.rs:\n{}", missing.join("\n"));
    assert!(seen > 150 && rooms.len() > 20, "{seen} statements in {} files: is this still the source?", rooms.len());
    for (fragment, why) in EXCUSED {
        assert!(
            sent.iter().any(|(text, _, _)| is_excused(text) && text.contains(fragment)),
            "nothing is excused by {fragment}: {why}"
        );
    }
    println!("{seen} statements in the source, {} recorded of both stores", sent.len());
}

/// The look at the source sees what is left out.
#[test]
fn what_is_left_out_is_seen() {
    let source = r#"
        // const NOT: &str = "SELECT 0";
        const A: &str = "SELECT a FROM t \
                         WHERE b = ?1";
        const B: &str = concat!("SELECT ", columns!(), " FROM t WHERE b = ?1");
        const C: &str = past!("ctid");
        const LABEL: &str = "a label";
        pub async fn find(db: &dyn Driver) { let sql = format!("SELECT {columns} FROM u LIMIT {limit}"); }
        pub fn run(batch: &mut Batch) {}
        pub fn apart(rows: &[Row]) {}
    "#;
    let tokens = tokens(source);
    assert_eq!(functions(&tokens), ["find", "run"]);
    let found = statements(&tokens);
    assert_eq!(found.len(), 4, "{found:?}");
    let is = |n: usize, text: &str| is_made_of(text, &found[n]);
    assert!(is(0, "SELECT a FROM t WHERE b = ?1") && !is(0, "SELECT a FROM t WHERE b = ?1 AND c = ?2"));
    assert!(is(1, "SELECT a, b FROM t WHERE b = ?1") && !is(1, "SELECT a, b FROM t WHERE b = ?1 ORDER BY a"));
    assert!(is(2, "DELETE FROM t WHERE ctid IN (SELECT 1)") && !is(2, "DELETE FROM t WHERE id IN (SELECT 1)"));
    assert!(is(3, "SELECT x FROM u LIMIT 5") && !is(3, "SELECT x FROM v LIMIT 5"));
}
