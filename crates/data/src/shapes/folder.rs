//! Folders of meshes, one for each shape.

use std::path::{Path, PathBuf};

use burn_dataset::{Dataset, DatasetError};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::{Cloud, SurfacePoints, farthest_points, normalized, read_mesh};
use crate::{ReadError, seed_of_part};

/// Shapes in a folder as ModelNet has them: `CLASS/train/NAME.off` and `CLASS/test/NAME.off`, or files of any other
/// format that [`read_mesh`] knows. A mesh is read when its cloud is asked for.
///
/// Classes and files stand in the order of their names. Those that begin with a dot are passed over.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelFolder {
    /// The names of the classes.
    pub classes: Vec<String>,
    /// The shapes.
    pub models: Vec<Model>,
    /// Points of a cloud.
    pub points: usize,
    /// Decides which points are drawn, for each shape by itself.
    pub seed: u64,
}

/// A shape in a folder.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Model {
    /// Its file.
    pub path: PathBuf,
    /// Index of its class.
    pub label: usize,
    /// Whether the folder keeps it for testing.
    pub is_test: bool,
}

impl ModelFolder {
    /// Lists the shapes of a folder, for clouds of so many points.
    ///
    /// # Errors
    /// [`ReadError::Io`] if a folder cannot be read; [`ReadError::Format`] if there is no class, or a class
    /// without both parts.
    pub fn open(root: impl AsRef<Path>, points: usize, seed: u64) -> Result<Self, ReadError> {
        let root = root.as_ref();
        let mut folder = Self {
            classes: Vec::new(),
            models: Vec::new(),
            points,
            seed,
        };
        for class in entries(root)?.into_iter().filter(|path| path.is_dir()) {
            let label = folder.classes.len();
            let name = class.file_name().unwrap_or_default();
            folder.classes.push(name.to_string_lossy().into_owned());
            for (part, is_test) in [("train", false), ("test", true)] {
                let files = entries(&class.join(part))?.into_iter();
                folder.models.extend(files.map(|path| Model {
                    path,
                    label,
                    is_test,
                }));
            }
        }
        if folder.classes.is_empty() {
            return Err(ReadError::Format {
                path: root.to_owned(),
                message: "no folder of a class in it".to_owned(),
            });
        }
        Ok(folder)
    }

    /// A shape's cloud, as [`mesh_cloud`] makes it.
    ///
    /// # Errors
    /// Those of [`mesh_cloud`].
    ///
    /// # Panics
    /// If there is no shape of that index.
    pub fn cloud(&self, index: usize) -> Result<Cloud, ReadError> {
        let model = &self.models[index];
        let seed = seed_of_part(self.seed, index as u64);
        Ok(Cloud {
            label: model.label,
            is_test: model.is_test,
            ..mesh_cloud(&model.path, self.points, seed)?
        })
    }
}

/// A mesh's cloud: points drawn on its triangles with their normals; of a file without triangles the farthest of
/// its points. Its mean is the origin, its farthest point has the distance 1; its label is 0, and it is to train.
///
/// # Errors
/// [`ReadError`] if the file cannot be read ([`read_mesh`]), has no surface or has too few points.
pub fn mesh_cloud(path: impl AsRef<Path>, points: usize, seed: u64) -> Result<Cloud, ReadError> {
    let path = path.as_ref();
    let mut mesh = read_mesh(path)?;
    let no_cloud = |message| ReadError::Format {
        path: path.to_owned(),
        message,
    };
    let mut cloud = Cloud {
        points: Vec::new(),
        normals: mesh.normals.take(),
        label: 0,
        is_test: false,
    };
    if mesh.triangles.is_empty() {
        cloud.points = mesh.vertices;
        let chosen = farthest_points(&cloud.points, points);
        cloud = cloud.chosen(&chosen.map_err(|error| no_cloud(error.to_string()))?);
    } else {
        let sample = mesh.sample(points, &mut StdRng::seed_from_u64(seed));
        let SurfacePoints { points, normals } =
            sample.map_err(|error| no_cloud(error.to_string()))?;
        (cloud.points, cloud.normals) = (points, Some(normals));
    }
    cloud.points = normalized(&cloud.points);
    Ok(cloud)
}

impl Dataset<Cloud> for ModelFolder {
    fn get(&self, index: usize) -> Result<Cloud, DatasetError> {
        self.cloud(index).map_err(DatasetError::new)
    }

    fn len(&self) -> usize {
        self.models.len()
    }
}

/// What a folder holds, sorted.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, ReadError> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(ReadError::io(folder))? {
        let entry = entry.map_err(ReadError::io(folder))?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}
