//! Multiply-adds of convolutions.

use steerable::harmonics::plan::{ConvolutionPlan, Pair, Weighting};

/// The numbers that multiply-adds depend on besides the plan.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) edges: usize,
    /// Rows that the edges are summed into.
    pub(super) rows: usize,
    /// Width of the hidden radial layer.
    pub(super) hidden: usize,
}

/// In the order of the published codes: the radial weights of every edge are formed, the kernel basis
/// (dense) is applied to the features, and the weights to that.
pub(super) fn naive(plan: &ConvolutionPlan, size: Size) -> usize {
    let apply = plan.pairs().iter().map(|pair| {
        let components = 2 * pair.output.l + 1;
        let basis = pair.paths.len() * pair.input.dim() * components;
        basis + pair.weights.len() * components
    });
    size.edges * (size.hidden * plan.num_weights() + apply.sum::<usize>())
}

/// With sparse coupling, and of the two orders of the full convolution the one with fewer multiply-adds,
/// for each set of pairs that share their coupled features:
///
/// - every edge forms its radial weights and applies them;
/// - the outer products of hidden and coupled features are summed over the edges of a row, and each
///   row's sum is contracted with the last radial layer.
pub(super) fn fewest(plan: &ConvolutionPlan, size: Size) -> usize {
    let Size {
        edges,
        rows,
        hidden,
    } = size;
    if plan.weighting() == Weighting::ChannelWise {
        return edges * plan.multiply_adds_per_edge(hidden);
    }
    let mut sets: Vec<Vec<&Pair>> = Vec::new();
    for pair in plan.pairs() {
        match sets.iter_mut().find(|set| share(set[0], pair)) {
            Some(set) => set.push(pair),
            None => sets.push(vec![pair]),
        }
    }
    let counts = sets.iter().map(|set| {
        let first = set[0];
        let components = 2 * first.output.l + 1;
        let terms: usize = first.paths.iter().map(|path| path.terms.len()).sum();
        let coupled = first.paths.len() * first.input.mul * components;
        let weights: usize = set.iter().map(|pair| pair.weights.len()).sum();
        let by_edge = edges * weights * (hidden + components);
        let by_row = edges * hidden * coupled + rows * hidden * weights * components;
        edges * terms * first.input.mul + by_edge.min(by_row)
    });
    counts.sum()
}

/// Whether two pairs read the same coupled features by the same hidden features.
fn share(a: &Pair, b: &Pair) -> bool {
    (a.input, a.radial, a.output.l) == (b.input, b.radial, b.output.l) && a.paths == b.paths
}
