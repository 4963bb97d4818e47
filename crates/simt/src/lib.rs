//! Executors for the kernel IR of `anymetal-msl`.
