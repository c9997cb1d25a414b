//! PDB and mmCIF files, also gzipped.
//!
//! Parsing is pdbtbx's, and so are the mmCIF files that are written; what is kept, what is left out and
//! what is refused is said here. Nothing is
//! dropped without a note in the [`ReadReport`], and a file that cannot be read is an error that
//! names the line where there is one.
//!
//! ```no_run
//! // No run: there is no such file.
//! let contents = steerable_protein::file::read("1abc.cif.gz")?;
//! for chain in &contents.chains {
//!     println!("{}: {} residues", chain.id, chain.residues.len());
//! }
//! eprint!("{}", contents.report);
//! # Ok::<(), steerable_protein::file::ReadError>(())
//! ```

mod assemble;
mod error;
mod read;
mod report;
mod screen;
mod screen_cif;
mod screen_pdb;
mod write;

pub use error::{LineFault, ReadError, WriteError};
pub use read::{FileContents, ModelChoice, ReadOptions, read};
pub use report::{ReadNote, ReadReport};
pub use write::write;
