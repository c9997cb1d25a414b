use super::*;

fn points(len: usize) -> Vec<[f64; 3]> {
    (0..len)
        .map(|i| [0.37, 0.59, 0.83].map(|step| (i as f64 * step).fract()))
        .collect()
}

#[test]
fn every_node_holds_its_children_and_its_box_its_points() {
    for len in [0, 1, 7, 8, 9, 16, 17, 100, 1000, 10_007] {
        let tree = KdTree::new(&points(len));
        let mut seen: Vec<u32> = tree.items().iter().map(|item| item.index).collect();
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..len as u32));
        for id in 1..tree.nodes.len() {
            let (node, items) = (tree.nodes[id], tree.items_below(id));
            assert_eq!(
                node.min_index,
                items
                    .iter()
                    .map(|item| item.index)
                    .min()
                    .unwrap_or(u32::MAX)
            );
            for item in items {
                assert_eq!(node.nearest2(item.position), 0.0);
                assert!(node.farthest2(item.position).is_finite());
            }
            if tree.is_leaf(id) {
                assert!(items.len() <= LEAF_SIZE);
            } else {
                let children = [tree.items_below(2 * id), tree.items_below(2 * id + 1)];
                assert_eq!(children[0].len() + children[1].len(), items.len());
            }
        }
    }
}

/// To the last bit, or pruning would lose neighbours.
#[test]
fn box_distances_bracket_point_distances_exactly() {
    let tree = KdTree::new(&points(500));
    for query in [[0.1, 0.2, 0.3], [-5.0, 0.7, 1e6], [1e-9, 3.0, 0.5]] {
        for id in 1..tree.nodes.len() {
            let node = tree.nodes[id];
            for item in tree.items_below(id) {
                let distance2 = distance2(query, item.position);
                assert!(node.nearest2(query) <= distance2 && distance2 <= node.farthest2(query));
            }
        }
    }
}

#[test]
fn surely_close_pairs_are_close() {
    let positions = points(600);
    let tree = KdTree::new(&positions);
    for radius2 in [1e-3, 0.1, 0.5, 2.0, 4.0] {
        let close = |a: &[f64; 3]| {
            positions
                .iter()
                .filter(|&&b| distance2(*a, b) <= radius2)
                .count()
        };
        let pairs: usize = positions.iter().map(|a| close(a) - 1).sum();
        assert!(tree.pairs_within_at_least(radius2) <= pairs as u64);
    }
    assert_eq!(tree.pairs_within_at_least(4.0), 600 * 599);
}

#[test]
fn keys_sort_by_distance_then_index() {
    let keys = [
        key(0.0, 7),
        key(1e-300, 3),
        key(1.0, 2),
        key(1.0, 9),
        key(f64::INFINITY, 0),
    ];
    assert!(keys.is_sorted_by(|a, b| a < b));
    assert_eq!(keys.map(key_index), [7, 3, 2, 9, 0]);
}
