//! `steerable data inspect`: what is in a file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::Args;
use steerable_data::npy::{Array, Elements, Npz};
use steerable_data::{
    AtomValues, ReadError, Structure, Unit, Value, element, extxyz, npy, qm9, sdf, shapes,
};
use steerable_train::checkpoint::{Checkpoint, CheckpointError};

use crate::CommandResult;
use crate::dataset::extension;
use crate::table::{grouped, table};

/// Arguments of `steerable data inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// A file: .xyz, .extxyz, .sdf, .mol (also .gz), .npz, .npy, .off, .ply, .obj, .txt, .pts, .pdb, .cif
    /// (also .gz), a wheel of qm9pack, .safetensors; or a folder of meshes.
    pub file: PathBuf,
}

/// Reads the whole file and says what is in it.
///
/// # Errors
/// When its kind is not known or it does not hold what its kind wants; with file and line or array.
pub fn run(args: &InspectArgs) -> CommandResult {
    print!("{}", describe(&args.file)?);
    Ok(())
}

/// What is in a file, as text.
///
/// # Errors
/// As [`run`].
pub fn describe(file: &Path) -> Result<String, Box<dyn std::error::Error>> {
    let extension = extension(file);
    Ok(match extension.as_str() {
        _ if file.is_dir() => models(file)?,
        "xyz" | "extxyz" => structures(extxyz::open(file)?)?,
        "sdf" | "sd" | "mol" => structures(sdf::open(file)?)?,
        "npz" => archive(file)?,
        "npy" => table(&ARRAY_HEAD, &[array_row("", &npy::read(file)?)]),
        "whl" => molecules(file)?,
        "pdb" | "ent" | "cif" | "mmcif" => protein(file)?,
        "safetensors" => tensors(file)?,
        _ if shapes::MeshFormat::of(file).is_some() => mesh(file)?,
        _ => {
            return Err(format!(
                "{}: files ending with \"{extension}\" are not known; known are .xyz .extxyz .sdf .mol .npz .npy \
                 .off .ply .obj .txt .pts .pdb .cif .whl .safetensors",
                file.display()
            )
            .into());
        }
    })
}

/// Smallest, largest and mean of many numbers.
#[derive(Clone, Copy)]
struct Range {
    least: f64,
    most: f64,
    sum: f64,
    count: usize,
}

impl Default for Range {
    fn default() -> Self {
        Self {
            least: f64::INFINITY,
            most: f64::NEG_INFINITY,
            sum: 0.0,
            count: 0,
        }
    }
}

impl Range {
    fn add(&mut self, value: f64) {
        self.least = self.least.min(value);
        self.most = self.most.max(value);
        self.sum += value;
        self.count += 1;
    }

    fn cells(&self) -> [String; 3] {
        match self.count {
            0 => ["-", "-", "-"].map(String::from),
            count => [self.least, self.sum / count as f64, self.most].map(number),
        }
    }
}

fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        size if !(1e-3..1e6).contains(&size) => format!("{value:.4e}"),
        size if size >= 1e3 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

/// A property over all structures.
#[derive(Default)]
struct Seen {
    structures: usize,
    unit: Option<Unit>,
    range: Range,
    text: bool,
}

fn structures(
    all: impl Iterator<Item = Result<Structure, ReadError>>,
) -> Result<String, ReadError> {
    let (mut count, mut with_cell, mut with_bonds) = (0, 0, 0);
    let mut atoms = Range::default();
    let mut species: BTreeMap<u8, usize> = BTreeMap::new();
    let mut wholes: BTreeMap<String, Seen> = BTreeMap::new();
    let mut of_atoms: BTreeMap<String, Seen> = BTreeMap::new();
    for structure in all {
        let structure = structure?;
        count += 1;
        with_cell += usize::from(structure.cell.is_some());
        with_bonds += usize::from(structure.bonds.is_some());
        atoms.add(structure.len() as f64);
        for &z in &structure.species {
            *species.entry(z).or_default() += 1;
        }
        for property in structure.properties {
            let seen = wholes.entry(property.name).or_default();
            seen.structures += 1;
            seen.unit = seen.unit.or(property.unit);
            match property.value {
                Value::Numbers(values) => values.into_iter().for_each(|v| seen.range.add(v)),
                Value::Text(_) => seen.text = true,
            }
        }
        for property in structure.atom_properties {
            let seen = of_atoms.entry(property.name).or_default();
            seen.structures += 1;
            seen.unit = seen.unit.or(property.unit);
            match property.values {
                AtomValues::Real(values) => values.into_iter().for_each(|v| seen.range.add(v)),
                AtomValues::Integer(values) => {
                    values.into_iter().for_each(|v| seen.range.add(v as f64));
                }
                AtomValues::Logical(_) | AtomValues::Text(_) => seen.text = true,
            }
        }
    }
    if count == 0 {
        return Ok("no structures\n".into());
    }
    let elements: Vec<String> = species
        .iter()
        .map(|(&z, n)| format!("{} {}", element::symbol(z).unwrap_or("?"), grouped(*n)))
        .collect();
    let mut text = format!(
        "{} structures of {} to {} atoms ({} in all: {})\n{} with a cell, {} with bonds\n\n",
        grouped(count),
        atoms.least,
        atoms.most,
        grouped(atoms.sum as usize),
        elements.join(", "),
        grouped(with_cell),
        grouped(with_bonds),
    );
    let rows = |seen: BTreeMap<String, Seen>, of: &'static str| {
        seen.into_iter().map(move |(name, seen)| {
            let [least, mean, most] = match seen.text && seen.range.count == 0 {
                true => ["text", "", ""].map(String::from),
                false => seen.range.cells(),
            };
            let unit = seen.unit.map_or("-".into(), |unit| unit.to_string());
            vec![
                name,
                of.into(),
                grouped(seen.structures),
                unit,
                least,
                mean,
                most,
            ]
        })
    };
    let rows: Vec<_> = rows(wholes, "structure")
        .chain(rows(of_atoms, "atom"))
        .collect();
    text.push_str(&table(
        &["property", "of each", "in", "unit", "least", "mean", "most"],
        &rows,
    ));
    Ok(text)
}

const ARRAY_HEAD: [&str; 6] = ["array", "shape", "type", "least", "mean", "most"];

fn archive(file: &Path) -> Result<String, ReadError> {
    let mut archive = Npz::open(file)?;
    let mut rows = Vec::new();
    for name in archive.names() {
        rows.push(array_row(&name, &archive.array(&name)?));
    }
    Ok(table(&ARRAY_HEAD, &rows))
}

fn array_row(name: &str, array: &Array) -> Vec<String> {
    let mut range = Range::default();
    let kind = match &array.elements {
        Elements::Real(values) => {
            values.iter().for_each(|&v| range.add(v));
            "real"
        }
        Elements::Integer(values) => {
            values.iter().for_each(|&v| range.add(v as f64));
            "integer"
        }
        Elements::Logical(_) => "logical",
        Elements::Text(_) => "text",
    };
    let mut row = vec![name.into(), format!("{:?}", array.shape), kind.into()];
    row.extend(range.cells());
    row
}

/// Of a checkpoint what `steerable info` tells, of another program's file its tensors.
fn tensors(file: &Path) -> Result<String, Box<dyn std::error::Error>> {
    match Checkpoint::load(file) {
        Err(CheckpointError::Foreign { .. }) => {}
        checkpoint => return Ok(crate::info::describe(&checkpoint?, false)),
    }
    let bytes = std::fs::read(file)?;
    let content = safetensors::SafeTensors::deserialize(&bytes)?;
    let mut rows: Vec<Vec<String>> = content
        .iter()
        .map(|(name, view)| {
            vec![
                name.into(),
                format!("{:?}", view.shape()),
                format!("{:?}", view.dtype()),
            ]
        })
        .collect();
    rows.sort();
    Ok(table(&["tensor", "shape", "type"], &rows))
}

/// A folder of ModelNet: its classes and how many shapes they have.
fn models(folder: &Path) -> Result<String, ReadError> {
    let folder = shapes::ModelFolder::open(folder, 0, 0)?;
    let rows: Vec<Vec<String>> = folder
        .classes
        .iter()
        .enumerate()
        .map(|(label, class)| {
            let own = folder.models.iter().filter(|model| model.label == label);
            let (test, train): (Vec<_>, Vec<_>) = own.partition(|model| model.is_test);
            vec![class.clone(), grouped(train.len()), grouped(test.len())]
        })
        .collect();
    Ok(table(&["class", "to train on", "to test"], &rows))
}

fn mesh(file: &Path) -> Result<String, ReadError> {
    let mesh = shapes::read_mesh(file)?;
    let vertices = grouped(mesh.vertices.len());
    Ok(match mesh.triangles.len() {
        0 => format!("{vertices} points\n"),
        triangles => format!(
            "a mesh of {vertices} vertices and {} triangles\n",
            grouped(triangles)
        ),
    })
}

fn molecules(file: &Path) -> Result<String, ReadError> {
    let all = qm9::read(file)?;
    structures(
        all.molecules()
            .iter()
            .map(|molecule| Ok(molecule.structure())),
    )
}

fn protein(file: &Path) -> Result<String, Box<dyn std::error::Error>> {
    let contents = steerable_protein::file::read(file)?;
    let rows: Vec<Vec<String>> = contents
        .chains
        .iter()
        .map(|chain| {
            let backbone = chain.backbone();
            let names: BTreeSet<_> = chain
                .residues
                .iter()
                .map(|residue| residue.amino_acid.one_letter())
                .collect();
            vec![
                chain.id.clone(),
                grouped(chain.residues.len()),
                grouped(backbone.backbone.len()),
                backbone.breaks.len().to_string(),
                names.len().to_string(),
            ]
        })
        .collect();
    let mut text = table(
        &[
            "chain",
            "residues",
            "with backbone",
            "breaks",
            "kinds of residues",
        ],
        &rows,
    );
    text.push_str(&format!("\n{}", contents.report));
    Ok(text)
}
