//! Labelled point clouds in one archive.

use std::path::Path;

use burn_dataset::{Dataset, DatasetError};

use crate::npy::{self, Dimension, Npz};
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

/// Reads clouds and their labels from two arrays, as data sets of scans are often kept: points `[N, P, 3]`, or
/// `[N, P, 6]` with normals, and labels `[N]` or `[N, 1]` from 0. Classes are named by their numbers.
///
/// # Errors
/// [`ReadError`] if a file cannot be opened or is no such array, if the two are of different length, if a
/// number is not finite or if a label is none.
pub fn read_labelled_arrays(
    points: impl AsRef<Path>,
    labels: impl AsRef<Path>,
    is_test: bool,
) -> Result<LabelledClouds, ReadError> {
    let (points_path, labels_path) = (points.as_ref(), labels.as_ref());
    let at = |path: &Path, fault| ReadError::Array {
        path: path.to_owned(),
        array: "of the file".to_owned(),
        fault,
    };
    let points = npy::read_reals(points_path)?;
    let labels = npy::read_reals(labels_path)?;
    let shape = |found: &[usize], expected: &str| ArrayFault::Shape {
        found: found.iter().map(|&length| length as u64).collect(),
        expected: expected.to_owned(),
    };
    let [count, size, width @ (3 | 6)] = points.shape[..] else {
        let fault = shape(&points.shape, "[clouds, points, 3 or 6]");
        return Err(at(points_path, fault));
    };
    if !matches!(labels.shape[..], [n] | [n, 1] if n == count) {
        let fault = shape(&labels.shape, &format!("[{count}] or [{count}, 1]"));
        return Err(at(labels_path, fault));
    }
    /// More classes are no classes.
    const MOST_CLASSES: usize = 1 << 16;
    let label = |(index, &value): (usize, &f64)| {
        let label = value as usize;
        let is_label = label < MOST_CLASSES && label as f64 == value;
        is_label.then_some(label).ok_or(ArrayFault::Invalid {
            index,
            value,
            field: "label of a class",
        })
    };
    let labels: Result<Vec<_>, _> = labels.values.iter().enumerate().map(label).collect();
    let labels = labels.map_err(|fault| at(labels_path, fault))?;
    let classes = labels.iter().max().map_or(0, |&last| last + 1);
    let cloud = |(index, label)| {
        let rows = points.values[index * size * width..(index + 1) * size * width].chunks(width);
        let part = |from: usize| {
            let vectors = rows.clone().filter_map(|row| row[from..].first_chunk());
            vectors.copied().collect()
        };
        Cloud {
            points: part(0),
            normals: (width == 6).then(|| part(3)),
            label,
            is_test,
        }
    };
    Ok(LabelledClouds {
        clouds: labels.into_iter().enumerate().map(cloud).collect(),
        classes: (0..classes).map(|class| class.to_string()).collect(),
    })
}
