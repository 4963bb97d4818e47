// A kernel for every part of the language, compiled as it is and broken in many ways.
#include <metal_stdlib>
using namespace metal;
constant int SIZE = 4;
constant float WEIGHTS[3] = {1.0f, 2.5f, -3};
constant constexpr uint MASK = (1u << 5) - 1;
struct Foo { float a; int b; float3 v; Foo() : a(1), b(2), v(0) {} Foo(float x) : a(x), b(int(x)) {} float sum() const { return a + b + v.x; } void set(float x) { a = x; } static constant constexpr int K = 7; };
struct Pair { half lo; half hi; };
enum Mode { A, B = 5, C };
enum class E2 : uchar { X, Y };
union U { float f; uint u; };
template <typename T, int N> struct Block { T data[N]; T get(int i) const { return data[i]; } T total() const { T s = 0; for (int i = 0; i < N; ++i) s += data[i]; return s; } };
template <typename T> inline T twice(T x) { return x + x; }
template <int N> inline float poly(float x) { if constexpr (N == 0) return 1.0f; else return x * poly<N - 1>(x); }
template <typename T> T reduce_tg(threadgroup T* buf, uint lid, uint n) {
  for (uint s = n / 2; s > 0; s >>= 1) { if (lid < s) buf[lid] += buf[lid + s]; threadgroup_barrier(mem_flags::mem_threadgroup); }
  return buf[0];
}
static inline float helper(float x, float y = 3) { return max(x, y) + min(x, 0.0f); }
[[kernel]] void k(device const float* x [[buffer(0)]], device float* out [[buffer(1)]], constant int& n [[buffer(2)]],
   device atomic_uint* counter [[buffer(3)]], device atomic<float>* facc,
   uint gid [[thread_position_in_grid]], ushort2 lid [[thread_position_in_threadgroup]], uint lane [[thread_index_in_simdgroup]], uint3 tpg [[threads_per_threadgroup]]) {
  threadgroup float shared[64];
  threadgroup float2 sh2[4][8];
  if (gid >= uint(n)) return;
  Foo f(x[gid]); Foo g; f.set(g.sum() + Foo::K);
  Pair p = {1.0h, half(2)};
  Block<float, 4> blk; for (int i = 0; i < 4; i++) blk.data[i] = x[gid + i];
  float4 v = float4(x[0], x[1], 1, 2); v.xy = v.zw; v.w *= 2; v = v * 2.0f + 1;
  float3 w = v.xyz; w[1] = 3; w[lane % 3] += 1;
  shared[lid.x] = v.x + w.y; sh2[1][lid.x] = float2(1, 2);
  threadgroup_barrier(mem_flags::mem_threadgroup | mem_flags::mem_device);
  float s = reduce_tg(shared, lid.x, tpg.x);
  s += simd_sum(s) + simd_shuffle_xor(s, 1) + simd_shuffle_down(s, ushort(2)) + simd_max(s);
  atomic_fetch_add_explicit(counter, 1u, memory_order_relaxed);
  atomic_fetch_add_explicit(&facc[gid], s, memory_order_relaxed);
  float acc[4] = {0}; float m2[2][3] = {{1, 2, 3}, {4, 5, 6}};
  for (int i = 0; i < SIZE; ++i) { acc[i] += WEIGHTS[i % 3] * m2[i & 1][i % 3]; if (i == 2) continue; }
  int mode = n; float r = 0;
  switch (mode) { case A: r = 1; case B: r += 2; break; case 7: { r = 3; break; } default: r = 4; }
  do { r -= 1; } while (r > 0 && x[uint(r)] > 0);
  U u; u.f = r; uint bits = u.u ^ as_type<uint>(s);
  const device float4* xv = (const device float4*)x; float4 q = xv[gid]; device float* po = out + gid; const device float* pp = n > 3 ? x : out;
  half4 h = half4(q); h *= half(2); uchar4 uc = uchar4(1, 2, 3, 4); packed_float3 pf = packed_float3(1, 2, 3); float3 pf3 = pf; pf.x = 2;
  thread float& ref = acc[1]; ref = 5; thread float* tp = &acc[0]; *tp++ += 1; tp[1] = 2;
  float4x4 mat = float4x4(1.0f); mat[0][1] = 2; float4 mv = mat * q; float4x4 mm = mat * mat;
  auto lam = [&](float z) { return z * r + acc[0]; };
  ulong big = ulong(gid) << 33 | 5ul; int64_t sl = -3; size_t sz = sizeof(Foo) + sizeof(float3) + alignof(packed_float3);
  bool b = lane == 0 || gid > 3; b = !b; int tern = b ? 1 : -1; uint tt = b ? 1 : 2u;
  int div = -7 / 2, rem = -7 % 3; uint ur = uint(n) / 3u; char c8 = 'a'; c8 += 200; short s16 = short(70000);
  volatile float vf = s; float fm = vf * 2.0f + 1.0f;
  *po = helper(r) + twice(s) + poly<3>(s) + f.sum() + float(p.hi) + blk.get(2) + blk.total() + mv.x + mm[1].y + lam(2.0f) + float(big) + float(sl) + float(sz) + tern + tt + div + rem + ur + c8 + s16 + fm + float(bits) + float(h.x) + float(uc.y) + pf3.x + pp[0] + dot(q, v) + length(w) + float(MASK) + float(E2::Y == E2::X) + INFINITY + select(1.0f, 2.0f, b) + clamp(r, 0.0f, 1.0f) + fma(r, r, s) + precise::exp(r) + fast::sin(r) + pow(r, 2.0f) + floor(r) + popcount(bits) + rint(s);
}
