//! Labelled point clouds in one archive.

use std::path::Path;

use burn_dataset::{Dataset, DatasetError};

use crate::npy::{Dimension, Npz};
use crate::{ArrayFault, Quantities, ReadError, Sample};

/// Point clouds of equal size with their classes.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelledClouds {
    /// The names of the classes.
    pub classes: Vec<String>,
    /// The clouds, in the order of the file.
    pub clouds: Vec<Cloud>,
}

/// One cloud.
#[derive(Clone, Debug, PartialEq)]
pub struct Cloud {
    /// `[points, 3]`
    pub points: Vec<[f64; 3]>,
    /// Directions of the surface at the points, of length 1, `[points, 3]`, where they are known.
    pub normals: Option<Vec<[f64; 3]>>,
    /// Index of its class.
    pub label: usize,
    /// Whether the file keeps it for testing.
    pub is_test: bool,
}

impl Dataset<Cloud> for LabelledClouds {
    fn get(&self, index: usize) -> Result<Cloud, DatasetError> {
        Ok(self.clouds[index].clone())
    }

    fn len(&self) -> usize {
        self.clouds.len()
    }
}

impl Cloud {
    /// The cloud of points chosen by their indices, such as [`super::farthest_points`].
    ///
    /// # Panics
    /// If there is no point of an index.
    #[must_use]
    pub fn chosen(&self, indices: &[usize]) -> Self {
        let chosen =
            |vectors: &Vec<[f64; 3]>| indices.iter().map(|&index| vectors[index]).collect();
        Self {
            points: chosen(&self.points),
            normals: self.normals.as_ref().map(chosen),
            ..*self
        }
    }

    /// The cloud as models take it: nodes without a kind, normals as input vectors, and the class.
    #[must_use]
    pub fn sample(&self) -> Sample {
        Sample {
            species: vec![0; self.points.len()],
            positions: self.points.clone(),
            inputs: Quantities {
                node_vectors: self.normals.clone().unwrap_or_default(),
                ..Quantities::default()
            },
            // Labels are below the number of classes, which an archive holds in 32 bits.
            class: Some(self.label as u32),
            ..Sample::default()
        }
    }
}

/// Reads an archive of `points` `[N, P, 3]`, `label` `[N]`, `split` `[N]` (0 to train, 1 to test) and
/// `classes` `[C]`, names.
///
/// # Errors
/// [`ReadError`] if it cannot be opened, if an array is missing or does not fit the others, if a point is
/// not finite or if a label is no class.
pub fn read_clouds(path: impl AsRef<Path>) -> Result<LabelledClouds, ReadError> {
    use Dimension::{Any, Exactly};
    let mut archive = Npz::open(path)?;
    let points = archive.reals("points", &[Any, Any, Exactly(3)])?;
    let [count, size] = [points.shape[0], points.shape[1]];
    let classes = archive.text("classes", &[Any])?;
    let mut indices = |name: &str, below: usize, field| {
        let values = archive.reals(name, &[Exactly(count)])?.values;
        let index = |(index, &value): (usize, &f64)| {
            // What is no index becomes another number, and is found by it.
            let number = value as usize;
            let known = number < below && number as f64 == value;
            known.then_some(number).ok_or(ArrayFault::Invalid {
                index,
                value,
                field,
            })
        };
        let indices: Result<Vec<usize>, _> = values.iter().enumerate().map(index).collect();
        indices.map_err(|fault| archive.fault(name, fault))
    };
    let labels = indices("label", classes.len(), "index of a class")?;
    let tests = indices("split", 2, "0 or 1")?;
    let all = points.values.as_chunks::<3>().0;
    let cloud = |(index, (label, test)): (usize, (usize, usize))| Cloud {
        points: all[index * size..(index + 1) * size].to_vec(),
        normals: None,
        label,
        is_test: test == 1,
    };
    let members = labels.into_iter().zip(tests).enumerate();
    Ok(LabelledClouds {
        clouds: members.map(cloud).collect(),
        classes,
    })
}
