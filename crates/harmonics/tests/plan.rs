//! Path plans: which paths they list, and that their terms are the kernel basis.

use steerable_harmonics::plan::{
    ConvolutionPlan, PathNormalization, PlanOptions, RadialSharing, Weighting, blocks,
};
use steerable_harmonics::{KernelBasis, Normalization, SphericalHarmonics};
use steerable_irreps::Irreps;

fn irreps(text: &str) -> Irreps {
    text.parse().expect("irreps")
}

fn options(sharing: RadialSharing) -> PlanOptions {
    PlanOptions {
        l_filter_max: None,
        normalization: PathNormalization::None,
        sharing,
    }
}

#[test]
fn a_full_plan_has_the_paths_and_weights_of_the_se3_transformer() {
    // Degrees 0..=3 with 32 channels: sum of 2 min(l, k) + 1 over pairs = 44 paths, 45,056 weights.
    let uniform = Irreps::uniform_so3(32, 3);
    let plan = ConvolutionPlan::full(&uniform, &uniform, options(RadialSharing::Shared));
    assert_eq!((plan.num_paths(), plan.num_weights()), (44, 45_056));
    assert_eq!((plan.pairs().len(), plan.l_filter_max()), (16, 6));
    assert_eq!(plan.weighting(), Weighting::Full);
}

#[test]
fn a_channel_wise_plan_has_the_paths_of_an_uvu_tensor_product() {
    for (l_max, mul, paths) in [(2, 32, 15), (3, 16, 34)] {
        let uniform = Irreps::uniform_so3(mul, l_max);
        let shared = options(RadialSharing::Shared);
        let keep = |irrep: steerable_irreps::Irrep| irrep.l() <= l_max;
        let plan = ConvolutionPlan::channel_wise(&uniform, l_max, keep, shared);
        assert_eq!((plan.num_paths(), plan.num_weights()), (paths, paths * mul));
        assert_eq!(plan.irreps_out().len(), paths);
    }
}

#[test]
fn parity_halves_the_paths() {
    let with = irreps("2x0e + 3x1o");
    let plan = ConvolutionPlan::full(&with, &with, options(RadialSharing::Shared));
    // 0e -> 0e by Y_0; 0e -> 1o and 1o -> 0e by Y_1; 1o -> 1o by Y_0 and Y_2, not by the odd Y_1.
    let filters: Vec<Vec<usize>> = plan
        .pairs()
        .iter()
        .map(|pair| pair.paths.iter().map(|path| path.l_filter).collect())
        .collect();
    assert_eq!(filters, [vec![0], vec![1], vec![1], vec![0, 2]]);
}

#[test]
fn sharing_decides_the_number_of_radial_networks() {
    let (from, to) = (irreps("2x0 + 3x1 + 1x0"), irreps("4x0 + 1x2"));
    let count = |sharing| ConvolutionPlan::full(&from, &to, options(sharing)).num_radials();
    assert_eq!(count(RadialSharing::Shared), 1);
    assert_eq!(count(RadialSharing::PerOutputIrrep), 2);
    assert_eq!(count(RadialSharing::PerInputIrrep), 2);
    assert_eq!(count(RadialSharing::PerPair), 4);
}

#[test]
fn columns_of_the_weight_matrix_are_dealt_without_gap_or_overlap() {
    let (from, to) = (irreps("2x0 + 3x1 + 1x3"), irreps("4x1 + 1x2 + 2x0"));
    let plan = ConvolutionPlan::full(&from, &to, options(RadialSharing::PerPair));
    let mut next = 0;
    for pair in plan.pairs() {
        assert_eq!(pair.weights.start, next);
        assert_eq!(
            pair.weights.len(),
            pair.paths.len() * pair.input.mul * pair.output.mul
        );
        next = pair.weights.end;
    }
    assert_eq!(next, plan.num_weights());
}

#[test]
fn outputs_without_a_path_are_named() {
    let plan = ConvolutionPlan::full(
        &irreps("3x0e"),
        &irreps("1x0e + 2x1e"),
        options(RadialSharing::Shared),
    );
    let missing: Vec<String> = plan
        .unreachable_outputs()
        .iter()
        .map(|block| block.irrep.to_string())
        .collect();
    assert_eq!(missing, ["1e"]);
}

#[test]
fn terms_are_the_kernel_basis() {
    let (from, to) = (irreps("1x1 + 1x2"), irreps("1x0 + 1x2 + 1x3"));
    let plan = ConvolutionPlan::full(&from, &to, options(RadialSharing::Shared));
    let x = [0.3, -1.1, 0.7];
    let harmonics = SphericalHarmonics::new(plan.l_filter_max()).single(x);
    for pair in plan.pairs() {
        let basis = KernelBasis::new(pair.input.l, pair.output.l, Normalization::Component);
        for (path, expected) in pair.paths.iter().zip(basis.evaluate(x)) {
            let mut kernel = expected.clone() * 0.0;
            for term in &path.terms {
                kernel[(term.m_out, term.m_in)] += term.value * harmonics[term.harmonic];
            }
            let error = (&kernel - &expected).norm() / expected.norm();
            assert!(
                error < 1e-14,
                "{} -> {}: {error:e}",
                pair.input.l,
                pair.output.l
            );
        }
    }
}

#[test]
fn fan_in_normalization_gives_unit_variance_messages() {
    // For independent features, weights and harmonics of unit variance, the second moment of an output
    // channel, summed over its components, is the sum of the squares of all terms that feed it.
    let (from, to) = (irreps("4x0 + 3x1 + 2x2"), irreps("1x0 + 1x1 + 1x2"));
    let plan = ConvolutionPlan::full(
        &from,
        &to,
        PlanOptions {
            normalization: PathNormalization::FanIn,
            ..options(RadialSharing::Shared)
        },
    );
    for (block, (_, irrep)) in blocks(&to) {
        let moment: f64 = plan
            .pairs()
            .iter()
            .filter(|pair| pair.output == block)
            .flat_map(|pair| pair.paths.iter().map(|path| (pair.input.mul, path)))
            .map(|(mul, path)| mul as f64 * path.terms.iter().map(|t| t.value.powi(2)).sum::<f64>())
            .sum();
        let per_component = moment / irrep.dim() as f64;
        assert!(
            (per_component - 1.0).abs() < 1e-12,
            "{irrep}: {per_component}"
        );
    }
}
