//! Structures of a configuration, with energies and forces or with vectors.

use std::error::Error;
use std::path::Path;

use steerable_data::{EnergyUnit, Sample, SampleKeys, Split, SplitSizes, Structure, Unit};

use super::elements::{Part, TRAIN, elements};
use super::{DataSet, extension, structures};
use crate::config::{ConfigError, RunConfig, StructureData, TaskKind, VectorKind};

/// Energies and forces are told in meV and meV/A, as the tables of potentials are.
const UNIT: EnergyUnit = EnergyUnit::MilliElectronVolt;

pub(super) fn read(config: &RunConfig, data: &StructureData) -> Result<DataSet, Box<dyn Error>> {
    let file = config.found("data.file", &data.file)?;
    let unit = data.energy_unit.unwrap_or_default().into();
    if let (Some(unit), "npz") = (
        config.given("data", "energy_unit"),
        extension(&file).as_str(),
    ) {
        let allowed = format!(
            "nothing for {}: rMD17's archives are in kcal/mol",
            file.display()
        );
        return Err(config.refuse("data.energy_unit", &unit, &allowed).into());
    }
    let all = structures(&file, unit)?;
    expect_bonds(config, &all, &file)?;
    let first = all
        .first()
        .ok_or_else(|| format!("{}: no structures", file.display()))?;
    let keys = keys(config, data, first).map_err(|what| format!("{}: {what}", file.display()))?;
    let taken = |structures: &[Structure], file: &Path| -> Result<Vec<Sample>, String> {
        let sample = |(index, structure): (usize, &Structure)| {
            keys.sample(structure)
                .map_err(|error| format!("{}: item {index}: {error}", file.display()))
        };
        structures.iter().enumerate().map(sample).collect()
    };
    let test_file = data.test_file.as_ref();
    let test_file = test_file.map(|file| config.found("data.test_file", file));
    let test_file = test_file.transpose()?;
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
        let chosen = indices.iter().map(|&index| samples[index].clone());
        chosen.collect()
    };
    let (train, validation) = (part(&split.train), part(&split.validation));
    let test = match &test_file {
        None => part(&split.test),
        Some(file) => {
            let all = structures(file, unit)?;
            expect_bonds(config, &all, file)?;
            let mut test = taken(&all, file)?;
            test.truncate(data.test.unwrap_or(usize::MAX));
            test
        }
    };
    let named = |purpose, samples, numbers| Part {
        purpose,
        file: &file,
        samples,
        numbers: Some(numbers),
    };
    let parts = [
        named(TRAIN, &train[..], &split.train[..]),
        named("validate", &validation[..], &split.validation[..]),
        Part {
            purpose: "test",
            file: test_file.as_ref().unwrap_or(&file),
            samples: &test,
            numbers: test_file.is_none().then_some(&split.test[..]),
        },
    ];
    let elements = elements(config, data.elements.as_deref(), &parts)?;
    Ok(DataSet {
        train,
        validation,
        test,
        targets: targets(config.task, data.vectors),
        elements,
        ..DataSet::default()
    })
}

/// Refuses structures without bonds where these are read.
fn expect_bonds(config: &RunConfig, all: &[Structure], file: &Path) -> Result<(), ConfigError> {
    if let Some((key, value)) = config.reads_bonds()
        && let Some(index) = all.iter().position(|structure| structure.bonds.is_none())
    {
        let allowed = format!(
            "not for {}, whose item {index} has no bonds: of structures .sdf and .mol files have them",
            file.display()
        );
        return Err(config.refuse(key, &value, &allowed));
    }
    Ok(())
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
