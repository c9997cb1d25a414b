//! Adam in one pass steps as burn's does.

use burn::module::{Module, Param};
use burn::optim::{self, GradientsParams, ModuleOptimizer};
use burn::tensor::{DType, Device, Tensor};
use steerable_train::AdamConfig;

/// A matrix and a row, fitted by least squares.
#[derive(Module, Debug)]
struct Affine {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

impl Affine {
    /// More numbers than one task takes, so that threads share the step.
    const ROWS: usize = 300;
    const COLUMNS: usize = 257;

    fn new(dtype: DType, device: &Device) -> Self {
        let weight = Self::numbers([Self::ROWS, Self::COLUMNS], 0.3, dtype, device);
        let bias = Self::numbers([Self::COLUMNS], 0.7, dtype, device);
        Self {
            weight: Param::from_tensor(weight),
            bias: Param::from_tensor(bias),
        }
    }

    fn numbers<const D: usize>(
        shape: [usize; D],
        frequency: f64,
        dtype: DType,
        device: &Device,
    ) -> Tensor<D> {
        let count = shape.iter().product::<usize>() as i64;
        let index = Tensor::<1, burn::tensor::Int>::arange(0..count, device);
        index
            .float()
            .cast(dtype)
            .mul_scalar(frequency)
            .sin()
            .reshape(shape)
    }

    fn grads(&self, step: usize) -> GradientsParams {
        let weight = self.weight.val();
        let (dtype, device) = (weight.dtype(), weight.device());
        let x = Self::numbers([4, Self::ROWS], 0.11 * (step + 1) as f64, dtype, &device);
        let y = x.matmul(weight) + self.bias.val().unsqueeze();
        let loss = (y - 1.0).square().sum();
        GradientsParams::from_grads(loss.backward(), self)
    }

    fn trained(mut self, optimizer: &mut ModuleOptimizer) -> Self {
        for step in 0..5 {
            let grads = self.grads(step);
            self = optimizer.step(1e-2, self, grads);
        }
        self
    }

    fn all(&self) -> Vec<f64> {
        let weight = self.weight.val().into_data().convert::<f64>();
        let bias = self.bias.val().into_data().convert::<f64>();
        let [weight, bias] = [weight, bias].map(|data| data.try_into_vec::<f64>().expect("f64"));
        [weight, bias].concat()
    }
}

/// How far the parameters of two are apart, at most; they are of order 1 and moved by about 0.05.
fn apart(ours: &Affine, theirs: &Affine) -> f64 {
    let (ours, theirs) = (ours.all(), theirs.all());
    assert_eq!(ours.len(), (Affine::ROWS + 1) * Affine::COLUMNS);
    let pairs = ours.iter().zip(&theirs);
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

fn device() -> Device {
    Device::flex().autodiff()
}

/// In f64 too they differ by some 1e-7: burn rounds the corrections of the bias to f32.
#[test]
fn steps_are_those_of_burn() {
    for dtype in [DType::F64, DType::F32] {
        let start = Affine::new(dtype, &device());
        let ours = start.clone().trained(&mut AdamConfig::new().init());
        let mut theirs = optim::AdamConfig::new().with_epsilon(1e-8).init();
        let theirs = start.clone().trained(&mut theirs);
        assert!(
            apart(&ours, &start) > 0.01,
            "{dtype:?}: nothing was trained"
        );
        let apart = apart(&ours, &theirs);
        assert!(apart < 1e-6, "{dtype:?}: {apart:e}");
    }
}

#[test]
fn steps_with_weight_decay_are_those_of_burn() {
    let start = Affine::new(DType::F32, &device());
    let config = AdamConfig::new().with_weight_decay(0.5);
    let ours = start.clone().trained(&mut config.init());
    let theirs = optim::AdamWConfig::new()
        .with_epsilon(1e-8)
        .with_weight_decay(0.5);
    let theirs = start.trained(&mut theirs.init());
    let apart = apart(&ours, &theirs);
    assert!(apart < 1e-6, "{apart:e}");
}

/// The step writes in place, but not into what somebody else holds.
#[test]
fn a_copy_of_the_model_stays_as_it_was() {
    let start = Affine::new(DType::F32, &device());
    let (kept, before) = (start.clone(), start.all());
    let trained = start.trained(&mut AdamConfig::new().init());
    assert_ne!(trained.all(), before);
    assert_eq!(kept.all(), before);
}

#[test]
fn the_same_start_ends_in_the_same_bits() {
    let run = || {
        let start = Affine::new(DType::F32, &device());
        start.trained(&mut AdamConfig::new().init()).all()
    };
    assert_eq!(run(), run());
}

/// Parameters that are views of other tensors: a transposed matrix, a row cut out of one.
#[test]
fn views_are_stepped_as_what_they_show() {
    let device = device();
    let matrix = || Affine::numbers([Affine::COLUMNS, Affine::ROWS], 0.3, DType::F32, &device);
    let rows = || Affine::numbers([3, Affine::COLUMNS], 0.7, DType::F32, &device);
    let views = Affine {
        weight: Param::from_tensor(matrix().transpose()),
        bias: Param::from_tensor(rows().narrow(0, 1, 1).squeeze_dim(0)),
    };
    let copies = Affine {
        weight: Param::from_tensor(matrix().transpose() + 0.0),
        bias: Param::from_tensor(rows().narrow(0, 1, 1).squeeze_dim(0) + 0.0),
    };
    let [views, copies] = [views, copies].map(|model| model.trained(&mut AdamConfig::new().init()));
    let apart = apart(&views, &copies);
    assert!(apart < 1e-6, "{apart:e}");
}
