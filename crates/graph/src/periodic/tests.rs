use super::*;
use crate::Periodicity::{Open, Periodic};

/// Points on a grid with small, deterministic irregularities.
fn points(len: usize) -> Vec<[f64; 3]> {
    (0..len)
        .map(|i| [0.37, 0.59, 0.83].map(|step| (i as f64 * step).fract()))
        .collect()
}

#[test]
fn early_refusal_counts_no_edge_that_is_not_there() {
    let vectors = [[1.0, 0.0, 0.0], [0.4, 0.9, 0.0], [-0.3, 0.2, 1.1]];
    let mut closest = f64::INFINITY;
    for periodicity in [
        [Open; 3],
        [Open, Periodic, Open],
        [Periodic, Open, Periodic],
        [Periodic; 3],
    ] {
        let cell = Cell::new(vectors, periodicity).unwrap();
        for len in [0, 1, 2, 30] {
            let positions = points(len);
            for radius in [0.3, 1.0, 2.0, 5.0, 8.0] {
                let wrapped = Wrapped::new(&positions, &cell).unwrap();
                let bound = at_least(&KdTree::new(&wrapped.positions), &wrapped, &cell, radius);
                let graph = Graph::periodic_radius(&positions, &cell, radius).unwrap();
                let edges = graph.num_edges() as u64;
                assert!(
                    bound <= edges,
                    "{bound} > {edges}: {periodicity:?}, {len}, {radius}"
                );
                if bound > 0 && periodicity == [Periodic; 3] {
                    closest = closest.min(edges as f64 / bound as f64);
                }
            }
        }
    }
    // The diameters of the cell and of the points are taken off the radius: (8 / 4)^3 and some.
    assert!(
        closest < 16.0,
        "the bound is never better than {closest} times too low"
    );
}

#[test]
fn wrapping_can_be_undone() {
    let cell = Cell::periodic([[2.0, 0.0, 0.0], [0.5, 1.5, 0.0], [0.25, -0.75, 1.0]]).unwrap();
    let positions: Vec<[f64; 3]> = points(200)
        .iter()
        .map(|p| [100.0 * p[0] - 50.0, 30.0 * p[1], -80.0 * p[2]])
        .collect();
    let wrapped = Wrapped::new(&positions, &cell).unwrap();
    for (node, position) in positions.iter().enumerate() {
        assert!(
            wrapped.fractions[node]
                .iter()
                .all(|fraction| (0.0..=1.0).contains(fraction))
        );
        let shift = cell.shift(wrapped.cells[node]);
        for axis in 0..3 {
            let back = wrapped.positions[node][axis] + shift[axis];
            assert!((back - position[axis]).abs() <= ROUNDING * wrapped.magnitude);
        }
    }
}
