import mlx.core as mx

# Scaled dot-product attention (single head)
Q = mx.random.normal((2, 8, 16)) # (batch, seq_q, d)
K = mx.random.normal((2, 8, 16)) # (batch, seq_k, d)
V = mx.random.normal((2, 8, 32)) # (batch, seq_k, dv)
scale = 1.0 / mx.sqrt(mx.array(16.0))
# Optional mask: True for keep, False for mask out
mask = mx.array([[True]*8 + [False]*0]*2)[:, :8] # (2, 8)
mask = mx.reshape(mask, (2, 1, 8)) # broadcast to (B, 1, seq_k)
O = mx.fast.scaled_dot_product_attention(Q, K, V, scale=scale)

# With the mask; and what came out.
masked = mx.fast.scaled_dot_product_attention(Q, K, V, scale=scale, mask=mask)
print("attention", O.shape, O.dtype)
print("with a mask that keeps all, equal:", mx.allclose(O, masked).item())
