//! Training: random pieces of random chains, with random noise.

use std::time::Instant;

use burn::grad_clipping::GradientClippingConfig;
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{DType, Device, Tensor};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use steerable_protein::structure::{
    FrameTensors, NeighbourConfig, ResidueGraph, StructureInputs, StructureLayer, StructureModule,
    confidence_loss, frame_aligned_point_error, one_hot,
};
use steerable_protein::{AminoAcid, FapeConfig, Frame, LddtConfig, Matched};

use super::cli::Cli;
use super::data::{Target, ca};
use super::error::FoldError;
use super::noise::perturb;

/// Part of the loss that is the confidence's.
const CONFIDENCE_WEIGHT: f64 = 0.05;

/// What the structure module reads of a residue: which amino acid it is.
pub const NUM_INPUTS: usize = AminoAcid::ALL.len();

/// What the structure module reads when the chain starts from these frames.
///
/// # Errors
/// [`FoldError::Graph`] for positions that are not finite.
pub fn inputs(
    target: &Target,
    start: &[Frame],
    device: &Device,
) -> Result<StructureInputs, FoldError> {
    let ca: Vec<[f64; 3]> = start.iter().map(|frame| frame.translation.into()).collect();
    let graph = ResidueGraph::new(&ca, &target.residue_index, &NeighbourConfig::new());
    let graph = graph.map_err(|source| FoldError::Graph {
        chain: target.name.clone(),
        source,
    })?;
    let classes: Vec<usize> = target
        .sequence
        .iter()
        .map(|&residue| residue as usize)
        .collect();
    Ok(StructureInputs {
        residues: one_hot(&classes, NUM_INPUTS, device, DType::F32),
        pairs: None,
        frames: FrameTensors::from_frames(start, device, DType::F32),
        graph: graph.to_device(device, DType::F32),
    })
}

/// The loss of one chain from one start, `[1]`: after every iteration how far CA is from where it
/// should be (the noise has no direction, so the truth lies where the start does) and the frame-aligned
/// point error; the confidence at the end.
///
/// # Errors
/// As [`inputs`].
fn loss<L: StructureLayer>(
    module: &StructureModule<L>,
    target: &Target,
    start: &[Frame],
    device: &Device,
) -> Result<Tensor<1>, FoldError> {
    let output = module.forward(&inputs(target, start, device)?);
    let truth = FrameTensors::from_frames(&target.frames, device, DType::F32);
    let iterations = output.frames.len() as f64;
    let distances = output.frames.iter().map(|frames| {
        let error = frames.translation() - truth.translation();
        let distance = ((error.clone() * error).sum_dim(1) + 1e-2).sqrt().mean();
        distance + frame_aligned_point_error(frames, &truth, FapeConfig::default())
    });
    let structure = distances
        .reduce(|a, b| a + b)
        .expect("there are iterations")
        / iterations;
    let reached = residue_lddt(target, &output.prediction().to_frames())?;
    let confidence = confidence_loss(output.confidence, &reached);
    Ok(structure + confidence * CONFIDENCE_WEIGHT)
}

/// lDDT of each residue's CA; a residue without neighbours counts as zero.
///
/// # Errors
/// [`FoldError::Compare`] for positions that are not finite.
pub fn residue_lddt(target: &Target, frames: &[Frame]) -> Result<Vec<f64>, FoldError> {
    let matched = Matched {
        model: &ca(frames),
        reference: &ca(&target.frames),
    };
    let lddt = matched.lddt(LddtConfig::default());
    let lddt = lddt.map_err(|source| FoldError::Compare {
        chain: target.name.clone(),
        source: source.into(),
    })?;
    let each = lddt.per_residue.iter();
    Ok(each.map(|lddt| lddt.unwrap_or(0.0)).collect())
}

/// Trains until the steps are over or, where none are given, the minutes.
///
/// # Errors
/// As [`inputs`]; positions that are no longer finite.
pub fn train<L: StructureLayer>(
    mut module: StructureModule<L>,
    targets: &[Target],
    cli: &Cli,
    device: &Device,
) -> Result<StructureModule<L>, FoldError> {
    let mut rng = StdRng::seed_from_u64(cli.seed);
    let mut optimizer = AdamConfig::new()
        .with_grad_clipping(Some(GradientClippingConfig::Norm(1.0)))
        .init();
    let (start, seconds) = (Instant::now(), cli.minutes * 60.0);
    let most = cli
        .noise
        .iter()
        .fold(0.0, |most: f64, &noise| most.max(noise));
    let (mut sum, mut count) = (0.0, 0);
    for step in 0_usize.. {
        let elapsed = start.elapsed().as_secs_f64();
        let progress = match cli.steps {
            Some(steps) => step as f64 / steps as f64,
            None => elapsed / seconds,
        };
        if progress >= 1.0 {
            break;
        }
        let target = targets.choose(&mut rng).expect("there are chains");
        let piece = target.piece(cli.crop, &mut rng);
        let noise = rng.random_range(0.25..=1.1) * most;
        let frames = perturb(&piece.frames, noise, &mut rng);
        let loss = loss(&module, &piece, &frames, device)?;
        sum += f64::from(loss.clone().into_scalar::<f32>());
        count += 1;
        let gradients = GradientsParams::from_grads(loss.backward(), &module);
        let warm = ((step + 1) as f64 / 50.0).min(1.0);
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * progress).cos());
        module = optimizer.step(cli.lr * warm * cosine.max(0.01), module, gradients);
        if count == 100 {
            println!(
                "step {:>6}  {elapsed:>5.0} s  loss {:.4}",
                step + 1,
                sum / 100.0
            );
            (sum, count) = (0.0, 0);
        }
    }
    Ok(module)
}
