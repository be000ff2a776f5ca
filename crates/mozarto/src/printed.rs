//! What a command prints, and what happens when nobody takes it: never a panic, because what was to be told has been done
//! already.

use std::io::{self, Write as _};

/// How a shell reports a command whose reader went away (128 and the number of SIGPIPE): `mozarto transactions list | head -1`.
const READER_GONE: i32 = 141;

/// A line on standard output. Where the reader has gone the command ends in silence; where the line cannot be written for another
/// reason (a full disk) it ends with a word about it, so that a token that is shown once is not lost unnoticed.
pub(crate) fn line(text: &str) {
    let mut out = io::stdout().lock();
    let written = writeln!(out, "{}", domain::visible::visible(text, &['\n'])).and_then(|()| out.flush());
    let Err(error) = written else { return };
    drop(out);
    if error.kind() == io::ErrorKind::BrokenPipe {
        std::process::exit(READER_GONE);
    }
    crate::logging::say(&format!("mozarto: what was done could not be printed: {error}"));
    crate::logging::finish();
    std::process::exit(1);
}

/// A line on standard error. What cannot be written is lost: there is nobody left to tell it.
pub(crate) fn aside(text: &str) {
    let _ = writeln!(io::stderr(), "{}", domain::visible::visible(text, &['\n']));
}
