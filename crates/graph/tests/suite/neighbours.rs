//! k nearest neighbours and radius graphs against comparing all pairs.

use std::collections::BTreeSet;

use crate::common::{Shape, any_cloud, assert_well_formed, brute_force, distance2, edges};
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use steerable_graph::{Edge, Graph, GraphError, RadiusConfig};

/// A radius that matters for the cloud: exactly the length of one of its pairs, or a bit more.
fn some_radius(positions: &[[f64; 3]], pick: usize, stretch: f64) -> f64 {
    let pair = |len: usize| (pick % len, (pick / len) % len);
    let length2 = match positions.len() {
        0 => 1.0,
        len => distance2(positions[pair(len).0], positions[pair(len).1]),
    };
    let radius = length2.sqrt() * stretch;
    if radius > 0.0 { radius } else { 1e-3 }
}

proptest! {
    #[test]
    fn knn_equals_sorting_all_pairs(positions in any_cloud(120), k in 1usize..24) {
        let graph = Graph::knn(&positions, k).unwrap();
        assert_well_formed(&graph);
        prop_assert_eq!(edges(&graph), brute_force(&positions, k, f64::INFINITY));
    }

    #[test]
    fn radius_equals_comparing_all_pairs(
        positions in any_cloud(120),
        pick in any::<usize>(),
        stretch in prop_oneof![Just(1.0), 0.3..1.5],
    ) {
        let radius = some_radius(&positions, pick, stretch);
        let graph = Graph::radius(&positions, radius).unwrap();
        assert_well_formed(&graph);
        prop_assert_eq!(edges(&graph), brute_force(&positions, usize::MAX, radius * radius));
    }

    #[test]
    fn radius_with_maximum_equals_sorting_all_pairs(
        positions in any_cloud(120),
        pick in any::<usize>(),
        stretch in prop_oneof![Just(1.0), 0.3..1.5],
        most in 1usize..24,
    ) {
        let radius = some_radius(&positions, pick, stretch);
        let config = RadiusConfig::new(radius).with_max_neighbours(most);
        let graph = Graph::radius(&positions, config).unwrap();
        assert_well_formed(&graph);
        prop_assert_eq!(edges(&graph), brute_force(&positions, most, radius * radius));
    }

    #[test]
    fn radius_graph_is_symmetric(positions in any_cloud(80), pick in any::<usize>()) {
        let graph = Graph::radius(&positions, some_radius(&positions, pick, 1.0)).unwrap();
        let found: BTreeSet<Edge> = edges(&graph).into_iter().collect();
        let reversed = found.iter().map(|edge| Edge { src: edge.dst, dst: edge.src }).collect();
        prop_assert_eq!(&found, &reversed);
        let relative = graph.relative_positions(&positions);
        prop_assert_eq!(relative.len(), graph.num_edges());
    }

    #[test]
    fn permuting_points_permutes_the_graph(len in 2usize..120, k in 1usize..8, seed: u64) {
        let positions = Shape::Uniform.cloud(len, seed);
        let mut new_of_old: Vec<u32> = (0..len as u32).collect();
        new_of_old.shuffle(&mut StdRng::seed_from_u64(seed));
        let mut permuted = positions.clone();
        for (old, &new) in new_of_old.iter().enumerate() {
            permuted[new as usize] = positions[old];
        }
        let renamed = |graph: &Graph| -> BTreeSet<Edge> {
            let name = |node: u32| new_of_old[node as usize];
            edges(graph).iter().map(|e| Edge { src: name(e.src), dst: name(e.dst) }).collect()
        };
        let direct = |graph: &Graph| -> BTreeSet<Edge> { edges(graph).into_iter().collect() };
        let knn = |positions: &[[f64; 3]]| Graph::knn(positions, k).unwrap();
        prop_assert_eq!(renamed(&knn(&positions)), direct(&knn(&permuted)));
        let radius = |positions: &[[f64; 3]]| Graph::radius(positions, 0.7).unwrap();
        prop_assert_eq!(renamed(&radius(&positions)), direct(&radius(&permuted)));
    }

    /// Mirroring and scaling by a power of two round nothing.
    #[test]
    fn mirroring_and_doubling_keep_the_graph(positions in any_cloud(80), k in 1usize..8) {
        let image: Vec<[f64; 3]> = positions.iter().map(|p| p.map(|x| -1024.0 * x)).collect();
        prop_assert_eq!(Graph::knn(&positions, k).unwrap(), Graph::knn(&image, k).unwrap());
        let radius = |positions: &[[f64; 3]], radius| Graph::radius(positions, radius).unwrap();
        prop_assert_eq!(radius(&positions, 0.5), radius(&image, 512.0));
    }
}

#[test]
fn large_clouds_of_every_shape_equal_comparing_all_pairs() {
    for (seed, shape) in (0u64..).zip(Shape::ALL) {
        let positions = shape.cloud(3_000, seed);
        let graph = Graph::knn(&positions, 9).unwrap();
        assert_well_formed(&graph);
        let expected = brute_force(&positions, 9, f64::INFINITY);
        assert!(edges(&graph) == expected, "knn of {shape:?}, seed {seed}");

        let radius = some_radius(&positions, 1, 0.2);
        let graph = Graph::radius(&positions, radius).unwrap();
        let expected = brute_force(&positions, usize::MAX, radius * radius);
        assert!(
            edges(&graph) == expected,
            "radius {radius} of {shape:?}, seed {seed}"
        );
    }
}

#[test]
fn graphs_do_not_depend_on_the_number_of_threads() {
    let build = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            Shape::ALL.map(|shape| {
                let positions = shape.cloud(12_000, 7);
                let config = RadiusConfig::new(0.1).with_max_neighbours(20);
                (
                    Graph::knn(&positions, 8).unwrap(),
                    Graph::radius(&positions, config).unwrap(),
                )
            })
        })
    };
    let sequential = build(1);
    for threads in [2, 5] {
        assert!(
            build(threads) == sequential,
            "{threads} threads give another graph than one"
        );
    }
}

/// Quadratic time would be 4e10 pairs here.
#[test]
fn many_coincident_points_hear_the_lowest_indices() {
    let positions = vec![[0.1, -2.0, 3.0]; 200_000];
    let graph = Graph::knn(&positions, 4).unwrap();
    assert_eq!(
        graph.src()[..20],
        [1, 2, 3, 4, 0, 2, 3, 4, 0, 1, 3, 4, 0, 1, 2, 4, 0, 1, 2, 3]
    );
    assert!(graph.src()[20..].chunks(4).all(|row| row == [0, 1, 2, 3]));
    let config = RadiusConfig::new(1.0).with_max_neighbours(4);
    assert_eq!(Graph::radius(&positions, config).unwrap(), graph);
}

#[test]
fn a_radius_reaches_its_own_length() {
    let pair = [[0.0; 3], [3.0, 4.0, 0.0]];
    assert_eq!(Graph::radius(&pair, 5.0).unwrap().num_edges(), 2);
    assert_eq!(
        Graph::radius(&pair, 5.0f64.next_down())
            .unwrap()
            .num_edges(),
        0
    );
}

#[test]
fn no_point_and_one_point_have_no_edges() {
    for positions in [vec![], vec![[1.0, 2.0, 3.0]]] {
        for graph in [
            Graph::knn(&positions, 3).unwrap(),
            Graph::radius(&positions, 3.0).unwrap(),
            Graph::radius(&positions, RadiusConfig::new(3.0).with_max_neighbours(2)).unwrap(),
            Graph::complete(positions.len()),
        ] {
            assert_well_formed(&graph);
            assert_eq!((graph.num_nodes(), graph.num_edges()), (positions.len(), 0));
            assert_eq!(graph.num_graphs(), 1);
            assert!(graph.relative_positions(&positions).is_empty());
        }
    }
}

#[test]
fn isolated_points_keep_an_empty_row() {
    let positions = [[0.0; 3], [100.0, 0.0, 0.0], [1.0, 0.0, 0.0]];
    let graph = Graph::radius(&positions, 2.0).unwrap();
    assert_well_formed(&graph);
    assert_eq!(graph.in_degrees(), [1, 0, 1]);
    assert!(graph.incoming(1).is_empty() && graph.outgoing(1).is_empty());
}

#[test]
fn coincident_points_are_neighbours_at_distance_zero() {
    let positions = [[1.0; 3], [1.0; 3], [9.0; 3]];
    let graph = Graph::radius(&positions, 1e-300).unwrap();
    assert_eq!(
        edges(&graph),
        [Edge { src: 1, dst: 0 }, Edge { src: 0, dst: 1 }]
    );
    assert_eq!(graph.relative_positions(&positions), [[0.0; 3]; 2]);
    assert_eq!(Graph::knn(&positions, 1).unwrap().src(), [1, 0, 0]);
}

#[test]
fn relative_positions_run_from_source_to_destination() {
    let mut rng = StdRng::seed_from_u64(3);
    let positions: Vec<[f64; 3]> = (0..50).map(|_| rng.random()).collect();
    let graph = Graph::knn(&positions, 5).unwrap();
    for (edge, vector) in edges(&graph)
        .iter()
        .zip(graph.relative_positions(&positions))
    {
        let (dst, src) = (positions[edge.dst as usize], positions[edge.src as usize]);
        assert_eq!(vector, [dst[0] - src[0], dst[1] - src[1], dst[2] - src[2]]);
    }
}

#[test]
#[should_panic(expected = "expected one position per node (2), got 1")]
fn relative_positions_of_another_graph_panic() {
    let _ = Graph::complete(2).relative_positions(&[[0.0; 3]]);
}

#[test]
fn what_cannot_be_meant_is_refused_with_its_value() {
    let good = [[0.0; 3]; 4];
    assert_eq!(Graph::knn(&good, 0), Err(GraphError::ZeroNeighbours));
    assert_eq!(Graph::knn(&[], 0), Err(GraphError::ZeroNeighbours));
    let none = RadiusConfig::new(1.0).with_max_neighbours(0);
    assert_eq!(Graph::radius(&good, none), Err(GraphError::ZeroNeighbours));
    for radius in [0.0, -1.0, f64::INFINITY] {
        assert_eq!(
            Graph::radius(&good, radius),
            Err(GraphError::InvalidRadius { radius })
        );
    }
    let error = Graph::radius(&good, f64::NAN).unwrap_err();
    assert!(matches!(error, GraphError::InvalidRadius { radius } if radius.is_nan()));

    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let positions = [[0.0; 3], [0.0, bad, 0.0]];
        for result in [Graph::knn(&positions, 1), Graph::radius(&positions, 1.0)] {
            let error = result.unwrap_err();
            assert!(
                matches!(error, GraphError::PositionNotFinite { node: 1, .. }),
                "{error}"
            );
        }
    }
    let error = Graph::knn(&[[1e151, 0.0, 0.0]], 1).unwrap_err();
    assert!(
        matches!(error, GraphError::PositionTooLarge { node: 0, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("1e150"), "{error}");
}

/// 70,000 points have 4.9e9 pairs: refused before any of them is stored.
#[test]
fn more_edges_than_u32_are_refused_early() {
    let positions = vec![[0.5; 3]; 70_000];
    let expected = GraphError::TooManyEdges {
        at_least: 70_000 * 69_999,
    };
    assert_eq!(Graph::radius(&positions, 1.0), Err(expected.clone()));
    assert_eq!(Graph::knn(&positions, 69_999), Err(expected));
    let error = Graph::knn(&positions, 69_998).unwrap_err();
    assert_eq!(
        error,
        GraphError::TooManyEdges {
            at_least: 70_000 * 69_998
        }
    );
}

#[test]
fn a_number_is_a_radius_without_a_maximum() {
    assert_eq!(RadiusConfig::from(2.5), RadiusConfig::new(2.5));
    let config = RadiusConfig::new(2.5).with_max_neighbours(7);
    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<RadiusConfig>(&text).unwrap(), config);
}
