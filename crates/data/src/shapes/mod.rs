//! Shapes: labelled point clouds, meshes, and how points are chosen.
//!
//! | file | read by |
//! | --- | --- |
//! | OFF, PLY, OBJ: meshes; points in plain text | [`MeshFormat`], or [`read_mesh`] by the name's extension |
//! | folders of ModelNet: a mesh for each shape | [`ModelFolder`] |
//! | one archive of clouds, labels, a split and names | [`read_clouds`] |
//! | an array of clouds, and one of labels | [`read_array_clouds`], [`read_labelled_arrays`] |
//! | HDF5 of clouds and labels | `read_labelled_hdf5`, with the feature `hdf5` |
//!
//! Lengths are in whatever unit a file has; nothing here has a scale, and [`normalized`] takes it away. Clouds are
//! turned by a loader's [`crate::Turns`] or `steerable_irreps::Rotation::random`, neighbours are
//! [`crate::EdgeRule::Nearest`].

mod clouds;
mod folder;
mod format;
mod labelled;
mod mesh;
mod normals;
mod obj;
mod off;
mod ply;
mod points;
mod xyz;

pub use clouds::{Cloud, LabelledClouds, read_clouds};
pub use folder::{Model, ModelFolder, mesh_cloud};
pub use format::{MeshFormat, read_mesh};
#[cfg(feature = "hdf5")]
pub use labelled::read_labelled_hdf5;
pub use labelled::{read_array_clouds, read_labelled_arrays};
pub use mesh::{Mesh, NoSurface, SurfacePoints};
pub use normals::estimated_normals;
pub use points::{TooFewPoints, farthest_points, normalized};
