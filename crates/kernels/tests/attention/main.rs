//! Attention and its gradients against plain `f64` oracles, at every instruction-set level and
//! several thread counts.

mod case;
mod forward;
mod gradient;
#[path = "../../../../tests/random.rs"]
mod random;
