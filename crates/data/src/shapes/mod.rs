//! Shapes: labelled point clouds, meshes, and how points are chosen.
//!
//! | file | read by |
//! | --- | --- |
//! | OFF, PLY, OBJ: meshes | [`read_off`], [`read_ply`], [`read_obj`], or [`read_mesh`] by the name's extension |
//! | points in plain text or PLY | [`read_points`], [`read_ply`], or [`read_mesh`] |
//! | folders of ModelNet: a mesh for each shape | [`ModelFolder`] |
//! | one archive of clouds, labels, a split and names | [`read_clouds`] |
//! | an array of clouds and one of labels | [`read_labelled_arrays`] |
//! | HDF5 of clouds and labels | `read_labelled_hdf5`, with the feature `hdf5` |
//!
//! Lengths are in whatever unit a file has; nothing here has a scale, and [`normalized`] takes it away. Clouds are
//! turned by a loader's [`crate::Turns`] or `steerable_irreps::Rotation::random`, neighbours are
//! [`crate::EdgeRule::Nearest`].

mod clouds;
mod folder;
mod labelled;
mod mesh;
mod normals;
mod obj;
mod off;
mod ply;
mod points;
mod xyz;

pub use clouds::{Cloud, LabelledClouds, read_clouds};
pub use folder::{Model, ModelFolder, read_mesh};
pub use labelled::read_labelled_arrays;
#[cfg(feature = "hdf5")]
pub use labelled::read_labelled_hdf5;
pub use mesh::{Mesh, NoSurface, SurfacePoints};
pub use normals::estimated_normals;
pub use obj::{read_obj, read_obj_source};
pub use off::{read_off, read_off_source};
pub use ply::{read_ply, read_ply_source};
pub use points::{TooFewPoints, farthest_points, normalized};
pub use xyz::{read_points, read_points_source};
