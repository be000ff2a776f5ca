//! The embedded database's log (SQLite's write-ahead log), looked at without opening the database: whether file and log together
//! have every page.
//!
//! A page that the file lacks is in the log, or it is lost: the log is begun anew only after everything in it was copied into the
//! file and synced. So a file that is shorter than the last commit says, by pages that the log does not have either, was cut.
//! Source: <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;

const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;
/// The last bit says in which order the checksums are computed.
const MAGIC: u32 = 0x377f_0682;
/// The page with this byte is never written: locks lie there.
const LOCK_BYTE: u64 = 0x4000_0000;

/// What a log holds, as far as its frames belong to it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Log {
    /// Bytes of a page.
    page: u64,
    /// Pages of the database after the last commit in it; 0: there is none.
    pages: u64,
    /// The pages in it.
    written: HashSet<u64>,
}

/// How many pages neither the database's file nor its log has; `None`: the log has no commit, so that the file stands alone.
///
/// # Errors
/// When the log cannot be read.
pub(crate) fn missing_pages(database_bytes: u64, log: &Path) -> io::Result<Option<u64>> {
    let log = read(&mut BufReader::with_capacity(FRAME_HEADER_BYTES, File::open(log)?))?;
    if log.pages == 0 {
        return Ok(None);
    }
    let lock_page = LOCK_BYTE / log.page + 1;
    let absent = |page: &u64| *page != lock_page && !log.written.contains(page);
    // Without its first page a file is no database, whatever the log has.
    let in_file = database_bytes / log.page;
    let first = u64::from(in_file == 0);
    Ok(Some(first + ((in_file + 1).max(2)..=log.pages).filter(absent).count() as u64))
}

fn read(log: &mut (impl Read + Seek)) -> io::Result<Log> {
    let mut header = [0; HEADER_BYTES];
    let mut found = Log::default();
    if !fills(log, &mut header)? || word(&header, 0) & !1 != MAGIC {
        return Ok(found);
    }
    found.page = u64::from(word(&header, 8));
    if !found.page.is_power_of_two() || !(512..=65_536).contains(&found.page) {
        return Ok(Log::default());
    }
    let mut frame = [0; FRAME_HEADER_BYTES];
    let mut since_commit = Vec::new();
    while fills(log, &mut frame)? {
        // Frames of a log before this one lie behind those of this one.
        if frame[8..16] != header[16..24] {
            break;
        }
        since_commit.push(u64::from(word(&frame, 0)));
        let pages = u64::from(word(&frame, 4));
        if pages != 0 {
            found.pages = pages;
            found.written.extend(since_commit.drain(..));
        }
        log.seek_relative(i64::try_from(found.page).unwrap_or_default())?;
    }
    Ok(found)
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Reads so many bytes, unless the file ends before.
fn fills(from: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    match from.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: u64 = 512;

    /// A log of frames: page, size of the database after it (0: no commit).
    fn log(salt: u32, frames: &[(u32, u32)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for word in [MAGIC, 3_007_000, 512, 0, salt, 7, 0, 0] {
            bytes.extend(word.to_be_bytes());
        }
        for (page, pages) in frames {
            for word in [*page, *pages, salt, 7, 0, 0] {
                bytes.extend(word.to_be_bytes());
            }
            bytes.extend([0; 512]);
        }
        bytes
    }

    fn missing(database_bytes: u64, bytes: &[u8]) -> Option<u64> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        missing_pages(database_bytes, file.path()).unwrap()
    }

    #[test]
    fn what_the_file_lacks_is_in_the_log_or_lost() {
        let bytes = log(1, &[(1, 0), (9, 0), (10, 10)]);
        assert_eq!(missing(10 * PAGE, &bytes), Some(0));
        assert_eq!(missing(8 * PAGE, &bytes), Some(0), "not copied back yet");
        assert_eq!(missing(8 * PAGE - 1, &bytes), Some(1), "the 8th is cut");
        assert_eq!(missing(4 * PAGE, &bytes), Some(4));
        assert_eq!(missing(100, &bytes), Some(8), "the first page is nowhere but in the file");
        // A later commit makes the database shorter.
        assert_eq!(missing(4 * PAGE, &log(1, &[(1, 10), (1, 4)])), Some(0));
    }

    #[test]
    fn only_committed_frames_of_this_log_count() {
        assert_eq!(missing(PAGE, &log(1, &[(2, 0), (3, 0)])), None);
        assert_eq!(missing(PAGE, b""), None);
        assert_eq!(missing(PAGE, &[0; 100]), None);
        let mut bytes = log(1, &[(2, 2)]);
        bytes.extend(&log(2, &[(3, 9)])[HEADER_BYTES..]);
        assert_eq!(missing(2 * PAGE, &bytes), Some(0), "those of a log before do not");
        bytes.truncate(HEADER_BYTES + 600);
        assert_eq!(missing(PAGE, &bytes), Some(0), "nor does one that is cut");
    }

    /// What SQLite itself writes is read, whichever way the pages came.
    #[test]
    fn sqlites_own_log_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        let store = rusqlite::Connection::open(&path).unwrap();
        store.execute_batch("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE a (b); INSERT INTO a VALUES (zeroblob(50000))").unwrap();
        let log = directory.path().join("a.db-wal");
        let bytes = std::fs::metadata(&path).unwrap().len();
        assert_eq!(missing_pages(bytes, &log).unwrap(), Some(0), "all is in the log");
        store.execute_batch("PRAGMA wal_checkpoint(PASSIVE); INSERT INTO a VALUES (1)").unwrap();
        let bytes = std::fs::metadata(&path).unwrap().len();
        assert_eq!(missing_pages(bytes, &log).unwrap(), Some(0));
        assert!(missing_pages(bytes / 2, &log).unwrap().unwrap() > 0);
    }
}
