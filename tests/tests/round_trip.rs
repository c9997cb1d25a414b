//! Configs survive JSON and models survive safetensors, to the bit.

use burn::config::Config;
use burn::module::Module;
use burn::store::{ModuleSnapshot, SafetensorsStore};
use serde_json::Value;
use steerable::nn::nvidia::FuseLevel;
use steerable::nn::{
    ConvolutionConfig, GateConfig, Refinement, RelativePosition, SE3TransformerConfig,
    TensorFieldNetworkConfig,
};
use steerable::radial::{Cutoff, Envelope, RadialBasisConfig, RadialBasisKind, Range};
use steerable_testkit::{Precision, SampleKind};
use steerable_tests::cases::Claim;
use steerable_tests::parameters::{drawn, read};
use steerable_tests::samples::InputTypes;
use steerable_tests::{device, irreps};

fn transformer() -> SE3TransformerConfig {
    let range = Range {
        start: 0.0,
        end: 5.0,
    };
    let cutoff = Cutoff::new(5.0).expect("positive");
    SE3TransformerConfig::new(
        irreps("3x0e + 2x1o"),
        irreps("4x0e + 4x1o + 2x1e"),
        irreps("1x0e + 2x1o"),
    )
    .with_num_layers(2)
    .with_radial_basis(RadialBasisConfig::new(RadialBasisKind::Bessel, 6, range))
    .with_envelope(Envelope::polynomial(cutoff))
    .with_relative_position(RelativePosition::Joined)
    .with_refinement(Refinement::EveryBlock)
}

/// All values are the same after reading them back, but for the last bit of a number, which
/// `serde_json` by default may miss.
#[track_caller]
fn assert_survives_json<C: Config>(config: &C) {
    let text = serde_json::to_string(config).expect("configs serialise");
    let back: C = serde_json::from_str(&text).expect("configs deserialise");
    let tree = |config: &C| serde_json::to_value(config).expect("configs serialise");
    assert!(same(&tree(config), &tree(&back)), "{text}");
}

fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, value)| b.get(key).is_some_and(|other| same(value, other)))
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Number(a), Value::Number(b)) => match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => (a - b).abs() <= f64::EPSILON * a.abs(),
            _ => a == b,
        },
        (a, b) => a == b,
    }
}

#[test]
fn configs_survive_json() {
    let plain = || (irreps("2x0"), irreps("4x0 + 4x1"), irreps("1x0"));
    assert_survives_json(&transformer());
    let (a, b, c) = plain();
    assert_survives_json(&SE3TransformerConfig::fuchs(a, b, c));
    let (a, b, c) = plain();
    assert_survives_json(&SE3TransformerConfig::nvidia(a, b, c, FuseLevel::Partial));
    let (a, b, c) = plain();
    assert_survives_json(&TensorFieldNetworkConfig::new(a, b, c));
    assert_survives_json(&ConvolutionConfig::new(irreps("2x0"), irreps("1x1"), 3));
    assert_survives_json(&GateConfig::new(irreps("2x0"), irreps("1x1")));
}

#[test]
fn a_config_from_json_builds_the_same_model() {
    let text = serde_json::to_string(&transformer()).expect("configs serialise");
    let back: SE3TransformerConfig = serde_json::from_str(&text).expect("configs deserialise");
    assert_eq!(back.irreps_hidden, irreps("4x0e + 4x1o + 2x1e"));
    let [ours, theirs] = [transformer(), back].map(|config| {
        let model = drawn(config.init(&device()), Precision::F64, 3);
        outputs(|x| model.forward(x.0, x.1).features.into_packed())
    });
    assert_eq!(ours, theirs);
}

/// The output for one random sample, in f32's own bits.
fn outputs(
    model: impl Fn((&steerable::nn::Features, &steerable::nn::Cloud)) -> burn::tensor::Tensor<2>,
) -> Vec<u64> {
    let config = transformer();
    let types = InputTypes {
        irreps_in: config.irreps_in.clone(),
        ..InputTypes::default()
    };
    let claim = Claim::per_node("round trip", types, config.irreps_out);
    let sample = claim.test(Precision::F64, 8).sample(SampleKind::Generic(0));
    let out = claim.evaluate(&sample, Precision::F64, |x| model((&x.features, &x.cloud)));
    out.into_iter().map(f64::to_bits).collect()
}

#[test]
fn a_model_read_back_from_safetensors_gives_the_same_bits() {
    for precision in [Precision::F32, Precision::F64] {
        let model = drawn(transformer().init(&device()), precision, 3);
        let mut store = SafetensorsStore::from_bytes(None);
        model.save_into(&mut store).expect("saving to memory");
        let bytes = store.get_bytes().expect("just saved");

        let mut other = drawn(transformer().init(&device()), precision, 4);
        assert_ne!(read(&other), read(&model), "another seed, another model");
        let mut store = SafetensorsStore::from_bytes(Some(bytes));
        let result = other.load_from(&mut store).expect("reading from memory");
        assert!(
            result.missing.is_empty() && result.unused.is_empty(),
            "{result:?}"
        );
        assert_eq!(read(&other), read(&model), "{precision}: parameters");
        assert_eq!(other.num_params(), model.num_params());
        if precision == Precision::F64 {
            let [ours, theirs] = [&model, &other]
                .map(|model| outputs(|x| model.forward(x.0, x.1).features.into_packed()));
            assert_eq!(ours, theirs, "{precision}: outputs");
        }
    }
}
