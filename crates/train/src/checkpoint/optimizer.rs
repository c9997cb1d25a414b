//! The state of an optimizer as named tensors.
//!
//! Burn's record names what an optimizer keeps by the identity of the parameter, a random number of the
//! process: `9051..71.moment_1`. Here it is the parameter's path, which another process and another
//! program understand; numbers without axes (`time`) are tensors without axes.

use std::collections::BTreeMap;

use burn::optim::ModuleOptimizer;
use burn::tensor::{Bytes, DType, Shape, TensorData};
use burn_pack::{Reader, Scalar, Tensor, Writer};

/// What an optimizer keeps, by `PARAMETER.NAME`.
pub(super) fn tensors(
    optimizer: &ModuleOptimizer,
    names: &BTreeMap<u64, String>,
) -> Result<Vec<(String, TensorData)>, String> {
    let bytes = optimizer.into_bytes().map_err(|error| error.to_string())?;
    let reader = Reader::from_bytes(bytes).map_err(|error| error.to_string())?;
    let mut named = Vec::new();
    for (key, scalar) in reader.scalars() {
        if let Some(name) = renamed(key, |id| names.get(&id.parse().ok()?).cloned()) {
            named.push((name, from_scalar(*scalar)));
        }
    }
    for tensor in reader.into_tensors().map_err(|error| error.to_string())? {
        let (key, dtype, shape, _, bytes) =
            tensor.into_parts().map_err(|error| error.to_string())?;
        if let Some(name) = renamed(&key, |id| names.get(&id.parse().ok()?).cloned()) {
            named.push((name, TensorData::from_bytes(bytes, shape, dtype)));
        }
    }
    Ok(named)
}

/// The optimizer with what it kept.
pub(super) fn restore<'a>(
    optimizer: ModuleOptimizer,
    tensors: impl Iterator<Item = (&'a str, &'a TensorData)>,
    names: &BTreeMap<u64, String>,
) -> Result<ModuleOptimizer, String> {
    let mut kept = Vec::new();
    let mut scalars = Vec::new();
    for (name, data) in tensors {
        let (id, parameter, rest) = names
            .iter()
            .filter_map(|(id, parameter)| {
                let rest = name.strip_prefix(parameter.as_str())?.strip_prefix('.')?;
                Some((*id, parameter, rest))
            })
            .max_by_key(|(_, parameter, _)| parameter.len())
            .ok_or_else(|| format!("\"{name}\" is of no parameter of the model"))?;
        let key = format!("{id}.{rest}");
        match to_scalar(data) {
            Some(scalar) => scalars.push((key, scalar, id, parameter)),
            None => {
                let bytes = Bytes::from_bytes_vec(data.as_bytes().to_vec());
                let shape = data.shape().clone();
                kept.push(Tensor::new(key, data.dtype(), shape, Some(id), bytes));
            }
        }
    }
    let mut writer = Writer::new(kept);
    for (key, scalar, id, parameter) in scalars {
        writer = writer
            .with_scalar(&key, scalar)
            .with_metadata(&id.to_string(), parameter);
    }
    let bytes = writer.into_bytes().map_err(|error| error.to_string())?;
    optimizer
        .from_bytes(bytes)
        .map_err(|error| error.to_string())
}

/// `ID.NAME` with another name for the parameter.
fn renamed(key: &str, name: impl FnOnce(&str) -> Option<String>) -> Option<String> {
    let (id, rest) = key.split_once('.')?;
    Some(format!("{}.{rest}", name(id)?))
}

fn from_scalar(scalar: Scalar) -> TensorData {
    let shape = Shape::from(Vec::<usize>::new());
    let (bytes, dtype) = match scalar {
        Scalar::Int(value) => (value.to_le_bytes().to_vec(), DType::I64),
        Scalar::UInt(value) => (value.to_le_bytes().to_vec(), DType::U64),
        Scalar::Float(value) => (value.to_le_bytes().to_vec(), DType::F64),
        Scalar::Bool(value) => (vec![u8::from(value)], DType::U8),
    };
    TensorData::from_bytes_vec(bytes, shape, dtype)
}

fn to_scalar(data: &TensorData) -> Option<Scalar> {
    if !data.shape().to_vec().is_empty() {
        return None;
    }
    let bytes = data.as_bytes();
    let eight = || bytes.try_into().ok();
    Some(match data.dtype() {
        DType::I64 => Scalar::Int(i64::from_le_bytes(eight()?)),
        DType::U64 => Scalar::UInt(u64::from_le_bytes(eight()?)),
        DType::F64 => Scalar::Float(f64::from_le_bytes(eight()?)),
        DType::U8 => Scalar::Bool(bytes == [1]),
        _ => return None,
    })
}
