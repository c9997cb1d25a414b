//! `steerable predict`: a trained model's answers for a file.

use std::error::Error;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value as Json, json};
use steerable_data::{
    AtomProperty, AtomValues, EnergyUnit, Loader, Property, Sample, Structure, Turns, Unit, Value,
    extxyz, qm9, sdf,
};
use steerable_train::models::VectorTarget;
use steerable_train::tasks::{Task, Values};

use crate::CommandResult;
use crate::config::FileUnit;
use crate::dataset::{asked_clouds, structures};
use crate::load::Trained;
use crate::recipe::{ModelRecipe, WithTask};
use crate::run_folder::write_whole;
use crate::table::grouped;

/// Arguments of `steerable predict`.
#[derive(Debug, Args)]
pub struct PredictArgs {
    /// A checkpoint of `steerable train`, or the folder of a run.
    pub checkpoint: PathBuf,
    /// Structures (.xyz, .extxyz, .sdf, .mol, also .gz; rMD17's .npz), or clouds (.npz, .npy, .h5), a mesh (.off, .ply,
    /// .obj) or a folder of meshes.
    pub file: PathBuf,
    /// Where the answers go: .extxyz, .json, or .csv (a row for each item: without forces of atoms).
    #[arg(long)]
    pub out: PathBuf,
    /// Threads to compute on; by default all cores.
    #[arg(long)]
    pub threads: Option<usize>,
}

/// Reads the file, asks the model and writes the answers.
///
/// # Errors
/// When a file cannot be read or written, or the model does not know an element.
pub fn run(args: &PredictArgs) -> CommandResult {
    crate::threads(args.threads)?;
    let format = Format::of(&args.out)?;
    let trained = Trained::load(&args.checkpoint)?;
    let left_out = format
        .leaves_out(&trained.recipe.model)
        .map_err(|reason| format!("{}: {reason}", args.out.display()))?;
    let input = match &trained.recipe.model {
        ModelRecipe::Shapes { clouds, .. } | ModelRecipe::PointNet { clouds, .. } => Input {
            samples: asked_clouds(&args.file, *clouds)?,
            structures: Vec::new(),
        },
        _ => {
            let structures = structures(&args.file, EnergyUnit::from(FileUnit::Ev))?;
            let told = trained.recipe.reads_bonds();
            let sample = |(index, structure): (usize, &Structure)| {
                match told {
                true => bonded(structure).ok_or_else(|| {
                    format!(
                        "{}: item {index} has no bonds, which the model reads: .sdf and .mol files have them",
                        args.file.display()
                    )
                }),
                false => Ok(unlabelled(structure)),
            }
            };
            let samples: Result<_, String> = structures.iter().enumerate().map(sample).collect();
            Input {
                samples: samples?,
                structures,
            }
        }
    };
    let count = input.samples.len();
    let asked = Asked {
        trained: &trained,
        samples: input.samples,
    };
    let answers = trained.recipe.build(&Trained::device(), asked);
    let answers = answers.map_err(|error| format!("{}: {error}", args.file.display()))?;
    expect_finite(&answers, &args.file)?;
    let classes = match &trained.recipe.model {
        ModelRecipe::Shapes { classes, .. } | ModelRecipe::PointNet { classes, .. } => classes,
        _ => &Vec::new(),
    };
    match format {
        Format::Json => write_json(&args.out, &answers, classes)?,
        Format::Csv => write_csv(&args.out, &answers, classes)?,
        Format::Extxyz => write_extxyz(&args.out, &answers, input.structures)?,
    }
    println!(
        "{}: answers for {} items",
        args.out.display(),
        grouped(count)
    );
    if let Some(what) = left_out {
        println!("{what} are left out of a table: .extxyz and .json hold them");
    }
    Ok(())
}

/// Refuses answers that are no numbers, as a model gives that is asked about what is too far from its training.
fn expect_finite(answers: &[Vec<Answer>], file: &Path) -> Result<(), String> {
    for (item, answers) in answers.iter().enumerate() {
        if let Some(answer) = answers.iter().find(|answer| !answer.value.is_finite()) {
            return Err(format!(
                "{}: item {item}: the model's {} is not a finite number",
                file.display(),
                answer.name
            ));
        }
    }
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Extxyz,
    Csv,
    Json,
}

impl Format {
    fn of(file: &Path) -> Result<Self, String> {
        let extension = file.extension().and_then(|extension| extension.to_str());
        match extension {
            Some("extxyz" | "xyz") => Ok(Self::Extxyz),
            Some("csv") => Ok(Self::Csv),
            Some("json") => Ok(Self::Json),
            _ => Err(format!(
                "{}: the name of the output ends with .extxyz, .csv or .json",
                file.display()
            )),
        }
    }

    /// Refuses a format that cannot hold what the model foretells; what of it is left out, if something is.
    fn leaves_out(self, model: &ModelRecipe) -> Result<Option<&'static str>, &'static str> {
        match (self, model) {
            (Self::Csv, ModelRecipe::Potential { .. }) => Ok(Some("forces")),
            (Self::Csv, ModelRecipe::Vectors { config, .. })
                if config.target == VectorTarget::Atoms =>
            {
                Err(
                    "a table has a row for each item, the model foretells vectors of each atom: \
                     choose .extxyz or .json",
                )
            }
            (Self::Extxyz, ModelRecipe::Shapes { .. } | ModelRecipe::PointNet { .. }) => {
                Err("clouds are no structures of atoms: choose .csv or .json")
            }
            _ => Ok(None),
        }
    }
}

struct Input {
    samples: Vec<Sample>,
    structures: Vec<Structure>,
}

fn unlabelled(structure: &Structure) -> Sample {
    Sample {
        species: structure.species.clone(),
        positions: structure.positions.clone(),
        cell: structure.cell,
        bonds: structure.bonds.clone(),
        ..Sample::default()
    }
}

/// With bonds as those that models of QM9 are trained on, aromatic ones among them.
fn bonded(structure: &Structure) -> Option<Sample> {
    let mut sample = unlabelled(structure);
    let charges = structure
        .atom_properties
        .iter()
        .find(|property| property.name == sdf::FORMAL_CHARGE);
    let charges = match charges.map(|property| &property.values) {
        Some(AtomValues::Integer(charges)) => Some(charges.as_slice()),
        _ => None,
    };
    let bonds = sample.bonds.as_deref()?;
    sample.bonds = Some(qm9::with_aromatic(&sample.species, charges, bonds));
    Some(sample)
}

/// One quantity of one item.
struct Answer {
    name: String,
    unit: String,
    value: AnswerValue,
}

enum AnswerValue {
    Number(f64),
    Vector([f64; 3]),
    OfAtoms(Vec<[f64; 3]>),
    Class {
        index: usize,
        probabilities: Vec<f64>,
    },
}

impl AnswerValue {
    fn is_finite(&self) -> bool {
        match self {
            Self::Number(value) => value.is_finite(),
            Self::Vector(value) => value.iter().all(|x| x.is_finite()),
            Self::OfAtoms(values) => values.as_flattened().iter().all(|x| x.is_finite()),
            Self::Class { probabilities, .. } => probabilities.iter().all(|x| x.is_finite()),
        }
    }
}

struct Asked<'a> {
    trained: &'a Trained,
    samples: Vec<Sample>,
}

impl WithTask for Asked<'_> {
    /// For each item its quantities.
    type Output = Vec<Vec<Answer>>;

    fn with<T: Task>(self, task: T, model: T::Model) -> Result<Self::Output, Box<dyn Error>> {
        let model = self.trained.fill(model)?;
        // Whether vectors are of molecules, else they are of atoms.
        let of_wholes = matches!(
            &self.trained.recipe.model,
            ModelRecipe::Vectors { config, .. } if config.target == VectorTarget::Molecule
        );
        let order: Vec<usize> = (0..self.samples.len()).collect();
        let graph = &self.trained.recipe.graph;
        let loader = Loader::in_memory(self.samples, graph.loader(Turns::None))?;
        let loader = loader.with_room_for_all();
        let mut answers = Vec::with_capacity(order.len());
        for batch in loader.batches(&order, 0)? {
            let batch = batch?;
            let offsets = batch.graph.node_offsets();
            let first = answers.len();
            answers.extend(batch.items.iter().map(|_| Vec::new()));
            for predicted in task.predict(&model, &batch, &Trained::device())? {
                let values = predicted.values;
                for (item, answers) in answers[first..].iter_mut().enumerate() {
                    let nodes = offsets[item] as usize..offsets[item + 1] as usize;
                    answers.push(Answer {
                        name: predicted.name.clone(),
                        unit: predicted.unit.clone(),
                        value: value_of(&values, item, nodes, of_wholes),
                    });
                }
            }
        }
        Ok(answers)
    }
}

fn value_of(
    values: &Values,
    item: usize,
    nodes: std::ops::Range<usize>,
    of_wholes: bool,
) -> AnswerValue {
    match values {
        Values::Scalars { predicted, .. } => AnswerValue::Number(predicted[item]),
        Values::Vectors { predicted, .. } if of_wholes => AnswerValue::Vector(predicted[item]),
        Values::Vectors { predicted, .. } => AnswerValue::OfAtoms(predicted[nodes].to_vec()),
        Values::Classes {
            logits, classes, ..
        } => {
            let row = &logits[item * classes..(item + 1) * classes];
            let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let parts: Vec<f64> = row.iter().map(|logit| (logit - most).exp()).collect();
            let sum: f64 = parts.iter().sum();
            AnswerValue::Class {
                index: row.iter().position(|&logit| logit == most).unwrap_or(0),
                probabilities: parts.into_iter().map(|part| part / sum).collect(),
            }
        }
    }
}

fn write_json(file: &Path, answers: &[Vec<Answer>], classes: &[String]) -> CommandResult {
    let of_item = |answers: &Vec<Answer>| {
        let fields = answers.iter().map(|answer| {
            let value = match &answer.value {
                AnswerValue::Number(value) => json!({ "value": value, "unit": answer.unit }),
                AnswerValue::Vector(value) => json!({ "value": value, "unit": answer.unit }),
                AnswerValue::OfAtoms(values) => json!({ "value": values, "unit": answer.unit }),
                AnswerValue::Class {
                    index,
                    probabilities,
                } => json!({ "value": classes[*index], "probabilities": probabilities }),
            };
            (answer.name.clone(), value)
        });
        Json::Object(fields.collect::<Map<_, _>>())
    };
    let all: Vec<Json> = answers.iter().map(of_item).collect();
    Ok(write_whole(file, &serde_json::to_vec_pretty(&all)?)?)
}

fn write_csv(file: &Path, answers: &[Vec<Answer>], classes: &[String]) -> CommandResult {
    let mut text = String::from("item");
    for answer in answers.first().into_iter().flatten() {
        let unit = match answer.unit.as_str() {
            "" => String::new(),
            unit => format!(" ({unit})"),
        };
        match answer.value {
            AnswerValue::Vector(_) => {
                for axis in ["x", "y", "z"] {
                    text.push_str(&format!(",{} {axis}{unit}", answer.name));
                }
            }
            // Of atoms there are many: .extxyz and .json have them.
            AnswerValue::OfAtoms(_) => {}
            _ => text.push_str(&format!(",{}{unit}", answer.name)),
        }
    }
    text.push('\n');
    for (item, answers) in answers.iter().enumerate() {
        text.push_str(&item.to_string());
        for answer in answers {
            match &answer.value {
                AnswerValue::Number(value) => text.push_str(&format!(",{value}")),
                AnswerValue::Vector([x, y, z]) => text.push_str(&format!(",{x},{y},{z}")),
                AnswerValue::OfAtoms(_) => {}
                AnswerValue::Class { index, .. } => {
                    text.push_str(&format!(",\"{}\"", classes[*index].replace('"', "\"\"")));
                }
            }
        }
        text.push('\n');
    }
    Ok(write_whole(file, text.as_bytes())?)
}

fn write_extxyz(
    file: &Path,
    answers: &[Vec<Answer>],
    mut structures: Vec<Structure>,
) -> CommandResult {
    let mut writer = extxyz::Writer::new(Vec::new());
    for (index, (structure, answers)) in structures.iter_mut().zip(answers).enumerate() {
        for answer in answers {
            let unit = unit(&answer.unit);
            match &answer.value {
                AnswerValue::Number(value) => put(structure, answer, unit, vec![*value]),
                AnswerValue::Vector(value) => put(structure, answer, unit, value.to_vec()),
                AnswerValue::OfAtoms(values) => {
                    structure
                        .atom_properties
                        .retain(|own| own.name != answer.name);
                    structure.atom_properties.push(AtomProperty {
                        name: answer.name.clone(),
                        unit,
                        width: 3,
                        values: AtomValues::Real(values.as_flattened().to_vec()),
                    });
                }
                AnswerValue::Class { .. } => {}
            }
        }
        writer
            .write(structure)
            .map_err(|error| format!("{}: item {index}: {error}", file.display()))?;
    }
    Ok(write_whole(file, &writer.finish()?)?)
}

fn put(structure: &mut Structure, answer: &Answer, unit: Option<Unit>, values: Vec<f64>) {
    structure.properties.retain(|own| own.name != answer.name);
    structure.properties.push(Property {
        name: answer.name.clone(),
        unit,
        value: Value::Numbers(values),
    });
}

/// The unit of a text that this program wrote.
fn unit(text: &str) -> Option<Unit> {
    let energy = EnergyUnit::MilliElectronVolt;
    [
        Unit::Energy(energy),
        Unit::Force(energy),
        Unit::ChargeAngstrom,
    ]
    .into_iter()
    .find(|unit| unit.to_string() == text)
}
