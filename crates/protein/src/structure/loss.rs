//! What a structure module is trained by.

use burn::tensor::{Tensor, TensorData, activation};
use nalgebra::Vector3;

use super::frames::FrameTensors;
use super::one_hot::one_hot;
use super::side_chain::TorsionTargets;
use crate::ideal::{IDEAL_C, IDEAL_CA, IDEAL_N};
use crate::{CompareError, FapeConfig, Frame, Matched};

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

/// Cross entropy of the distribution of side-chain torsions over bins, the mean over those that are there,
/// `[1]`; zero when none is. Where half a turn gives the same side chain, the bins of both count as one.
///
/// A regression of the angle would tell the mean of the rotamers, where no side chain is.
///
/// # Shapes
/// - logits: `[N, 4, bins]`, the bins of the targets
pub fn torsion_loss(logits: Tensor<3>, targets: &TorsionTargets) -> Tensor<1> {
    assert_eq!(
        logits.dims(),
        targets.truth.dims(),
        "torsion_loss: logits and targets of the same residues and bins"
    );
    // What is not the true bin has no share: the exponential of -1e4 is zero.
    let of_truth = activation::log_softmax(logits, 2) + (targets.truth.clone() - 1.0) * 1e4;
    let most = of_truth.clone().detach().max_dim(2);
    let likelihood = (of_truth - most.clone()).exp().sum_dim(2).log() + most;
    let known = targets.known.clone();
    -(likelihood * known.clone()).sum() / (known.sum() + 1e-6)
}

/// Mean distance of N, CA and C of ideal residues in the predicted frames from those in the true ones, in
/// angstrom, `[1]`, after the motion that brings the true ones nearest to the prediction (least squares;
/// it is held fixed in the gradient). Unlike the frame-aligned point error it is not clamped and tells a
/// turn of a frame by itself. Zero distances count as a tenth of an angstrom.
///
/// # Errors
/// [`CompareError`]: no residues, unequal numbers, positions that are not finite.
pub fn displacement_loss(
    predicted: &FrameTensors,
    truth: &[Frame],
) -> Result<Tensor<1>, CompareError> {
    let atoms = |frames: &[Frame]| -> Vec<Vector3<f64>> {
        let residues = frames.iter().map(Frame::ideal_residue);
        residues.flat_map(|residue| residue.atoms()).collect()
    };
    let truth = atoms(truth);
    let on_prediction = Matched {
        model: &truth,
        reference: &atoms(&predicted.to_frames()),
    };
    let motion = on_prediction.superpose()?.motion;
    let moved: Vec<f64> = truth
        .iter()
        .flat_map(|x| <[f64; 3]>::from(motion.apply(x)))
        .collect();
    let (device, dtype) = {
        let ca = predicted.translation();
        (ca.device(), ca.dtype())
    };
    let rows = predicted.len();
    let moved = TensorData::new(moved, [rows, 3, 3]);
    let placed = ideal_atoms(predicted);
    let error = placed - Tensor::from_data(moved, (&device, dtype));
    let square = (error.clone() * error).sum_dim(2);
    Ok((square + 1e-2).sqrt().mean())
}

/// N, CA and C of ideal residues in these frames, in angstrom, `[L, 3, 3]`.
pub(super) fn ideal_atoms(frames: &FrameTensors) -> Tensor<3> {
    let ca = frames.translation();
    let ideal = [IDEAL_N, IDEAL_CA, IDEAL_C].concat();
    let ideal = Tensor::<3>::from_data(
        TensorData::new(ideal, [1, 3, 3]),
        (&ca.device(), ca.dtype()),
    );
    frames.apply(ideal.expand([frames.len(), 3, 3]))
}
