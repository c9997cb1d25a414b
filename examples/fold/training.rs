//! Training: random pieces of random chains, with random noise.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use burn::grad_clipping::GradientClippingConfig;
use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::Tensor;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use steerable_protein::folding::{FoldingModel, MODEL_KIND};
use steerable_protein::structure::{
    FrameTensors, SideChainTorsions, StructureOutput, TorsionBins, confidence_loss,
    displacement_loss, frame_aligned_point_error, peptide_loss, torsion_loss,
};
use steerable_protein::trunk::distogram_loss;
use steerable_protein::{FapeConfig, SmacofConfig};
use steerable_train::AdamConfig;
use steerable_train::checkpoint::{Checkpoint, Group, Header, ModelDescription};

use super::cli::{Cli, ModelKind};
use super::data::{Target, ca};
use super::error::{ChainError, FoldError};
use super::evaluation::{Score, residue_lddt};
use super::start::{observe, perturb, perturb_torsions};

/// Parts of the loss beside the structure's.
const CONFIDENCE_WEIGHT: f64 = 0.1;
const TORSION_WEIGHT: f64 = 0.03;
const DISTOGRAM_WEIGHT: f64 = 0.5;
const PEPTIDE_WEIGHT: f64 = 0.2;

/// Share of the training steps of denoising that start from turned torsions.
const TORSION_SHARE: f64 = 0.15;

/// Share of the training steps of denoising that start with no more than a tenth of the noise: what is right is
/// to be left as it is.
const NEARLY_RIGHT_SHARE: f64 = 0.1;

/// Errors count relative to the CA-RMSD of the start, so that every noise is worth the same; starts that
/// are nearer than this, in angstrom, count as if they were this far.
const NEAREST_START: f64 = 0.5;

/// Distances in training are refined by this many steps of SMACOF.
const MDS_STEPS: usize = 30;

/// How often a checkpoint is written.
const BETWEEN_CHECKPOINTS: Duration = Duration::from_secs(60);

/// How far a training is, as the checkpoint holds it.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Progress {
    steps: usize,
    seconds: f64,
}

/// What a checkpoint says of its training: how far it is, and on what.
#[derive(Serialize, Deserialize)]
struct Training {
    #[serde(flatten)]
    done: Progress,
    seed: u64,
    /// The names of the chains, sorted.
    chains: Vec<String>,
}

impl Training {
    fn new(done: Progress, cli: &Cli, targets: &[Target]) -> Self {
        let mut chains: Vec<String> = targets.iter().map(|target| target.name.clone()).collect();
        chains.sort_unstable();
        let seed = cli.seed;
        Self { done, seed, chains }
    }

    /// What the checkpoint in `file` says, if it is of the same seed and chains.
    fn resumed(
        header: &Header,
        file: &Path,
        cli: &Cli,
        targets: &[Target],
    ) -> Result<Self, FoldError> {
        let other = |reason: String| FoldError::OtherTraining {
            file: file.to_path_buf(),
            reason,
        };
        let found: Self = serde_json::from_value(header.training.clone())
            .map_err(|error| other(format!("its state of training is not readable: {error}")))?;
        let wanted = Self::new(found.done, cli, targets);
        if found.seed != wanted.seed {
            let (found, wanted) = (found.seed, wanted.seed);
            return Err(other(format!("its --seed is {found}, not {wanted}")));
        }
        if found.chains != wanted.chains {
            let differs = |name: &&String| !wanted.chains.contains(name);
            let missing = found.chains.iter().find(differs);
            let differs = |name: &&String| !found.chains.contains(name);
            let added = wanted.chains.iter().find(differs);
            return Err(other(format!(
                "it was trained on other chains: on {missing:?}, which is not among those to train on now, or not on {added:?}, which is"
            )));
        }
        Ok(found)
    }
}

fn checkpoint_file(cli: &Cli, kind: ModelKind) -> PathBuf {
    cli.out.join(format!("{}.safetensors", kind.name()))
}

/// Refuses to go on from checkpoints of another seed or of other chains, before anything is written.
///
/// # Errors
/// [`FoldError::OtherTraining`]; a checkpoint that cannot be read.
pub fn check_resumable(cli: &Cli, targets: &[Target]) -> Result<(), FoldError> {
    for &kind in &cli.models {
        let file = checkpoint_file(cli, kind);
        if cli.resume && file.exists() {
            Training::resumed(&Header::read(&file)?, &file, cli, targets)?;
        }
    }
    Ok(())
}

/// The loss of what one pass gave, `[1]`: after every iteration how far atoms are from where they
/// should be and the frame-aligned point error, at the end the peptides, in units of `unit` angstrom; confidence
/// and side-chain torsions.
fn structure_loss(
    target: &Target,
    output: StructureOutput,
    unit: f64,
) -> Result<Tensor<1>, ChainError> {
    let place = output.scalars.device();
    let dtype = output.scalars.dtype();
    let truth = FrameTensors::from_frames(&target.frames, &place, dtype);
    let iterations = output.frames.len() as f64;
    let mut loss = Tensor::zeros([1], (&place, dtype));
    for frames in &output.frames {
        let fape = frame_aligned_point_error(frames, &truth, FapeConfig::default());
        loss = loss + displacement_loss(frames, &target.frames)? + fape;
    }
    let reached = residue_lddt(target, &output.prediction().to_frames())?;
    let peptides = peptide_loss(output.prediction(), &target.bonded());
    let confidence = confidence_loss(output.confidence, &reached);
    let bins = TorsionBins::new(output.chi.dims()[2]);
    let side_chains = SideChainTorsions::of(&target.chain.residues).to_device(bins, &place, dtype);
    let torsions = torsion_loss(output.chi, &side_chains);
    Ok((loss / iterations + peptides * PEPTIDE_WEIGHT) / unit
        + confidence * CONFIDENCE_WEIGHT
        + torsions * TORSION_WEIGHT)
}

fn largest(of: &[f64]) -> f64 {
    of.iter().fold(0.0, |most: f64, &one| most.max(one))
}

/// The loss of one piece of a chain. All passes but the last are run without a tape.
fn loss(
    model: &FoldingModel,
    kind: ModelKind,
    target: &Target,
    cli: &Cli,
    rng: &mut StdRng,
) -> Result<Tensor<1>, ChainError> {
    let passes = rng.random_range(1..=cli.passes.max(1));
    let sequence = &target.sequence;
    let (start, pairs, distogram) = match kind {
        ModelKind::Denoise => {
            let [displacement, turn] = [&cli.noise, &cli.torsion_noise].map(|noise| largest(noise));
            let size: f64 = match rng.random_bool(NEARLY_RIGHT_SHARE) {
                true => rng.random_range(0.0..=0.1),
                false => rng.random_range(0.05..=1.1),
            };
            let torsions = turn > 0.0 && (displacement == 0.0 || rng.random_bool(TORSION_SHARE));
            let frames = if torsions {
                perturb_torsions(target, size * turn, rng)?
            } else {
                perturb(&target.frames, size * displacement, rng)
            };
            (frames, None, None)
        }
        ModelKind::Distogram => {
            let wrong = largest(&cli.wrong) * rng.random::<f64>();
            let observed = observe(model, target, cli.observation(wrong), rng)?;
            let read = model.read_distances(sequence, observed.to_model())?;
            let distances = &observed.distances;
            let refinement = SmacofConfig {
                max_steps: MDS_STEPS,
                ..SmacofConfig::default()
            };
            let frames = model.start_from(sequence, distances, &read, refinement)?;
            let truth = ca(&target.frames);
            let bins = truth.iter().flat_map(|x| {
                let bins = distances.bins();
                truth.iter().map(move |y| bins.bin((x - y).norm()))
            });
            let loss = distogram_loss(read.distogram, &bins.collect::<Vec<_>>());
            (frames, Some(read.pairs), Some(loss * DISTOGRAM_WEIGHT))
        }
    };
    let unit = Score::new(target, &start)?.rmsd.max(NEAREST_START);
    let mut frames = start.clone();
    if passes > 1 {
        let pairs = pairs.clone().map(Tensor::inner);
        let without_tape = model.valid();
        frames = without_tape
            .refine(sequence, frames, pairs.as_ref(), passes - 1)?
            .frames;
    }
    let output = model.pass(sequence, &start, &frames, pairs.as_ref())?;
    let structure = structure_loss(target, output, unit)?;
    Ok(match distogram {
        Some(distogram) => structure + distogram,
        None => structure,
    })
}

/// The mean loss of a batch of pieces of chains and its gradients. Every piece has a tape and a thread of
/// its own: the operations on one piece are too small for several threads.
fn gradients(
    model: &FoldingModel,
    kind: ModelKind,
    targets: &[Target],
    cli: &Cli,
    step: usize,
) -> Result<(f64, GradientsParams), FoldError> {
    let without_tape = model.valid();
    let share = (cli.batch as f64).recip();
    let pieces = (0..cli.batch).into_par_iter().map(|place| {
        let model = without_tape.clone().train();
        let mut rng = generator(cli.seed, step * cli.batch + place);
        let target = targets.choose(&mut rng).expect("there are chains");
        let piece = match kind {
            ModelKind::Denoise => target.piece(cli.crop, &mut rng),
            ModelKind::Distogram if rng.random() => target.two_pieces(cli.pair_crop, &mut rng),
            ModelKind::Distogram => target.piece(cli.pair_crop, &mut rng),
        };
        let loss = loss(&model, kind, &piece, cli, &mut rng);
        let loss = loss.map_err(|error| error.of(&target.name))? * share;
        let value = f64::from(loss.clone().into_scalar::<f32>());
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        Ok((value, gradients))
    });
    let mut sum = GradientsAccumulator::new();
    let mut loss = 0.0;
    // In the order of the pieces, whichever thread was first.
    for piece in pieces.collect::<Result<Vec<_>, FoldError>>()? {
        loss += piece.0;
        sum.accumulate(model, piece.1);
    }
    Ok((loss, sum.grads()))
}

/// Trains until the steps are over or, where none are given, the minutes; writes the checkpoint every
/// minute and at the end. Each step draws from a generator of its own, so that a resumed training goes
/// on as it would have.
///
/// # Errors
/// A chain whose positions are no longer finite; a checkpoint that cannot be written or read, or is of
/// another model.
pub fn train(
    mut model: FoldingModel,
    kind: ModelKind,
    targets: &[Target],
    minutes: f64,
    cli: &Cli,
) -> Result<FoldingModel, FoldError> {
    let file = checkpoint_file(cli, kind);
    let mut optimizer = AdamConfig::new()
        .with_grad_clipping(Some(GradientClippingConfig::Norm(1.0)))
        .init();
    let mut done = Progress::default();
    if cli.resume && file.exists() {
        let checkpoint = Checkpoint::load(&file)?;
        check_same(&checkpoint, &model, &file)?;
        model = checkpoint.apply(Group::Model, model)?;
        optimizer = checkpoint.apply_optimizer(optimizer, &model)?;
        done = Training::resumed(&checkpoint.header, &file, cli, targets)?.done;
        println!("{}: goes on from step {}", kind.name(), done.steps);
    }
    let start = Instant::now();
    let mut written = Instant::now();
    let (mut sum, mut count) = (0.0, 0);
    loop {
        let seconds = done.seconds + start.elapsed().as_secs_f64();
        let progress = match cli.steps {
            Some(steps) => done.steps as f64 / steps.max(1) as f64,
            None => seconds / (minutes * 60.0),
        };
        if progress >= 1.0 || cli.steps == Some(0) {
            break;
        }
        let (loss, gradients) = gradients(&model, kind, targets, cli, done.steps)?;
        sum += loss;
        count += 1;
        let warm = ((done.steps + 1) as f64 / 50.0).min(1.0);
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * progress).cos());
        model = optimizer.step(cli.lr * warm * cosine.max(0.01), model, gradients);
        done.steps += 1;
        if count == 100 {
            println!(
                "{} step {:>6}  {seconds:>5.0} s  loss {:.4}",
                kind.name(),
                done.steps,
                sum / 100.0
            );
            (sum, count) = (0.0, 0);
        }
        if written.elapsed() >= BETWEEN_CHECKPOINTS {
            let seconds = done.seconds + start.elapsed().as_secs_f64();
            let state = Training::new(Progress { seconds, ..done }, cli, targets);
            checkpoint(&model, &optimizer, &state)?.save(&file)?;
            written = Instant::now();
        }
    }
    done.seconds += start.elapsed().as_secs_f64();
    let state = Training::new(done, cli, targets);
    checkpoint(&model, &optimizer, &state)?.save(&file)?;
    println!(
        "{}: {} steps in {:.0} s, {}",
        kind.name(),
        done.steps,
        done.seconds,
        file.display()
    );
    Ok(model)
}

/// Steps far apart in seed: the step in the high half.
fn generator(seed: u64, step: usize) -> StdRng {
    StdRng::seed_from_u64(seed ^ ((step as u64) << 32))
}

fn config_of(model: &FoldingModel) -> serde_json::Value {
    serde_json::to_value(model.config()).expect("a configuration is numbers and names")
}

fn checkpoint(
    model: &FoldingModel,
    optimizer: &burn::optim::ModuleOptimizer,
    state: &Training,
) -> Result<Checkpoint, FoldError> {
    let description = ModelDescription::of_kind(MODEL_KIND).with_config(config_of(model));
    let mut header = Header::new(description);
    header.step = state.done.steps as u64;
    header.training = serde_json::to_value(state).expect("numbers and names");
    let mut checkpoint = Checkpoint::new(header);
    checkpoint.insert_module(Group::Model, model);
    checkpoint.insert_optimizer(optimizer, model)?;
    Ok(checkpoint)
}

fn check_same(checkpoint: &Checkpoint, model: &FoldingModel, file: &Path) -> Result<(), FoldError> {
    let (found, wanted) = (&checkpoint.header.model.config, config_of(model));
    if *found == wanted {
        return Ok(());
    }
    Err(FoldError::OtherModel {
        file: file.to_path_buf(),
        found: found.to_string(),
        wanted: wanted.to_string(),
    })
}
