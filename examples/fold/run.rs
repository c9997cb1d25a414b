//! From flags to a report.

use std::fs;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::Device;
use steerable_protein::file;
use steerable_protein::folding::{BinsConfig, FoldingConfig};
use steerable_protein::structure::{
    IterationWeights, LayerConfig, PointAttentionConfig, TransformerLayerConfig,
};

use super::cli::{Cli, LayerKind, ModelKind, Weights};
use super::data::{Target, read_folder};
use super::error::FoldError;
use super::evaluation::{Refined, Summary, refine_all};
use super::plots;
use super::report::{self, TaskResult, as_chain};
use super::side_chains::CommonChi1;
use super::split::Split;
use super::start::Task;
use super::training::{check_resumable, train};
use crate::file_error::FileError;

/// The chains that ship with the project.
fn own_chains() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/proteins")
}

/// Trains, reports and writes checkpoints, refined structures, pictures and results.
///
/// # Errors
/// [`FoldError`].
pub fn run(cli: &Cli) -> Result<(), FoldError> {
    let chains = read_folder(cli.train.as_deref().unwrap_or(&own_chains()))?;
    let split = match &cli.test {
        Some(folder) => Split::given(chains, read_folder(folder)?),
        None => Split::by_cluster(chains, cli.seed)?,
    };
    fs::create_dir_all(&cli.out).map_err(FileError::on("create", &cli.out))?;
    check_resumable(cli, &split.train)?;
    split.save(&cli.out, cli.seed)?;
    println!(
        "{} chains to train on, {} held out",
        split.train.len(),
        split.test.len()
    );
    let common = CommonChi1::of(&split.train);
    let minutes = cli.minutes / cli.models.len() as f64;
    let mut results = Vec::new();
    for &kind in &cli.models {
        let autodiff = Device::flex().autodiff();
        autodiff.seed(cli.seed);
        let model = config(kind, cli)?.try_init(&autodiff)?;
        println!("{}: {} parameters", kind.name(), model.num_params());
        let model = train(model, kind, &split.train, minutes, cli)?.valid();
        for task in tasks(kind, cli) {
            let refined = refine_all(&model, &split.test, task, cli.seed)?;
            let summary = Summary::new(&task, &refined, &split.test, &common);
            let result = TaskResult::new(summary, &refined, &split.test);
            result.print_chains();
            results.push(result);
            report::save(&cli.out, &results)?;
            write_chains(&cli.out.join(task.name()), &refined, &split.test)?;
        }
    }
    report::print_summaries(&results);
    if cli.json {
        report::print_json(&results);
    }
    Ok(())
}

/// Bins around the circle of observed orientations: 15 degrees each, as trRosetta's.
const ORIENTATION_BINS: usize = 24;

/// The model that is trained.
fn config(kind: ModelKind, cli: &Cli) -> Result<FoldingConfig, FoldError> {
    let layer = match cli.layer {
        LayerKind::Transformer => LayerConfig::Transformer(TransformerLayerConfig::new()),
        LayerKind::PointAttention => LayerConfig::PointAttention(PointAttentionConfig::new()),
    };
    let mut config = match kind {
        ModelKind::Denoise => FoldingConfig::refining(layer),
        ModelKind::Distogram => FoldingConfig::from_distances(
            layer,
            BinsConfig::new(),
            cli.orientations.then_some(ORIENTATION_BINS),
        )?,
    };
    config.structure.weights = match cli.weights {
        Weights::Shared => IterationWeights::Shared,
        Weights::Own => IterationWeights::Own,
    };
    Ok(config.with_num_passes(cli.passes))
}

/// What a model is reported on.
fn tasks(kind: ModelKind, cli: &Cli) -> Vec<Task> {
    match kind {
        ModelKind::Denoise => {
            let noise = cli.noise.iter().copied().map(Task::Noise);
            noise
                .chain(cli.torsion_noise.iter().copied().map(Task::Torsions))
                .collect()
        }
        ModelKind::Distogram => {
            let wrong = cli.wrong.iter();
            wrong
                .map(|&wrong| Task::Distogram(cli.observation(wrong)))
                .collect()
        }
    }
}

/// Structures and pictures of what was refined; mmCIF for the chains that the columns of PDB cannot hold.
fn write_chains(folder: &Path, refined: &[Refined], targets: &[Target]) -> Result<(), FoldError> {
    fs::create_dir_all(folder).map_err(FileError::on("create", folder))?;
    for chain in refined {
        let target = &targets[chain.target];
        let path = |ending: &str| folder.join(format!("{}.{ending}", target.name));
        let structure = [as_chain(target, chain)];
        if file::write(path("pdb"), &structure).is_err() {
            file::write(path("cif"), &structure)?;
        }
        plots::draw(&path("svg"), target, chain)?;
    }
    Ok(())
}
