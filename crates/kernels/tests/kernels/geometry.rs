//! Relative positions, distances and harmonics of edges.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use steerable_harmonics::{Domain, Normalization, SphericalHarmonics};
use steerable_kernels::{EdgeEnds, EdgeVectors, RowGroups};

use crate::operation::{Case, Cases, Draw, Input, Rounding, matrix, numbers};

/// Harmonics by burn operations: degrees 0 to 2 written out as polynomials of the unit vector.
fn polynomials(x: &Tensor<2>, scales: [f64; 3]) -> Tensor<2> {
    let squared = (x.clone() * x.clone()).sum_dim(1);
    let unit = x.clone() / squared.sqrt();
    let [x, y, z] = [0, 1, 2].map(|i| unit.clone().narrow(1, i, 1));
    let three = 3.0_f64.sqrt();
    let [s0, s1, s2] = scales;
    let one = x.clone() * 0.0 + 1.0;
    let degrees = vec![
        one * s0,
        x.clone() * s1,
        y.clone() * s1,
        z.clone() * s1,
        x.clone() * z.clone() * (three * s2),
        x.clone() * y.clone() * (three * s2),
        (y.clone() * y.clone() - (x.clone() * x.clone() + z.clone() * z.clone()) * 0.5) * s2,
        y * z.clone() * (three * s2),
        (z.clone() * z - x.clone() * x) * (0.5 * three * s2),
    ];
    Tensor::cat(degrees, 1)
}

/// Degrees up to 2 in each normalization. Higher degrees have their own suite in
/// `steerable-harmonics`; what this crate adds is the way there and back.
pub(crate) fn spherical_harmonics() -> Cases {
    let mut draw = Draw::new(4);
    let mut case = |rows: usize, normalization: Normalization| {
        let mut vectors = draw.input("vectors", [rows, 3]);
        for vector in vectors.values.chunks_exact_mut(3) {
            // Away from the origin, where a direction varies fast.
            let length = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
            vector.iter_mut().for_each(|x| *x *= 0.5 + 0.5 / length);
        }
        let scales = [0, 1, 2].map(|l| normalization.length(l));
        Case {
            name: format!("spherical_harmonics {normalization:?} of {rows}"),
            inputs: vec![vectors],
            kernel: Box::new(move |x| {
                steerable_kernels::spherical_harmonics(x[0].clone(), 2, normalization)
            }),
            oracle: Box::new(move |x| polynomials(&x[0], scales)),
            // A handful of products per value, the length and its gradient.
            rounding: Rounding::OfLargest { roundings: 32.0 },
        }
    };
    let all = [
        Normalization::Component,
        Normalization::Norm,
        Normalization::Integral,
    ];
    let small = all.map(|normalization| case(5, normalization)).into();
    let large = all.map(|normalization| case(1001, normalization)).into();
    Cases { small, large }
}

/// Every degree that the operation offers equals the host's harmonics bit for bit.
#[test]
fn spherical_harmonics_are_those_of_the_harmonics_crate() {
    let device = burn::tensor::Device::flex();
    let vectors = Draw::new(5).input("vectors", [37, 3]);
    for l_max in 0..=8 {
        let host = SphericalHarmonics::new(l_max).with_domain(Domain::Sphere);
        let mut expected = vec![0.0; 37 * host.dim()];
        host.values(&vectors.values, &mut expected);
        let tensor =
            crate::operation::matrix(&vectors.values, [37, 3], &device, burn::tensor::DType::F64);
        let normalization = host.normalization();
        let got = steerable_kernels::spherical_harmonics(tensor, l_max, normalization);
        assert_eq!(crate::operation::numbers(&got), expected, "l_max {l_max}");
    }
}

/// Everything side by side, so that a check sees all gradients at once.
fn packed(vectors: EdgeVectors) -> Tensor<2> {
    let EdgeVectors {
        rel_pos,
        distance,
        harmonics,
    } = vectors;
    Tensor::cat(vec![rel_pos, distance, harmonics], 1)
}

/// Geometry by burn operations, up to degree 2.
fn composed(rel_pos: Tensor<2>, scales: [f64; 3]) -> Tensor<2> {
    let distance = (rel_pos.clone() * rel_pos.clone()).sum_dim(1).sqrt();
    let harmonics = polynomials(&rel_pos, scales);
    packed(EdgeVectors {
        rel_pos,
        distance,
        harmonics,
    })
}

/// Points at least half apart.
fn points(draw: &mut Draw, nodes: usize) -> Input {
    let mut positions = draw.input("positions", [nodes, 3]);
    for (node, position) in positions.values.chunks_exact_mut(3).enumerate() {
        let cell = [node % 5, node / 5 % 5, node / 25];
        for (x, cell) in position.iter_mut().zip(cell) {
            *x = 0.25 * *x + cell as f64;
        }
    }
    positions
}

/// Edges in any order, to and from any node but itself.
pub(crate) fn edge_geometry() -> Cases {
    let mut draw = Draw::new(11);
    let mut case = |edges: usize, nodes: usize, shifted: bool| {
        let positions = points(&mut draw, nodes);
        let src = draw.indices(edges, nodes);
        let steps = draw.indices(edges, nodes - 1);
        let dst: Vec<u32> = src
            .iter()
            .zip(steps)
            .map(|(src, step)| (src + 1 + step) % nodes as u32)
            .collect();
        // Whole cells along one axis, as across the border of a periodic box.
        let shifts: Vec<f64> = (0..3 * edges)
            .map(|i| if shifted && i % 4 == 0 { 40.0 } else { 0.0 })
            .collect();
        let normalization = Normalization::Component;
        let scales = [0, 1, 2].map(|l| normalization.length(l));
        let oracle = {
            let (src, dst, shifts) = (src.clone(), dst.clone(), shifts.clone());
            move |x: &[Tensor<2>]| {
                let (device, dtype) = (x[0].device(), x[0].dtype());
                let index = |index: &[u32]| -> Tensor<1, Int> {
                    let index: Vec<i32> = index.iter().map(|&i| i as i32).collect();
                    Tensor::from_data(TensorData::new(index, [edges]), &device)
                };
                let shifts = matrix(&shifts, [edges, 3], &device, dtype);
                let src = x[0].clone().select(0, index(&src)) + shifts;
                composed(x[0].clone().select(0, index(&dst)) - src, scales)
            }
        };
        Case {
            name: format!("edge_geometry {edges} edges, {nodes} nodes, shifted: {shifted}"),
            inputs: vec![positions],
            kernel: Box::new(move |x| {
                let (device, dtype) = (x[0].device(), x[0].dtype());
                let ends = EdgeEnds {
                    src: &RowGroups::new(&src, nodes, &device),
                    dst: &RowGroups::new(&dst, nodes, &device),
                    shifts: shifted.then(|| matrix(&shifts, [edges, 3], &device, dtype)),
                };
                packed(steerable_kernels::edge_geometry(
                    x[0].clone(),
                    ends,
                    2,
                    normalization,
                ))
            }),
            oracle: Box::new(oracle),
            // Coordinates are up to 70 long and their differences down to a half, which amplifies what
            // the difference rounds off; then the harmonics, and a sum over the edges of a node.
            rounding: Rounding::OfLargest {
                roundings: 200.0 + 4.0 * (edges as f64 / nodes as f64),
            },
        }
    };
    Cases {
        small: vec![case(7, 4, false), case(7, 4, true), case(3, 6, false)],
        large: vec![case(5003, 700, false), case(5003, 700, true)],
    }
}

/// Lengths and harmonics of given vectors.
pub(crate) fn vector_geometry() -> Cases {
    let mut draw = Draw::new(12);
    let mut case = |edges: usize, normalization: Normalization| {
        let scales = [0, 1, 2].map(|l| normalization.length(l));
        let mut vectors = points(&mut draw, edges);
        vectors.values.iter_mut().for_each(|x| *x += 0.5);
        Case {
            name: format!("vector_geometry {normalization:?} of {edges}"),
            inputs: vec![vectors],
            kernel: Box::new(move |x| {
                packed(steerable_kernels::vector_geometry(
                    x[0].clone(),
                    2,
                    normalization,
                ))
            }),
            oracle: Box::new(move |x| composed(x[0].clone(), scales)),
            rounding: Rounding::OfLargest { roundings: 32.0 },
        }
    };
    Cases {
        small: vec![
            case(5, Normalization::Component),
            case(21, Normalization::Integral),
        ],
        large: vec![case(4501, Normalization::Norm)],
    }
}

/// A node joined to itself and two nodes at one place: length zero, no direction, no gradient; and the
/// other edges of these nodes are as if those were not there.
#[test]
fn edges_of_no_length_have_no_gradient() {
    let device = Device::flex().autodiff();
    for dtype in [DType::F32, DType::F64] {
        let values = [1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 4.0, 0.0, 1.0];
        let run = |src: &[u32], dst: &[u32]| {
            let positions = matrix(&values, [3, 3], &device, dtype).require_grad();
            let ends = EdgeEnds {
                src: &RowGroups::new(src, 3, &device),
                dst: &RowGroups::new(dst, 3, &device),
                shifts: None,
            };
            let all = steerable_kernels::edge_geometry(
                positions.clone(),
                ends,
                3,
                Normalization::Component,
            );
            let loss = all.distance.clone().sum() + all.harmonics.clone().sum();
            let gradient = positions.grad(&loss.backward()).expect("tracked");
            (all, numbers(&gradient))
        };
        let (all, gradient) = run(&[0, 0, 2], &[0, 1, 1]);
        assert_eq!(numbers(&all.rel_pos)[..6], [0.0; 6], "{dtype:?}");
        let distance = numbers(&all.distance);
        assert_eq!(distance[..2], [0.0; 2], "{dtype:?}");
        let harmonics = numbers(&all.harmonics);
        for edge in harmonics.chunks_exact(16).take(2) {
            assert_eq!((edge[0], &edge[1..]), (1.0, &[0.0; 15][..]), "{dtype:?}");
        }
        let (_, alone) = run(&[2], &[1]);
        assert_eq!(gradient, alone, "{dtype:?}");
        assert!(gradient.iter().any(|&g| g != 0.0));
    }
}

#[test]
fn a_graph_without_edges_or_nodes_has_empty_geometry() {
    let device = Device::flex().autodiff();
    for nodes in [0, 2] {
        let none = RowGroups::new(&[], nodes, &device);
        let positions = Tensor::<2>::zeros([nodes, 3], &device).require_grad();
        let ends = EdgeEnds {
            src: &none,
            dst: &none,
            shifts: None,
        };
        let all =
            steerable_kernels::edge_geometry(positions.clone(), ends, 2, Normalization::Component);
        assert_eq!(all.rel_pos.dims(), [0, 3]);
        assert_eq!(all.distance.dims(), [0, 1]);
        assert_eq!(all.harmonics.dims(), [0, 9]);
        let loss = all.distance.sum() + all.harmonics.sum();
        let gradient = positions.grad(&loss.backward()).expect("tracked");
        assert_eq!(numbers(&gradient), vec![0.0; 3 * nodes]);
    }
}
