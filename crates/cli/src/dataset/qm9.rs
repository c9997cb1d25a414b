//! QM9 of a configuration.

use std::error::Error;

use steerable_data::{Split, SplitSizes, qm9};

use super::DataSet;
use super::elements::{Part, TRAIN, elements};
use crate::config::{Qm9Data, RunConfig};

/// Has a reference for every target that free atoms have.
const HYDROGEN: u8 = 1;

pub(super) fn read(config: &RunConfig, data: &Qm9Data) -> Result<DataSet, Box<dyn Error>> {
    let file = config.found("data.file", &data.file)?;
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
    // A molecule is in the same part whether its bonds are read or not.
    let split = Split::by_seed(all.len(), sizes, data.split_seed)
        .map_err(|error| format!("{}: {error}", file.display()))?;
    let factor = data.target.published_factor();
    let reads_bonds = config.reads_bonds().is_some();
    let usable = |index: &usize| !reads_bonds || all.molecules()[*index].bonds.is_some();
    let drawn = |part: &[usize]| {
        // Of six molecules the bonds are not known.
        let numbers: Vec<usize> = part.iter().copied().filter(usable).collect();
        let mut samples = all
            .subset(&numbers)
            .samples(&[data.target], qm9::Origin::Tables);
        for sample in &mut samples {
            sample.targets.scalars[0] *= factor;
        }
        (samples, numbers)
    };
    let split = [&split.train, &split.validation, &split.test];
    let parts = split.map(|part| drawn(part));
    let purposes = [TRAIN, "validate", "test"];
    for ((asked, (samples, _)), purpose) in split.into_iter().zip(&parts).zip(purposes) {
        if samples.is_empty() && !asked.is_empty() {
            return Err(format!(
                "{}: no molecule to {purpose} has known bonds, of {} that were drawn",
                file.display(),
                asked.len()
            )
            .into());
        }
    }
    let named: Vec<Part<'_>> = purposes
        .into_iter()
        .zip(&parts)
        .map(|(purpose, (samples, numbers))| Part {
            purpose,
            file: &file,
            samples,
            numbers: Some(numbers),
        })
        .collect();
    let elements = elements(config, data.elements.as_deref(), &named)?;
    // Elements that are not in QM9 may be among those that the configuration gives.
    let reference = |&z: &u8| factor * data.target.atom_reference(z).unwrap_or(0.0);
    let atom_references = match data.target.atom_reference(HYDROGEN) {
        Some(_) => elements.iter().map(reference).collect(),
        None => Vec::new(),
    };
    let [train, validation, test] = parts.map(|(samples, _)| samples);
    Ok(DataSet {
        train,
        validation,
        test,
        targets: vec![(
            data.target.name().into(),
            data.target.published_unit().to_string(),
        )],
        elements,
        atom_references,
        ..DataSet::default()
    })
}
