//! The data of a configuration as models take them.

use std::error::Error;
use std::path::Path;

use steerable_data::{
    EnergyUnit, Sample, SampleKeys, Split, SplitSizes, Structure, Unit, extxyz, qm9, rmd17, sdf,
    shapes, shuffled,
};

use crate::config::{
    DataConfig, EdgeKind, Qm9Data, RunConfig, ShapeData, StructureData, TaskKind, VectorKind,
};

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
    /// The names of the classes, of shapes.
    pub classes: Vec<String>,
}

impl DataSet {
    /// Reads the files of a configuration and draws its parts.
    ///
    /// # Errors
    /// When a file cannot be read, holds too few items, or lacks what is to be learned.
    pub fn read(config: &RunConfig) -> Result<Self, Box<dyn Error>> {
        match &config.data {
            DataConfig::Qm9(data) => of_qm9(config, data),
            DataConfig::Structures(data) => of_structures(config, data),
            DataConfig::Shapes(data) => of_shapes(config, data),
        }
    }
}

fn of_qm9(config: &RunConfig, data: &Qm9Data) -> Result<DataSet, Box<dyn Error>> {
    let file = config.path(&data.file);
    let all = match file.extension().and_then(|extension| extension.to_str()) {
        // Reading the wheel takes half a minute, what is cached beside it a second.
        Some("whl") => qm9::read_cached(&file, file.with_extension("npz"))?,
        _ => qm9::read(&file)?,
    };
    let sizes = SplitSizes {
        train: data.train,
        validation: data.validation,
        test: data.test,
    };
    // Of six molecules the bonds are not known.
    let told = config.model.get("bonds").and_then(toml::Value::as_bool);
    let usable: Vec<usize> = match (config.graph.edges, told) {
        (EdgeKind::Bonds, _) | (_, Some(true)) => all.with_bonds(),
        _ => (0..all.len()).collect(),
    };
    let split = Split::by_seed(usable.len(), sizes, data.split_seed)
        .map_err(|error| format!("{}: {error}", file.display()))?;
    let factor = data.target.published_factor();
    let samples = |part: &[usize]| {
        let indices: Vec<usize> = part.iter().map(|&index| usable[index]).collect();
        let mut samples = all
            .subset(&indices)
            .samples(&[data.target], qm9::Origin::FreeAtoms);
        for sample in &mut samples {
            sample.targets.scalars[0] *= factor;
        }
        samples
    };
    Ok(DataSet {
        train: samples(&split.train),
        validation: samples(&split.validation),
        test: samples(&split.test),
        targets: vec![(
            data.target.name().into(),
            data.target.published_unit().to_string(),
        )],
        classes: Vec::new(),
    })
}

/// Energies and forces are told in meV and meV/A, as the tables of potentials are.
const UNIT: EnergyUnit = EnergyUnit::MilliElectronVolt;

fn of_structures(config: &RunConfig, data: &StructureData) -> Result<DataSet, Box<dyn Error>> {
    let file = config.path(&data.file);
    let all = structures(&file, data.energy_unit.into())?;
    let first = all
        .first()
        .ok_or_else(|| format!("{}: no structures", file.display()))?;
    let keys = keys(config, data, first).map_err(|what| format!("{}: {what}", file.display()))?;
    let taken = |structures: &[Structure], file: &Path| -> Result<Vec<Sample>, String> {
        let sample = |(index, structure): (usize, &Structure)| {
            keys.sample(structure)
                .map_err(|error| format!("{}: structure {index}: {error}", file.display()))
        };
        structures.iter().enumerate().map(sample).collect()
    };
    let test_file = data.test_file.as_ref().map(|file| config.path(file));
    let from_file = match &test_file {
        Some(_) => 0,
        None => data.test.unwrap_or(0),
    };
    let sizes = SplitSizes {
        train: data.train,
        validation: data.validation,
        test: from_file,
    };
    let split = Split::by_seed(all.len(), sizes, data.split_seed)
        .map_err(|error| format!("{}: {error}", file.display()))?;
    let samples = taken(&all, &file)?;
    let part = |indices: &[usize]| -> Vec<Sample> {
        indices
            .iter()
            .map(|&index| samples[index].clone())
            .collect()
    };
    let test = match &test_file {
        None => part(&split.test),
        Some(file) => {
            let mut test = taken(&structures(file, data.energy_unit.into())?, file)?;
            test.truncate(data.test.unwrap_or(usize::MAX));
            test
        }
    };
    Ok(DataSet {
        train: part(&split.train),
        validation: part(&split.validation),
        test,
        targets: targets(config.task, data.vectors),
        classes: Vec::new(),
    })
}

fn targets(task: TaskKind, vectors: Option<VectorKind>) -> Vec<(String, String)> {
    let energy = Unit::Energy(UNIT).to_string();
    let force = Unit::Force(UNIT).to_string();
    match (task, vectors) {
        (_, Some(VectorKind::Forces)) => vec![("forces".into(), force)],
        (_, Some(VectorKind::Dipole)) => {
            vec![("dipole".into(), Unit::ChargeAngstrom.to_string())]
        }
        _ => vec![("energy".into(), energy), ("forces".into(), force)],
    }
}

/// The names of what is learned, in the first structure.
fn keys(config: &RunConfig, data: &StructureData, first: &Structure) -> Result<SampleKeys, String> {
    let found = SampleKeys::of(first);
    let needed = |what: &str, key: Option<String>| {
        key.map(Some)
            .ok_or_else(|| format!("no {what} in the first structure"))
    };
    let none = SampleKeys {
        unit: UNIT,
        ..SampleKeys::default()
    };
    Ok(match (config.task, data.vectors) {
        (TaskKind::Vectors, Some(VectorKind::Dipole)) => SampleKeys {
            dipole: needed("dipole", found.dipole)?,
            ..none
        },
        (TaskKind::Vectors, _) => SampleKeys {
            forces: needed("forces", found.forces)?,
            ..none
        },
        _ => SampleKeys {
            energy: needed("energy", found.energy)?,
            forces: needed("forces", found.forces)?,
            ..none
        },
    })
}

/// What a file's name ends in, without the point and in small letters; of `a.XYZ.gz` it is `xyz`.
pub fn extension(file: &Path) -> String {
    let name = file.file_name().and_then(|name| name.to_str());
    let name = name.unwrap_or_default().to_lowercase();
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

/// A cloud as models take it: so many points of it, the farthest from each other.
///
/// # Errors
/// When it has not so many.
pub fn of_cloud(
    cloud: &shapes::Cloud,
    points: Option<usize>,
) -> Result<Sample, shapes::TooFewPoints> {
    match points {
        None => Ok(cloud.sample()),
        Some(count) => {
            let chosen = shapes::farthest_points(&cloud.points, count)?;
            Ok(cloud.chosen(&chosen).sample())
        }
    }
}

fn of_shapes(config: &RunConfig, data: &ShapeData) -> Result<DataSet, Box<dyn Error>> {
    let file = config.path(&data.file);
    let all = shapes::read_clouds(&file)?;
    let mut of_training = Vec::new();
    let mut test = Vec::new();
    for cloud in &all.clouds {
        let sample =
            of_cloud(cloud, data.points).map_err(|error| format!("{}: {error}", file.display()))?;
        match cloud.is_test {
            true => test.push(sample),
            false => of_training.push(sample),
        }
    }
    let held_out = (data.validation * of_training.len() as f64).ceil() as usize;
    if held_out >= of_training.len() {
        return Err(format!("{}: too few clouds to train on", file.display()).into());
    }
    let order = shuffled(of_training.len(), data.split_seed);
    let part = |indices: &[usize]| -> Vec<Sample> {
        indices
            .iter()
            .map(|&index| of_training[index].clone())
            .collect()
    };
    Ok(DataSet {
        validation: part(&order[..held_out]),
        train: part(&order[held_out..]),
        test,
        targets: vec![("class".into(), String::new())],
        classes: all.classes,
    })
}
