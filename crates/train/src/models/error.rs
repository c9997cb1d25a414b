//! What can be wrong with a model's configuration, or with data for it.

use steerable_data::element;
use steerable_nn::BuildError;
use thiserror::Error;

/// A model that cannot be built, or cannot take an item.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The network cannot be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A value of the configuration is not allowed.
    #[error("{key} = {value}: expected {allowed}")]
    Value {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// An element that the model was not built for.
    #[error("item {item} holds {}, the model knows {} only", named(&[*.species]), named(known))]
    Species {
        /// Index of the item in its data set.
        item: usize,
        /// The atomic number.
        species: u8,
        /// Those that the model knows.
        known: Vec<u8>,
    },
    /// Something that the model reads is not there.
    #[error("{what} are needed and not there")]
    Missing {
        /// What.
        what: &'static str,
    },
}

/// Elements by their symbols, others by their numbers.
fn named(species: &[u8]) -> String {
    let name = |&z: &u8| match element::symbol(z) {
        Some(symbol) => symbol.to_owned(),
        None => format!("atomic number {z}"),
    };
    species.iter().map(name).collect::<Vec<_>>().join(", ")
}

impl ModelError {
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers have numbers and words"
    )]
    pub(crate) fn value(key: &'static str, value: impl ToString, allowed: &'static str) -> Self {
        Self::Value {
            key,
            value: value.to_string(),
            allowed,
        }
    }
}
