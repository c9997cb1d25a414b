//! Run-time choice of instructions for loops that the compiler vectorises.
//!
//! A [`Loop`] is compiled once for each instruction set and the widest that the machine has is run.
//! Rust never contracts `a * b + c`, so loops call [`Instructions::multiply_add`]: one instruction
//! where there is one, two operations (not the slow library call) where there is none.

use super::real::Real;

/// What a set of instructions offers beyond its width.
pub(crate) trait Instructions {
    /// `a b + c`.
    fn multiply_add<T: Real>(a: T, b: T, c: T) -> T;
}

/// AVX2, AVX-512, NEON, ...: rounded once.
struct Fused;

impl Instructions for Fused {
    #[inline(always)]
    fn multiply_add<T: Real>(a: T, b: T, c: T) -> T {
        a.fused_multiply_add(b, c)
    }
}

/// Rounded twice.
pub(super) struct Separate;

impl Instructions for Separate {
    #[inline(always)]
    fn multiply_add<T: Real>(a: T, b: T, c: T) -> T {
        a * b + c
    }
}

/// Asks for memory that is soon read, on processors where that can be said; it may be asked for in vain.
#[inline(always)]
pub(crate) fn fetch_ahead<T>(numbers: &[T]) {
    /// Bytes that are fetched at once.
    const LINE: usize = 64;
    #[cfg(target_arch = "x86_64")]
    for byte in (0..size_of_val(numbers)).step_by(LINE) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let line = numbers.as_ptr().cast::<i8>().wrapping_add(byte);
        // SAFETY: every x86-64 processor has the instruction, and it never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (numbers, LINE);
}

/// A loop to be compiled for every instruction set. `run` and what it calls must be inlined.
pub(crate) trait Loop {
    type Output;
    fn run<I: Instructions>(self) -> Self::Output;
}

/// Runs a loop with the widest instructions of this machine.
pub(crate) fn dispatch<L: Loop>(body: L) -> L::Output {
    struct Adapter<L>(L);

    impl<L: Loop> pulp::WithSimd for Adapter<L> {
        type Output = L::Output;

        #[inline(always)]
        fn with_simd<S: pulp::Simd>(self, _: S) -> Self::Output {
            if S::IS_SCALAR {
                self.0.run::<Separate>()
            } else {
                self.0.run::<Fused>()
            }
        }
    }

    pulp::Arch::new().dispatch(Adapter(body))
}
