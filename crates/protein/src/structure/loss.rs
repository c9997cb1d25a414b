//! What a structure module is trained by.

use burn::tensor::{Tensor, TensorData, activation};

use super::frames::FrameTensors;
use super::one_hot::one_hot;
use crate::FapeConfig;

/// How far the CA atoms of one chain, seen from each residue's frame, are from where they should be:
/// [`fape`](crate::fape()) of tensors. It does not change when either structure is moved, and a mirror
/// image has an error.
///
/// Quadratic in the length of the chain, in time and memory.
///
/// # Shapes
/// - predicted, truth: frames of the same `L` residues
/// - output: `[1]`
///
/// # Source
/// Jumper et al. 2021, supplement, algorithm 28.
pub fn frame_aligned_point_error(
    predicted: &FrameTensors,
    truth: &FrameTensors,
    config: FapeConfig,
) -> Tensor<1> {
    assert_eq!(
        predicted.len(),
        truth.len(),
        "frame_aligned_point_error: frames of the same residues"
    );
    let error = seen_from_each(predicted) - seen_from_each(truth);
    // Without epsilon the root of a zero error has no gradient.
    let square = (error.clone() * error).sum_dim(2) + config.epsilon;
    let error = square.sqrt();
    let error = match config.clamp {
        Some(most) => error.clamp_max(most),
        None => error,
    };
    error.mean() * config.scale.recip()
}

/// `T_i^-1 x_j` of all pairs, `[L, L, 3]`.
fn seen_from_each(frames: &FrameTensors) -> Tensor<3> {
    let origin = frames.translation();
    let apart = origin.clone().unsqueeze_dim::<3>(0) - origin.unsqueeze_dim::<3>(1);
    apart.matmul(frames.rotation())
}

/// The class of each lDDT: `classes` intervals of equal width between 0 and 1.
fn class_of(lddt: f64, classes: usize) -> usize {
    ((lddt * classes as f64) as usize).min(classes - 1)
}

/// Cross entropy of the confidence against the lDDT that was reached, `[1]`.
///
/// # Shapes
/// - logits: `[N, classes]`
/// - reached: lDDT of each residue, in 0..=1
pub fn confidence_loss(logits: Tensor<2>, reached: &[f64]) -> Tensor<1> {
    let [rows, classes] = logits.dims();
    assert_eq!(
        rows,
        reached.len(),
        "confidence_loss: an lDDT for each residue"
    );
    let reached: Vec<usize> = reached
        .iter()
        .map(|&lddt| class_of(lddt, classes))
        .collect();
    let target = one_hot(&reached, classes, &logits.device(), logits.dtype());
    let likelihood = activation::log_softmax(logits, 1) * target;
    -likelihood.sum_dim(1).mean()
}

/// The lDDT that the confidence expects of each residue, `[N]`: the mean over the classes.
pub fn expected_lddt(logits: Tensor<2>) -> Tensor<1> {
    let [_, classes] = logits.dims();
    let centres: Vec<f64> = (0..classes)
        .map(|class| (class as f64 + 0.5) / classes as f64)
        .collect();
    let centres = Tensor::<2>::from_data(
        TensorData::new(centres, [1, classes]),
        (&logits.device(), logits.dtype()),
    );
    (activation::softmax(logits, 1) * centres)
        .sum_dim(1)
        .squeeze_dim(1)
}

/// Squared distance between predicted and true side-chain torsions on the unit circle, the mean over
/// those that are there, `[1]`; zero when none is.
///
/// # Shapes
/// - predicted, truth: sine and cosine, `[N, n, 2]`
/// - known: one where the torsion is there, else zero, `[N, n, 1]`
pub fn torsion_loss(predicted: Tensor<3>, truth: Tensor<3>, known: Tensor<3>) -> Tensor<1> {
    let error = predicted - truth;
    let square = (error.clone() * error).sum_dim(2) * known.clone();
    square.sum() / (known.sum() + 1e-6)
}
