//! Wrong shapes stop at once, and the message names the operation and the sizes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use burn::tensor::{DType, Device, Tensor};
use steerable_harmonics::Normalization;
use steerable_harmonics::plan::RadialSharing;
use steerable_kernels::{
    Activation, AdamStep, AttentionInputs, AttentionPlan, ConvolutionInputs, EdgeEnds, GatePlan,
    HiddenKind, LayerNormAffine, LinearInputs, LinearPlan, NormAffine, NormNonlinearityOptions,
    NormPlan, RadialLayerInputs, RadialLayerOptions, RowGroups, ScaledActivation, adam_step,
    attend, convolve, edge_geometry, equivariant_layer_norm, gate, gather_rows, norm_nonlinearity,
    radial_layer, spherical_harmonics, steerable_linear, sum_rows,
};

use crate::convolution::full_plan;

fn zeros(shape: [usize; 2]) -> Tensor<2> {
    Tensor::zeros(shape, &Device::flex())
}

fn flat(len: usize) -> Tensor<1> {
    Tensor::zeros([len], &Device::flex())
}

#[track_caller]
fn refuses<T>(words: &[&str], call: impl FnOnce() -> T) {
    let error = catch_unwind(AssertUnwindSafe(call)).err().expect("a panic");
    let text = error.downcast_ref::<String>().cloned();
    let text = text.or_else(|| error.downcast_ref::<&str>().map(ToString::to_string));
    let text = text.expect("a message");
    for word in words {
        assert!(text.contains(word), "\"{word}\" is not in \"{text}\"");
    }
}

#[test]
fn convolve_refuses_wrong_shapes() {
    let plan = Arc::new(full_plan("2x0 + 1x1", "3x0", RadialSharing::PerPair));
    assert_eq!((plan.num_weights(), plan.num_radials()), (9, 2));
    let device = Device::flex();
    let groups = RowGroups::new(&[0, 1, 1], 2, &device);
    let call = |features: [usize; 2], harmonics, hidden, weight, dst: &RowGroups| {
        let inputs = ConvolutionInputs {
            features: zeros(features),
            harmonics: zeros(harmonics),
            hidden: zeros(hidden),
            hidden_kind: HiddenKind::Any,
            weight: zeros(weight),
        };
        convolve(inputs, &groups, dst, &plan)
    };
    call([2, 5], [3, 4], [3, 8], [4, 9], &groups);
    refuses(&["convolve", "[2, 6]", "[2, 5]"], || {
        call([2, 6], [3, 4], [3, 8], [4, 9], &groups)
    });
    refuses(&["convolve", "[3, >= 4]", "[3, 1]"], || {
        call([2, 5], [3, 1], [3, 8], [4, 9], &groups)
    });
    refuses(&["convolve", "hidden", "[2, 8]"], || {
        call([2, 5], [3, 4], [2, 8], [4, 9], &groups)
    });
    refuses(&["convolve", "[4 or 5, 9]", "[3, 9]"], || {
        call([2, 5], [3, 4], [3, 8], [3, 9], &groups)
    });
    let other = RowGroups::new(&[0, 1], 2, &device);
    refuses(&["convolve", "2", "3"], || {
        call([2, 5], [3, 4], [3, 8], [4, 9], &other)
    });
    let unsorted = RowGroups::new(&[1, 0, 1], 2, &device);
    refuses(&["convolve", "sorted"], || {
        call([2, 5], [3, 4], [3, 8], [4, 9], &unsorted)
    });
}

#[test]
fn attend_refuses_wrong_shapes() {
    let build = |value: &str, key: &str, heads| {
        let [value, key] = [value, key].map(|text| text.parse().expect("irreps"));
        Arc::new(AttentionPlan::new(&value, &key, heads, 1.0))
    };
    let plan = build("2x1", "4x0", 2);
    assert_eq!((plan.dim_value(), plan.dim_key()), (6, 4));
    let device = Device::flex();
    let groups = RowGroups::new(&[0, 1, 1], 2, &device);
    let call = |query: [usize; 2], value, key: Option<_>, envelope: Option<_>, dst: &RowGroups| {
        let inputs = AttentionInputs {
            query: zeros(query),
            value: zeros(value),
            key: key.map(zeros),
            envelope: envelope.map(zeros),
        };
        attend(inputs, dst, &plan)
    };
    call([2, 4], [3, 10], None, Some([3, 1]), &groups);
    call([2, 4], [3, 6], Some([3, 4]), None, &groups);
    refuses(&["attend", "queries", "[2, 5]", "[2, 4]"], || {
        call([2, 5], [3, 10], None, None, &groups)
    });
    refuses(&["attend", "values", "[3, 6]", "[3, 10]"], || {
        call([2, 4], [3, 6], None, None, &groups)
    });
    refuses(&["attend", "values", "[3, 10]", "[3, 6]"], || {
        call([2, 4], [3, 10], Some([3, 4]), None, &groups)
    });
    refuses(&["attend", "keys", "[2, 4]", "[3, 4]"], || {
        call([2, 4], [3, 6], Some([2, 4]), None, &groups)
    });
    refuses(&["attend", "envelope", "[3, 2]", "[3, 1]"], || {
        call([2, 4], [3, 10], None, Some([3, 2]), &groups)
    });
    let unsorted = RowGroups::new(&[1, 0, 1], 2, &device);
    refuses(&["attend", "sorted"], || {
        call([2, 4], [3, 10], None, None, &unsorted)
    });
    refuses(&["AttentionPlan", "2 heads", "3 channels"], || {
        build("3x0", "", 2)
    });
    refuses(&["AttentionPlan", "one head"], || build("", "", 0));
}

#[test]
fn steerable_linear_refuses_wrong_shapes() {
    let [from, to] = ["2x0 + 1x1", "3x0 + 4x1"].map(|text| text.parse().expect("irreps"));
    let plan = Arc::new(LinearPlan::new(&from, &to));
    assert_eq!((plan.num_weights(), plan.num_scalars()), (10, 3));
    let call = |x, beside: Option<[usize; 2]>, weights, biases: Option<_>| {
        let inputs = LinearInputs {
            x: zeros(x),
            beside: beside.map(zeros),
            weight: flat(weights),
            bias: biases.map(flat),
        };
        steerable_linear(inputs, &plan)
    };
    call([7, 5], None, 10, Some(3));
    call([7, 2], Some([7, 3]), 10, None);
    refuses(&["steerable_linear", "5 columns", "6 + 0"], || {
        call([7, 6], None, 10, None)
    });
    refuses(&["steerable_linear", "between blocks", "3 + 2"], || {
        call([7, 3], Some([7, 2]), 10, None)
    });
    refuses(&["steerable_linear", "rows", "7", "6"], || {
        call([7, 2], Some([6, 3]), 10, None)
    });
    refuses(&["steerable_linear", "weights", "11", "10"], || {
        call([7, 5], None, 11, None)
    });
    refuses(&["steerable_linear", "2 biases", "3 invariant"], || {
        call([7, 5], None, 10, Some(2))
    });
}

#[test]
fn row_operations_refuse_wrong_shapes() {
    let groups = RowGroups::new(&[0, 1, 1], 2, &Device::flex());
    refuses(&["gather_rows", "5", "2"], || {
        gather_rows(zeros([5, 2]), &groups)
    });
    refuses(&["sum_rows", "5", "3"], || sum_rows(zeros([5, 2]), &groups));
    refuses(&["RowGroups", "index 7", "2 rows"], || {
        RowGroups::new(&[7], 2, &Device::flex())
    });
}

#[test]
fn per_row_operations_refuse_wrong_shapes() {
    refuses(&["vectors have 3 columns", "4"], || {
        spherical_harmonics(zeros([2, 4]), 1, Normalization::Component)
    });
    let groups = RowGroups::new(&[0, 1, 1], 2, &Device::flex());
    let geometry = |rows, shifts, dst: &RowGroups| {
        let shifts = Some(zeros([shifts, 3]));
        let ends = EdgeEnds {
            src: &groups,
            dst,
            shifts,
        };
        edge_geometry(zeros([rows, 3]), ends, 1, Normalization::Component)
    };
    geometry(2, 3, &groups);
    refuses(&["edge_geometry", "[3, 3]", "[2, 3]"], || {
        geometry(3, 3, &groups)
    });
    refuses(&["edge_geometry", "shifts", "[2, 3]"], || {
        geometry(2, 2, &groups)
    });
    let other = RowGroups::new(&[0, 1], 2, &Device::flex());
    refuses(&["edge_geometry", "(2, 3)", "(2, 2)"], || {
        geometry(2, 2, &other)
    });
}

#[test]
fn radial_layer_refuses_wrong_shapes() {
    let layer = |columns, rows, bias, affine: usize, norm_width| {
        let inputs = RadialLayerInputs {
            weight: zeros([rows, 2]),
            bias: Some(flat(bias)),
            affine: Some(LayerNormAffine {
                gamma: flat(affine),
                beta: flat(4),
            }),
        };
        let options = RadialLayerOptions {
            groups: 2,
            norm_width,
            epsilon: 1e-5,
            activation: Activation::Relu,
        };
        radial_layer(zeros([3, columns]), inputs, options)
    };
    layer(6, 6, 4, 4, 2);
    refuses(&["radial_layer", "5 columns", "6 rows"], || {
        layer(5, 6, 4, 4, 2)
    });
    refuses(&["radial_layer", "5 rows", "2 groups"], || {
        layer(5, 5, 4, 4, 2)
    });
    refuses(&["radial_layer", "biases", "[3]", "[4]"], || {
        layer(6, 6, 3, 4, 2)
    });
    refuses(&["radial_layer", "4", "runs of 3"], || layer(6, 6, 4, 4, 3));
    refuses(&["radial_layer", "affine", "[5, 4]"], || {
        layer(6, 6, 4, 5, 2)
    });
}

#[test]
fn a_step_of_adam_refuses_other_shapes_other_dtypes_and_a_step_before_the_first() {
    let step = |time| AdamStep {
        beta_1: 0.9,
        beta_2: 0.999,
        epsilon: 1e-8,
        learning_rate: 1e-3,
        weight_decay: 0.0,
        time,
    };
    let call = |grad: Tensor<1>, time| adam_step(flat(10), grad, [flat(10), flat(10)], step(time));
    call(flat(10), 1);
    refuses(&["adam_step", "shape", "[5]", "[10]"], || call(flat(5), 1));
    refuses(&["adam_step", "dtype", "F64"], || {
        call(flat(10).cast(DType::F64), 1)
    });
    refuses(&["adam_step", "time 1"], || call(flat(10), 0));
}

#[test]
fn operations_on_norms_refuse_wrong_shapes() {
    let irreps = |text: &str| text.parse().expect("irreps");
    let plan = Arc::new(NormPlan::new(&irreps("2x0 + 1x1")));
    assert_eq!((plan.num_channels(), plan.num_scalars()), (3, 2));
    let nonlinearity = |columns, gamma: Option<usize>, beta| {
        let affine = NormAffine {
            gamma: gamma.map(flat),
            beta: flat(beta),
        };
        let options = NormNonlinearityOptions {
            activation: Activation::Relu,
            smallest_norm: 1e-2,
            epsilon: 1e-5,
        };
        norm_nonlinearity(zeros([4, columns]), affine, &plan, options)
    };
    nonlinearity(5, Some(3), 3);
    nonlinearity(5, None, 3);
    refuses(&["norm_nonlinearity", "6 columns", "5"], || {
        nonlinearity(6, None, 3)
    });
    refuses(&["norm_nonlinearity", "3 channels", "[2] shifts"], || {
        nonlinearity(5, None, 2)
    });
    refuses(
        &["norm_nonlinearity", "3 channels", "[4]", "scales"],
        || nonlinearity(5, Some(4), 3),
    );
    let layer_norm = |columns, gamma, beta| {
        equivariant_layer_norm(zeros([4, columns]), flat(gamma), flat(beta), &plan, 1e-5)
    };
    layer_norm(5, 3, 2);
    refuses(&["equivariant_layer_norm", "6 columns", "5"], || {
        layer_norm(6, 3, 2)
    });
    refuses(&["equivariant_layer_norm", "[3, 3]", "[3, 2]"], || {
        layer_norm(5, 3, 3)
    });
    let function = ScaledActivation {
        activation: Activation::Silu,
        scale: 1.0,
    };
    let build = |scalars: &str, gated: &str| {
        Arc::new(GatePlan::new(
            &irreps(scalars),
            &irreps(gated),
            &[function],
            function,
        ))
    };
    let plan = build("2x0", "3x1");
    assert_eq!((plan.dim_in(), plan.dim_out()), (14, 11));
    gate(zeros([4, 14]), &plan);
    refuses(&["gate", "11 columns", "14"], || {
        gate(zeros([4, 11]), &plan)
    });
    refuses(&["GatePlan", "1 activations", "2x0 + 1x0"], || {
        build("2x0 + 1x0", "")
    });
    refuses(&["GatePlan", "1x1"], || build("1x1", ""));
}
