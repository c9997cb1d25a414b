//! Labelled point clouds in one archive.

use std::path::Path;

use crate::npy::{Array, Dimension, Elements, Npz};
use crate::{ArrayFault, ReadError};

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
    /// Index of its class.
    pub label: usize,
    /// Whether the file keeps it for testing.
    pub is_test: bool,
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
    let classes = archive.array("classes")?;
    let classes = names(classes).map_err(|fault| archive.fault("classes", fault))?;
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
        label,
        is_test: test == 1,
    };
    let members = labels.into_iter().zip(tests).enumerate();
    Ok(LabelledClouds {
        clouds: members.map(cloud).collect(),
        classes,
    })
}

fn names(array: Array) -> Result<Vec<String>, ArrayFault> {
    match array.elements {
        Elements::Text(names) => Ok(names),
        _ => Err(ArrayFault::Type {
            found: "numbers".to_owned(),
            expected: "text",
        }),
    }
}
