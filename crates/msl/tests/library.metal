// Idioms of real kernels: matrices, votes, atomics, casts and the library, in one program.
#include <metal_stdlib>
#include <metal_simdgroup_matrix>
using namespace metal;
struct Acc { float v[4]; thread float& at(int i) thread { return v[i]; } const thread float& at(int i) const thread { return v[i]; } };
template <typename T> struct Tile { simdgroup_matrix<T, 8, 8> m[2][2]; thread auto& frag(int i, int j) { return m[i][j]; } };
template<typename T> METAL_FUNC T load_unaligned(const device uchar* p) { return *(const device T*)p; }
static constant constexpr float kTable[16] = {0.f, 1.f};
typedef float (*unused_fn)(float);
#define FOR(i, n) _Pragma("unroll") for (int i = 0; i < (n); ++i)
#define CALL(x) do { acc.at(0) += (x); } while (0)
template <typename T, typename AccT = float, int N = 4, bool B = false>
void body(const device T* x, device T* y, threadgroup AccT* sm, uint lid, const constant int& n) {
  Acc acc = {};
  FOR(i, N) { acc.at(i) += static_cast<AccT>(x[i * n + lid]); }
  CALL(kTable[1]);
  if (B && n > 3) { y[0] = T(1); }
  sm[lid] = acc.at(0);
  simdgroup_barrier(mem_flags::mem_none);
  simdgroup_float8x8 a, b, c = simdgroup_float8x8(0);
  simdgroup_load(a, sm, 8); simdgroup_load(b, sm, 8, ulong2(0, 0), true);
  simdgroup_multiply_accumulate(c, a, b, c);
  thread float2& el = reinterpret_cast<thread float2&>(c.thread_elements());
  el.x += 1; c.thread_elements()[1] = 3;
  simdgroup_store(c, sm, 8);
  Tile<float> t; t.frag(0, 1) = c;
  simdgroup_multiply(t.frag(1, 1), a, b);
  y[lid] = T(sm[lid] + AccT(el.y));
  uint ballot = static_cast<uint>((simd_vote::vote_t)simd_ballot(lid > 3));
  if (simd_any(ballot != 0) && simd_all(true)) y[lid] += T(popcount(ballot) + ctz(ballot) + clz(ballot));
}
kernel void d(const device half* x, device half* y, const constant int& n, device atomic_uint* hist, device uint* raw,
              uint lid [[thread_position_in_threadgroup]], uint sg [[simdgroup_index_in_threadgroup]]) {
  threadgroup float sm[256];
  threadgroup atomic_int counter;
  if (lid == 0) atomic_store_explicit(&counter, 0, memory_order_relaxed);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  body<half>(x, y, sm, lid, n);
  body<half, float, 2, true>(x, y, sm, lid, n);
  atomic_fetch_add_explicit(&counter, 1, memory_order_relaxed);
  uint expected = atomic_load_explicit(hist, memory_order_relaxed);
  while (!atomic_compare_exchange_weak_explicit(hist, &expected, expected + 1, memory_order_relaxed, memory_order_relaxed)) {}
  device atomic_uint* cast = (device atomic_uint*)(raw + lid);
  atomic_fetch_max_explicit(cast, 5u, memory_order_relaxed);
  const float inf = INFINITY, ninf = -numeric_limits<float>::infinity(); float mx = numeric_limits<half>::max();
  float hi = as_type<float>(0x7f800000); bool ok = isnan(inf - inf) || isinf(hi) || signbit(ninf);
  constexpr int K = 4, K2 = K * 2; float buf[K2]; for (int i = 0; i < K2; i++) buf[i] = i; 
  half2 h2 = half2(buf[0], buf[1]); ushort2 us = ushort2(lid, sg); us = us * ushort(2) + us.yx;
  float4 f4 = float4(h2.x, half3(1)); f4 = max(f4, 0.0f); f4 = mix(f4, float4(1), 0.5f); f4 = clamp(f4, 0, 1); float d2 = distance(f4, float4(0)); f4 = normalize(f4); float3 cr = cross(f4.xyz, float3(0, 1, 0));
  uint64_t wide = (uint64_t)lid * 6364136223846793005ull + 1442695040888963407ul; uint rot = rotate(uint(wide), 13u) ^ extract_bits(lid, 2, 3); int sgn = sign(-2.0f); 
  y[lid] += half(mx + float(ok) + d2 + cr.x + float(rot) + sgn + us.x + float(atomic_load_explicit(&counter, memory_order_relaxed)) + metal::precise::sqrt(2.0f) + metal::fast::exp2(1.0f) + exp(half(1)) + abs(-3) + min3(1, 2, 3) + madhi(1, 2, 3) + mulhi(3u, 4u) + reverse_bits(1u) + fmod(5.0f, 3.0f) + trunc(1.5f) + float(simd_prefix_exclusive_sum(lid)) + quad_sum(1.0f) + simd_broadcast(1.0f, 0) + simd_broadcast_first(lid) + float(pack_float_to_unorm4x8(f4)) + log2(2.0f) + step(0.5f, 1.0f) + rsqrt(4.0f) + saturate(2.0f) + (lid & 1 ? 1.0f : 2) + ceil(1.2h) + atan2(1.0f, 2.0f) + powr(2.0f, 3.0f) + ldexp(1.0f, 3) + copysign(1.0f, -2.0f) + float(max(lid, 3u)) + max(1, int(lid)) + min(2.0f, float(lid)) + fmin(1.0f, 2.0f) );
}
