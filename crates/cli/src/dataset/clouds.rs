//! Labelled clouds of a configuration, and those that a model is asked about.

use std::error::Error;
use std::path::Path;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use steerable_data::shapes::{self, Cloud, LabelledClouds, MeshFormat, ModelFolder};
use steerable_data::{Quantities, Sample, shuffled};

use super::{DataSet, extension};
use crate::config::{ConfigError, Files, RunConfig, ShapeData};

/// Points drawn on a mesh where their number is not given.
const MESH_POINTS: usize = 1024;

/// Decides which points are drawn on the meshes that a model is asked about.
const MESH_SEED: u64 = 1;

/// What is done to a cloud before a model takes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloudInput {
    /// So many points are taken, the farthest from each other; all if it is not given.
    #[serde(default)]
    pub points: Option<usize>,
    /// Whether their mean is moved to the origin and the farthest of them to the distance 1.
    #[serde(default)]
    pub normalize: bool,
}

impl CloudInput {
    /// Of a configuration. Clouds of meshes are normalized where they are drawn.
    fn of(data: &ShapeData, are_meshes: bool) -> Self {
        Self {
            points: data.points,
            normalize: data.normalize || are_meshes,
        }
    }

    /// A cloud as models take it.
    fn sample(self, cloud: &Cloud) -> Result<Sample, shapes::TooFewPoints> {
        let mut sample = match self.points {
            None => cloud.sample(),
            Some(count) if count == cloud.points.len() => cloud.sample(),
            Some(count) => {
                let chosen = shapes::farthest_points(&cloud.points, count)?;
                cloud.chosen(&chosen).sample()
            }
        };
        // No model reads normals, which some files have and others not.
        sample.inputs = Quantities::default();
        if self.normalize {
            sample.positions = shapes::normalized(&sample.positions);
        }
        Ok(sample)
    }

    /// The clouds of a file as models take them.
    fn samples(self, clouds: &[Cloud], file: &Path) -> Result<Vec<Sample>, Box<dyn Error>> {
        let sample = |(index, cloud): (usize, &Cloud)| {
            self.sample(cloud)
                .map_err(|error| format!("{}: cloud {index}: {error}", file.display()))
        };
        let samples: Result<_, String> = clouds.par_iter().enumerate().map(sample).collect();
        Ok(samples?)
    }
}

/// The clouds of a file as a model takes them, with no class known: an archive, HDF5, .npy without labels, a mesh, or a
/// folder of meshes.
///
/// # Errors
/// When it cannot be read, or a cloud has too few points.
pub fn asked_clouds(file: &Path, input: CloudInput) -> Result<Vec<Sample>, Box<dyn Error>> {
    let points = input.points.unwrap_or(MESH_POINTS);
    let clouds = match extension(file).as_str() {
        _ if file.is_dir() => of_folder(&ModelFolder::open(file, points, MESH_SEED)?)?.clouds,
        "npz" => shapes::read_clouds(file)?.clouds,
        "h5" | "hdf5" => of_hdf5(file, true)?.clouds,
        "npy" => shapes::read_array_clouds(file, true)?,
        _ if MeshFormat::of(file).is_some() => vec![shapes::mesh_cloud(file, points, MESH_SEED)?],
        _ => {
            return Err(format!(
                "{}: clouds are read from .npz, .h5, .npy, .off, .ply, .obj, .xyz and folders of meshes",
                file.display()
            )
            .into());
        }
    };
    input.samples(&clouds, file)
}

pub(super) fn read(config: &RunConfig, data: &ShapeData) -> Result<DataSet, Box<dyn Error>> {
    let first = data.file.0.first().ok_or("data.file names no file")?;
    let first = config.found("data.file", first)?;
    let input = CloudInput::of(data, first.is_dir());
    let mut all = labelled(config, data, &first, input)?;
    name_classes(config, data, &mut all.classes)?;
    let (mut of_training, mut test) = (Vec::new(), Vec::new());
    for (sample, is_test) in all.samples {
        match is_test {
            true => test.push(sample),
            false => of_training.push(sample),
        }
    }
    let held_out = (data.validation * of_training.len() as f64).ceil() as usize;
    if held_out >= of_training.len() {
        return Err(format!(
            "{}: {} clouds to train on are too few",
            first.display(),
            of_training.len()
        )
        .into());
    }
    let order = shuffled(of_training.len(), data.split_seed);
    let part = |indices: &[usize]| -> Vec<Sample> {
        let chosen = indices.iter().map(|&index| of_training[index].clone());
        chosen.collect()
    };
    Ok(DataSet {
        validation: part(&order[..held_out]),
        train: part(&order[held_out..]),
        test,
        targets: vec![("class".into(), String::new())],
        classes: all.classes,
        clouds: input,
        ..DataSet::default()
    })
}

/// Classified samples.
#[derive(Default)]
struct Labelled {
    /// The names of the classes, by number.
    classes: Vec<String>,
    /// Each with whether it is kept for testing.
    samples: Vec<(Sample, bool)>,
}

impl Labelled {
    /// Adds the clouds of a file, whose classes are those that are there already, or fewer or more.
    fn add(
        &mut self,
        LabelledClouds { classes, clouds }: LabelledClouds,
        file: &Path,
        input: CloudInput,
    ) -> Result<(), Box<dyn Error>> {
        if classes.len() > self.classes.len() {
            self.classes = classes;
        }
        let are_tests = clouds.iter().map(|cloud| cloud.is_test);
        self.samples
            .extend(input.samples(&clouds, file)?.into_iter().zip(are_tests));
        Ok(())
    }
}

/// All clouds of the configuration, to train on and to test.
fn labelled(
    config: &RunConfig,
    data: &ShapeData,
    first: &Path,
    input: CloudInput,
) -> Result<Labelled, Box<dyn Error>> {
    check_keys(config, data, first)?;
    let mut all = Labelled::default();
    if first.is_dir() {
        let points = data.points.unwrap_or(MESH_POINTS);
        let folder = ModelFolder::open(first, points, data.split_seed)?;
        all.add(of_folder(&folder)?, first, input)?;
    } else if extension(first) == "npz" {
        all.add(shapes::read_clouds(first)?, first, input)?;
    } else {
        for (part, is_test) in [(Part::train(data), false), (Part::test(data), true)] {
            for (index, file) in part.files.0.iter().enumerate() {
                let file = config.found(part.key, file)?;
                let clouds = part.clouds(config, index, &file, is_test)?;
                all.add(clouds, &file, input)?;
            }
        }
    }
    Ok(all)
}

/// Files of clouds and, if they are arrays, of their labels, with the keys that name them.
struct Part<'a> {
    key: &'static str,
    files: &'a Files,
    labels_key: &'static str,
    labels: &'a Files,
}

impl<'a> Part<'a> {
    fn train(data: &'a ShapeData) -> Self {
        Self {
            key: "data.file",
            files: &data.file,
            labels_key: "data.labels",
            labels: &data.labels,
        }
    }

    fn test(data: &'a ShapeData) -> Self {
        Self {
            key: "data.test_file",
            files: &data.test_file,
            labels_key: "data.test_labels",
            labels: &data.test_labels,
        }
    }

    /// The clouds of one of the files.
    fn clouds(
        &self,
        config: &RunConfig,
        index: usize,
        file: &Path,
        is_test: bool,
    ) -> Result<LabelledClouds, Box<dyn Error>> {
        match extension(file).as_str() {
            "h5" | "hdf5" => of_hdf5(file, is_test),
            "npy" => {
                let labels = self.labels.0.get(index);
                let labels = labels.ok_or_else(|| format!("{}: no labels", file.display()))?;
                let labels = config.found(self.labels_key, labels)?;
                Ok(shapes::read_labelled_arrays(file, labels, is_test)?)
            }
            _ => Err(format!(
                "{}: labelled clouds are read from .npz, .h5, .hdf5, .npy and folders of meshes",
                file.display()
            )
            .into()),
        }
    }
}

/// Refuses keys that do not go with the kind of the data.
fn check_keys(config: &RunConfig, data: &ShapeData, first: &Path) -> Result<(), ConfigError> {
    let kind = extension(first);
    let tells_parts = first.is_dir() || kind == "npz";
    let refused = |key: &str, files: &Files, allowed: &str| {
        let value: Vec<_> = files
            .0
            .iter()
            .map(|file| file.display().to_string())
            .collect();
        Err(config.refuse(key, &format!("{value:?}"), allowed))
    };
    if tells_parts && data.file.0.len() > 1 {
        let allowed = "one archive or one folder, or several files of HDF5 or .npy";
        return refused("data.file", &data.file, allowed);
    }
    let none = format!("nothing, since {} tells it itself", first.display());
    if tells_parts && !data.test_file.0.is_empty() {
        return refused("data.test_file", &data.test_file, &none);
    }
    for part in [Part::train(data), Part::test(data)] {
        match kind == "npy" {
            true if part.labels.0.len() != part.files.0.len() => {
                let allowed = format!("{} files, one for each of {}", part.files.0.len(), part.key);
                return refused(part.labels_key, part.labels, &allowed);
            }
            false if !part.labels.0.is_empty() => {
                return refused(part.labels_key, part.labels, &none);
            }
            _ => {}
        }
    }
    Ok(())
}

/// Gives classes that are numbers their names.
fn name_classes(
    config: &RunConfig,
    data: &ShapeData,
    classes: &mut Vec<String>,
) -> Result<(), Box<dyn Error>> {
    if data.classes.is_empty() {
        return Ok(());
    }
    let numbered = classes.iter().enumerate();
    let are_numbers = numbered.clone().all(|(at, name)| *name == at.to_string());
    if !are_numbers || data.classes.len() < classes.len() {
        let allowed = match are_numbers {
            true => format!("the names of {} classes or more", classes.len()),
            false => format!("nothing, since the data name them: {}", classes.join(", ")),
        };
        let value = format!("{:?}", data.classes);
        return Err(config.refuse("data.classes", &value, &allowed).into());
    }
    classes.clone_from(&data.classes);
    Ok(())
}

/// Reads the meshes of a folder, on all threads.
fn of_folder(folder: &ModelFolder) -> Result<LabelledClouds, Box<dyn Error>> {
    let indices = 0..folder.models.len();
    let clouds: Result<_, _> = indices.into_par_iter().map(|at| folder.cloud(at)).collect();
    Ok(LabelledClouds {
        classes: folder.classes.clone(),
        clouds: clouds?,
    })
}

#[cfg(feature = "hdf5")]
fn of_hdf5(file: &Path, is_test: bool) -> Result<LabelledClouds, Box<dyn Error>> {
    Ok(shapes::read_labelled_hdf5(file, is_test)?)
}

#[cfg(not(feature = "hdf5"))]
fn of_hdf5(file: &Path, _is_test: bool) -> Result<LabelledClouds, Box<dyn Error>> {
    Err(format!(
        "{}: this program was built without HDF5: build it with --features steerable-cli/hdf5",
        file.display()
    )
    .into())
}
