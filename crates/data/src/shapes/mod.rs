//! Shapes: labelled point clouds, meshes, and how points are chosen.
//!
//! Lengths are in whatever unit a file has; nothing here has a scale. Random rotations are
//! `steerable_irreps::Rotation::random`, neighbours `steerable_graph::Graph::knn`.

mod clouds;
mod mesh;
mod off;
mod points;

pub use clouds::{Cloud, LabelledClouds, read_clouds};
pub use mesh::{Mesh, NoSurface};
pub use off::{read_off, read_off_source};
pub use points::{TooFewPoints, farthest_points, normalized};
