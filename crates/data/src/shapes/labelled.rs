//! Clouds and labels in arrays of their own, as data sets of scans are kept.

use std::path::Path;

use super::{Cloud, LabelledClouds};
use crate::npy::{self, Reals};
use crate::{ArrayFault, ReadError};

/// More classes are no classes.
const MOST_CLASSES: usize = 1 << 16;

/// Reads clouds without labels from a `.npy` file: points `[N, P, 3]`, or `[N, P, 6]` with normals. All have the
/// label 0.
///
/// # Errors
/// [`ReadError`] if the file cannot be opened or is no such array, or if a number is not finite.
pub fn read_array_clouds(points: impl AsRef<Path>, is_test: bool) -> Result<Vec<Cloud>, ReadError> {
    let path = points.as_ref();
    clouds(&npy::read_reals(path)?, is_test).map_err(of_file(path))
}

/// Reads clouds and their labels from two `.npy` files: points `[N, P, 3]`, or `[N, P, 6]` with normals, and
/// labels `[N]` or `[N, 1]` from 0. Classes are named by their numbers.
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
    let labels = npy::read_reals(labels_path)?;
    let mut clouds = read_array_clouds(points_path, is_test)?;
    let classes = set_labels(&labels, &mut clouds).map_err(of_file(labels_path))?;
    Ok(LabelledClouds { classes, clouds })
}

/// Reads clouds and their labels from one HDF5 file, as ModelNet40 and ScanObjectNN are kept: `data` `[N, P, 3]`, or
/// `[N, P, 6]` with normals, and `label` `[N]` or `[N, 1]` from 0; normals may also be in `normal` `[N, P, 3]`.
/// Classes are named by their numbers, other arrays are passed over.
///
/// Read by the crate `hdf5-pure`, in Rust alone.
///
/// # Errors
/// [`ReadError`] if the file cannot be opened, if `data` or `label` is not there, if arrays are of other shapes
/// or lengths, if a number is not finite or if a label is none.
#[cfg(feature = "hdf5")]
pub fn read_labelled_hdf5(
    path: impl AsRef<Path>,
    is_test: bool,
) -> Result<LabelledClouds, ReadError> {
    let path = path.as_ref();
    let at = |array: &str| {
        let (path, array) = (path.to_owned(), array.to_owned());
        move |fault| ReadError::Array { path, array, fault }
    };
    // Opened here first: the system's own words are better than the format's.
    std::fs::File::open(path).map_err(ReadError::io(path))?;
    let format = |error: hdf5_pure::Error| ReadError::Format {
        path: path.to_owned(),
        message: error.to_string(),
    };
    let file = hdf5_pure::File::open_streaming(path).map_err(format)?;
    let names = file.root().datasets().map_err(format)?;
    let read = |name: &str| {
        if !names.iter().any(|known| known == name) {
            let present = names.clone();
            return Err(at(name)(ArrayFault::Missing { present }));
        }
        reals(&file, name).map_err(at(name))
    };
    let mut clouds = clouds(&read("data")?, is_test).map_err(at("data"))?;
    let classes = set_labels(&read("label")?, &mut clouds).map_err(at("label"))?;
    if names.iter().any(|name| name == "normal") {
        set_normals(&read("normal")?, &mut clouds).map_err(at("normal"))?;
    }
    Ok(LabelledClouds { classes, clouds })
}

/// The finite numbers of an array.
#[cfg(feature = "hdf5")]
fn reals(file: &hdf5_pure::File, name: &str) -> Result<Reals, ArrayFault> {
    let unreadable = |error: hdf5_pure::Error| ArrayFault::Unreadable {
        message: error.to_string(),
    };
    let array = file.dataset(name).map_err(unreadable)?;
    let shape = array.shape().map_err(unreadable)?;
    let shape: Option<Vec<_>> = shape.iter().map(|&n| usize::try_from(n).ok()).collect();
    let shape = shape.unwrap_or_default();
    let elements = shape.iter().map(|&length| length as u128).product();
    let limit = npy::MAX_ELEMENTS;
    if elements > u128::from(limit) {
        return Err(ArrayFault::TooLarge { elements, limit });
    }
    let values = array.read_f64().map_err(unreadable)?;
    if values.len() as u128 != elements {
        return Err(ArrayFault::Unreadable {
            message: format!("{} elements for the shape {shape:?}", values.len()),
        });
    }
    npy::check_finite(&values)?;
    Ok(Reals { shape, values })
}

/// The error of a file's only array.
fn of_file(path: &Path) -> impl FnOnce(ArrayFault) -> ReadError {
    let path = path.to_owned();
    move |fault| ReadError::Array {
        path,
        array: "of the file".to_owned(),
        fault,
    }
}

/// The clouds, yet without a label.
fn clouds(points: &Reals, is_test: bool) -> Result<Vec<Cloud>, ArrayFault> {
    let [count, size, width @ (3 | 6)] = points.shape[..] else {
        return Err(wrong_shape(&points.shape, "[clouds, points, 3 or 6]"));
    };
    let cloud = |index: usize| {
        let rows = points.values[index * size * width..(index + 1) * size * width].chunks(width);
        let part = |from: usize| {
            let vectors = rows.clone().filter_map(|row| row[from..].first_chunk());
            vectors.copied().collect()
        };
        Cloud {
            points: part(0),
            normals: (width == 6).then(|| part(3)),
            label: 0,
            is_test,
        }
    };
    Ok((0..count).map(cloud).collect())
}

/// Labels the clouds; the names of the classes.
fn set_labels(labels: &Reals, clouds: &mut [Cloud]) -> Result<Vec<String>, ArrayFault> {
    let count = clouds.len();
    if !matches!(labels.shape[..], [n] | [n, 1] if n == count) {
        let expected = format!("[{count}] or [{count}, 1]");
        return Err(wrong_shape(&labels.shape, &expected));
    }
    for (index, (&value, cloud)) in labels.values.iter().zip(&mut *clouds).enumerate() {
        // What is no index becomes another number, and is found by it.
        cloud.label = value as usize;
        if cloud.label >= MOST_CLASSES || cloud.label as f64 != value {
            return Err(ArrayFault::Invalid {
                index,
                value,
                field: "label of a class",
            });
        }
    }
    let classes = clouds.iter().map(|cloud| cloud.label + 1).max();
    let classes = 0..classes.unwrap_or_default();
    Ok(classes.map(|class| class.to_string()).collect())
}

/// Gives the clouds their normals.
#[cfg(feature = "hdf5")]
fn set_normals(normals: &Reals, clouds: &mut [Cloud]) -> Result<(), ArrayFault> {
    let size = clouds.first().map_or(0, |cloud| cloud.points.len());
    let expected = [clouds.len(), size, 3];
    if normals.shape != expected {
        return Err(wrong_shape(&normals.shape, &format!("{expected:?}")));
    }
    let all = normals.values.as_chunks::<3>().0;
    for (index, cloud) in clouds.iter_mut().enumerate() {
        cloud.normals = Some(all[index * size..(index + 1) * size].to_vec());
    }
    Ok(())
}

fn wrong_shape(found: &[usize], expected: &str) -> ArrayFault {
    ArrayFault::Shape {
        found: found.iter().map(|&length| length as u64).collect(),
        expected: expected.to_owned(),
    }
}
