//! One SQL text for both engines: what SQLite reads as it stands is turned into PostgreSQL's spelling. What each needs alone:
//! PostgreSQL finds it in a comment, and SQLite's `INDEXED BY name` is left out for it.

/// The comment that only SQLite takes for one.
const POSTGRES_ONLY: &str = "/*pg ";

/// The words with which SQLite is told an index: without statistics it takes the key of a table for better than an index that
/// fits.
const SQLITE_INDEX: &str = "INDEXED BY ";

/// The text for PostgreSQL, and what the guard needs to know about it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PostgresText {
    /// With `$1` for `?1`, and the contents of `/*pg ... */` uncovered.
    pub(crate) sql: String,
    /// The highest placeholder.
    pub(crate) params: usize,
    /// Whether it yields rows by itself (`SELECT`, or with a `RETURNING` clause).
    pub(crate) yields_rows: bool,
}

/// Turns the text into PostgreSQL's spelling. Placeholders in strings, quoted names and comments are left alone.
pub(crate) fn to_postgres(sql: &str) -> PostgresText {
    let sql = sql.trim().trim_end_matches(';');
    let mut out = String::with_capacity(sql.len() + 8);
    let mut params = 0;
    let mut yields_rows = starts_with_word(sql, "SELECT");
    let mut rest = sql;
    while let Some(c) = rest.chars().next() {
        let taken = match c {
            '\'' | '"' => quoted(rest, c),
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with(POSTGRES_ONLY) => {
                let end = rest.find("*/").unwrap_or(rest.len());
                out.push_str(&rest[POSTGRES_ONLY.len()..end]);
                rest = rest.get(end + 2..).unwrap_or("");
                continue;
            }
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            '?' => {
                let digits = rest[1..].bytes().take_while(u8::is_ascii_digit).count();
                let number = &rest[1..=digits];
                params = params.max(number.parse().unwrap_or(0));
                out.push('$');
                out.push_str(number);
                rest = &rest[1 + digits..];
                continue;
            }
            'I' if rest.starts_with(SQLITE_INDEX) && !out.ends_with(|c: char| c.is_alphanumeric() || c == '_') => {
                let name = &rest[SQLITE_INDEX.len()..];
                rest = &name[name.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(name.len())..];
                continue;
            }
            c if c.is_alphanumeric() || c == '_' => {
                let word = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
                yields_rows |= rest[..word].eq_ignore_ascii_case("RETURNING");
                word
            }
            c => c.len_utf8(),
        };
        out.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    PostgresText { sql: out, params, yields_rows }
}

/// What a table's definition ends with for SQLite alone.
const SQLITE_TABLE: [&str; 2] = [" STRICT, WITHOUT ROWID", " STRICT"];

/// A text of the schema that is written once, as SQLite reads it, in PostgreSQL's spelling: beside what [`to_postgres`] does, the
/// names of the types (an integer of SQLite has 64 bits) and the ends of tables. Strings and comments are left alone.
pub(crate) fn schema_to_postgres(sql: &str) -> String {
    let sql = to_postgres(sql).sql;
    let mut out = String::with_capacity(sql.len());
    let mut rest = &*sql;
    while let Some(c) = rest.chars().next() {
        let word = |rest: &str| rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let taken = match c {
            '\'' | '"' => quoted(rest, c),
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            c if c.is_alphanumeric() || c == '_' => word(rest),
            c => c.len_utf8(),
        };
        match &rest[..taken] {
            "INTEGER" => out.push_str("BIGINT"),
            "BLOB" => out.push_str("BYTEA"),
            text => out.push_str(text),
        }
        rest = &rest[taken..];
        if c == ')' {
            rest = SQLITE_TABLE.iter().find_map(|end| rest.strip_prefix(end)).unwrap_or(rest);
        }
    }
    out
}

/// The length of a quoted piece, its quotes included; a doubled quote stands for itself.
fn quoted(text: &str, quote: char) -> usize {
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((index, c)) = chars.next() {
        if c == quote && chars.next_if(|(_, next)| *next == quote).is_none() {
            return index + 1;
        }
    }
    text.len()
}

fn starts_with_word(text: &str, word: &str) -> bool {
    text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

/// Wraps a statement so that the server itself compares the number of rows with the last parameter, and fails the
/// transaction without a round trip. The statement stands in a `WITH`; so its own `WITH` may only read.
pub(crate) fn guarded(text: PostgresText) -> PostgresText {
    let returning = if text.yields_rows { "" } else { " RETURNING 1" };
    let params = text.params + 1;
    // A line of its own: the statement may end in a line comment.
    let sql = format!(
        "WITH mozarto_guarded AS (\n{}\n{returning}) \
         SELECT mozarto_guard((SELECT count(*) FROM mozarto_guarded), ${params})",
        text.sql,
    );
    PostgresText { sql, params, yields_rows: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_turned_outside_of_quotes_and_comments_only() {
        let text = to_postgres("UPDATE t SET a = ?2, b = '?1 it''s ?3', \"c?4\" = ?10 -- ?11\n/* ?12 */ WHERE d = ?1;");
        assert_eq!(text.sql, "UPDATE t SET a = $2, b = '?1 it''s ?3', \"c?4\" = $10 -- ?11\n/* ?12 */ WHERE d = $1");
        assert_eq!((text.params, text.yields_rows), (10, false));
    }

    #[test]
    fn what_is_for_postgres_only_is_uncovered() {
        let text = to_postgres("SELECT a FROM t WHERE b = ?1 LIMIT ?2 /*pg FOR UPDATE SKIP LOCKED */");
        assert_eq!(text.sql, "SELECT a FROM t WHERE b = $1 LIMIT $2 FOR UPDATE SKIP LOCKED ");
        assert!(text.yields_rows);
    }

    #[test]
    fn what_is_for_sqlite_only_is_left_out() {
        let text = to_postgres("UPDATE t INDEXED BY t_by_a SET b = 'INDEXED BY c' WHERE a = ?1");
        assert_eq!(text.sql, "UPDATE t  SET b = 'INDEXED BY c' WHERE a = $1");
        assert_eq!(to_postgres("SELECT REINDEXED BY x FROM t INDEXED BY y").sql, "SELECT REINDEXED BY x FROM t ");
    }

    #[test]
    fn a_guard_counts_rows_of_any_statement() {
        let guard = |sql| guarded(to_postgres(sql)).sql;
        assert!(guard("DELETE FROM t WHERE a = ?1").contains("\n RETURNING 1)"));
        assert!(guard("DELETE FROM t WHERE a = ?1").ends_with(", $2)"));
        for yields in ["select 1 FROM t", "DELETE FROM t returning a"] {
            assert!(!guard(yields).contains("RETURNING 1"), "{yields}");
        }
        let word_in_a_string = to_postgres("UPDATE t SET returning_to = 'RETURNING'");
        assert!(!word_in_a_string.yields_rows);
    }

    #[test]
    fn odd_ends_do_not_panic() {
        for text in ["", "?", "'open", "\"open", "/* open", "/*pg open", "-- open", "é?1é", "''"] {
            to_postgres(text);
        }
        assert_eq!(to_postgres("é = ?1 AND ü = 'ß''?2'").sql, "é = $1 AND ü = 'ß''?2'");
    }

    #[test]
    fn a_schema_written_once() {
        let sql = "/*pg LOCK TABLE a; */ CREATE TABLE t (\n  a INTEGER NOT NULL, -- INTEGER\n  b BLOB DEFAULT 'BLOB'\n) STRICT, WITHOUT ROWID;\n\
                   CREATE INDEX i ON t (a /*pg COLLATE \"C\" */)";
        let expected = "LOCK TABLE a;  CREATE TABLE t (\n  a BIGINT NOT NULL, -- INTEGER\n  b BYTEA DEFAULT 'BLOB'\n);\n\
                        CREATE INDEX i ON t (a COLLATE \"C\" )";
        assert_eq!(schema_to_postgres(sql), expected);
    }
}
