//! What a trunk is trained by.

use burn::tensor::{Tensor, activation};

use crate::structure::one_hot;

/// Cross entropy of a distogram against the true bins, the mean over the pairs of different residues,
/// `[1]`.
///
/// # Shapes
/// - logits: `[L, L, bins]`
/// - bins: the true bin of each pair, row by row, `L * L`; those of the diagonal do not count
///
/// # Source
/// Jumper et al. 2021, supplement, equation 41.
pub fn distogram_loss(logits: Tensor<3>, bins: &[usize]) -> Tensor<1> {
    let [length, _, classes] = logits.dims();
    assert_eq!(
        bins.len(),
        length * length,
        "distogram_loss: a bin for each pair"
    );
    let (device, dtype) = (logits.device(), logits.dtype());
    let target = one_hot(bins, classes, &device, dtype);
    let diagonal = one_hot(&(0..length).collect::<Vec<_>>(), length, &device, dtype);
    let off_diagonal = (-diagonal + 1.0).reshape([length * length, 1]);
    let likelihood = activation::log_softmax(logits.reshape([length * length, classes]), 1);
    let pairs = (length * length.saturating_sub(1)).max(1) as f64;
    (likelihood * target * off_diagonal).sum() * (-pairs.recip())
}
