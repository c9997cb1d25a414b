//! Models for the usual tasks, rebuilt from their configurations.
//!
//! | model | predicts | network's output |
//! | --- | --- | --- |
//! | [`PropertyModel`] | one number for each molecule | scalars, pooled, then a perceptron |
//! | [`Potential`] | energy, and forces as its exact negative gradient | a scalar for each atom, summed |
//! | [`VectorModel`] | a vector for each atom (forces) or for each molecule (dipole) | a vector for each atom |
//! | [`ShapeClassifier`] | the class of a point cloud | scalars, pooled, then a perceptron |
//! | [`PointNet`] | the same, without equivariance: for comparison | |
//!
//! All but the last are equivariant by construction. A model knows the units of its targets by [`Scaling`]:
//! networks work with numbers of order one.

mod error;
mod input;
mod network;
mod perceptron;
mod point_net;
mod potential;
mod property;
mod scaling;
mod shape_classifier;
mod vector_model;

pub use error::ModelError;
pub(crate) use input::vectors;
pub use input::{AtomInput, BondInput};
pub use network::{Network, NetworkConfig, NetworkKind, check_width};
pub use perceptron::Perceptron;
pub use point_net::{PointNet, PointNetConfig};
pub use potential::{EnergyAndForces, Potential, PotentialConfig};
pub use property::{PropertyConfig, PropertyModel};
pub use scaling::Scaling;
pub use shape_classifier::{ShapeClassifier, ShapeClassifierConfig};
pub use vector_model::{VectorConfig, VectorModel, VectorTarget};
