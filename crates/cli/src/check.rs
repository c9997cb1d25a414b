//! `steerable check`: is a trained model equivariant?

use std::error::Error;
use std::num::NonZero;
use std::path::PathBuf;

use clap::Args;
use steerable::graph::{Edge, Graph, GraphError};
use steerable_data::{Batch, BondKind, EdgeRule, Quantities, Sample as Item};
use steerable_testkit::{
    EquivarianceTest, Irreps, OutputKind, Precision, Report, Sample, Signature,
};
use steerable_train::models::{NetworkConfig, VectorTarget};
use steerable_train::tasks::{Task, Values};

use crate::CommandResult;
use crate::load::Trained;
use crate::recipe::{ModelRecipe, WithTask};

/// Arguments of `steerable check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// A checkpoint of `steerable train`, or the folder of a run.
    pub checkpoint: PathBuf,
    /// Random batches that are tried, each with a rotation of its own.
    #[arg(long, default_value = "8")]
    pub trials: NonZero<usize>,
    /// Decides the batches.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Threads to compute on; by default all cores.
    #[arg(long)]
    pub threads: Option<usize>,
}

/// Moves random batches and degenerate ones, and reports whether the trained model's outputs follow.
///
/// # Errors
/// When the checkpoint cannot be read, or the model is not equivariant.
pub fn run(args: &CheckArgs) -> CommandResult {
    crate::threads(args.threads)?;
    let trained = Trained::load(&args.checkpoint)?;
    let outputs = outputs(&trained.recipe.model);
    let reports = trained.recipe.build(
        &Trained::device(),
        Checked {
            trained: &trained,
            outputs,
            trials: args.trials.get(),
            seed: args.seed,
        },
    )?;
    for report in &reports {
        println!("{report}");
    }
    match reports.iter().all(Report::passed) {
        true => Ok(()),
        false => Err(format!("{} is not equivariant", trained.checkpoint.file().display()).into()),
    }
}

/// A quantity that a model foretells, and how it should turn.
struct Output {
    name: String,
    irreps: String,
    kind: OutputKind,
}

fn outputs(model: &ModelRecipe) -> Vec<Output> {
    let parity = |network: &NetworkConfig| {
        let claimed = network.hidden.group() == Some(steerable_testkit::Group::O3);
        if claimed { ("e", "o") } else { ("", "") }
    };
    let output = |name: &str, irreps: String, kind| Output {
        name: name.into(),
        irreps,
        kind,
    };
    match model {
        ModelRecipe::Property { config, name, .. } => {
            let (even, _) = parity(&config.network);
            vec![output(name, format!("1x0{even}"), OutputKind::PerGraph)]
        }
        ModelRecipe::Potential { config, .. } => {
            let (even, odd) = parity(&config.network);
            vec![
                output("forces", format!("1x1{odd}"), OutputKind::PerNode),
                output("energy", format!("1x0{even}"), OutputKind::PerGraph),
            ]
        }
        ModelRecipe::Vectors { config, name, .. } => {
            let (_, odd) = parity(&config.network);
            let kind = match config.target {
                VectorTarget::Atoms => OutputKind::PerNode,
                VectorTarget::Molecule => OutputKind::PerGraph,
            };
            vec![output(name, format!("1x1{odd}"), kind)]
        }
        ModelRecipe::Shapes { config, .. } => {
            let (even, _) = parity(&config.network);
            let irreps = format!("{}x0{even}", config.classes);
            vec![output("class", irreps, OutputKind::PerGraph)]
        }
        ModelRecipe::PointNet { config, .. } => {
            let irreps = format!("{}x0", config.classes);
            vec![output("class", irreps, OutputKind::PerGraph)]
        }
    }
}

struct Checked<'a> {
    trained: &'a Trained,
    outputs: Vec<Output>,
    trials: usize,
    seed: u64,
}

impl WithTask for Checked<'_> {
    type Output = Vec<Report>;

    fn with<T: Task>(self, task: T, model: T::Model) -> Result<Vec<Report>, Box<dyn Error>> {
        let model = self.trained.fill(model)?;
        let recipe = &self.trained.recipe;
        let species = recipe
            .atoms()
            .map_or(vec![0], |atoms| atoms.species.clone());
        let mut reports = Vec::new();
        for (index, output) in self.outputs.iter().enumerate() {
            let irreps_out: Irreps = output.irreps.parse()?;
            // A number of each node chooses its element: it moves with the node and does not turn.
            let number = match irreps_out.group() {
                Some(steerable_testkit::Group::O3) => "1x0e",
                _ => "1x0",
            };
            let signature = Signature {
                irreps_in: number.parse()?,
                irreps_out,
            };
            let test = EquivarianceTest::new(signature)
                .name(&output.name)
                .output(output.kind)
                .precision(Precision::F32)
                .trials(self.trials)
                .seed(self.seed);
            reports.push(test.run(|sample| {
                let batch = batch(sample, &species, recipe.graph.rule())
                    .unwrap_or_else(|error| panic!("no graph: {error}"));
                let predicted = task
                    .predict(&model, &batch, &Trained::device())
                    .unwrap_or_else(|error| panic!("{error}"));
                match &predicted[index].values {
                    Values::Scalars { predicted, .. } => predicted.clone(),
                    Values::Vectors { predicted, .. } => predicted.as_flattened().to_vec(),
                    Values::Classes { logits, .. } => logits.clone(),
                }
            }));
        }
        Ok(reports)
    }
}

/// The sample with elements, and with edges by the model's rule where that is a radius or all pairs; bonds
/// and nearest neighbours are the kit's own edges, since a rule that chooses jumps where it changes its mind.
fn batch(sample: &Sample, species: &[u8], rule: EdgeRule) -> Result<Batch, Box<dyn Error>> {
    // Some numbers of a normal distribution for each element; far apart, so that a small change of the number
    // changes none.
    let place = |number: f64| (number.abs() * species.len() as f64 / 2.0) as usize;
    let species: Vec<u8> = sample
        .features
        .iter()
        .map(|&number| species[place(number).min(species.len() - 1)])
        .collect();
    let mut graphs = Vec::new();
    for nodes in sample.graph_ranges() {
        graphs.push(match rule {
            EdgeRule::Radius(_) | EdgeRule::Complete => rule.graph(&Item {
                species: species[nodes.clone()].to_vec(),
                positions: sample.positions[nodes].to_vec(),
                ..Item::default()
            })?,
            EdgeRule::Bonds | EdgeRule::Nearest(_) => own_edges(sample, nodes)?,
        });
    }
    let graph = Graph::try_batch(&graphs)?;
    Ok(Batch {
        items: (0..sample.num_graphs()).collect(),
        edge_bonds: Some(vec![Some(BondKind::Single); graph.num_edges()]),
        graph,
        species,
        positions: sample.positions.clone(),
        inputs: Quantities::default(),
        targets: Quantities::default(),
        classes: Vec::new(),
    })
}

fn own_edges(sample: &Sample, nodes: std::ops::Range<usize>) -> Result<Graph, GraphError> {
    let edges: Vec<Edge> = sample
        .edges
        .iter()
        .filter(|edge| nodes.contains(&edge.src))
        .map(|edge| Edge {
            src: (edge.src - nodes.start) as u32,
            dst: (edge.dst - nodes.start) as u32,
        })
        .collect();
    Graph::from_edges(nodes.len(), &edges)
}
