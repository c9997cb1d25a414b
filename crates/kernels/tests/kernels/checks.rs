//! What every operation must satisfy.

use burn::tensor::{DType, Device};
use steerable_testkit::{GradientCheck, GradientClaim, GradientReport};

use crate::operation::{Case, Run};

fn epsilon(dtype: DType) -> f64 {
    match dtype {
        DType::F32 => f64::from(f32::EPSILON),
        _ => f64::EPSILON,
    }
}

/// The first number further from the oracle's than rounding can carry it, in words.
fn disagreement(got: &[f64], want: &[f64], sizes: &[f64], unit: f64) -> Option<String> {
    if got.len() != want.len() {
        return Some(format!("{} numbers, expected {}", got.len(), want.len()));
    }
    let mut numbers = got.iter().zip(want).zip(sizes).enumerate();
    numbers.find_map(|(i, ((&got, &want), &size))| {
        let (error, allowed) = ((got - want).abs(), unit * size);
        let agrees = error <= allowed;
        (!agrees).then(|| {
            format!("number {i} is {got:e}, expected {want:e}: off by {error:e} > {allowed:e}")
        })
    })
}

fn gradient_disagreement(case: &Case, run: &Run, dtype: DType) -> Option<String> {
    let oracle = case.run_oracle(dtype);
    let (sizes, roundings) = case.sizes(&oracle, dtype);
    case.inputs.iter().enumerate().find_map(|(i, input)| {
        let got = run.gradients[i]
            .as_deref()
            .expect("a tracked input has a gradient");
        let want = oracle.gradients[i]
            .as_deref()
            .expect("all inputs of the oracle are tracked");
        let sizes = sizes.gradients[i]
            .as_deref()
            .expect("all inputs have sizes");
        disagreement(got, want, sizes, roundings * epsilon(dtype))
            .map(|problem| format!("gradient to {}: {problem}", input.name))
    })
}

fn value_disagreement(case: &Case, run: &Run, dtype: DType) -> Option<String> {
    let oracle = case.run_oracle(dtype);
    let (sizes, roundings) = case.sizes(&oracle, dtype);
    let unit = roundings * epsilon(dtype);
    disagreement(&run.value, &oracle.value, &sizes.value, unit)
}

pub(crate) fn values_equal_the_oracle(case: &Case, dtype: DType) {
    if let Some(problem) = value_disagreement(case, &case.run(dtype), dtype) {
        panic!("{} in {dtype:?}: {problem}", case.name);
    }
}

/// A run on any device, values and gradients.
#[cfg(feature = "wgpu")]
pub(crate) fn run_equals_the_oracle(case: &Case, run: &Run, dtype: DType) {
    let problem =
        value_disagreement(case, run, dtype).or_else(|| gradient_disagreement(case, run, dtype));
    if let Some(problem) = problem {
        panic!("{} in {dtype:?}: {problem}", case.name);
    }
}

pub(crate) fn gradients_equal_the_oracle(case: &Case, dtype: DType) {
    if let Some(problem) = gradient_disagreement(case, &case.run(dtype), dtype) {
        panic!("{} in {dtype:?}: {problem}", case.name);
    }
}

pub(crate) fn untracked_inputs_change_no_bit_of_other_gradients(case: &Case, dtype: DType) {
    let device = Device::flex().autodiff();
    let (all, count) = (case.run(dtype), case.inputs.len());
    for subset in 1..1_usize << count {
        let tracked: Vec<bool> = (0..count).map(|i| subset >> i & 1 == 1).collect();
        let some = case.run_on(&device, dtype, &tracked);
        assert_eq!(some.value, all.value, "{}: tracked {tracked:?}", case.name);
        for (i, &tracked) in tracked.iter().enumerate() {
            let expected = all.gradients[i].clone().filter(|_| tracked);
            assert_eq!(
                some.gradients[i], expected,
                "{}: gradient to {} when tracking subset {subset:b}",
                case.name, case.inputs[i].name
            );
        }
    }
}

pub(crate) fn checkpointing_changes_no_bit(case: &Case, dtype: DType) {
    let device = Device::flex().autodiff().gradient_checkpointing();
    let run = case.run_on(&device, dtype, &vec![true; case.inputs.len()]);
    assert_eq!(run, case.run(dtype), "{}", case.name);
}

pub(crate) fn two_runs_give_the_same_bits(case: &Case, dtype: DType) {
    assert_eq!(case.run(dtype), case.run(dtype), "{}", case.name);
}

/// Outputs bit for bit; gradients may be summed over threads, so within rounding of the oracle.
pub(crate) fn thread_counts_agree(case: &Case, dtype: DType) {
    let mut runs = [1, 2, 3, 5].into_iter().map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        (
            threads,
            pool.expect("a thread pool").install(|| case.run(dtype)),
        )
    });
    let (_, one) = runs.next().expect("one thread");
    for (threads, run) in runs {
        assert_eq!(run.value, one.value, "{}: {threads} threads", case.name);
        if let Some(problem) = gradient_disagreement(case, &run, dtype) {
            panic!("{} in {dtype:?}, {threads} threads: {problem}", case.name);
        }
    }
}

/// Finite differences of each input at a time, against claimed gradients.
fn finite_differences(case: &Case, input: usize, gradient: &[f64]) -> GradientReport {
    let values = case.rounded(DType::F64);
    let at = values[input].clone();
    let claim = GradientClaim { at: &at, gradient };
    GradientCheck::new().run(claim, |moved| {
        let mut values = values.clone();
        values[input] = moved.to_vec();
        case.contracted(&values)
    })
}

pub(crate) fn gradients_equal_finite_differences(case: &Case) {
    let run = case.run(DType::F64);
    for (i, input) in case.inputs.iter().enumerate() {
        let gradient = run.gradients[i].as_deref().expect("all inputs are tracked");
        if gradient.is_empty() {
            continue;
        }
        let report = finite_differences(case, i, gradient);
        assert!(
            report.passed(),
            "{}: gradient to {}: {report}",
            case.name,
            input.name
        );
    }
}

/// The suite must notice a wrong factor, in whichever gradient it is.
pub(crate) fn a_gradient_one_percent_off_is_refused(case: &Case) {
    let run = case.run(DType::F64);
    for (i, input) in case.inputs.iter().enumerate() {
        let gradient = run.gradients[i].as_deref().expect("all inputs are tracked");
        if gradient.iter().all(|&g| g == 0.0) {
            continue;
        }
        let broken: Vec<f64> = gradient.iter().map(|g| 1.01 * g).collect();
        let report = finite_differences(case, i, &broken);
        assert!(
            !report.passed(),
            "{}: finite differences accept {}",
            case.name,
            input.name
        );
        for dtype in [DType::F32, DType::F64] {
            let mut run = case.run(dtype);
            let claimed = run.gradients[i].as_mut().expect("all inputs are tracked");
            claimed.iter_mut().for_each(|g| *g *= 1.01);
            assert!(
                gradient_disagreement(case, &run, dtype).is_some(),
                "{}: the oracle accepts a wrong gradient to {} in {dtype:?}",
                case.name,
                input.name
            );
        }
    }
}
