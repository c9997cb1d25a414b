//! Checkpoints come back to the bit, and what does not fit is named.

use std::fs;
use std::path::PathBuf;

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{DType, Device, Distribution, Tensor, TensorData};
use serde_json::json;
use steerable_train::AdamConfig;
use steerable_train::checkpoint::{
    Checkpoint, CheckpointError, CheckpointFolder, Conversion, Group, Header, ModelDescription,
};
use tempfile::{TempDir, tempdir};

#[derive(Module, Debug)]
struct Two {
    first: Linear,
    others: Vec<Linear>,
}

fn two(hidden: usize, device: &Device) -> Two {
    Two {
        first: LinearConfig::new(3, hidden).init(device),
        others: vec![
            LinearConfig::new(hidden, 2).with_bias(false).init(device),
            LinearConfig::new(2, 1).init(device),
        ],
    }
}

fn header() -> Header {
    Header::new(
        ModelDescription::of_kind("two")
            .with_config(json!({ "hidden": 4 }))
            .with_irreps("in", &"2x0 + 1x1".parse().unwrap()),
    )
}

fn of_module(module: &Two) -> Checkpoint {
    let mut checkpoint = Checkpoint::new(header());
    checkpoint.insert_module(Group::Model, module);
    checkpoint
}

fn same_bits(a: &Two, b: &Two) -> bool {
    let bits = |module: &Two| -> Vec<(String, TensorData)> {
        let all = of_module(module);
        all.group(Group::Model)
            .map(|(name, data)| (name.to_string(), data.clone()))
            .collect()
    };
    bits(a) == bits(b)
}

#[test]
fn a_saved_module_comes_back_to_the_bit() {
    let scratch = tempdir().expect("a temporary folder");
    let device = Device::flex();
    let module = two(4, &device);
    let file = scratch.path().join("a.safetensors");
    of_module(&module).save(&file).unwrap();

    let loaded = Checkpoint::load(&file).unwrap();
    let names: Vec<&str> = loaded.group(Group::Model).map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [
            "first.bias",
            "first.weight",
            "others.0.weight",
            "others.1.bias",
            "others.1.weight"
        ]
    );
    assert_eq!(loaded.header.parameters, 3 * 4 + 4 + 4 * 2 + 2 + 1);
    assert_eq!(loaded.header.parameter_bytes, 27 * 4);
    assert_eq!(loaded.header.model, header().model);
    assert_eq!(Header::read(&file).unwrap(), loaded.header);

    let other = loaded.apply(Group::Model, two(4, &device)).unwrap();
    assert!(same_bits(&module, &other));
}

#[test]
fn applying_keeps_gradients_and_types_of_the_module() {
    let checkpoint = of_module(&two(4, &Device::flex()));
    let device = Device::flex().autodiff();
    let module = checkpoint.apply(Group::Model, two(4, &device)).unwrap();
    let weight = module.first.weight.val();
    assert!(weight.is_require_grad());
    assert_eq!(weight.dtype(), DType::F32);
}

/// A few steps of Adam on random data.
fn trained(
    mut module: Two,
    optimizer: ModuleOptimizer,
    seeds: std::ops::Range<u64>,
) -> (Two, ModuleOptimizer) {
    let mut optimizer = optimizer;
    let device = Device::flex().autodiff();
    for seed in seeds {
        device.seed(seed);
        let x = Tensor::<2>::random([8, 3], Distribution::Normal(0.0, 1.0), &device);
        let y = module.first.forward(x).tanh();
        let y = module.others[1].forward(module.others[0].forward(y));
        let gradients = y.square().mean().backward();
        let gradients = GradientsParams::from_grads(gradients, &module);
        module = optimizer.step(1e-2, module, gradients);
    }
    (module, optimizer)
}

#[test]
fn training_resumed_from_a_checkpoint_gives_the_same_bits() {
    let scratch = tempdir().expect("a temporary folder");
    let device = Device::flex().autodiff();
    let start = two(4, &device);
    let (straight, _) = trained(start.clone(), AdamConfig::new().init(), 0..7);

    let (half, optimizer) = trained(start, AdamConfig::new().init(), 0..3);
    let mut checkpoint = of_module(&half);
    checkpoint.insert_optimizer(&optimizer, &half).unwrap();
    let file = scratch.path().join("half.safetensors");
    checkpoint.save(&file).unwrap();

    // A fresh module, as another process would have it: other numbers, other identities.
    let loaded = Checkpoint::load(&file).unwrap();
    let names: Vec<&str> = loaded
        .group(Group::Optimizer)
        .map(|(name, _)| name)
        .collect();
    assert!(names.contains(&"first.weight.moment_1"), "{names:?}");
    assert!(names.contains(&"first.weight.time"), "{names:?}");
    let module = loaded.apply(Group::Model, two(4, &device)).unwrap();
    let optimizer = loaded
        .apply_optimizer(AdamConfig::new().init(), &module)
        .unwrap();
    let (resumed, _) = trained(module.clone(), optimizer, 3..7);
    assert!(same_bits(&straight, &resumed));

    // The twin without the optimizer's state is another training.
    let (forgetful, _) = trained(module, AdamConfig::new().init(), 3..7);
    assert!(!same_bits(&straight, &forgetful));
}

#[test]
fn what_does_not_fit_a_module_is_named() {
    let device = Device::flex();
    let error = of_module(&two(4, &device))
        .apply(Group::Model, two(5, &device))
        .unwrap_err();
    assert!(
        matches!(&error, CheckpointError::Shape { name, found, expected, .. }
            if name == "first.weight" && found == &[3, 4] && expected == &[3, 5]),
        "{error}"
    );

    let mut fewer = two(4, &device);
    fewer.others.pop();
    let error = of_module(&fewer)
        .apply(Group::Model, two(4, &device))
        .unwrap_err();
    assert!(
        matches!(&error, CheckpointError::Missing { names, .. }
            if names == &["others.1.weight", "others.1.bias"]),
        "{error}"
    );
    let error = of_module(&two(4, &device))
        .apply(Group::Model, fewer)
        .unwrap_err();
    assert!(
        matches!(&error, CheckpointError::Unexpected { names, .. }
            if names == &["others.1.bias", "others.1.weight"]),
        "{error}"
    );
    let error = of_module(&two(4, &device))
        .apply(Group::Ema, two(4, &device))
        .unwrap_err();
    assert!(error.to_string().contains("ema/first.weight"), "{error}");
}

#[test]
fn every_damaged_byte_and_every_cut_is_found() {
    let scratch = tempdir().expect("a temporary folder");
    let file = scratch.path().join("a.safetensors");
    of_module(&two(4, &Device::flex())).save(&file).unwrap();
    let whole = fs::read(&file).unwrap();
    let broken = scratch.path().join("b.safetensors");
    for position in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[position] ^= 0x10;
        fs::write(&broken, &bytes).unwrap();
        // The length of the head may be padded with spaces, and a space flipped is still no content: only
        // then may the file be accepted, with the same numbers.
        if let Ok(loaded) = Checkpoint::load(&broken) {
            let intact = Checkpoint::load(&file).unwrap();
            assert!(
                loaded.group(Group::Model).eq(intact.group(Group::Model))
                    && loaded.header == intact.header,
                "byte {position} flipped unnoticed"
            );
        }
        fs::write(&broken, &whole[..position]).unwrap();
        assert!(Checkpoint::load(&broken).is_err(), "cut at {position}");
    }
}

/// Writes with a changed header.
fn with_header(scratch: &TempDir, change: impl FnOnce(&mut Header)) -> PathBuf {
    let mut checkpoint = of_module(&two(4, &Device::flex()));
    let row = TensorData::new(vec![0f32, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1, 7]);
    checkpoint.insert(Group::State, "scale", row);
    change(&mut checkpoint.header);
    let file = scratch.path().join("changed.safetensors");
    checkpoint.save(&file).unwrap();
    file
}

#[test]
fn feature_rows_in_mul_ir_are_converted_and_other_conventions_refused() {
    let scratch = tempdir().expect("a temporary folder");
    let file = with_header(&scratch, |header| {
        header.conventions.layout = "mul_ir".into();
        header
            .feature_rows
            .insert("state/scale".into(), "1x0 + 2x1".parse().unwrap());
    });
    let loaded = Checkpoint::load(&file).unwrap();
    assert_eq!(loaded.conversions(), [Conversion::Layout]);
    let row = loaded.get(Group::State, "scale").unwrap();
    assert_eq!(
        row.as_slice::<f32>().unwrap(),
        [0.0, 1.0, 4.0, 2.0, 5.0, 3.0, 6.0]
    );
    assert_eq!(loaded.header.conventions.layout, "ir_mul");

    let file = with_header(&scratch, |header| {
        header.conventions.signs = "crc32:00000000".into();
    });
    let error = Checkpoint::load(&file).unwrap_err().to_string();
    assert!(
        error.contains("sign table") && error.contains("crc32:00000000"),
        "{error}"
    );

    let file = with_header(&scratch, |header| {
        header.conventions.layout = "channels first".into();
    });
    let error = Checkpoint::load(&file).unwrap_err().to_string();
    assert!(error.contains("known are ir_mul and mul_ir"), "{error}");
}

#[test]
fn later_formats_and_other_programs_files_are_told_apart() {
    let scratch = tempdir().expect("a temporary folder");
    let file = with_header(&scratch, |header| header.format = 7);
    assert!(matches!(
        Checkpoint::load(&file),
        Err(CheckpointError::Newer { found: 7, .. })
    ));

    let foreign = scratch.path().join("foreign.safetensors");
    let none: [(&str, safetensors::tensor::TensorView<'_>); 0] = [];
    fs::write(&foreign, safetensors::serialize(none, None).unwrap()).unwrap();
    assert!(matches!(
        Checkpoint::load(&foreign),
        Err(CheckpointError::Foreign { .. })
    ));
}

#[test]
fn a_folder_keeps_the_last_and_the_best_and_finds_the_last_complete() {
    let scratch = tempdir().expect("a temporary folder");
    let folder = CheckpointFolder::create(scratch.path().join("checkpoints"), 2).unwrap();
    assert!(folder.last_complete().unwrap().is_none());
    let module = two(4, &Device::flex());
    for (step, score) in [(1, 3.0), (2, 1.0), (3, f64::NAN), (4, 2.0), (5, 2.5)] {
        let mut checkpoint = of_module(&module);
        checkpoint.header.step = step;
        checkpoint.header.score = Some(score);
        folder.save(&checkpoint).unwrap();
    }
    assert_eq!(folder.steps().unwrap(), [2, 4, 5]);
    assert_eq!(folder.best().unwrap(), Some(folder.file(2)));

    // A crash: the last file is cut, and the next was never renamed.
    let last = fs::read(folder.file(5)).unwrap();
    fs::write(folder.file(5), &last[..last.len() / 2]).unwrap();
    fs::write(folder.file(6).with_added_extension("part"), &last).unwrap();
    let found = folder.last_complete().unwrap().unwrap();
    assert_eq!(found.checkpoint.header.step, 4);
    assert_eq!(found.skipped.len(), 1);
    assert!(
        found.skipped[0].contains("step-0000000005"),
        "{:?}",
        found.skipped
    );

    // A training that goes on from the whole one sets the other aside; what it saves then is kept.
    folder.set_aside_after(4).unwrap();
    assert_eq!(folder.steps().unwrap(), [2, 4]);
    assert!(folder.file(5).with_added_extension("aside").exists());
    assert!(folder.last_complete().unwrap().unwrap().skipped.is_empty());

    // The next one that is saved takes what was left with it.
    let part = folder.file(6).with_added_extension("part");
    let mut next = of_module(&module);
    next.header.step = 7;
    next.header.score = Some(9.0);
    folder.save(&next).unwrap();
    assert!(!part.exists());
    // A best checkpoint that is damaged in its tensors is none.
    let best = folder.file(2);
    let mut bytes = fs::read(&best).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&best, bytes).unwrap();
    assert_eq!(folder.best().unwrap(), Some(folder.file(4)));
}
