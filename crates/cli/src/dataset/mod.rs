//! The data of a configuration as models take them.

mod clouds;
mod elements;
mod molecules;
mod qm9;

pub use clouds::{CloudInput, asked_clouds};

use std::error::Error;
use std::path::Path;

use steerable_data::{EnergyUnit, Sample, Structure, extxyz, rmd17, sdf};

use crate::config::{DataConfig, RunConfig};

/// The parts of a data set, targets in the units that errors are told in.
#[derive(Clone, Debug, Default)]
pub struct DataSet {
    /// To fit parameters.
    pub train: Vec<Sample>,
    /// To choose among fits.
    pub validation: Vec<Sample>,
    /// To report.
    pub test: Vec<Sample>,
    /// What is foretold: name and unit.
    pub targets: Vec<(String, String)>,
    /// The atomic numbers that a model of the data knows; none of shapes.
    pub elements: Vec<u8>,
    /// What a free atom of each element has of the target, in its unit; empty where that means nothing.
    pub atom_references: Vec<f64>,
    /// The names of the classes, of shapes.
    pub classes: Vec<String>,
    /// What was done to the clouds, of shapes.
    pub clouds: CloudInput,
}

impl DataSet {
    /// Reads the files of a configuration and draws its parts.
    ///
    /// # Errors
    /// When a file cannot be read, holds too few items, or lacks what is to be learned.
    pub fn read(config: &RunConfig) -> Result<Self, Box<dyn Error>> {
        match &config.data {
            DataConfig::Qm9(data) => qm9::read(config, data),
            DataConfig::Structures(data) => molecules::read(config, data),
            DataConfig::Shapes(data) => clouds::read(config, data),
        }
    }
}

/// What a file's name ends in, without the point and in small letters; of `a.XYZ.gz` it is `xyz`.
pub fn extension(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default();
    let name = name.to_string_lossy().to_lowercase();
    let plain = name.strip_suffix(".gz").unwrap_or(&name);
    let extension = plain.rsplit_once('.');
    extension.map_or("", |(_, extension)| extension).to_owned()
}

/// All structures of a file: an archive of rMD17 (.npz), SDF, or extended XYZ.
///
/// # Errors
/// When it cannot be read.
pub fn structures(file: &Path, energy: EnergyUnit) -> Result<Vec<Structure>, Box<dyn Error>> {
    Ok(match extension(file).as_str() {
        "npz" => rmd17::read(file)?.frames().collect(),
        "sdf" | "sd" | "mol" => sdf::open(file)?.collect::<Result<_, _>>()?,
        "xyz" | "extxyz" => {
            let options = extxyz::Options {
                energy,
                ..extxyz::Options::default()
            };
            options.open(file)?.collect::<Result<_, _>>()?
        }
        _ => {
            return Err(format!(
                "{}: structures are read from .xyz, .extxyz, .sdf, .mol (also .gz) and rMD17's .npz",
                file.display()
            )
            .into());
        }
    })
}
