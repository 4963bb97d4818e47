#!/usr/bin/env bash
# Builds the peers' environments under $PEERS_HOME (by default a folder in the user's cache):
#   setup.sh [torch] [ort] [jax] [mlx] [candle] [burn]        all of them without arguments
# torch takes about 5 GB; candle and burn are built with cargo and take minutes. A second run
# keeps what is there.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
home=${PEERS_HOME:-$HOME/.cache/anymetal-peers}
mkdir -p "$home"
[ $# -gt 0 ] || set -- torch ort jax mlx candle burn

environment() { # NAME PACKAGE...
    [ -x "$home/$1/bin/python" ] || python3 -m venv "$home/$1"
    "$home/$1/bin/python" -m pip install "${@:2}"
}

for peer in "$@"; do
    echo "== $peer"
    case $peer in
    torch)
        environment torch torch==2.15.0 numpy
        # With this answer preloaded, MKL uses AVX-512 on other makers' processors too
        # (the peer torch-mkl).
        echo 'int mkl_serv_intel_cpu_true(void) { return 1; }' |
            gcc -shared -fPIC -x c -o "$home/intel.so" - || echo "no C compiler: no torch-mkl"
        ;;
    ort) environment ort onnxruntime==1.32.0 openvino==2026.4.1 onnx numpy ml_dtypes ;;
    jax) environment jax 'jax[cpu]==0.10.2' ;;
    mlx) environment mlx 'mlx[cpu]==0.32.4' numpy ;;
    candle | burn)
        CARGO_TARGET_DIR="$home/$peer" RUSTFLAGS="-C target-cpu=native" \
            cargo build --release --manifest-path "$here/$peer/Cargo.toml"
        ;;
    *)
        echo "unknown peer $peer" >&2
        exit 2
        ;;
    esac
done
