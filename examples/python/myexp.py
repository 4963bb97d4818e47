import sys

import mlx.core as mx

dtype = sys.argv[1] if len(sys.argv) > 1 else "float32"
a = mx.random.normal((1000,)).astype(getattr(mx, dtype))

src = """
// body uses helper declared in header
uint elem = thread_position_in_grid.x;
out[elem] = helper(inp[elem]);
"""
hdr = """
inline T helper(T v) { return metal::exp(v); }
"""
k = mx.fast.metal_kernel(
    name="myexp_hdr",
    input_names=["inp"],
    output_names=["out"],
    source=src,
    header=hdr
)
out = k(inputs=[a], template=[("T", a.dtype)], grid=(a.size,1,1), threadgroup=(256,1,1),
        output_shapes=[a.shape], output_dtypes=[a.dtype], verbose=True)[0]

# exp of a float16 or bfloat16 is rounded once; bfloat16 keeps 8 bits.
print("metal::exp of 1000 numbers,", out.dtype, out[:3])
print("as mx.exp:", mx.allclose(out, mx.exp(a), rtol=2**-7).item())
