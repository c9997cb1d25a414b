//! QM9 of a configuration.

use std::error::Error;

use steerable_data::{Split, SplitSizes, qm9};

use super::DataSet;
use super::elements::{Part, TRAIN, elements};
use crate::config::{EdgeKind, Qm9Data, RunConfig};

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
    // Of six molecules the bonds are not known.
    let told = config.model.get("bonds").and_then(toml::Value::as_bool);
    let usable: Vec<usize> = match (config.graph.edges, told) {
        (EdgeKind::Bonds, _) | (_, Some(true)) => all.with_bonds(),
        _ => (0..all.len()).collect(),
    };
    let split = Split::by_seed(usable.len(), sizes, data.split_seed)
        .map_err(|error| format!("{}: {error}", file.display()))?;
    let factor = data.target.published_factor();
    let drawn = |part: &[usize]| {
        let numbers: Vec<usize> = part.iter().map(|&index| usable[index]).collect();
        let mut samples = all
            .subset(&numbers)
            .samples(&[data.target], qm9::Origin::FreeAtoms);
        for sample in &mut samples {
            sample.targets.scalars[0] *= factor;
        }
        (samples, numbers)
    };
    let parts = [&split.train, &split.validation, &split.test].map(|part| drawn(part));
    let purposes = [TRAIN, "validate", "test"];
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
        classes: Vec::new(),
    })
}
