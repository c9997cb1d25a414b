//! The same cases on burn's wgpu backend in f32, through fusion and autodiff.
//!
//! The device is wgpu's default one; `CUBECL_WGPU_DEFAULT_DEVICE=Cpu` asks for software Vulkan.

use burn::tensor::{DType, Device, DeviceKind};

use crate::checks;
use crate::operation::{Case, Cases};

fn device() -> Device {
    Device::wgpu(DeviceKind::DefaultDevice).autodiff()
}

fn values_and_gradients_equal_the_oracle(case: &Case) {
    let run = case.run_on(&device(), DType::F32, &vec![true; case.inputs.len()]);
    checks::run_equals_the_oracle(case, &run, DType::F32);
}

fn two_runs_give_the_same_bits(case: &Case) {
    let run = || case.run_on(&device(), DType::F32, &vec![true; case.inputs.len()]);
    assert_eq!(run(), run(), "{}", case.name);
}

/// Every single input on its own: what is not wanted is not formed, and changes nothing else.
fn untracked_inputs_change_no_bit_of_other_gradients(case: &Case) {
    let count = case.inputs.len();
    let all = case.run_on(&device(), DType::F32, &vec![true; count]);
    for input in 0..count {
        let tracked: Vec<bool> = (0..count).map(|i| i == input).collect();
        let one = case.run_on(&device(), DType::F32, &tracked);
        assert_eq!(one.value, all.value, "{}", case.name);
        assert_eq!(
            one.gradients[input], all.gradients[input],
            "{}: gradient to {} alone",
            case.name, case.inputs[input].name
        );
    }
}

macro_rules! stamp {
    ($($operation:ident: $cases:path;)*) => {$(
        mod $operation {
            use super::Cases;

            stamp!(@check $cases, values_and_gradients_equal_the_oracle);
            stamp!(@check $cases, two_runs_give_the_same_bits);
            stamp!(@check $cases, untracked_inputs_change_no_bit_of_other_gradients);
        }
    )*};
    (@check $cases:path, $check:ident) => {
        #[test]
        fn $check() {
            let cases: Cases = $cases();
            cases.all().for_each(super::$check);
        }
    };
}

stamp! {
    spherical_harmonics: crate::geometry::spherical_harmonics;
    edge_geometry: crate::geometry::edge_geometry;
    vector_geometry: crate::geometry::vector_geometry;
    radial_layer: crate::radial::radial_layer;
    activate: crate::radial::activate;
    gather_rows: crate::rows::gather_rows;
    sum_rows: crate::rows::sum_rows;
    attend_joint: crate::attention::joint;
    attend_separate: crate::attention::separate;
    steerable_linear: crate::linear::steerable_linear;
    norm_nonlinearity: crate::norms::norm_nonlinearity;
    equivariant_layer_norm: crate::norms::equivariant_layer_norm;
    gate: crate::norms::gate;
    convolve_full: crate::convolution::full;
    convolve_channel_wise: crate::convolution::channel_wise;
}
