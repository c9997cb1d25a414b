//! Relative errors of each irrep of an output.

use steerable_irreps::Irreps;

/// The part of `expected` below which a difference is measured against the usual size of the output
/// instead: a tenth.
const FLOOR: f64 = 0.1;

/// Sums of squares over all rows of one output block.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BlockSum {
    pub(crate) squares: f64,
    pub(crate) count: usize,
}

impl BlockSum {
    pub(crate) fn add(&mut self, other: Self) {
        self.squares += other.squares;
        self.count += other.count;
    }

    /// The root mean square of one component; 0 of nothing.
    pub(crate) fn rms(self) -> f64 {
        if self.count == 0 {
            0.0
        } else {
            (self.squares / self.count as f64).sqrt()
        }
    }
}

/// The sum of squares of each block over all rows.
pub(crate) fn block_sums(irreps: &Irreps, output: &[f64]) -> Vec<BlockSum> {
    let slices = irreps.slices();
    let mut sums = vec![BlockSum::default(); slices.len()];
    for row in output.chunks_exact(irreps.dim().max(1)) {
        for (sum, slice) in sums.iter_mut().zip(&slices) {
            let squares = row[slice.clone()].iter().map(|x| x * x).sum();
            sum.add(BlockSum {
                squares,
                count: slice.len(),
            });
        }
    }
    sums
}

/// The relative error of each block: `|got - expected| / max(|expected|, floor)`, norms over all
/// rows, where `floor` is a tenth of what that many components usually have (`usual`, rms).
///
/// An output that is zero where it usually is not (a cross product of collinear vectors) is thus
/// not asked to be zero to more digits than its terms have.
pub(crate) fn relative_errors(
    difference: &[BlockSum],
    expected: &[BlockSum],
    usual: &[f64],
) -> Vec<f64> {
    let blocks = difference.iter().zip(expected).zip(usual);
    let error = blocks.map(|((difference, expected), usual)| {
        let floor = FLOOR * usual * (expected.count as f64).sqrt();
        match difference.squares.sqrt() {
            0.0 => 0.0,
            difference => difference / expected.squares.sqrt().max(floor),
        }
    });
    error.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn irreps() -> Irreps {
        "2x0+1x1".parse().expect("valid irreps")
    }

    #[test]
    fn sums_run_over_rows_block_by_block() {
        let output = [3.0, 4.0, 0.0, 0.0, 2.0, 0.0, 0.0, 1.0, 0.0, 1.0];
        let [scalars, vectors] = block_sums(&irreps(), &output)[..] else {
            panic!("two blocks")
        };
        assert_eq!((scalars.squares, scalars.count), (25.0, 4));
        assert_eq!((vectors.squares, vectors.count), (6.0, 6));
        assert_eq!(vectors.rms(), 1.0);
    }

    #[test]
    fn the_floor_takes_over_where_the_expected_output_vanishes() {
        let sum = |squares| BlockSum { squares, count: 4 };
        let errors = relative_errors(
            &[sum(1e-6), sum(1e-6), sum(0.0)],
            &[sum(4.0), sum(0.0), sum(0.0)],
            &[1.0, 1.0, 0.0],
        );
        // 1e-3 of 2; 1e-3 of a tenth of sqrt(4); nothing of nothing.
        assert!((errors[0] / 5e-4 - 1.0).abs() < 1e-12);
        assert!((errors[1] / 5e-3 - 1.0).abs() < 1e-12);
        assert_eq!(errors[2], 0.0);
    }
}
