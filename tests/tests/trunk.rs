//! The trunk: what it may and may not know, exact gradients, its layers against slow sums.

use std::f64::consts::TAU;

use burn::module::Module;
use burn::nn::{LayerNorm, Linear};
use burn::tensor::activation::sigmoid;
use burn::tensor::{DType, Device, Tensor, TensorData};
use nalgebra::Vector3;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;
use steerable_protein::structure::TorsionBins;
use steerable_protein::trunk::{
    Corruption, ObservedDistances, ObservedOrientations, OrientationCorruption,
    TriangleAttentionConfig, TriangleEdges, TriangleMultiplicationConfig, Trunk, TrunkConfig,
    TrunkInputs, TrunkOutput, distogram_loss, orientation_features,
};
use steerable_protein::{
    BackboneResidue, DistanceBins, ExpectedDistance, Frame, OrientedResidue, PairOrientation,
};
use steerable_testkit::{Precision, Rotation};
use steerable_tests::parameters::{self, drawn};

const LENGTH: usize = 9;
const INPUTS: usize = 4;
const PAIRS: usize = 3;
const BINS: usize = 6;

fn config(heads: usize) -> TrunkConfig {
    TrunkConfig::new(INPUTS, PAIRS, BINS)
        .with_num_pair(8)
        .with_num_hidden(5)
        .with_num_attention_heads(heads)
}

/// A trunk without and one with triangle attention, with drawn parameters.
fn trunks(device: &Device) -> [Trunk; 2] {
    [0, 2].map(|heads| drawn(config(heads).init(device), Precision::F64, 21))
}

fn upload<const D: usize>(numbers: Vec<f64>, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(numbers, shape), (device, DType::F64))
}

fn normals(count: usize, rng: &mut StdRng) -> Vec<f64> {
    (0..count).map(|_| rng.sample(StandardNormal)).collect()
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    let data = tensor.into_data().convert::<f64>();
    data.try_into_vec().expect("they were just converted")
}

/// A chain with a break in the middle, by numbers on the host.
struct Problem {
    residues: Vec<f64>,
    pairs: Vec<f64>,
    index: Vec<i32>,
}

impl Problem {
    fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        Self {
            residues: normals(LENGTH * INPUTS, &mut rng),
            pairs: normals(LENGTH * LENGTH * PAIRS, &mut rng),
            index: (0..LENGTH as i32).map(|i| i + 40 * (i / 5)).collect(),
        }
    }

    fn inputs(&self, device: &Device) -> TrunkInputs {
        TrunkInputs::new(
            upload(self.residues.clone(), [LENGTH, INPUTS], device),
            upload(self.pairs.clone(), [LENGTH, LENGTH, PAIRS], device),
            &self.index,
        )
    }

    /// The same residues in another order; `index` stays where it stood if it is left behind.
    fn reordered(&self, order: &[usize]) -> Self {
        let rows = |of: &[f64], width: usize| -> Vec<f64> {
            let row = |&i: &usize| of[i * width..(i + 1) * width].to_vec();
            order.iter().flat_map(row).collect()
        };
        let by_row = rows(&self.pairs, LENGTH * PAIRS);
        let by_both = by_row.chunks_exact(LENGTH * PAIRS);
        Self {
            residues: rows(&self.residues, INPUTS),
            pairs: by_both.flat_map(|row| rows(row, PAIRS)).collect(),
            index: order.iter().map(|&i| self.index[i]).collect(),
        }
    }
}

fn largest_difference(one: &[f64], two: &[f64]) -> f64 {
    assert_eq!(one.len(), two.len());
    let scale = two.iter().fold(1.0_f64, |most, x| most.max(x.abs()));
    let pairs = one.iter().zip(two);
    pairs.fold(0.0, |most: f64, (a, b)| most.max((a - b).abs())) / scale
}

/// How far the output for residues in another order is from the output in that order.
fn order_error(trunk: &Trunk, there: &Problem, here: &Problem, order: &[usize]) -> f64 {
    let device = Device::flex();
    let width = |output: &TrunkOutput| output.pairs.dims()[2];
    let wanted = trunk.forward(&there.inputs(&device));
    let got = trunk.forward(&here.inputs(&device));
    let width = width(&wanted);
    let (wanted, got) = (numbers(wanted.pairs), numbers(got.pairs));
    let at = |i: usize, j: usize| (i * LENGTH + j) * width;
    let mut moved = Vec::with_capacity(wanted.len());
    for &i in order {
        for &j in order {
            moved.extend_from_slice(&wanted[at(i, j)..at(i, j) + width]);
        }
    }
    largest_difference(&got, &moved)
}

fn shuffled(seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..LENGTH).collect();
    order.shuffle(&mut StdRng::seed_from_u64(seed));
    order
}

#[test]
fn residues_in_another_order_give_the_same_in_another_order() {
    for trunk in trunks(&Device::flex()) {
        let problem = Problem::new(1);
        let order = shuffled(2);
        let error = order_error(&trunk, &problem, &problem.reordered(&order), &order);
        assert!(error < 1e-12, "{error:e}");
    }
}

#[test]
fn a_trunk_that_goes_by_the_place_in_the_list_is_found_out() {
    for trunk in trunks(&Device::flex()) {
        let problem = Problem::new(1);
        let order = shuffled(2);
        let mut broken = problem.reordered(&order);
        broken.index.clone_from(&problem.index);
        let error = order_error(&trunk, &problem, &broken, &order);
        assert!(error > 1e-3, "{error:e}");
    }
}

#[test]
fn the_distogram_is_symmetric_and_the_pairs_are_not() {
    let device = Device::flex();
    for trunk in trunks(&device) {
        let output = trunk.forward(&Problem::new(3).inputs(&device));
        assert_eq!(output.pairs.dims(), [LENGTH, LENGTH, 8]);
        assert_eq!(output.distogram.dims(), [LENGTH, LENGTH, BINS]);
        let transposed = output.distogram.clone().swap_dims(0, 1);
        let error = largest_difference(&numbers(output.distogram.clone()), &numbers(transposed));
        assert!(error < 1e-14, "{error:e}");
        let reverse = output.pairs.clone().swap_dims(0, 1);
        assert!(largest_difference(&numbers(output.pairs.clone()), &numbers(reverse)) > 1e-2);
        let sums = output.probabilities();
        for pair in sums.chunks_exact(BINS) {
            assert!((pair.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
    }
}

#[test]
fn chains_of_one_and_of_no_residue_and_batches_go_through() {
    let device = Device::flex();
    let trunk = &trunks(&device)[1];
    let chain = |length: usize| {
        TrunkInputs::new(
            Tensor::ones([length, INPUTS], (&device, DType::F64)),
            Tensor::ones([length, length, PAIRS], (&device, DType::F64)),
            &(0..length as i32).collect::<Vec<_>>(),
        )
    };
    let outputs = trunk.forward_batch(&[chain(1), chain(4)]);
    assert_eq!(outputs[0].pairs.dims(), [1, 1, 8]);
    assert_eq!(outputs[1].distogram.dims(), [4, 4, BINS]);
    let alone = trunk.forward(&chain(4));
    let together = outputs[1].distogram.clone();
    assert_eq!(numbers(alone.distogram), numbers(together));
    assert!(
        numbers(outputs[0].pairs.clone())
            .iter()
            .all(|x| x.is_finite())
    );
}

#[test]
fn gradients_to_pairs_and_parameters_fit_finite_differences() {
    let device = Device::flex().autodiff();
    let problem = Problem::new(5);
    let mut rng = StdRng::seed_from_u64(6);
    let bins: Vec<usize> = (0..LENGTH * LENGTH)
        .map(|_| rng.random_range(0..BINS))
        .collect();
    let weights = upload(
        normals(LENGTH * LENGTH * 8, &mut rng),
        [LENGTH, LENGTH, 8],
        &device,
    );
    let residues = || upload(problem.residues.clone(), [LENGTH, INPUTS], &device);
    for trunk in trunks(&device) {
        let loss = |trunk: &Trunk, pairs: Tensor<3>| {
            let output = trunk.forward(&TrunkInputs::new(residues(), pairs, &problem.index));
            distogram_loss(output.distogram, &bins) + (output.pairs * weights.clone()).mean()
        };
        let pairs = |numbers: &[f64]| upload(numbers.to_vec(), [LENGTH, LENGTH, PAIRS], &device);
        let leaf = pairs(&problem.pairs).require_grad();
        let gradients = loss(&trunk, leaf.clone()).backward();
        let step = 1e-5;

        let gradient = numbers(leaf.grad(&gradients).expect("the loss reads the pairs"));
        let along = normals(problem.pairs.len(), &mut rng);
        let value = |step: f64| {
            let moved = problem.pairs.iter().zip(&along).map(|(x, d)| x + step * d);
            numbers(loss(&trunk, pairs(&moved.collect::<Vec<_>>())))[0]
        };
        fits(
            &gradient,
            &along,
            (value(step) - value(-step)) / (2.0 * step),
        );

        let gradient = parameters::gradients(&trunk, &gradients);
        let at = parameters::read(&trunk);
        let along = normals(at.len(), &mut rng);
        let value = |step: f64| {
            let moved: Vec<f64> = at.iter().zip(&along).map(|(x, d)| x + step * d).collect();
            let trunk = parameters::written(trunk.clone(), &moved);
            numbers(loss(&trunk, pairs(&problem.pairs)))[0]
        };
        fits(
            &gradient,
            &along,
            (value(step) - value(-step)) / (2.0 * step),
        );
    }
}

#[track_caller]
fn fits(gradient: &[f64], along: &[f64], difference: f64) {
    let product: f64 = gradient.iter().zip(along).map(|(g, d)| g * d).sum();
    let error = (difference - product).abs() / product.abs();
    assert!(error < 1e-6, "{product} against {difference}");
}

/// `map(norm(z))` of all pairs, row by row.
fn mapped(norm: &LayerNorm, map: &Linear, pairs: &Tensor<3>) -> Vec<f64> {
    numbers(map.forward(norm.forward(pairs.clone())))
}

#[test]
fn triangle_multiplication_is_the_sum_over_the_third_residue() {
    let device = Device::flex();
    let (c, h) = (4, 3);
    let mut rng = StdRng::seed_from_u64(8);
    let pairs = upload(
        normals(LENGTH * LENGTH * c, &mut rng),
        [LENGTH, LENGTH, c],
        &device,
    );
    for edges in [TriangleEdges::Outgoing, TriangleEdges::Incoming] {
        let layer = TriangleMultiplicationConfig::new(c, h, edges).init(&device);
        let layer = drawn(layer, Precision::F64, 9);
        let sides = mapped(&layer.norm, &layer.sides, &pairs);
        let gates = mapped(&layer.norm, &layer.side_gates, &pairs);
        let side = |i: usize, j: usize, k: usize| {
            let at = (i * LENGTH + j) * 2 * h + k;
            sides[at] / (1.0 + (-gates[at]).exp())
        };
        let mut product = vec![0.0; LENGTH * LENGTH * h];
        for i in 0..LENGTH {
            for j in 0..LENGTH {
                for x in 0..h {
                    let third = (0..LENGTH).map(|k| match edges {
                        TriangleEdges::Outgoing => side(i, k, x) * side(j, k, h + x),
                        TriangleEdges::Incoming => side(k, i, x) * side(k, j, h + x),
                    });
                    product[(i * LENGTH + j) * h + x] = third.sum::<f64>() / LENGTH as f64;
                }
            }
        }
        let product = upload(product, [LENGTH, LENGTH, h], &device);
        let gate = layer.output_gate.forward(layer.norm.forward(pairs.clone()));
        let wanted = layer.output.forward(layer.product_norm.forward(product)) * sigmoid(gate);
        let error = largest_difference(&numbers(layer.forward(pairs.clone())), &numbers(wanted));
        assert!(error < 1e-12, "{edges:?}: {error:e}");
    }
}

#[test]
fn triangle_attention_is_a_softmax_over_the_third_residue() {
    let device = Device::flex();
    let (c, heads, d) = (4, 2, 3);
    let mut rng = StdRng::seed_from_u64(10);
    let pairs = upload(
        normals(LENGTH * LENGTH * c, &mut rng),
        [LENGTH, LENGTH, c],
        &device,
    );
    let layer = TriangleAttentionConfig::new(c)
        .with_num_heads(heads)
        .with_num_channels(d)
        .init(&device);
    let layer = drawn(layer, Precision::F64, 11);
    let [query, key, value, bias] = [&layer.query, &layer.key, &layer.value, &layer.bias]
        .map(|map| mapped(&layer.norm, map, &pairs));
    let at = |i: usize, j: usize, head: usize| (i * LENGTH + j) * heads * d + head * d;
    let mut heard = vec![0.0; LENGTH * LENGTH * heads * d];
    for i in 0..LENGTH {
        for j in 0..LENGTH {
            for head in 0..heads {
                let logit = |k: usize| {
                    let products =
                        (0..d).map(|x| query[at(i, j, head) + x] * key[at(i, k, head) + x]);
                    products.sum::<f64>() / (d as f64).sqrt()
                        + bias[(j * LENGTH + k) * heads + head]
                };
                let weights: Vec<f64> = (0..LENGTH).map(|k| logit(k).exp()).collect();
                let sum: f64 = weights.iter().sum();
                for x in 0..d {
                    let terms = weights
                        .iter()
                        .enumerate()
                        .map(|(k, w)| w * value[at(i, k, head) + x]);
                    heard[at(i, j, head) + x] = terms.sum::<f64>() / sum;
                }
            }
        }
    }
    let heard = upload(heard, [LENGTH, LENGTH, heads * d], &device);
    let gate = sigmoid(layer.gate.forward(layer.norm.forward(pairs.clone())));
    let wanted = layer.output.forward(heard * gate);
    let error = largest_difference(&numbers(layer.forward(pairs)), &numbers(wanted));
    assert!(error < 1e-12, "{error:e}");
}

#[test]
fn the_loss_is_the_mean_negative_logarithm_off_the_diagonal() {
    let device = Device::flex();
    let mut rng = StdRng::seed_from_u64(12);
    let logits = normals(LENGTH * LENGTH * BINS, &mut rng);
    let bins: Vec<usize> = (0..LENGTH * LENGTH)
        .map(|_| rng.random_range(0..BINS))
        .collect();
    let (mut sum, mut count) = (0.0, 0.0);
    for i in 0..LENGTH {
        for j in (0..LENGTH).filter(|&j| j != i) {
            let pair = &logits[(i * LENGTH + j) * BINS..][..BINS];
            let all: f64 = pair.iter().map(|x| x.exp()).sum();
            sum -= pair[bins[i * LENGTH + j]] - all.ln();
            count += 1.0;
        }
    }
    let loss = distogram_loss(upload(logits, [LENGTH, LENGTH, BINS], &device), &bins);
    assert!((numbers(loss)[0] - sum / count).abs() < 1e-12);
}

fn walk(rng: &mut StdRng, length: usize) -> Vec<Frame> {
    let mut at = Vector3::zeros();
    (0..length)
        .map(|_| {
            let step: [f64; 3] = std::array::from_fn(|_| rng.sample(StandardNormal));
            at += Vector3::from(step).normalize() * 3.8;
            Frame {
                rotation: Rotation::random(rng).matrix(),
                translation: at,
            }
        })
        .collect()
}

#[test]
fn observed_distances_are_symmetric_and_as_corrupt_as_was_asked() {
    let mut rng = StdRng::seed_from_u64(14);
    let ca: Vec<_> = walk(&mut rng, 200).iter().map(|f| f.translation).collect();
    let bins = DistanceBins::uniform(2.0, 20.0, 36).expect("edges increase");
    let clean = Corruption {
        shift: 0.0,
        replaced: 0.0,
        missing: 0.0,
    };
    let exact = ObservedDistances::new(&ca, bins.clone(), clean, &mut rng);
    let corruption = Corruption {
        replaced: 0.2,
        missing: 0.3,
        ..clean
    };
    let observed = ObservedDistances::new(&ca, bins.clone(), corruption, &mut rng);
    let (mut missing, mut wrong, mut all) = (0.0, 0.0, 0.0);
    for i in 0..ca.len() {
        assert_eq!(observed.bin(i, i), None);
        for j in 0..i {
            assert_eq!(observed.bin(i, j), observed.bin(j, i));
            assert_eq!(exact.bin(i, j), Some(bins.bin((ca[i] - ca[j]).norm())));
            all += 1.0;
            match observed.bin(i, j) {
                None => missing += 1.0,
                Some(bin) => wrong += f64::from(u8::from(Some(bin) != exact.bin(i, j))),
            }
        }
    }
    assert!((missing / all - 0.3_f64).abs() < 0.01, "{missing}");
    // A random bin is the true one now and then.
    let expected = 0.7 * 0.2 * 37.0 / 38.0;
    assert!((wrong / all - expected).abs() < 0.01, "{wrong}");
}

#[test]
fn observations_disagree_with_other_points_and_wrong_ones_are_found_by_a_distogram() {
    let mut rng = StdRng::seed_from_u64(16);
    let length = 120;
    let ca: Vec<_> = walk(&mut rng, length)
        .iter()
        .map(|f| f.translation)
        .collect();
    let bins = DistanceBins::uniform(2.0, 20.0, 36).expect("edges increase");
    let corruption = Corruption {
        shift: 1.0,
        replaced: 0.1,
        missing: 0.4,
    };
    let observed = ObservedDistances::new(&ca, bins.clone(), corruption, &mut rng);
    let centres = bins.centres();
    let apart = |i: usize, j: usize| (ca[i] - ca[j]).norm();
    let (mut sum, mut count) = (0.0, 0.0);
    for i in 0..length {
        for j in i + 2..length {
            if let Some(bin) = observed.bin(i, j) {
                let off = match bin {
                    37 => (20.0 - apart(i, j)).max(0.0),
                    bin => (apart(i, j) - centres[bin]).abs(),
                };
                sum += off.min(6.0);
                count += 1.0;
            }
        }
    }
    let found = observed.disagreement(&ca);
    assert!((found / (sum / count) - 1.0).abs() < 1e-12, "{found}");
    let other: Vec<_> = ca.iter().map(|x| x * 1.3).collect();
    assert!(observed.disagreement(&other) > found + 0.5);

    // A distogram that knows better: half an angstrom off.
    let expected = |i: usize, j: usize| ExpectedDistance {
        mean: apart(i, j),
        spread: 0.5,
        beyond: if apart(i, j) > 20.0 { 0.99 } else { 0.01 },
    };
    let pairs = (0..length).flat_map(|i| (0..length).map(move |j| (i, j)));
    let expected: Vec<_> = pairs.map(|(i, j)| expected(i, j)).collect();
    let kept = observed.uncontradicted_by(&expected);
    let (mut good, mut good_kept, mut bad, mut bad_kept) = (0, 0, 0, 0);
    for i in 0..length {
        for j in 0..i {
            assert_eq!(kept.bin(i, j), kept.bin(j, i));
            let Some(bin) = observed.bin(i, j).filter(|&bin| bin < 37) else {
                assert_eq!(kept.bin(i, j), observed.bin(i, j));
                continue;
            };
            let is_kept = usize::from(kept.bin(i, j).is_some());
            // Drawn errors are below 4 standard deviations; what is farther off was drawn at random.
            if (apart(i, j) - centres[bin]).abs() < 2.5 {
                (good, good_kept) = (good + 1, good_kept + is_kept);
            } else if (apart(i, j) - centres[bin]).abs() > 4.5 {
                (bad, bad_kept) = (bad + 1, bad_kept + is_kept);
            }
        }
    }
    assert!(bad > 50 && bad_kept == 0, "{bad_kept} of {bad}");
    // Pairs near the last edge may lie beyond it.
    let share = f64::from(good_kept as u32) / f64::from(good as u32);
    assert!(share > 0.95, "{share}");
}

#[test]
fn observed_orientations_are_binned_and_as_corrupt_as_was_asked() {
    let device = Device::flex();
    let mut rng = StdRng::seed_from_u64(17);
    let residues: Vec<_> = walk(&mut rng, 150)
        .iter()
        .map(|frame| OrientedResidue::with_ideal_cb(frame.ideal_residue()).expect("ideal"))
        .collect();
    let bins = TorsionBins::new(24);
    let clean = OrientationCorruption {
        turn: 0.0,
        replaced: 0.0,
        missing: 0.0,
        farthest: 12.0,
    };
    let exact = ObservedOrientations::new(&residues, bins, clean, &mut rng);
    let corruption = OrientationCorruption {
        replaced: 0.2,
        missing: 0.3,
        ..clean
    };
    let observed = ObservedOrientations::new(&residues, bins, corruption, &mut rng);
    let turned = OrientationCorruption { turn: 0.3, ..clean };
    let turned = ObservedOrientations::new(&residues, bins, turned, &mut rng);
    let features = numbers(exact.features(&device, DType::F64));
    let (mut near, mut missing, mut wrong, mut seen, mut square) =
        (0.0_f64, 0.0, 0.0, 0.0, 0.0_f64);
    for i in 0..residues.len() {
        for j in 0..residues.len() {
            let apart = (residues[i].backbone.ca - residues[j].backbone.ca).norm();
            let row = &features[(i * residues.len() + j) * 7..][..7];
            if i == j || apart > 12.0 {
                assert_eq!(exact.bins_of(i, j), None);
                assert_eq!(row, [0.0; 7]);
                continue;
            }
            let true_angles = PairOrientation::between(&residues[i], &residues[j]);
            let PairOrientation { omega, theta, phi } = true_angles.expect("defined");
            let truth = [omega, theta, phi].map(|angle| bins.bin(angle));
            assert_eq!(exact.bins_of(i, j), Some(truth));
            assert_eq!(row[6], 1.0);
            assert!((row[2].atan2(row[3]) - bins.centre(truth[1])).abs() < 1e-12);
            near += 1.0;
            match observed.bins_of(i, j) {
                None => missing += 1.0,
                Some(found) => {
                    seen += 1.0;
                    wrong += f64::from(u8::from(found[1] != truth[1]));
                    assert_eq!(observed.bins_of(j, i).map(|back| back[0]), Some(found[0]));
                }
            }
            let [_, theta_bin, phi_bin] = turned.bins_of(i, j).expect("none is missing");
            assert!(bins.centre(phi_bin) > 0.0, "phi lies in 0..=pi");
            let off = bins.centre(theta_bin) - theta;
            square += off.sin().atan2(off.cos()).powi(2);
        }
    }
    assert!(
        (missing / near - 0.3_f64).abs() < 0.03,
        "{}",
        missing / near
    );
    let expected = 0.2 * 23.0 / 24.0;
    assert!((wrong / seen - expected).abs() < 0.03, "{}", wrong / seen);
    // The normal error, and that of the bins.
    let spread = (square / near).sqrt();
    let expected = (0.3_f64.powi(2) + (TAU / 24.0).powi(2) / 12.0).sqrt();
    assert!(
        (spread / expected - 1.0).abs() < 0.05,
        "{spread} {expected}"
    );
}

#[test]
fn orientations_do_not_change_with_a_motion_and_tell_a_mirror_image() {
    let device = Device::flex();
    let mut rng = StdRng::seed_from_u64(15);
    let frames = walk(&mut rng, 12);
    let motion = Frame {
        rotation: Rotation::random(&mut rng).matrix(),
        translation: Vector3::new(3.0, -8.0, 40.0),
    };
    let features = |residues: Vec<BackboneResidue>| {
        let oriented = residues
            .into_iter()
            .map(|residue| OrientedResidue::with_ideal_cb(residue).expect("it has a frame"));
        let oriented: Vec<_> = oriented.collect();
        numbers(orientation_features(&oriented, &device, DType::F64))
    };
    let ideal = |motion: &Frame| {
        let moved = frames.iter().map(|frame| motion.compose(frame));
        moved.map(|frame| frame.ideal_residue()).collect::<Vec<_>>()
    };
    let there = features(ideal(&Frame::identity()));
    assert!(largest_difference(&features(ideal(&motion)), &there) < 1e-12);
    let mirror = |x: Vector3<f64>| Vector3::new(-x.x, x.y, x.z);
    let mirrored = ideal(&Frame::identity())
        .into_iter()
        .map(|residue| BackboneResidue {
            n: mirror(residue.n),
            ca: mirror(residue.ca),
            c: mirror(residue.c),
        });
    assert!(largest_difference(&features(mirrored.collect()), &there) > 0.1);
}

#[test]
fn parameters_are_counted_once() {
    let trunk = &trunks(&Device::flex())[0];
    assert_eq!(trunk.num_params(), parameters::read(trunk).len());
}
