//! The configuration of a run, and errors that say how to put it right.
//!
//! ```toml
//! task = "qm9"                 # qm9, potential, vectors, shapes
//!
//! [data]
//! file = "data/qm9.npz"        # from the configuration's folder, else from the working directory
//! target = "homo"
//! train = 10000
//! validation = 1000
//! test = 1000
//! elements = ["H", "C", "N", "O", "F"]    # those of the items to train on if it is not given
//!
//! [graph]
//! edges = "radius"             # bonds, complete, radius, nearest
//! radius = 5.0
//!
//! [model]                      # NetworkConfig of steerable-train; width, pooling, bonds
//! layers = 3
//!
//! [training]
//! epochs = 50
//!
//! [output]
//! directory = "runs/qm9-homo"
//! ```

mod error;
mod files;
mod overlay;
mod paths;
mod read;
mod sections;

pub use error::ConfigError;
pub use files::Files;
pub use overlay::{keys, overlay, taken};
pub use read::RunConfig;
pub use sections::{
    DataConfig, EdgeKind, FileUnit, GraphSection, HeadSection, LossSection, OutputSection,
    PoolingKind, Qm9Data, ShapeData, StructureData, TaskKind, VectorKind,
};
