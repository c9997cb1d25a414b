//! The whole set kept beside its source, and the sums that tell whether both belong together.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::table::TABLES;
use super::{Qm9, archive, read};
use crate::{CacheError, ReadError};

/// The SHA-256 sum of the wheel of `qm9pack` 1.0.3, which this module was written and tested for.
pub const WHEEL_SHA256: &str = "1d88c2988007c6778e717ee3224cf511bd60e10732ebe3b7ed500ea5af05c9f0";

/// Reads the archive `cache`; where there is none, reads `source` as [`read`] does and writes it.
///
/// A cache without its source is read as it is; beside a source it has to be of that very source. A damaged
/// or outdated cache is not replaced: delete it, and it is made anew.
///
/// # Errors
/// [`CacheError`] if the cache is damaged, of another layout or of another source, or if it is not there
/// and the source cannot be read or the cache not written.
pub fn read_cached(source: impl AsRef<Path>, cache: impl AsRef<Path>) -> Result<Qm9, CacheError> {
    let (source, cache) = (source.as_ref(), cache.as_ref());
    if cache.exists() {
        if source.exists() {
            let (found, expected) = (archive::source(cache)?, sha256(source)?);
            if found != expected {
                let path = cache.to_owned();
                return Err(CacheError::OtherSource {
                    path,
                    found,
                    expected,
                });
            }
        }
        return Ok(read(cache)?);
    }
    let qm9 = read(source)?;
    qm9.save(cache).map_err(|error| CacheError::Write {
        path: cache.to_owned(),
        source: error,
    })?;
    Ok(qm9)
}

/// The SHA-256 sum of a file, or of the tables of a folder one after the other, in hexadecimal digits.
///
/// # Errors
/// [`ReadError::Io`] if it cannot be read.
pub fn sha256(path: impl AsRef<Path>) -> Result<String, ReadError> {
    let path = path.as_ref();
    let mut digest = Sha256::new();
    if path.is_dir() {
        for table in TABLES {
            digest_file(&path.join(table), &mut digest)?;
        }
    } else {
        digest_file(path, &mut digest)?;
    }
    let mut sum = String::with_capacity(64);
    for byte in digest.finalize() {
        // Text grows without failing.
        let _ = write!(sum, "{byte:02x}");
    }
    Ok(sum)
}

fn digest_file(path: &Path, digest: &mut Sha256) -> Result<(), ReadError> {
    let mut file = File::open(path).map_err(ReadError::io(path))?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer).map_err(ReadError::io(path))? {
            0 => return Ok(()),
            count => digest.update(&buffer[..count]),
        }
    }
}
