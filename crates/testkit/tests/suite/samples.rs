//! Random and degenerate samples and random irreps are what their documentation says.

use rand::SeedableRng;
use rand::rngs::StdRng;
use steerable_testkit::{
    Degenerate, Edge, EquivarianceTest, Group, IrrepsBounds, Precision, Property, Sample,
    SampleKind, Transform, random_irreps,
};

use crate::layers::*;

const PRECISIONS: [Precision; 2] = [Precision::F32, Precision::F64];

fn all_kinds() -> impl Iterator<Item = SampleKind> {
    let degenerate = Degenerate::ALL.into_iter().map(SampleKind::Degenerate);
    (0..8).map(SampleKind::Generic).chain(degenerate)
}

fn degenerate(test: &EquivarianceTest, kind: Degenerate) -> Sample {
    test.sample(SampleKind::Degenerate(kind))
}

#[test]
fn translations_are_exact_so_that_differences_keep_every_bit() {
    for (precision, far) in PRECISIONS.into_iter().zip([256.0, 65_536.0]) {
        for (seed, scale) in [(0, 1.0), (1, 3.7), (2, 0.05)] {
            let test = test("1x0", "1x0")
                .properties([Property::Translation, Property::FarTranslation])
                .precision(precision)
                .seed(seed)
                .scale(scale);
            let mut seen: Vec<Sample> = Vec::new();
            let _ = test.run(|sample| {
                seen.push(sample.clone());
                sample.features.clone()
            });
            let (mut shifts, mut furthest) = (0, 0.0_f64);
            for original in all_kinds().map(|kind| test.sample(kind)) {
                if original.num_nodes() == 0 {
                    continue;
                }
                let same = |seen: &&Sample| {
                    seen.features == original.features && seen.edges == original.edges
                };
                for moved in seen.iter().filter(same) {
                    let shift = sub(moved.positions[0], original.positions[0]);
                    // The model also sees small random changes of the positions.
                    if dot(shift, shift) < scale * scale {
                        continue;
                    }
                    shifts += 1;
                    for (new, old) in moved.positions.iter().zip(&original.positions) {
                        assert_eq!(sub(*new, *old), shift, "seed {seed}, {precision}");
                        assert_eq!(new.map(|x| precision.round(x)), *new, "seed {seed}");
                        furthest = new.iter().fold(furthest, |most, x| most.max(x.abs()));
                    }
                }
            }
            // One of each trial and degenerate sample, and a far one of each trial.
            assert_eq!(shifts, 8 + 9 + 8, "seed {seed}, {precision}");
            let expected = far * scale;
            assert!(
                furthest > 0.5 * expected && furthest < 1.5 * expected,
                "{furthest}"
            );
        }
    }
}

#[test]
fn samples_and_their_transforms_are_exact_in_f32() {
    let test = test("2x0e + 1x2e", "1x0e")
        .irreps_edge(irreps("1x1o"))
        .precision(Precision::F32);
    let rotation = steerable_testkit::Rotation::random(&mut StdRng::seed_from_u64(1));
    for kind in all_kinds() {
        let sample = test.sample(kind);
        let rotated = test.transformed(&sample, &Transform::Orthogonal(rotation.into()));
        for sample in [sample, rotated] {
            let positions = sample.positions.iter().flatten();
            let values = positions
                .chain(&sample.features)
                .chain(&sample.edge_features);
            values.for_each(|&value| assert_eq!(f64::from(value as f32), value));
        }
    }
}

#[test]
fn samples_are_well_formed_for_every_kind_and_seed() {
    for seed in 0..50 {
        let test = test("2x0e + 1x1o", "1x0e")
            .irreps_edge(irreps("1x1e"))
            .seed(seed);
        for kind in all_kinds() {
            let sample = test.sample(kind);
            let nodes = sample.num_nodes();
            assert_eq!(
                sample.graph_sizes.iter().sum::<usize>(),
                nodes,
                "seed {seed}"
            );
            assert_eq!(sample.features.len(), 5 * nodes, "seed {seed}");
            assert_eq!(
                sample.edge_features.len(),
                3 * sample.edges.len(),
                "seed {seed}"
            );
            let graph = sample.graph_of_node();
            for Edge { src, dst } in sample.edges {
                assert!(src != dst && graph[src] == graph[dst], "seed {seed}");
            }
            if let SampleKind::Generic(_) = kind {
                let [a, b, c] = sample.graph_sizes[..] else {
                    panic!("three graphs")
                };
                assert!(a != b && [a, b, c].iter().all(|size| (3..=7).contains(size)));
            }
        }
    }
}

#[test]
fn a_seed_determines_the_sample_and_another_seed_changes_it() {
    let sample = |seed, kind| test("1x0e", "1x0e").seed(seed).sample(kind);
    for kind in all_kinds() {
        assert_eq!(sample(5, kind), sample(5, kind));
        let empty = kind == SampleKind::Degenerate(Degenerate::Empty);
        assert_eq!(sample(5, kind) == sample(6, kind), empty, "{kind}");
    }
    assert_ne!(
        sample(5, SampleKind::Generic(0)),
        sample(5, SampleKind::Generic(1))
    );
}

#[test]
fn degenerate_samples_are_what_their_names_say() {
    for seed in 0..20 {
        for precision in PRECISIONS {
            let test = test("1x0e", "1x0e")
                .seed(seed)
                .precision(precision)
                .scale(1.7);
            assert_eq!(degenerate(&test, Degenerate::Empty).num_graphs(), 0);
            assert_eq!(degenerate(&test, Degenerate::EmptyGraph).graph_sizes[1], 0);
            assert_eq!(degenerate(&test, Degenerate::OneNode).graph_sizes, [1]);
            assert_eq!(degenerate(&test, Degenerate::BatchOfOne).num_graphs(), 1);

            let points = degenerate(&test, Degenerate::Coincident).positions;
            let [.., a, b, c] = points[..] else {
                panic!("nodes")
            };
            assert!(points[0] == points[2] && points[0] != points[1] && a == b && b == c);

            let sample = degenerate(&test, Degenerate::PolarAxis);
            let first = &sample.positions[..sample.graph_sizes[0]];
            assert!(
                first
                    .iter()
                    .all(|&[x, y, z]| x == 0.0 && z == 0.0 && y.abs() <= 3.0)
            );
            let [centre, above, _, below] = sample.positions[5..9] else {
                panic!("nodes")
            };
            let (up, down) = (sub(above, centre), sub(below, centre));
            assert!(up[0] == 0.0 && up[2] == 0.0 && up[1] > 0.0 && down[1] < 0.0);

            let points = degenerate(&test, Degenerate::Collinear).positions;
            for point in &points[..5] {
                let normal = cross(sub(points[0], *point), sub(points[1], points[0]));
                assert_eq!(normal, [0.0; 3], "seed {seed}");
            }

            let sample = degenerate(&test, Degenerate::IsolatedNode);
            let last = sample.num_nodes() - 1;
            assert!(
                sample
                    .edges
                    .iter()
                    .all(|edge| edge.src != last && edge.dst != last)
            );
            let gap = sub(sample.positions[last], sample.positions[0]);
            assert!(dot(gap, gap).sqrt() > 20.0 * 1.7);

            let sample = degenerate(&test, Degenerate::ZeroFeatures);
            assert!(sample.features.iter().all(|&x| x == 0.0));

            let sample = degenerate(&test, Degenerate::FarFromOrigin);
            assert!(
                sample
                    .positions
                    .iter()
                    .flatten()
                    .all(|x| x.abs() > 20.0 * 1.7)
            );
        }
    }
}

#[test]
fn random_irreps_keep_their_bounds_and_are_unequal() {
    let (mut absent, mut unsorted) = (0, 0);
    for group in [Group::So3, Group::O3] {
        for seed in 0..500 {
            let rng = &mut StdRng::seed_from_u64(seed);
            let irreps = random_irreps(
                rng,
                IrrepsBounds {
                    group,
                    l_max: 3,
                    max_mul: 5,
                },
            );
            let muls: Vec<usize> = irreps.iter().map(|block| block.mul).collect();
            let context = format!("seed {seed}: {irreps}");
            assert_eq!(irreps.group(), Some(group), "{context}");
            assert!(
                irreps.lmax().is_some_and(|l| (1..=3).contains(&l)),
                "{context}"
            );
            assert!(muls.iter().all(|mul| (1..=5).contains(mul)), "{context}");
            assert!(
                muls.len() == 1 || muls.iter().any(|&mul| mul != muls[0]),
                "{context}"
            );
            assert_eq!(
                irreps.regroup().len(),
                irreps.len(),
                "{context}: an irrep twice"
            );
            absent += usize::from((0..=3).any(|l| irreps.iter().all(|b| b.irrep.l() != l)));
            unsorted += usize::from(irreps.sort().irreps != irreps);
        }
    }
    assert!(
        absent > 200 && unsorted > 500,
        "{absent} with absent degrees, {unsorted} unsorted"
    );
}

#[test]
fn random_irreps_of_one_scalar_exist() {
    let bounds = IrrepsBounds {
        group: Group::So3,
        l_max: 0,
        max_mul: 1,
    };
    let drawn = random_irreps(&mut StdRng::seed_from_u64(0), bounds);
    assert_eq!(drawn, irreps("1x0"));
}
