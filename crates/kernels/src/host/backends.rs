//! The operations on tensors of the backends that compute on the CPU.

use std::sync::Arc;

use burn::backend::TensorMetadata;
use burn::backend::tensor::{FloatTensor, IntTensor};
use steerable_harmonics::Normalization;

use super::attention::{Attention, AttentionPlan};
use super::geometry::{
    EdgesOfNodes, Ends, harmonics_backward, lengths_backward, of_vectors, sphere, sum_ends,
};
use super::{HostTensor, segment, upload};
use crate::ops::with_real;
use crate::{AttentionForm, AttentionOps, GeometryOps, RowOps};

/// Implements the operations of a trait for the backends on the CPU.
macro_rules! on_host {
    (impl $operations:ident { $($methods:tt)* }) => {
        #[cfg(feature = "flex")]
        impl $operations for burn::backend::Flex {
            $($methods)*
        }

        #[cfg(feature = "ndarray")]
        impl $operations for burn::backend::NdArray {
            $($methods)*
        }
    };
}
on_host! {
    impl GeometryOps {
        fn edge_geometry(
            positions: FloatTensor<Self>,
            src: IntTensor<Self>,
            src_order: IntTensor<Self>,
            src_offsets: IntTensor<Self>,
            dst: IntTensor<Self>,
            dst_order: IntTensor<Self>,
            dst_offsets: IntTensor<Self>,
            shifts: FloatTensor<Self>,
            l_max: usize,
            normalization: Normalization,
        ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
            let _ = (src_order, src_offsets, dst_order, dst_offsets);
            let (device, dtype) = (positions.device(), positions.dtype());
            let harmonics = sphere(l_max, normalization);
            let [positions, shifts] = [positions, shifts].map(HostTensor::float::<Self>);
            let [src, dst] = [src, dst].map(HostTensor::int::<Self>);
            with_real!("edge_geometry", dtype, T => {
                let out = Ends::<T> {
                    positions: positions.as_slice(),
                    src: src.as_slice(),
                    dst: dst.as_slice(),
                    shifts: shifts.as_slice(),
                }
                .geometry(&harmonics);
                let edges = out.distance.len();
                (
                    upload::<Self, T>(out.rel_pos, [edges, 3], &device),
                    upload::<Self, T>(out.distance, [edges, 1], &device),
                    upload::<Self, T>(out.harmonics, [edges, harmonics.dim()], &device),
                )
            })
        }

        fn relative_positions_backward(
            grad: FloatTensor<Self>,
            src_order: IntTensor<Self>,
            src_offsets: IntTensor<Self>,
            dst_order: IntTensor<Self>,
            dst_offsets: IntTensor<Self>,
        ) -> FloatTensor<Self> {
            let (device, dtype) = (grad.device(), grad.dtype());
            let nodes = dst_offsets.shape()[0] - 1;
            let grad = HostTensor::float::<Self>(grad);
            let [src_order, src_offsets, dst_order, dst_offsets] =
                [src_order, src_offsets, dst_order, dst_offsets].map(HostTensor::int::<Self>);
            let by_src = EdgesOfNodes {
                order: src_order.as_slice(),
                offsets: src_offsets.as_slice(),
            };
            let by_dst = EdgesOfNodes {
                order: dst_order.as_slice(),
                offsets: dst_offsets.as_slice(),
            };
            with_real!("edge_geometry", dtype, T => {
                let out = sum_ends::<T>(grad.as_slice(), by_src, by_dst);
                upload::<Self, T>(out, [nodes, 3], &device)
            })
        }

        fn vector_geometry(
            vectors: FloatTensor<Self>,
            l_max: usize,
            normalization: Normalization,
        ) -> (FloatTensor<Self>, FloatTensor<Self>) {
            let (device, dtype, edges) = (vectors.device(), vectors.dtype(), vectors.shape()[0]);
            let harmonics = sphere(l_max, normalization);
            let vectors = HostTensor::float::<Self>(vectors);
            with_real!("vector_geometry", dtype, T => {
                let (distance, values) = of_vectors::<T>(vectors.as_slice(), &harmonics);
                (
                    upload::<Self, T>(distance, [edges, 1], &device),
                    upload::<Self, T>(values, [edges, harmonics.dim()], &device),
                )
            })
        }

        fn lengths_backward(
            grad: FloatTensor<Self>,
            vectors: FloatTensor<Self>,
            lengths: FloatTensor<Self>,
        ) -> FloatTensor<Self> {
            let (device, dtype, shape) = (vectors.device(), vectors.dtype(), vectors.shape());
            let [grad, vectors, lengths] = [grad, vectors, lengths].map(HostTensor::float::<Self>);
            with_real!("vector_geometry", dtype, T => {
                let out = lengths_backward::<T>(grad.as_slice(), vectors.as_slice(), lengths.as_slice());
                upload::<Self, T>(out, shape, &device)
            })
        }

        fn spherical_harmonics_backward(
            grad: FloatTensor<Self>,
            vectors: FloatTensor<Self>,
            l_max: usize,
            normalization: Normalization,
        ) -> FloatTensor<Self> {
            let (device, dtype, shape) = (vectors.device(), vectors.dtype(), vectors.shape());
            let harmonics = sphere(l_max, normalization);
            let [grad, vectors] = [grad, vectors].map(HostTensor::float::<Self>);
            with_real!("vector_geometry", dtype, T => {
                let out = harmonics_backward::<T>(grad.as_slice(), vectors.as_slice(), &harmonics);
                upload::<Self, T>(out, shape, &device)
            })
        }
    }
}

on_host! {
    impl RowOps {
        fn gather_rows(
            values: FloatTensor<Self>,
            index: IntTensor<Self>,
            order: IntTensor<Self>,
            offsets: IntTensor<Self>,
        ) -> FloatTensor<Self> {
            let _ = (order, offsets);
            let (device, dtype, width) = (values.device(), values.dtype(), values.shape()[1]);
            let (values, index) = (
                HostTensor::float::<Self>(values),
                HostTensor::int::<Self>(index),
            );
            let index = index.as_slice::<i32>();
            with_real!("gather_rows", dtype, T => {
                let out = segment::gather_rows::<T>(values.as_slice(), width, index);
                upload::<Self, T>(out, [index.len(), width], &device)
            })
        }

        fn sum_rows(
            values: FloatTensor<Self>,
            index: IntTensor<Self>,
            order: IntTensor<Self>,
            offsets: IntTensor<Self>,
        ) -> FloatTensor<Self> {
            let _ = index;
            let (device, dtype, width) = (values.device(), values.dtype(), values.shape()[1]);
            let values = HostTensor::float::<Self>(values);
            let [order, offsets] = [order, offsets].map(HostTensor::int::<Self>);
            let offsets = offsets.as_slice::<i32>();
            with_real!("sum_rows", dtype, T => {
                let out = segment::sum_rows::<T>(values.as_slice(), width, order.as_slice(), offsets);
                upload::<Self, T>(out, [offsets.len() - 1, width], &device)
            })
        }
    }
}

on_host! {
    impl AttentionOps {
        fn attend(
            query: FloatTensor<Self>,
            value: FloatTensor<Self>,
            key: FloatTensor<Self>,
            envelope: FloatTensor<Self>,
            offsets: IntTensor<Self>,
            plan: Arc<AttentionPlan>,
            form: AttentionForm,
        ) -> FloatTensor<Self> {
            let (device, dtype, nodes) = (query.device(), query.dtype(), query.shape()[0]);
            let [query, value, key, envelope] =
                [query, value, key, envelope].map(HostTensor::float::<Self>);
            let offsets = HostTensor::int::<Self>(offsets);
            with_real!("attend", dtype, T => {
                let out = Attention::<T> {
                    plan: &plan,
                    query: query.as_slice(),
                    value: value.as_slice(),
                    key: (!form.is_joint).then(|| key.as_slice()),
                    envelope: form.has_envelope.then(|| envelope.as_slice()),
                    row_offsets: offsets.as_slice(),
                }
                .forward();
                upload::<Self, T>(out, [nodes, plan.dim_value()], &device)
            })
        }

        fn attend_backward(
            grad: FloatTensor<Self>,
            query: FloatTensor<Self>,
            value: FloatTensor<Self>,
            key: FloatTensor<Self>,
            envelope: FloatTensor<Self>,
            offsets: IntTensor<Self>,
            plan: Arc<AttentionPlan>,
            form: AttentionForm,
        ) -> (
            FloatTensor<Self>,
            FloatTensor<Self>,
            FloatTensor<Self>,
            FloatTensor<Self>,
        ) {
            let (device, dtype) = (query.device(), query.dtype());
            let [to_query, to_value, to_key, to_envelope] =
                [&query, &value, &key, &envelope].map(TensorMetadata::shape);
            let [grad, query, value, key, envelope] =
                [grad, query, value, key, envelope].map(HostTensor::float::<Self>);
            let offsets = HostTensor::int::<Self>(offsets);
            with_real!("attend", dtype, T => {
                let gradients = Attention::<T> {
                    plan: &plan,
                    query: query.as_slice(),
                    value: value.as_slice(),
                    key: (!form.is_joint).then(|| key.as_slice()),
                    envelope: form.has_envelope.then(|| envelope.as_slice()),
                    row_offsets: offsets.as_slice(),
                }
                .backward(grad.as_slice());
                (
                    upload::<Self, T>(gradients.query, to_query, &device),
                    upload::<Self, T>(gradients.value, to_value, &device),
                    upload::<Self, T>(gradients.key, to_key, &device),
                    upload::<Self, T>(gradients.envelope, to_envelope, &device),
                )
            })
        }
    }
}
