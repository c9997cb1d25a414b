//! The whole way of the seed: distances, trunk, coordinates by MDS, structure module, again and again.
//!
//! ```text
//! backbone ───────────────────────────────────────────► frames ─► structure module ─► frames,
//! observed distances ─► trunk ─► distogram ─► MDS ────────┘   ▲          │           confidence,
//!                         └──────── pair features ────────────┼──► edges ┘           torsions
//!                                                             └──── next pass ◄──────────┘
//! ```

mod chain;
mod config;
mod error;
mod model;
mod start;

pub use chain::RefinedChain;
pub use config::{BinsConfig, FoldingConfig};
pub use error::FoldingError;
pub use model::{FoldingModel, MODEL_KIND, Refinement, ResidueSequence};
