//! One suite, stamped on every (operation, float type): values and gradients against slow
//! compositions of burn operations, finite differences, determinism, threads, checkpointing.

mod attention;
mod awkward;
mod checks;
mod convolution;
mod geometry;
#[cfg(feature = "wgpu")]
mod gpu;
mod linear;
mod norms;
mod operation;
mod panics;
mod radial;
mod rows;

/// Every check on the cases of one operation, in both float types.
macro_rules! stamp {
    ($($operation:ident: $cases:path;)*) => {$(
        mod $operation {
            use super::{checks, operation::Cases};

            stamp!(@dtype f32, burn::tensor::DType::F32, $cases);
            stamp!(@dtype f64, burn::tensor::DType::F64, $cases);

            #[test]
            fn gradients_equal_finite_differences() {
                let cases: Cases = $cases();
                cases.small.iter().for_each(checks::gradients_equal_finite_differences);
            }

            #[test]
            fn a_gradient_that_is_one_percent_off_is_refused() {
                let cases: Cases = $cases();
                cases.small.iter().for_each(checks::a_gradient_one_percent_off_is_refused);
            }
        }
    )*};
    (@dtype $name:ident, $dtype:expr, $cases:path) => {
        mod $name {
            use super::{checks, Cases};

            stamp!(@check $dtype, $cases, values_equal_the_oracle);
            stamp!(@check $dtype, $cases, gradients_equal_the_oracle);
            stamp!(@check $dtype, $cases, untracked_inputs_change_no_bit_of_other_gradients);
            stamp!(@check $dtype, $cases, checkpointing_changes_no_bit);
            stamp!(@check $dtype, $cases, two_runs_give_the_same_bits);
            stamp!(@check $dtype, $cases, thread_counts_agree);
        }
    };
    (@check $dtype:expr, $cases:path, $check:ident) => {
        #[test]
        fn $check() {
            let cases: Cases = $cases();
            cases.all().for_each(|case| checks::$check(case, $dtype));
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
