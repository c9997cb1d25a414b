//! Products of many rigid motions at once.

use burn::tensor::Tensor;

/// The products of motions with all before them: row i of the result is row 0 times row 1 ... times row i.
///
/// Pairs are multiplied, their products are found by the same way, and the rows between filled in: `2 L`
/// products in `2 log2 L` steps, each one batched operation, so rounding grows with the depth and not with
/// the length.
///
/// # Shapes
/// - motions: homogeneous matrices, `[B, L, 4, 4]`
/// - output: `[B, L, 4, 4]`
///
/// # Source
/// Ladner and Fischer 1980, "Parallel prefix computation".
pub(super) fn prefix_products(motions: Tensor<4>) -> Tensor<4> {
    let [batch, len, ..] = motions.dims();
    if len < 2 {
        return motions;
    }
    let pairs = len / 2;
    let paired = motions
        .clone()
        .slice_dim(1, 0..2 * pairs)
        .reshape([batch, pairs, 2, 16]);
    let [even, odd] = [0, 1].map(|at| {
        let one = paired.clone().slice_dim(2, at..at + 1);
        one.reshape([batch, pairs, 4, 4])
    });
    // The products that end at odd rows.
    let at_odd = prefix_products(even.clone().matmul(odd));
    let between = (len - 1) / 2;
    let mut at_even = vec![motions.clone().slice_dim(1, 0..1)];
    if between > 0 {
        let mut rows = even.slice_dim(1, 1..pairs);
        if len % 2 == 1 {
            rows = Tensor::cat(vec![rows, motions.slice_dim(1, len - 1..len)], 1);
        }
        at_even.push(at_odd.clone().slice_dim(1, 0..between).matmul(rows));
    }
    let at_even = Tensor::cat(at_even, 1);
    let flat = |rows: Tensor<4>| rows.reshape([batch, pairs, 1, 16]);
    let interleaved = Tensor::cat(
        vec![flat(at_even.clone().slice_dim(1, 0..pairs)), flat(at_odd)],
        2,
    )
    .reshape([batch, 2 * pairs, 4, 4]);
    if len % 2 == 0 {
        interleaved
    } else {
        Tensor::cat(vec![interleaved, at_even.slice_dim(1, pairs..pairs + 1)], 1)
    }
}
