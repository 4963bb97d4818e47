//! MLX's fast operations and custom Metal kernels on every machine.
#![forbid(unsafe_code)]
