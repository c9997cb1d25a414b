//! A memory budget changes what is stored and nothing else: outputs, gradients and symmetries stay.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::module::Module;
use burn::tensor::Tensor;
use steerable::harmonics::plan::{RadialSharing, Weighting};
use steerable::nn::{
    Aggregation, AttentionBlockConfig, ConvolutionConfig, Features, KeyValue, MemoryBudget,
    RadialOptions, Refinement, RelativePosition, SE3TransformerConfig, SelfInteraction,
    TensorFieldNetworkConfig,
};
use steerable::radial::{Cutoff, Envelope, RadialBasisConfig};
use steerable_testkit::{Precision, SampleKind};
use steerable_tests::cases::Claim;
use steerable_tests::flat::{contracted, to_vec};
use steerable_tests::parameters::{drawn, gradients};
use steerable_tests::samples::{EdgeOptions, InputTypes, Inputs, inputs};
use steerable_tests::{PRECISIONS, device, irreps};

const SEED: u64 = 31;

/// Outputs and gradients: different tiles, hence other orders of additions, and no more.
fn tolerance(precision: Precision) -> f64 {
    match precision {
        Precision::F32 => 2e-5,
        Precision::F64 => 1e-13,
    }
}

fn within(x: &Inputs, budget: MemoryBudget) -> Inputs {
    let mut x = x.clone();
    x.cloud.graph = x.cloud.graph.with_budget(budget);
    x
}

/// The smallest budget that a model accepts, as its panics tell it: slabs are then as small as they get.
fn least_budget(x: &Inputs, model: impl Fn(&Inputs) -> Tensor<2>) -> u64 {
    let mut budget = 0;
    loop {
        let x = within(x, MemoryBudget::Bytes(budget));
        let Err(panic) = catch_unwind(AssertUnwindSafe(|| model(&x))) else {
            return budget;
        };
        let text = panic.downcast_ref::<String>().expect("a formatted panic");
        let told = text.split("at least ").nth(1).expect("what is needed");
        let needed: u64 = told
            .split(' ')
            .next()
            .expect("a number")
            .parse()
            .expect("a number");
        assert!(needed > budget, "{text}");
        budget = needed;
    }
}

/// The output, then the gradients to positions, features, edge scalars, edge features and parameters.
fn pass<M: Module>(
    module: &M,
    x: &Inputs,
    model: &impl Fn(&M, &Inputs) -> Tensor<2>,
) -> Vec<Vec<f64>> {
    let mut x = x.clone();
    let leaf = |tensor: &Tensor<2>| tensor.clone().require_grad();
    let mut leaves = vec![leaf(&x.cloud.positions), leaf(&x.features.packed())];
    x.cloud.positions = leaves[0].clone();
    x.features = Features::new(x.features.irreps().clone(), leaves[1].clone());
    if let Some(scalars) = &mut x.cloud.edge_scalars {
        *scalars = leaf(scalars);
        leaves.push(scalars.clone());
    }
    if let Some(own) = &mut x.cloud.edge_features {
        let packed = leaf(&own.packed());
        *own = Features::new(own.irreps().clone(), packed.clone());
        leaves.push(packed);
    }
    let out = model(module, &x);
    let found = contracted(out.clone()).backward();
    let of_leaves = leaves
        .iter()
        .map(|leaf| to_vec(&leaf.grad(&found).expect("every input has a gradient")));
    std::iter::once(to_vec(&out.detach()))
        .chain(of_leaves)
        .chain([gradients(module, &found)])
        .collect()
}

/// Norm of the difference over the norm.
fn error(ours: &[f64], reference: &[f64]) -> f64 {
    assert_eq!(ours.len(), reference.len());
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let difference = norm(&mut ours.iter().zip(reference).map(|(a, b)| a - b));
    difference / norm(&mut reference.iter().copied()).max(1e-30)
}

/// Compares a model within its least budget, and within one that holds about half of the edges, to the
/// same without a budget; and tests its symmetry within the least.
fn assert_unchanged<M: Module + Clone>(
    claim: &Claim,
    module: &M,
    model: impl Fn(&M, &Inputs) -> Tensor<2>,
) {
    for precision in PRECISIONS {
        let module = drawn(module.clone(), precision, SEED);
        let sample = claim
            .test(precision, SEED)
            .nodes(9..=9)
            .sample(SampleKind::Generic(0));
        let x = inputs(&sample, &claim.types, precision, &device().autodiff());
        let reference = pass(&module, &x, &model);
        let least = least_budget(&x, |x| model(&module, x));
        assert!(least > 0, "{}: nothing on the edges counts", claim.name);
        for budget in [least, least.saturating_mul(4), u64::MAX] {
            let x = within(&x, MemoryBudget::Bytes(budget));
            let found = pass(&module, &x, &model);
            assert_eq!(
                found,
                pass(&module, &x, &model),
                "{}: not the same bits twice",
                claim.name
            );
            for (part, (found, reference)) in found.iter().zip(&reference).enumerate() {
                let error = error(found, reference);
                assert!(
                    error <= tolerance(precision),
                    "{}, {precision}, {budget} bytes, part {part}: relative error {error:.1e}",
                    claim.name
                );
            }
        }
        claim
            .run(precision, SEED, |x| {
                let least = least_budget(x, |x| model(&module, x));
                model(&module, &within(x, MemoryBudget::Bytes(least)))
            })
            .assert_ok();
    }
}

fn options(l_max: usize, envelope: Envelope) -> EdgeOptions {
    EdgeOptions {
        basis: RadialBasisConfig::distance().init(&device()),
        l_max,
        envelope,
    }
}

fn envelope() -> Envelope {
    Envelope::polynomial(Cutoff::new(5.0).expect("positive"))
}

#[test]
fn convolutions_within_a_budget_are_those_without() {
    let (from, to) = ("3x0e + 2x1o + 1x2e", "4x0e + 3x1o + 1x1e");
    let base = ConvolutionConfig::new(irreps(from), irreps(to), 1);
    let whole_units = ConvolutionConfig::new(irreps("16x0 + 16x1"), irreps("16x0 + 16x1"), 1);
    let radial = |hidden: Vec<usize>, sharing| {
        RadialOptions::new()
            .with_hidden(hidden)
            .with_sharing(sharing)
    };
    let with_edges = ConvolutionConfig {
        num_invariants: 3,
        ..base.clone().with_irreps_edge(irreps("2x1o + 1x0e"))
    };
    let cases = [
        ("sum", base.clone()),
        (
            "mean, itself",
            base.clone()
                .with_aggregation(Aggregation::Mean)
                .with_self_interaction(SelfInteraction::PerNode),
        ),
        (
            "on edges, itself",
            base.clone()
                .with_aggregation(Aggregation::PerEdge)
                .with_self_interaction(SelfInteraction::PerEdge),
        ),
        (
            "zeros left out",
            whole_units
                .with_aggregation(Aggregation::PerEdge)
                .with_radial(radial(vec![47], RadialSharing::Shared)),
        ),
        (
            "channel-wise",
            base.clone().with_weighting(Weighting::ChannelWise),
        ),
        (
            "a network for each pair",
            base.clone()
                .with_radial(radial(vec![7, 5], RadialSharing::PerPair)),
        ),
        (
            "no hidden layers",
            base.clone()
                .with_radial(radial(vec![], RadialSharing::PerOutputIrrep)),
        ),
        ("edge features", with_edges.clone()),
        (
            "edge features, on edges",
            with_edges.with_aggregation(Aggregation::PerEdge),
        ),
    ];
    for (name, config) in cases {
        let plan = config.plan().expect("a good config");
        let types = InputTypes {
            irreps_in: config.irreps_in.clone(),
            edge_scalars: config.num_invariants - 1,
            irreps_edge: config.irreps_edge.clone(),
        };
        let claim =
            Claim::per_node(name, types, plan.irreps_out().clone()).with_l_max(plan.l_filter_max());
        let claim = match config.aggregation {
            Aggregation::PerEdge => claim.with_output(steerable_testkit::OutputKind::PerEdge),
            Aggregation::Sum | Aggregation::Mean => claim,
        };
        let options = options(plan.l_filter_max(), envelope());
        assert_unchanged(&claim, &config.init(&device()), |layer, x| {
            layer.forward(&x.features, &x.edges(&options)).into_packed()
        });
    }
}

#[test]
fn attention_within_a_budget_is_that_without() {
    let (from, to) = ("3x0 + 2x1 + 4x2", "4x0 + 4x1 + 8x2");
    for key_value in [KeyValue::Joint, KeyValue::Separate] {
        for envelope in [Envelope::None, envelope()] {
            for edge in ["", "2x1"] {
                let config = AttentionBlockConfig::new(irreps(from), irreps(to), 3)
                    .with_irreps_edge(irreps(edge))
                    .with_num_heads(2)
                    .with_key_value(key_value);
                let types = InputTypes {
                    irreps_in: irreps(from),
                    edge_scalars: 2,
                    irreps_edge: irreps(edge),
                };
                let name = format!("{key_value:?}, {envelope:?}, \"{edge}\" on edges");
                let claim = Claim::per_node(name, types, irreps(to)).with_l_max(4);
                let options = options(4, envelope);
                assert_unchanged(&claim, &config.init(&device()), |block, x| {
                    block.forward(&x.features, &x.edges(&options)).into_packed()
                });
            }
        }
    }
}

#[test]
fn models_within_a_budget_are_those_without() {
    let [from, hidden, to] = ["3x0 + 1x1", "4x0 + 4x1", "2x0 + 1x1"].map(irreps);
    let transformer = SE3TransformerConfig::fuchs(from.clone(), hidden.clone(), to.clone())
        .with_num_layers(2)
        .with_num_edge_scalars(2)
        .with_smallest_norm(1e-2)
        .with_relative_position(RelativePosition::Joined)
        .with_envelope(envelope())
        .with_refinement(Refinement::EveryBlock);
    let types = InputTypes {
        irreps_in: from.clone(),
        edge_scalars: 2,
        ..InputTypes::default()
    };
    let claim = Claim::per_node("transformer", types, to.clone()).with_l_max(2);
    assert_unchanged(&claim, &transformer.init(&device()), |model, x| {
        model.forward(&x.features, &x.cloud).features.into_packed()
    });

    let network = TensorFieldNetworkConfig::new(from.clone(), hidden, to.clone());
    let types = InputTypes {
        irreps_in: from,
        ..InputTypes::default()
    };
    let claim = Claim::per_node("tensor field network", types, to).with_l_max(2);
    assert_unchanged(&claim, &network.init(&device()), |model, x| {
        model.forward(&x.features, &x.cloud).into_packed()
    });
}
