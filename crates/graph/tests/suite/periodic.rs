//! Periodic radius graphs against visiting all images, and against known crystals.

use std::collections::BTreeSet;

use crate::common::{Shape, assert_well_formed};
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use steerable_graph::Periodicity::{Open, Periodic};
use steerable_graph::{Cell, Graph, GraphError, Periodicity, RadiusConfig};

/// A source and its image, into a destination.
type PeriodicEdge = (u32, u32, [i32; 3]);

fn periodic_edges(graph: &Graph) -> Vec<PeriodicEdge> {
    let ends = graph.dst().iter().zip(graph.src());
    ends.zip(graph.images().unwrap())
        .map(|((&dst, &src), &image)| (dst, src, image))
        .collect()
}

fn length2(dst: [f64; 3], src: [f64; 3], shift: [f64; 3]) -> f64 {
    let d: [f64; 3] = std::array::from_fn(|k| (dst[k] - src[k]) - shift[k]);
    d[0] * d[0] + d[1] * d[1] + d[2] * d[2]
}

/// Visits every image up to `reach` cells away along each periodic vector.
fn brute_force(
    positions: &[[f64; 3]],
    cell: &Cell,
    config: RadiusConfig,
    reach: i32,
) -> Vec<PeriodicEdge> {
    let range = cell.periodicity().map(|periodicity| match periodicity {
        Open => 0..=0,
        Periodic => -reach..=reach,
    });
    let mut edges = Vec::new();
    for dst in 0..positions.len() {
        let mut row = Vec::new();
        for a in range[0].clone() {
            for b in range[1].clone() {
                for c in range[2].clone() {
                    let shift = cell.shift([a, b, c]);
                    for src in 0..positions.len() {
                        let length2 = length2(positions[dst], positions[src], shift);
                        let itself = src == dst && [a, b, c] == [0; 3];
                        if length2 <= config.radius * config.radius && !itself {
                            row.push((length2, src as u32, [a, b, c]));
                        }
                    }
                }
            }
        }
        row.sort_by(|a, b| a.partial_cmp(b).unwrap());
        row.truncate(config.max_neighbours.unwrap_or(usize::MAX));
        row.sort_by_key(|&(_, src, image)| (src, image));
        edges.extend(row.iter().map(|&(_, src, image)| (dst as u32, src, image)));
    }
    edges
}

fn any_periodicity() -> impl Strategy<Value = [Periodicity; 3]> {
    let one = || prop_oneof![1 => Just(Open), 3 => Just(Periodic)];
    [one(), one(), one()]
}

/// Triclinic cells with sides from 0.8 to 1.7 and planes at least 0.4 apart, turned in space by
/// permuting and mirroring axes.
fn any_cell() -> impl Strategy<Value = Cell> {
    let sides = [0.8..1.5, 0.8..1.5, 0.8..1.5];
    let slants = [-0.6..0.6, -0.6..0.6, -0.6..0.6];
    (sides, slants, any_periodicity(), 0usize..3, any::<bool>()).prop_map(
        |([a, b, c], [ba, ca, cb], periodicity, turn, mirror)| {
            let sign = if mirror { -1.0 } else { 1.0 };
            let vectors = [[sign * a, 0.0, 0.0], [ba, b, 0.0], [ca, cb, c]].map(|mut vector| {
                vector.rotate_left(turn);
                vector
            });
            Cell::new(vectors, periodicity).unwrap()
        },
    )
}

/// Points with fractions between -1 and 2, so that some lie outside of the cell.
fn points(cell: &Cell, len: usize, seed: u64) -> Vec<[f64; 3]> {
    let mut rng = StdRng::seed_from_u64(seed);
    let vectors = cell.vectors();
    (0..len)
        .map(|_| {
            let f: [f64; 3] = std::array::from_fn(|_| rng.random_range(-1.0..2.0));
            std::array::from_fn(|k| (0..3).map(|axis| f[axis] * vectors[axis][k]).sum())
        })
        .collect()
}

/// Planes at least 0.4 apart and a radius up to 1.8 make 5 cells, positions 3 more, and 1 to spare.
const REACH: i32 = 9;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn periodic_radius_equals_visiting_all_images(
        cell in any_cell(),
        len in 0usize..6,
        seed: u64,
        radius in 0.1..1.8,
        most in proptest::option::of(1usize..40),
    ) {
        let positions = points(&cell, len, seed);
        let config = RadiusConfig { radius, max_neighbours: most };
        let graph = Graph::periodic_radius(&positions, &cell, config).unwrap();
        assert_well_formed(&graph);
        let expected = brute_force(&positions, &cell, config, REACH);
        let farthest = expected.iter().flat_map(|edge| edge.2).map(i32::abs).max();
        prop_assert!(farthest.is_none_or(|cells| cells < REACH), "the oracle looked too near");
        prop_assert_eq!(periodic_edges(&graph), expected);
        let shifts: Vec<[f64; 3]> =
            graph.images().unwrap().iter().map(|&image| cell.shift(image)).collect();
        prop_assert_eq!(graph.shifts().unwrap(), &shifts[..]);
    }

    /// Lattices make ties at the boundary: radius exactly the length of lattice vectors.
    #[test]
    fn periodic_lattices_equal_visiting_all_images(
        side in 0.5f64..2.0,
        cells in 1.0..2.5,
        periodicity in any_periodicity(),
        most in proptest::option::of(1usize..20),
    ) {
        let vectors = [[side, 0.0, 0.0], [0.0, side, 0.0], [0.0, 0.0, side]];
        let cell = Cell::new(vectors, periodicity).unwrap();
        let positions = [[0.0; 3], [0.5 * side; 3], [0.5 * side; 3], [side, 0.0, -side]];
        let lengths = [f64::sqrt(3.0) / 2.0, 1.0, f64::sqrt(2.0), 2.0, cells];
        for radius in lengths.map(|length| length * side) {
            let config = RadiusConfig { radius, max_neighbours: most };
            let graph = Graph::periodic_radius(&positions, &cell, config).unwrap();
            prop_assert_eq!(periodic_edges(&graph), brute_force(&positions, &cell, config, 5));
        }
    }

    #[test]
    fn every_periodic_edge_has_an_exact_reverse(
        cell in any_cell(), len in 1usize..12, seed: u64, radius in 0.1..2.0,
    ) {
        let positions = points(&cell, len, seed);
        let graph = Graph::periodic_radius(&positions, &cell, radius).unwrap();
        let edges = periodic_edges(&graph);
        let vectors = graph.relative_positions(&positions);
        for (edge, &(dst, src, image)) in edges.iter().enumerate() {
            let reverse = edges.binary_search(&(src, dst, image.map(|cells| -cells)));
            prop_assert!(reverse.is_ok(), "{:?} has no reverse", edges[edge]);
            prop_assert_eq!(vectors[edge], vectors[reverse.unwrap()].map(|x| -x));
            let length2: f64 = vectors[edge].iter().map(|x| x * x).sum();
            prop_assert!(length2.sqrt() <= radius * (1.0 + 4.0 * f64::EPSILON));
        }
    }

    /// The cell and the moves are dyadic, so that moving an atom by whole cells rounds nothing.
    #[test]
    fn moving_an_atom_by_whole_cells_changes_only_images(
        seed: u64,
        moves in proptest::collection::vec([-1000i32..1000, -1000..1000, -1000..1000], 8),
    ) {
        let cell = Cell::periodic([[2.0, 0.0, 0.0], [0.5, 1.5, 0.0], [0.0, -0.25, 1.25]]).unwrap();
        let mut rng = StdRng::seed_from_u64(seed);
        let dyadic = |rng: &mut StdRng| f64::from(rng.random_range(0..1 << 20)) / f64::from(1 << 19);
        let here: Vec<[f64; 3]> =
            (0..8).map(|_| std::array::from_fn(|_| dyadic(&mut rng))).collect();
        let there: Vec<[f64; 3]> = here
            .iter()
            .zip(&moves)
            .map(|(point, &cells)| {
                let shift = cell.shift(cells);
                std::array::from_fn(|k| point[k] + shift[k])
            })
            .collect();
        let mut expected = periodic_edges(&Graph::periodic_radius(&here, &cell, 1.75).unwrap());
        for (dst, src, image) in &mut expected {
            let (to, from) = (moves[*dst as usize], moves[*src as usize]);
            *image = std::array::from_fn(|axis| image[axis] + to[axis] - from[axis]);
        }
        expected.sort_unstable();
        let moved = Graph::periodic_radius(&there, &cell, 1.75).unwrap();
        prop_assert_eq!(periodic_edges(&moved), expected);
    }

    #[test]
    fn an_open_cell_is_no_cell(seed: u64, len in 0usize..60, radius in 0.05..1.5) {
        let positions = Shape::Uniform.cloud(len, seed);
        let cell = Cell::new([[0.0; 3]; 3], [Open; 3]).unwrap();
        let periodic = Graph::periodic_radius(&positions, &cell, radius).unwrap();
        let free = Graph::radius(&positions, radius).unwrap();
        prop_assert_eq!((periodic.src(), periodic.dst()), (free.src(), free.dst()));
        prop_assert!(periodic.shifts().unwrap().iter().all(|&shift| shift == [0.0; 3]));
    }
}

#[test]
fn crystals_have_their_coordination_numbers() {
    let cubic = |side: f64| Cell::periodic([[side, 0.0, 0.0], [0.0, side, 0.0], [0.0, 0.0, side]]);
    let fcc = Cell::periodic([[0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]]).unwrap();
    let degrees = |positions: &[[f64; 3]], cell: &Cell, radius: f64| {
        let graph = Graph::periodic_radius(positions, cell, radius).unwrap();
        assert_well_formed(&graph);
        graph.in_degrees()
    };
    let (origin, center) = ([0.0; 3], [0.5; 3]);
    assert_eq!(degrees(&[origin], &cubic(1.0).unwrap(), 1.0), [6]);
    assert_eq!(
        degrees(&[origin, center], &cubic(1.0).unwrap(), 0.87),
        [8, 8]
    );
    assert_eq!(degrees(&[origin], &fcc, 0.71), [12]);
    assert_eq!(degrees(&[origin], &fcc, 1.0), [18]);
    assert_eq!(degrees(&[origin, [0.25; 3]], &fcc, 0.44), [4, 4]);
    assert_eq!(degrees(&[origin, center], &fcc, 0.5), [6, 6]);
}

/// The sphere of radius 10 holds 4169 points of the integer lattice (OEIS A000605).
#[test]
fn a_radius_of_many_cells_counts_the_lattice_points_of_a_sphere() {
    let cell = Cell::periodic([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]).unwrap();
    let graph = Graph::periodic_radius(&[[0.3, -7.0, 0.5]], &cell, 10.0).unwrap();
    assert_eq!(graph.num_edges(), 4169 - 1);
    // The same lattice by a skewed cell.
    let skewed = Cell::periodic([[1.0, 0.0, 0.0], [5.0, 1.0, 0.0], [-3.0, 7.0, 1.0]]).unwrap();
    let graph = Graph::periodic_radius(&[[0.3, -7.0, 0.5]], &skewed, 10.0).unwrap();
    assert_eq!(graph.num_edges(), 4169 - 1);
}

#[test]
fn a_supercell_has_the_edges_of_its_cells() {
    let vectors = [[3.0, 0.0, 0.0], [0.7, 2.5, 0.0], [-0.4, 0.9, 2.8]];
    let cell = Cell::periodic(vectors).unwrap();
    let positions = points(&cell, 40, 11);
    let mut copies = Vec::new();
    for cells in 0..8 {
        let shift = cell.shift([cells & 1, (cells >> 1) & 1, (cells >> 2) & 1]);
        copies.extend(
            positions
                .iter()
                .map(|p| [p[0] + shift[0], p[1] + shift[1], p[2] + shift[2]]),
        );
    }
    let doubled = Cell::periodic(vectors.map(|vector| vector.map(|x| 2.0 * x))).unwrap();
    let one = Graph::periodic_radius(&positions, &cell, 2.0).unwrap();
    let eight = Graph::periodic_radius(&copies, &doubled, 2.0).unwrap();
    assert!(one.num_edges() > 40);
    assert_eq!(eight.in_degrees(), one.in_degrees().repeat(8));
}

#[test]
fn large_periodic_clouds_do_not_depend_on_the_number_of_threads() {
    let cell = Cell::periodic([[12.0, 0.0, 0.0], [3.0, 11.0, 0.0], [0.0, -4.0, 13.0]]).unwrap();
    let positions = points(&cell, 3000, 5);
    let build = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| Graph::periodic_radius(&positions, &cell, 1.5).unwrap())
    };
    let graph = build(1);
    assert_well_formed(&graph);
    assert!(build(3) == graph);
    let expected = brute_force(&positions[..300], &cell, RadiusConfig::new(1.5), 4);
    let few = Graph::periodic_radius(&positions[..300], &cell, 1.5).unwrap();
    assert_eq!(periodic_edges(&few), expected);
}

#[test]
fn a_slab_needs_no_third_vector() {
    let plane = [[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]];
    for third in [[0.0; 3], [0.0, 0.0, 40.0], [f64::NAN; 3]] {
        let cell = Cell::new([plane[0], plane[1], third], [Periodic, Periodic, Open]).unwrap();
        let graph = Graph::periodic_radius(&[[0.5, 0.5, 7.0]], &cell, 2.0).unwrap();
        let sources: BTreeSet<[i32; 3]> = graph.images().unwrap().iter().copied().collect();
        assert_eq!(
            sources,
            BTreeSet::from([[-1, 0, 0], [1, 0, 0], [0, -1, 0], [0, 1, 0]])
        );
    }
}

#[test]
fn coincident_and_missing_atoms_are_defined() {
    let cell = Cell::periodic([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]).unwrap();
    let none = Graph::periodic_radius(&[], &cell, 2.0).unwrap();
    assert_well_formed(&none);
    assert_eq!(
        (none.num_nodes(), none.num_edges(), none.num_graphs()),
        (0, 0, 1)
    );
    assert_eq!(none.shifts(), Some([].as_slice()));
    // Coincident as given, and through an image.
    let atoms = [[0.25; 3], [0.25; 3], [0.25, 0.25, 3.25]];
    let graph = Graph::periodic_radius(&atoms, &cell, 0.1).unwrap();
    let expected = [
        (0, 1, [0, 0, 0]),
        (0, 2, [0, 0, -3]),
        (1, 0, [0, 0, 0]),
        (1, 2, [0, 0, -3]),
        (2, 0, [0, 0, 3]),
        (2, 1, [0, 0, 3]),
    ];
    assert_eq!(periodic_edges(&graph), expected);
    assert_eq!(graph.relative_positions(&atoms), [[0.0; 3]; 6]);
}

#[test]
fn unusable_cells_and_radii_are_refused() {
    let good = Cell::periodic([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]).unwrap();
    let flat = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 1.0, 0.0]];
    let error = Cell::periodic(flat).unwrap_err();
    assert!(
        matches!(error, GraphError::SingularCell { vectors, relative_volume, .. }
            if vectors == flat && relative_volume == 0.0),
        "{error}"
    );
    for bad in [f64::NAN, f64::INFINITY, 0.0, 1e-200, 1e200] {
        let result = Cell::periodic([[bad, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);
        assert!(
            matches!(result, Err(GraphError::SingularCell { .. })),
            "{bad} is accepted"
        );
    }
    let parallel = Cell::new(
        [[1.0, 2.0, 3.0], [0.0; 3], [2.0, 4.0, 6.0]],
        [Periodic, Open, Periodic],
    );
    assert!(matches!(parallel, Err(GraphError::SingularCell { .. })));
    assert!(Cell::new(flat, [Periodic, Periodic, Open]).is_ok());

    let atom = [[0.0; 3]];
    let build = |radius: f64| Graph::periodic_radius(&atom, &good, radius).unwrap_err();
    assert_eq!(build(0.0), GraphError::InvalidRadius { radius: 0.0 });
    // Over 4.2e9 lattice points lie in a sphere of radius 1500 or more: refused at once.
    let error = build(1500.0);
    assert!(
        matches!(error, GraphError::TooManyEdges { at_least } if at_least > u64::from(u32::MAX))
    );
    let error = build(2e6);
    assert!(
        matches!(
            error,
            GraphError::RadiusSpansTooManyCells { cells: 2e6, .. }
        ),
        "{error}"
    );
    let error = Graph::periodic_radius(&[[1e9, 0.0, 0.0]], &good, 1.0).unwrap_err();
    assert!(
        matches!(
            error,
            GraphError::FarFromCell {
                node: 0,
                cells: 1e9,
                ..
            }
        ),
        "{error}"
    );
    let error = Graph::periodic_radius(&[[0.0, f64::NAN, 0.0]], &good, 1.0).unwrap_err();
    assert!(
        matches!(error, GraphError::PositionNotFinite { node: 0, .. }),
        "{error}"
    );
}

#[test]
fn a_cell_is_written_and_read_with_its_checks() {
    let vectors = [[3.0, 0.0, 0.0], [1.5, 2.6, 0.0], [0.1, 0.2, 10.0]];
    let cell = Cell::new(vectors, [Periodic, Periodic, Open]).unwrap();
    let text = serde_json::to_string(&cell).unwrap();
    assert_eq!(serde_json::from_str::<Cell>(&text).unwrap(), cell);
    let singular = text.replace("2.6", "0.0");
    let error = serde_json::from_str::<Cell>(&singular).unwrap_err();
    assert!(error.to_string().contains("span no volume"), "{error}");
}
