//! Lists of irreps with multiplicities: what a feature row is made of.

mod list;
pub(crate) mod parse;
mod text;

pub use list::{Irreps, MulIrrep, Sorted};
pub(crate) use text::serde_as_text;
