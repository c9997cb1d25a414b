//! From flags to a report.

use std::fs;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::Device;
use steerable_protein::structure::{
    PointAttentionConfig, StructureLayer, StructureModule, StructureModuleConfig,
    TransformerLayerConfig,
};
use steerable_protein::{BackboneResidue, Chain, file};

use super::cli::{Cli, LayerKind};
use super::data::{Split, Target, read_folder};
use super::error::FoldError;
use super::evaluation::{Refined, Summary, refine_all};
use super::plots;
use super::training::{NUM_INPUTS, train};
use crate::file_error::FileError;

/// The chains that ship with the project.
fn own_chains() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/proteins")
}

/// Trains, reports and writes the refined structures.
///
/// # Errors
/// [`FoldError`].
pub fn run(cli: &Cli) -> Result<(), FoldError> {
    let chains = read_folder(cli.train.as_deref().unwrap_or(&own_chains()))?;
    let split = match &cli.test {
        Some(folder) => Split {
            train: chains,
            test: read_folder(folder)?,
        },
        None => Split::random(chains, cli.seed),
    };
    fs::create_dir_all(&cli.out).map_err(FileError::on("create", &cli.out))?;
    split.save(&cli.out, cli.seed)?;
    println!(
        "{} chains to train on, {} held out",
        split.train.len(),
        split.test.len()
    );
    let device = Device::flex();
    device.seed(cli.seed);
    let config = StructureModuleConfig::new(NUM_INPUTS);
    let autodiff = device.clone().autodiff();
    match cli.layer {
        LayerKind::Transformer => {
            let module = config.try_init_transformer(&TransformerLayerConfig::new(), &autodiff)?;
            with_module(module, &split, cli, &device)
        }
        LayerKind::PointAttention => {
            let module = config.init_point_attention(&PointAttentionConfig::new(), &autodiff);
            with_module(module, &split, cli, &device)
        }
    }
}

fn with_module<L: StructureLayer>(
    module: StructureModule<L>,
    split: &Split,
    cli: &Cli,
    device: &Device,
) -> Result<(), FoldError> {
    println!("{} parameters", module.num_params());
    let module = train(module, &split.train, cli, &device.clone().autodiff())?.valid();
    let mut summaries = Vec::new();
    for &noise in &cli.noise {
        let task = format!("denoise-{noise}A");
        let refined = refine_all(&module, &split.test, noise, cli.seed, device)?;
        let folder = cli.out.join(&task);
        fs::create_dir_all(&folder).map_err(FileError::on("create", &folder))?;
        for chain in &refined {
            let target = &split.test[chain.target];
            let path = folder.join(format!("{}.pdb", target.name));
            file::write(&path, &[as_chain(target, chain)])?;
            plots::draw(&path.with_extension("svg"), target, chain)?;
        }
        print_table(&task, &refined, &split.test);
        summaries.push(Summary::new(task, &refined));
    }
    let text = serde_json::to_string_pretty(&summaries).expect("summaries are numbers");
    let results = cli.out.join("results.json");
    fs::write(&results, text).map_err(FileError::on("write", &results))?;
    for summary in &summaries {
        println!(
            "{:<12} CA-RMSD {:.2} -> {:.2} A (worst {:.2}, at most {:.0} % left)   lDDT {:.2} -> {:.2}   TM {:.2} -> {:.2}",
            summary.task,
            summary.rmsd_before,
            summary.rmsd_after,
            summary.rmsd_after_worst,
            100.0 * summary.rmsd_left_worst,
            summary.lddt_before,
            summary.lddt_after,
            summary.tm_before,
            summary.tm_after,
        );
    }
    if cli.json {
        for summary in &summaries {
            println!(
                "{}",
                serde_json::to_string(summary).expect("they are numbers")
            );
        }
    }
    Ok(())
}

fn print_table(task: &str, refined: &[Refined], targets: &[Target]) {
    println!("\n{task}: CA-RMSD, lDDT and TM-score before -> after");
    for chain in refined {
        let (before, after) = (chain.before, chain.after);
        println!(
            "{:<40} {:>4} residues   {:>5.2} -> {:>5.2} A   {:.2} -> {:.2}   {:.2} -> {:.2}",
            targets[chain.target].name,
            chain.frames.len(),
            before.rmsd,
            after.rmsd,
            before.lddt,
            after.lddt,
            before.tm,
            after.tm,
        );
    }
    println!();
}

/// The refined backbone with ideal N, CA and C in each frame, and the predicted lDDT in per cent as B
/// factors. Side chains are not predicted, and those of the file would tell the answer.
fn as_chain(target: &Target, refined: &Refined) -> Chain {
    let mut chain = target.chain.clone();
    for (residue, frame) in chain.residues.iter_mut().zip(&refined.frames) {
        let BackboneResidue { n, ca, c } = frame.ideal_residue();
        residue.atoms.retain_mut(|atom| {
            let position = match atom.name.as_str() {
                "N" => n,
                "CA" => ca,
                "C" => c,
                _ => return false,
            };
            atom.position = position;
            true
        });
    }
    let per_cent: Vec<f64> = refined.confidence.iter().map(|lddt| 100.0 * lddt).collect();
    chain.with_b_factors(&per_cent)
}
