//! The structure module with both kinds of layers: equivariant before and after training, not blind to
//! mirror images, with exact gradients.

use burn::module::Module;
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{DType, Device, Tensor, TensorData};
use nalgebra::{Matrix3, Vector3};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;
use steerable_protein::structure::{
    FrameTensors, IterationWeights, NeighbourConfig, PointAttentionConfig, ResidueGraph,
    StructureInputs, StructureLayer, StructureModule, StructureModuleConfig, StructureOutput,
    TransformerLayerConfig, confidence_loss, expected_lddt, frame_aligned_point_error,
};
use steerable_protein::{FapeConfig, Frame, Matched, fape};
use steerable_testkit::{Precision, Rotation};
use steerable_tests::dtype;
use steerable_tests::parameters::drawn;

const RESIDUES: usize = 24;
const INPUTS: usize = 5;
const PAIRS: usize = 3;

/// A clamped error has no gradient where drawn parameters throw the residues far away.
const UNCLAMPED: FapeConfig = FapeConfig {
    clamp: None,
    scale: 10.0,
    epsilon: 1e-4,
};

/// A walk in steps of 3.8 angstrom that does not come near itself, with random frames.
fn chain(rng: &mut StdRng) -> Vec<Frame> {
    let mut walk: Vec<Vector3<f64>> = vec![Vector3::new(20.0, -7.0, 3.0)];
    while walk.len() < RESIDUES {
        let step: [f64; 3] = std::array::from_fn(|_| rng.sample(StandardNormal));
        let next = walk[walk.len() - 1] + Vector3::from(step).normalize() * 3.8;
        if walk.iter().all(|ca| (ca - next).norm() > 3.7) {
            walk.push(next);
        }
    }
    let with_frame = |ca| Frame {
        rotation: Rotation::random(rng).matrix(),
        translation: ca,
    };
    walk.into_iter().map(with_frame).collect()
}

/// The frame turned by half a radian and shifted by about an angstrom and a half.
fn perturbed(frame: &Frame, rng: &mut StdRng) -> Frame {
    let mut normal = || std::array::from_fn::<f64, 3, _>(|_| rng.sample(StandardNormal));
    let turn = Rotation::from_axis_angle(normal(), 0.5).expect("the axis is not zero");
    frame.compose(&Frame {
        rotation: turn.matrix(),
        translation: Vector3::from(normal()),
    })
}

/// Everything but the frames: numbers on the host, so that every precision gets the same.
struct Problem {
    graph: ResidueGraph,
    residues: Vec<f64>,
    pairs: Vec<f64>,
}

impl Problem {
    fn new(frames: &[Frame], rng: &mut StdRng) -> Self {
        let ca: Vec<[f64; 3]> = frames
            .iter()
            .map(|frame| frame.translation.into())
            .collect();
        // A break in the middle.
        let index: Vec<i32> = (0..RESIDUES as i32).map(|i| i + 40 * (i / 12)).collect();
        let config = NeighbourConfig::new().with_num_nearest(6);
        let graph = ResidueGraph::new(&ca, &index, &config).expect("positions are finite");
        let mut normal = |len| (0..len).map(|_| rng.sample(StandardNormal)).collect();
        Self {
            residues: normal(RESIDUES * INPUTS),
            pairs: normal(graph.graph().num_edges() * PAIRS),
            graph,
        }
    }

    fn inputs(&self, frames: &[Frame], device: &Device, dtype: DType) -> StructureInputs {
        let upload = |values: &[f64], width| {
            let shape = [values.len() / width, width];
            Tensor::from_data(TensorData::new(values.to_vec(), shape), (device, dtype))
        };
        StructureInputs {
            residues: upload(&self.residues, INPUTS),
            pairs: Some(upload(&self.pairs, PAIRS)),
            frames: FrameTensors::from_frames(frames, device, dtype),
            graph: self.graph.to_device(device, dtype),
        }
    }
}

fn config(weights: IterationWeights) -> StructureModuleConfig {
    StructureModuleConfig::new(INPUTS)
        .with_num_pair_inputs(PAIRS)
        .with_num_scalars(20)
        .with_num_edge_scalars(12)
        .with_num_iterations(3)
        .with_weights(weights)
}

fn transformer_layer() -> TransformerLayerConfig {
    let irreps = "12x0 + 8x1 + 4x2".parse().expect("irreps");
    TransformerLayerConfig::new()
        .with_irreps_hidden(irreps)
        .with_num_heads(2)
}

/// Runs a test for both kinds of layers.
macro_rules! for_both_layers {
    ($test:ident $(, $argument:expr)*) => {{
        let device = Device::flex().autodiff();
        let own = config(IterationWeights::Own);
        let shared = config(IterationWeights::Shared);
        let transformer = |config: &StructureModuleConfig| {
            config.try_init_transformer(&transformer_layer(), &device).expect("irreps fit")
        };
        let attention = |config: &StructureModuleConfig| {
            config.init_point_attention(&PointAttentionConfig::new(), &device)
        };
        $test("transformer, own", transformer(&own) $(, $argument)*);
        $test("transformer, shared", transformer(&shared) $(, $argument)*);
        $test("point attention, own", attention(&own) $(, $argument)*);
        $test("point attention, shared", attention(&shared) $(, $argument)*);
    }};
}

/// The largest errors of origins, relative to the structure's size, and of rotation matrices.
fn frame_error(got: &[Frame], wanted: &[Frame]) -> f64 {
    let centre = wanted
        .iter()
        .map(|frame| frame.translation)
        .sum::<Vector3<f64>>()
        / wanted.len() as f64;
    let size = wanted
        .iter()
        .map(|frame| (frame.translation - centre).norm())
        .fold(0.0, f64::max);
    got.iter()
        .zip(wanted)
        .map(|(got, wanted)| {
            let origin = (got.translation - wanted.translation).norm() / size;
            origin.max((got.rotation - wanted.rotation).abs().max())
        })
        .fold(0.0, f64::max)
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    let data = tensor.into_data().convert::<f64>();
    data.try_into_vec().expect("they were just converted")
}

fn invariants(output: &StructureOutput) -> Vec<f64> {
    let mut all = numbers(output.confidence.clone());
    all.extend(numbers(output.chi.clone()));
    all
}

/// The worst error over seeds of: moving the input against moving the output.
fn equivariance_error<L: StructureLayer>(module: &StructureModule<L>, dtype: DType) -> f64 {
    let device = Device::flex();
    let mut worst = 0.0_f64;
    for seed in 0..4 {
        let mut rng = StdRng::seed_from_u64(seed);
        let frames = chain(&mut rng);
        let problem = Problem::new(&frames, &mut rng);
        let motion = Frame {
            rotation: Rotation::random(&mut rng).matrix(),
            translation: Vector3::new(-11.0, 8.0, 23.0),
        };
        let moved: Vec<Frame> = frames.iter().map(|frame| motion.compose(frame)).collect();
        let there = module.forward(&problem.inputs(&frames, &device, dtype));
        let here = module.forward(&problem.inputs(&moved, &device, dtype));
        let wanted: Vec<Frame> = there
            .prediction()
            .to_frames()
            .iter()
            .map(|frame| motion.compose(frame))
            .collect();
        worst = worst.max(frame_error(&here.prediction().to_frames(), &wanted));
        let (there, here) = (invariants(&there), invariants(&here));
        let scale = there.iter().fold(1.0_f64, |most, x| most.max(x.abs()));
        for (there, here) in there.iter().zip(&here) {
            worst = worst.max((there - here).abs() / scale);
        }
    }
    worst
}

/// Some steps towards other frames, with the confidence in the loss.
fn trained<L: StructureLayer>(mut module: StructureModule<L>, dtype: DType) -> StructureModule<L> {
    let device = Device::flex().autodiff();
    let mut rng = StdRng::seed_from_u64(100);
    let goal = chain(&mut rng);
    let start: Vec<Frame> = goal
        .iter()
        .map(|frame| perturbed(frame, &mut rng))
        .collect();
    let problem = Problem::new(&start, &mut rng);
    let inputs = problem.inputs(&start, &device, dtype);
    let truth = FrameTensors::from_frames(&goal, &device, dtype);
    let mut optimizer = AdamConfig::new().init();
    let mut losses = Vec::new();
    for _ in 0..60 {
        let output = module.forward(&inputs);
        let fape = frame_aligned_point_error(output.prediction(), &truth, UNCLAMPED);
        losses.push(numbers(fape.clone())[0]);
        let reached = vec![0.7; RESIDUES];
        let loss = fape + confidence_loss(output.confidence, &reached);
        let gradients = GradientsParams::from_grads(loss.backward(), &module);
        module = optimizer.step(5e-3, module, gradients);
    }
    let last = losses[losses.len() - 1];
    assert!(
        last < 0.9 * losses[0],
        "training does not train: {losses:?}"
    );
    module
}

fn stays_equivariant<L: StructureLayer>(
    name: &str,
    module: StructureModule<L>,
    (precision, tolerance): (Precision, f64),
) {
    let (module, dtype) = (drawn(module, precision, 11), dtype(precision));
    let before = equivariance_error(&module.clone().valid(), dtype);
    let after = equivariance_error(&trained(module, dtype).valid(), dtype);
    println!("{name} {dtype:?}: {before:.1e} before training, {after:.1e} after");
    for error in [before, after] {
        assert!(error < tolerance, "{name} {dtype:?}: {before} {after}");
    }
}

#[test]
fn structure_modules_are_equivariant_in_f64_before_and_after_training() {
    for_both_layers!(stays_equivariant, (Precision::F64, 1e-10));
}

#[test]
fn structure_modules_are_equivariant_in_f32_before_and_after_training() {
    for_both_layers!(stays_equivariant, (Precision::F32, 1e-5));
}

/// Atoms x -> -x; the frames are those Gram-Schmidt gives the mirrored atoms: proper rotations.
fn mirrored(frames: &[Frame]) -> Vec<Frame> {
    let mirror = Matrix3::from_diagonal(&Vector3::new(-1.0, 1.0, 1.0));
    let flip = Matrix3::from_diagonal(&Vector3::new(1.0, 1.0, -1.0));
    frames
        .iter()
        .map(|frame| Frame {
            rotation: mirror * frame.rotation * flip,
            translation: mirror * frame.translation,
        })
        .collect()
}

fn sees_handedness<L: StructureLayer>(name: &str, module: StructureModule<L>) {
    let module = trained(drawn(module, Precision::F64, 12), DType::F64).valid();
    let device = Device::flex();
    let mut rng = StdRng::seed_from_u64(7);
    let frames = chain(&mut rng);
    let problem = Problem::new(&frames, &mut rng);
    let predict = |frames: &[Frame]| {
        let output = module.forward(&problem.inputs(frames, &device, DType::F64));
        output.prediction().to_frames()
    };
    let difference = frame_error(&predict(&mirrored(&frames)), &mirrored(&predict(&frames)));
    println!(
        "{name}: prediction of the mirror image is off the mirrored prediction by {difference:.1e}"
    );
    assert!(difference > 1e-2, "{name}: {difference}");
}

#[test]
fn a_mirrored_input_does_not_give_the_mirrored_output() {
    for_both_layers!(sees_handedness);
}

fn gradient_fits_differences<L: StructureLayer>(name: &str, module: StructureModule<L>) {
    let module = drawn(module, Precision::F64, 12);
    let device = Device::flex().autodiff();
    let mut rng = StdRng::seed_from_u64(3);
    let (start, goal) = (chain(&mut rng), chain(&mut rng));
    let problem = Problem::new(&start, &mut rng);
    let truth = FrameTensors::from_frames(&goal, &device, DType::F64);
    let loss = |translation: Tensor<2>| {
        let mut inputs = problem.inputs(&start, &device, DType::F64);
        inputs.frames = FrameTensors::new(inputs.frames.rotation(), translation);
        let output = module.forward(&inputs);
        frame_aligned_point_error(output.prediction(), &truth, UNCLAMPED)
            + expected_lddt(output.confidence).mean()
    };
    let at = problem
        .inputs(&start, &device, DType::F64)
        .frames
        .translation();
    let leaf = at.clone().detach().require_grad();
    let gradients = loss(leaf.clone()).backward();
    let gradient = numbers(leaf.grad(&gradients).expect("the loss reads the positions"));
    let along: Vec<f64> = (0..3 * RESIDUES)
        .map(|_| rng.sample(StandardNormal))
        .collect();
    let direction = Tensor::<2>::from_data(
        TensorData::new(along.clone(), [RESIDUES, 3]),
        (&device, DType::F64),
    );
    let step = 1e-5;
    let value = |step: f64| numbers(loss(at.clone() + direction.clone() * step))[0];
    let difference = (value(step) - value(-step)) / (2.0 * step);
    let product: f64 = gradient.iter().zip(&along).map(|(g, d)| g * d).sum();
    let error = (difference - product).abs() / product.abs();
    assert!(error < 1e-6, "{name}: {product} against {difference}");
}

#[test]
fn gradients_to_the_start_positions_fit_finite_differences() {
    for_both_layers!(gradient_fits_differences);
}

#[test]
fn the_error_that_is_trained_on_is_the_error_that_is_reported() {
    let device = Device::flex();
    let mut rng = StdRng::seed_from_u64(6);
    let reference = chain(&mut rng);
    let model: Vec<Frame> = reference
        .iter()
        .map(|frame| perturbed(frame, &mut rng))
        .collect();
    let ca = |frames: &[Frame]| -> Vec<Vector3<f64>> {
        frames.iter().map(|frame| frame.translation).collect()
    };
    for config in [FapeConfig::default(), UNCLAMPED] {
        let [predicted, truth] =
            [&model, &reference].map(|it| FrameTensors::from_frames(it, &device, DType::F64));
        let trained = numbers(frame_aligned_point_error(&predicted, &truth, config))[0];
        let frames = Matched {
            model: &model,
            reference: &reference,
        };
        let points = Matched {
            model: &ca(&model),
            reference: &ca(&reference),
        };
        let reported = fape(frames, points, config).expect("they are finite");
        assert!((trained - reported).abs() < 1e-12, "{trained} {reported}");
    }
}

#[test]
fn absolute_coordinates_among_the_features_are_found_out() {
    let device = Device::flex();
    let module = config(IterationWeights::Shared)
        .init_point_attention(&PointAttentionConfig::new(), &device);
    let mut rng = StdRng::seed_from_u64(5);
    let frames = chain(&mut rng);
    let problem = Problem::new(&frames, &mut rng);
    let broken = |frames: &[Frame]| {
        let mut inputs = problem.inputs(frames, &device, DType::F32);
        let absolute = inputs.frames.translation();
        inputs.residues = Tensor::cat(vec![absolute, inputs.residues.slice_dim(1, 3..INPUTS)], 1);
        module.forward(&inputs).prediction().to_frames()
    };
    let motion = Frame {
        rotation: Rotation::random(&mut rng).matrix(),
        translation: Vector3::zeros(),
    };
    let moved: Vec<Frame> = frames.iter().map(|frame| motion.compose(frame)).collect();
    let wanted: Vec<Frame> = broken(&frames)
        .iter()
        .map(|frame| motion.compose(frame))
        .collect();
    assert!(frame_error(&broken(&moved), &wanted) > 1e-4);
}

#[test]
fn a_graph_that_hears_nobody_still_gives_frames() {
    let device = Device::flex();
    let frames = [Frame::identity()];
    let graph = ResidueGraph::new(&[[0.0; 3]], &[0], &NeighbourConfig::new()).expect("one residue");
    let inputs = StructureInputs {
        residues: Tensor::ones([1, INPUTS], &device),
        pairs: None,
        frames: FrameTensors::from_frames(&frames, &device, DType::F32),
        graph: graph.to_device(&device, DType::F32),
    };
    let config = StructureModuleConfig::new(INPUTS);
    let output = config
        .init_point_attention(&PointAttentionConfig::new(), &device)
        .forward(&inputs);
    assert!(
        numbers(output.prediction().translation())
            .iter()
            .all(|x| x.is_finite())
    );
}
