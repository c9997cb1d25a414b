//! Classes as rows of a tensor.

use burn::tensor::{DType, Device, Tensor, TensorData};

/// A row for each class, one in its column and zero elsewhere: `[N, num_classes]`.
///
/// # Panics
/// When a class is not below their number.
pub fn one_hot(classes: &[usize], num_classes: usize, device: &Device, dtype: DType) -> Tensor<2> {
    let mut rows = vec![0.0_f32; classes.len() * num_classes];
    for (row, &class) in classes.iter().enumerate() {
        assert!(
            class < num_classes,
            "one_hot: class {class} of {num_classes}"
        );
        rows[row * num_classes + class] = 1.0;
    }
    let shape = [classes.len(), num_classes];
    Tensor::from_data(TensorData::new(rows, shape), (device, dtype))
}
