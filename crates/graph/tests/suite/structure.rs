//! Given edges, complete graphs and batches; the sign of relative positions.

use std::path::PathBuf;

use crate::common::{Shape, any_cloud, assert_well_formed, edges};
use proptest::prelude::*;
use steerable_graph::{Cell, Edge, Graph, GraphError};

/// Some nodes and edges between them, repeated and self-edges included.
fn any_edges() -> impl Strategy<Value = (usize, Vec<Edge>)> {
    (1usize..20).prop_flat_map(|nodes| {
        let end = 0..nodes as u32;
        let edge = (end.clone(), end).prop_map(|(src, dst)| Edge { src, dst });
        (Just(nodes), proptest::collection::vec(edge, 0..60))
    })
}

proptest! {
    #[test]
    fn given_edges_are_stably_sorted((nodes, given) in any_edges()) {
        let graph = Graph::from_edges(nodes, &given).unwrap();
        assert_well_formed(&graph);
        let mut expected: Vec<u32> = (0..given.len() as u32).collect();
        expected.sort_by_key(|&edge| (given[edge as usize].dst, given[edge as usize].src));
        prop_assert_eq!(graph.order().unwrap(), &expected[..]);
        let sorted: Vec<Edge> = expected.iter().map(|&edge| given[edge as usize]).collect();
        prop_assert_eq!(edges(&graph), sorted);
    }

    #[test]
    fn a_batch_equals_its_members_side_by_side(
        clouds in proptest::collection::vec(any_cloud(20), 0..6),
        k in 1usize..6,
    ) {
        let graphs: Vec<Graph> = clouds.iter().map(|cloud| Graph::knn(cloud, k).unwrap()).collect();
        let batch = Graph::batch(&graphs);
        assert_well_formed(&batch);
        let mut shifted = Vec::new();
        let mut graph_of_node = Vec::new();
        let mut first_node = 0;
        for (number, graph) in (0u32..).zip(&graphs) {
            shifted.extend(edges(graph).iter().map(|edge| Edge {
                src: edge.src + first_node,
                dst: edge.dst + first_node,
            }));
            graph_of_node.extend(vec![number; graph.num_nodes()]);
            first_node += graph.num_nodes() as u32;
        }
        prop_assert_eq!(edges(&batch), shifted.clone());
        prop_assert_eq!(batch.graph_of_node(), graph_of_node);
        prop_assert_eq!(batch.num_graphs(), graphs.len());

        let directly = Graph::from_edges(first_node as usize, &shifted).unwrap();
        prop_assert_eq!(batch.row_offsets(), directly.row_offsets());
        prop_assert_eq!(batch.src_offsets(), directly.src_offsets());
        prop_assert_eq!(batch.edges_by_src(), directly.edges_by_src());

        let positions = clouds.concat();
        let separately: Vec<[f64; 3]> = graphs
            .iter()
            .zip(&clouds)
            .flat_map(|(graph, cloud)| graph.relative_positions(cloud))
            .collect();
        prop_assert_eq!(batch.relative_positions(&positions), separately);
    }

    #[test]
    fn batching_batches_is_batching_once(
        clouds in proptest::collection::vec(any_cloud(12), 0..6),
        split in any::<prop::sample::Index>(),
    ) {
        let graphs: Vec<Graph> = clouds.iter().map(|cloud| Graph::knn(cloud, 2).unwrap()).collect();
        let (left, right) = graphs.split_at(split.index(graphs.len() + 1));
        let nested = Graph::batch(&[Graph::batch(left), Graph::batch(right)]);
        prop_assert_eq!(nested, Graph::batch(&graphs));
    }
}

#[test]
fn a_batch_of_one_is_that_graph_and_of_none_is_empty() {
    let graph = Graph::knn(&Shape::Uniform.cloud(30, 1), 4).unwrap();
    assert_eq!(Graph::batch(&[&graph]), graph);
    let none = Graph::batch::<Graph>(&[]);
    assert_well_formed(&none);
    assert_eq!(
        (none.num_graphs(), none.num_nodes(), none.num_edges()),
        (0, 0, 0)
    );
    let empty_members = Graph::batch(&[Graph::complete(0), Graph::complete(1), Graph::complete(0)]);
    assert_eq!(empty_members.node_offsets(), [0, 0, 1, 1]);
    assert_eq!(empty_members.graph_of_node(), [1]);
}

#[test]
fn a_batch_keeps_the_order_of_given_edges_and_the_shifts_of_periodic_ones() {
    let bonds = Graph::from_edges(2, &[Edge { src: 0, dst: 1 }, Edge { src: 1, dst: 0 }]).unwrap();
    let cell = Cell::periodic([[2.0, 0.0, 0.0], [0.0, 9.0, 0.0], [0.0, 0.0, 9.0]]).unwrap();
    let wire = Graph::periodic_radius(&[[0.0; 3]], &cell, 2.0).unwrap();
    let batch = Graph::batch(&[&wire, &bonds]);
    assert_well_formed(&batch);
    assert_eq!(batch.order(), Some([0, 1, 3, 2].as_slice()));
    assert_eq!(
        batch.images(),
        Some([[-1, 0, 0], [1, 0, 0], [0; 3], [0; 3]].as_slice())
    );
    assert_eq!(
        batch.shifts().unwrap()[..2],
        [[-2.0, 0.0, 0.0], [2.0, 0.0, 0.0]]
    );
    assert_eq!(
        Graph::batch(&[&bonds, &wire]).shifts().unwrap()[..2],
        [[0.0; 3]; 2]
    );
}

#[test]
fn complete_graphs_have_every_ordered_pair() {
    for nodes in 0..7u32 {
        let graph = Graph::complete(nodes as usize);
        assert_well_formed(&graph);
        let pairs: Vec<Edge> = (0..nodes)
            .flat_map(|dst| (0..nodes).map(move |src| Edge { src, dst }))
            .filter(|edge| edge.src != edge.dst)
            .collect();
        assert_eq!(edges(&graph), pairs);
    }
}

#[test]
fn an_edge_out_of_range_is_named() {
    let given = [Edge { src: 0, dst: 1 }, Edge { src: 1, dst: 2 }];
    let error = Graph::from_edges(2, &given).unwrap_err();
    assert_eq!(
        error,
        GraphError::EdgeOutOfRange {
            index: 1,
            edge: given[1],
            num_nodes: 2
        }
    );
    assert_eq!(
        error.to_string(),
        "edge 1 runs 1 -> 2, but the graph has 2 nodes (0..2)"
    );
    let error = Graph::from_edges(0, &given).unwrap_err();
    assert!(matches!(error, GraphError::EdgeOutOfRange { index: 0, .. }));
}

#[test]
fn more_than_u32_can_count_is_refused() {
    let nodes = 1usize << 32;
    assert_eq!(
        Graph::from_edges(nodes, &[]),
        Err(GraphError::TooManyNodes { nodes })
    );
    assert_eq!(
        Graph::try_complete(nodes),
        Err(GraphError::TooManyNodes { nodes })
    );
    let at_least = 65_537 * 65_536;
    assert_eq!(
        Graph::try_complete(65_537),
        Err(GraphError::TooManyEdges { at_least })
    );
    let many = Graph::from_edges(1 << 24, &[]).unwrap();
    assert_eq!(
        Graph::try_batch(&[&many; 256]),
        Err(GraphError::TooManyNodes { nodes })
    );
}

#[test]
#[should_panic(expected = "Graph::complete: the graph would have at least 4295032832 edges")]
fn complete_panics_beyond_u32() {
    let _ = Graph::complete(65_537);
}

#[test]
fn golden_relative_positions_have_the_sign_of_the_reference() {
    let folder = std::env::var_os("STEERABLE_GOLDEN").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden"),
        PathBuf::from,
    );
    let file = folder.join("nvidia_se3t_io.safetensors");
    let bytes = std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let header_len = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + header_len]).unwrap();
    let tensor = |name: &str, dtype: &str| -> &[u8] {
        let entry = &header[name];
        assert_eq!(entry["dtype"], dtype, "{name}");
        let at =
            |end: usize| entry["data_offsets"][end].as_u64().unwrap() as usize + 8 + header_len;
        &bytes[at(0)..at(1)]
    };
    let integers = |name: &str| -> Vec<u32> {
        let value = |b: &[u8]| u32::try_from(i64::from_le_bytes(b.try_into().unwrap())).unwrap();
        tensor(name, "I64").chunks_exact(8).map(value).collect()
    };
    let vectors = |name: &str| -> Vec<[f64; 3]> {
        let value = |b: &[u8]| f64::from(f32::from_le_bytes(b.try_into().unwrap()));
        tensor(name, "F32")
            .chunks_exact(12)
            .map(|row| std::array::from_fn(|k| value(&row[4 * k..4 * k + 4])))
            .collect()
    };
    let given: Vec<Edge> = integers("src")
        .into_iter()
        .zip(integers("dst"))
        .map(|(src, dst)| Edge { src, dst })
        .collect();
    let (positions, expected) = (vectors("pos"), vectors("rel_pos"));
    assert_eq!(given.len(), expected.len());
    let graph = Graph::from_edges(positions.len(), &given).unwrap();
    let order = graph.order().unwrap();

    // The reference subtracts in f32: half a unit in the last place of the result.
    let mut compared = 0;
    for (&edge, vector) in order.iter().zip(graph.relative_positions(&positions)) {
        for (got, want) in vector.iter().zip(expected[edge as usize]) {
            let tolerance = 0.5 * f64::from(f32::EPSILON) * want.abs();
            assert!(
                (got - want).abs() <= tolerance,
                "edge {edge}: {got} is not {want}"
            );
            compared += 1;
        }
    }
    assert!(compared > 0, "no values in {}", file.display());
    println!("{}: compared {compared} values", folder.display());
}
