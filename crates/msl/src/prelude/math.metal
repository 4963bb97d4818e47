// Maths functions on float scalars: the one body that every executor runs.
//
// Each is written over operations that are exact or correctly rounded everywhere (add, multiply,
// fma, divide, square root, rounding, conversions, bits), without contraction, so results are the
// same bit for bit on every machine. Polynomials are minimax fits of the relative error, their
// coefficients rounded to float one after the other. Special values are C99's. Subnormals are kept.
//
// Errors were measured against double precision over every 61st float; see the table of the
// library for the bounds.

// Choices are written so that they become selections, not branches: arms without calls, and truth
// values computed before they are combined.

#define METAL_NAN as_type<float>(0x7fc00000u)
#define METAL_INFINITE as_type<float>(0x7f800000u)

#pragma METAL fp contract(off)

namespace metal {
namespace __detail {

inline float copysign(float x, float y) {
  return as_type<float>((as_type<uint>(x) & 0x7fffffffu) | (as_type<uint>(y) & 0x80000000u));
}

// 2 to the power of an integer from -126 to 127.
inline float power_of_two(int n) {
  return as_type<float>(uint(n + 127) << 23);
}

// p * 2^n, rounded once, for p about 1 and n from -250 to 250.
inline float scaled(float p, float n) {
  int k = int(n);
  int half_way = k >> 1;
  return p * power_of_two(half_way) * power_of_two(k - half_way);
}

inline float ldexp(float x, int n) {
  // The first steps are exact wherever the result is not zero or infinite.
  int k = min(max(n, -330), 330);
  int most = min(k, 127);
  int step = k < -126 ? -102 : most;
  float y = x * power_of_two(step);
  k -= step;
  most = min(k, 127);
  step = k < -126 ? -102 : most;
  y *= power_of_two(step);
  k -= step;
  return y * power_of_two(min(max(k, -126), 127));
}

inline int ilogb(float x) {
  uint bits = as_type<uint>(x) & 0x7fffffffu;
  int subnormal = 8 - int(clz(bits));
  int exponent = bits < 0x00800000u ? subnormal - 126 : int(bits >> 23) - 127;
  exponent = bits == 0u ? -2147483647 - 1 : exponent;
  return bits >= 0x7f800000u ? 2147483647 : exponent;
}

inline float fdim(float x, float y) {
  return x <= y ? 0.0f : x - y;
}

inline float fract(float x) {
  float r = x - floor(x);
  return r > 0.99999994f ? 0.99999994f : r;
}

inline float round(float x) {
  float t = trunc(x);
  float away = abs(x - t) >= 0.5f ? 1.0f : 0.0f;
  return copysign(t + copysign(away, x), x);
}

inline float rsqrt(float x) {
  float y = 1.0f / sqrt(x);
  // One step of Newton's method, with the product's rounding error.
  float h = x * y;
  float l = fma(x, y, -h);
  float e = fma(-l, y, fma(-h, y, 1.0f));
  float better = fma(e * 0.5f, y, y);
  bool above = x > 1e-30f;
  bool below = x < 1e30f;
  return above && below ? better : y;
}

// e^r for r up to half of ln 2.
inline float exp_kernel(float r) {
  float p = fma(0.0013820734f, r, 0.008368677f);
  p = fma(p, r, 0.041668266f);
  p = fma(p, r, 0.16666521f);
  p = fma(p, r, 0.49999994f);
  p = fma(p, r, 1.0f);
  return fma(p, r, 1.0f);
}

inline float exp(float x) {
  float n = min(max(rint(x * 1.442695f), -150.0f), 128.0f);
  float r = fma(n, -0.6931472f, x);
  r = fma(n, 1.9046542e-09f, r);
  float y = scaled(exp_kernel(r), n);
  return x < -104.0f ? 0.0f : y;
}

// Half of e^x, which is finite a little longer; x is not negative.
inline float half_exp(float x) {
  float n = min(rint(x * 1.442695f), 129.0f);
  float r = fma(n, -0.6931472f, x);
  r = fma(n, 1.9046542e-09f, r);
  return scaled(exp_kernel(r), n - 1.0f);
}

inline float exp2(float x) {
  float n = min(max(rint(x), -150.0f), 128.0f);
  float r = x - n;
  float p = fma(0.00015328582f, r, 0.0013390987f);
  p = fma(p, r, 0.009618501f);
  p = fma(p, r, 0.055503596f);
  p = fma(p, r, 0.24022648f);
  p = fma(p, r, 0.6931472f);
  p = fma(p, r, 1.0f);
  float y = scaled(p, n);
  return x < -151.0f ? 0.0f : y;
}

inline float exp10(float x) {
  float n = min(max(rint(x * 3.321928f), -150.0f), 128.0f);
  float r = fma(n, -0.30103f, x);
  r = fma(n, 1.4320989e-08f, r);
  float p = fma(0.050259266f, r, 0.20874338f);
  p = fma(p, r, 0.540178f);
  p = fma(p, r, 1.171219f);
  p = fma(p, r, 2.0346684f);
  p = fma(p, r, 2.6509492f);
  p = fma(p, r, 2.3025851f);
  p = fma(p, r, 1.0f);
  float y = scaled(p, n);
  return x < -45.5f ? 0.0f : y;
}

// e^x - 1 for x from 0 to 80.
inline float expm1_kernel(float x) {
  float n = rint(x * 1.442695f);
  float r = fma(n, -0.6931472f, x);
  r = fma(n, 1.9046542e-09f, r);
  float q = fma(0.00019762572f, r, 0.0013932331f);
  q = fma(q, r, 0.008333545f);
  q = fma(q, r, 0.041666493f);
  q = fma(q, r, 0.16666666f);
  q = fma(q, r, 0.5f);
  q = fma(q * r, r, r);
  float s = power_of_two(int(n));
  return fma(s, q, s - 1.0f);
}

// The bits of x relative to those of sqrt(1/2): exponent and mantissa come apart there.
inline uint log_bits(float x) {
  float normal = x < 1.17549435e-38f ? x * 8388608.0f : x;
  return as_type<uint>(normal) - 0x3f3504f3u;
}

// m - 1, where x = m * 2^e and m lies from sqrt(1/2) to sqrt(2).
inline float log_fraction(uint bits) {
  return as_type<float>((bits & 0x007fffffu) + 0x3f3504f3u) - 1.0f;
}

// e
inline float log_exponent(uint bits, float x) {
  float e = float(int(bits) >> 23);
  return x < 1.17549435e-38f ? e - 23.0f : e;
}

// What logarithms are of arguments that are not positive and finite.
inline float log_special(float x, float y) {
  y = x == 0.0f ? -METAL_INFINITE : y;
  y = x < 0.0f ? METAL_NAN : y;
  return x < METAL_INFINITE ? y : x;
}

// log(1 + f) - f, for f from sqrt(1/2) - 1 to sqrt(2) - 1.
inline float log_kernel(float f) {
  float p = fma(-0.076357506f, f, 0.12761861f);
  p = fma(p, f, -0.13159683f);
  p = fma(p, f, 0.14201628f);
  p = fma(p, f, -0.16623408f);
  p = fma(p, f, 0.2000124f);
  p = fma(p, f, -0.2500082f);
  p = fma(p, f, 0.3333333f);
  p = fma(p, f, -0.5f);
  return p * (f * f);
}

inline float log(float x) {
  uint bits = log_bits(x);
  float e = log_exponent(bits, x);
  float f = log_fraction(bits);
  // e * ln 2 in two parts, the first exact.
  float y = fma(e, 0.69314575f, f + fma(e, 1.4286068e-06f, log_kernel(f)));
  return log_special(x, y);
}

inline float log2(float x) {
  uint bits = log_bits(x);
  float f = log_fraction(bits);
  float p = fma(-0.110956386f, f, 0.1874085f);
  p = fma(p, f, -0.19129442f);
  p = fma(p, f, 0.20443647f);
  p = fma(p, f, -0.23957095f);
  p = fma(p, f, 0.28857374f);
  p = fma(p, f, -0.36069864f);
  p = fma(p, f, 0.48089817f);
  p = fma(p, f, -0.72134733f);
  float low = fma(f, 1.925963e-08f, p * (f * f));
  float y = log_exponent(bits, x) + fma(f, 1.442695f, low);
  return log_special(x, y);
}

inline float log10(float x) {
  uint bits = log_bits(x);
  float e = log_exponent(bits, x);
  float f = log_fraction(bits);
  float p = fma(-0.033303387f, f, 0.056244053f);
  p = fma(p, f, -0.05753596f);
  p = fma(p, f, 0.061561372f);
  p = fma(p, f, -0.072125494f);
  p = fma(p, f, 0.08686871f);
  p = fma(p, f, -0.10858084f);
  p = fma(p, f, 0.14476478f);
  p = fma(p, f, -0.21714719f);
  float low = fma(f, -1.010305e-08f, fma(e, 4.605039e-06f, p * (f * f)));
  float y = fma(e, 0.3010254f, fma(f, 0.4342945f, low));
  return log_special(x, y);
}

inline float log1p(float x) {
  float u = 1.0f + x;
  // What the addition lost.
  float lost = x >= 1.0f ? 1.0f - (u - x) : x - (u - 1.0f);
  uint bits = as_type<uint>(u) - 0x3f3504f3u;
  int e = int(bits) >> 23;
  float f = log_fraction(bits);
  f += lost * as_type<float>(uint(max(127 - e, 0)) << 23);
  float y = fma(float(e), 0.69314575f, f + fma(float(e), 1.4286068e-06f, log_kernel(f)));
  float small = fma(x * x, -0.5f, x);
  y = abs(x) < 1e-5f ? small : y;
  y = x == -1.0f ? -METAL_INFINITE : y;
  y = x < -1.0f ? METAL_NAN : y;
  return x < METAL_INFINITE ? y : x;
}

// |x|^y for finite y * log|x|, with the logarithm in two floats.
inline float pow_kernel(float x, float y) {
  uint bits = log_bits(x);
  float e = log_exponent(bits, x);
  float f = log_fraction(bits);
  // s = f / (2 + f), and log(1 + f) = 2 s + s^3 R(s^2).
  float d = 2.0f + f;
  float d_low = f - (d - 2.0f);
  float s = f / d;
  float s_low = fma(-s, d_low, fma(-s, d, f)) / d;
  float c = s * s;
  float c_low = fma(2.0f * s, s_low, fma(s, s, -c));
  float r = c * fma(fma(0.23428689f, c, 0.28546745f), c, 0.40000156f);
  float k = 0.6666667f + r;
  float k_low = (0.6666667f - k) + r - 1.9868216e-08f;
  float sc = s * c;
  float sc_low = fma(s, c_low, fma(s_low, c, fma(s, c, -sc)));
  float t = sc * k;
  float t_low = fma(sc, k_low, fma(sc_low, k, fma(sc, k, -t)));
  float m = 2.0f * s + t;
  float m_low = (2.0f * s - m) + t + fma(2.0f, s_low, t_low);
  // e * ln 2: the first part is exact.
  float e_high = e * 0.69314575f;
  float high = e_high + m;
  float z = high - e_high;
  float low = (e_high - (high - z)) + (m - z) + fma(e, 1.4286068e-06f, m_low);
  high = abs(x) == 0.0f ? -METAL_INFINITE : high;
  high = x < METAL_INFINITE ? high : x;
  low = abs(high) < METAL_INFINITE ? low : 0.0f;
  // y times that.
  float p = y * high;
  float p_low = fma(y, low, fma(y, high, -p));
  p_low = abs(p) < 200.0f ? p_low : 0.0f;
  float n = min(max(rint(p * 1.442695f), -151.0f), 129.0f);
  float a = fma(n, -0.6931472f, p);
  a = fma(n, 1.9046542e-09f, a) + p_low;
  float result = scaled(exp_kernel(a), n);
  result = p > 89.0f ? METAL_INFINITE : result;
  return p < -105.0f ? 0.0f : result;
}

inline float pow(float x, float y) {
  float ax = abs(x);
  float result = pow_kernel(ax, y);
  bool whole = trunc(y) == y;
  bool not_even = trunc(y * 0.5f) != y * 0.5f;
  bool has_ones = abs(y) < 16777216.0f;
  bool negative = (as_type<uint>(x) >> 31) != 0u;
  bool flips = negative && whole && not_even && has_ones;
  result = flips ? -result : result;
  bool broken = !whole;
  bool positive = ax > 0.0f;
  bool finite = ax < METAL_INFINITE;
  bool undefined = negative && broken && positive && finite;
  result = undefined ? METAL_NAN : result;
  bool unit = ax == 1.0f;
  bool endless = abs(y) == METAL_INFINITE;
  bool unit_power = unit && endless;
  result = unit_power ? 1.0f : result;
  result = x == 1.0f ? 1.0f : result;
  return y == 0.0f ? 1.0f : result;
}

inline float powr(float x, float y) {
  float result = pow_kernel(abs(x), y);
  result = x < 0.0f ? METAL_NAN : result;
  bool zero = y == 0.0f;
  bool positive = x > 0.0f;
  bool finite = x < METAL_INFINITE;
  result = zero && positive && finite ? 1.0f : result;
  bool unit = x == 1.0f;
  bool bounded = abs(y) < METAL_INFINITE;
  return unit && bounded ? 1.0f : result;
}

// 2 / pi, 32 bits a word, after one word of zeros.
constant uint two_over_pi[8] = {0u,          0xa2f9836eu, 0x4e441529u, 0xfc2757d1u,
                                0xf534ddc0u, 0xdb629599u, 0x3c439041u, 0xfe5163abu};

// |x| * 2 / pi modulo 4, times 2^62, for |x| from 2^16 on: the bits of 2 / pi that matter, times
// the mantissa.
inline ulong trig_fraction(float x) {
  uint bits = as_type<uint>(x) & 0x7fffffffu;
  ulong mantissa = ulong((bits & 0x007fffffu) | 0x00800000u);
  int first = int(bits >> 23) - 120;
  int word = min(first >> 5, 4);
  uint shift = uint(first & 31);
  ulong a = (ulong(two_over_pi[word]) << 32) | ulong(two_over_pi[word + 1]);
  ulong b = (ulong(two_over_pi[word + 2]) << 32) | ulong(two_over_pi[word + 3]);
  ulong high = ((a << shift) >> 32) & 0xffffffffull;
  ulong middle = (((a << 32) | (b >> 32)) << shift) >> 32;
  ulong low = ((b << shift) >> 32) & 0xffffffffull;
  return ((mantissa * high) << 32) + mantissa * middle + ((mantissa * low) >> 32);
}

inline int trig_quadrant(ulong fraction) {
  return int((fraction + 0x2000000000000000ull) >> 62);
}

// The angle that is left after the quadrant.
inline float trig_rest(ulong fraction) {
  ulong quadrant = (fraction + 0x2000000000000000ull) >> 62;
  long rest = long(fraction - (quadrant << 62));
  float high = float(rest);
  float low = float(rest - long(high));
  // pi / 2 * 2^-62
  float y = high * 3.4061215800304e-19f;
  float y_low = fma(high, 3.4061215800304e-19f, -y);
  return y + fma(low, 3.4061215800304e-19f, fma(high, -9.4784643e-27f, y_low));
}

inline float sin_kernel(float r) {
  float u = r * r;
  float p = fma(2.8326801e-06f, u, -0.00019853072f);
  p = fma(p, u, 0.008333379f);
  p = fma(p, u, -0.16666667f);
  return fma(p * u, r, r);
}

inline float cos_kernel(float r) {
  float u = r * r;
  float p = fma(-2.8878452e-07f, u, 2.4822008e-05f);
  p = fma(p, u, -0.001388898f);
  p = fma(p, u, 0.041666668f);
  p = fma(p, u, -0.5f);
  return fma(p, u, 1.0f);
}

// x - n * pi / 2
inline float trig_near(float x, float n) {
  float r = fma(n, -1.5707964f, x);
  r = fma(n, 4.371139e-08f, r);
  return fma(n, 1.7151245e-15f, r);
}

inline float sin(float x) {
  float n = rint(x * 0.63661975f);
  float r = trig_near(x, n);
  int q = int(n);
  if (abs(x) >= 100000.0f) {
    ulong fraction = trig_fraction(x);
    r = trig_rest(fraction);
    q = trig_quadrant(fraction);
    r = x < 0.0f ? -r : r;
    q = x < 0.0f ? -q : q;
  }
  float s = sin_kernel(r);
  float c = cos_kernel(r);
  float y = (q & 1) != 0 ? c : s;
  y = (q & 2) != 0 ? -y : y;
  y = abs(x) < 0.0001f ? x : y;
  return abs(x) < METAL_INFINITE ? y : METAL_NAN;
}

inline float cos(float x) {
  float n = rint(x * 0.63661975f);
  float r = trig_near(x, n);
  int q = int(n);
  if (abs(x) >= 100000.0f) {
    ulong fraction = trig_fraction(x);
    r = trig_rest(fraction);
    q = trig_quadrant(fraction);
    r = x < 0.0f ? -r : r;
    q = x < 0.0f ? -q : q;
  }
  float s = sin_kernel(r);
  float c = cos_kernel(r);
  float y = (q & 1) != 0 ? s : c;
  y = ((q + 1) & 2) != 0 ? -y : y;
  return abs(x) < METAL_INFINITE ? y : METAL_NAN;
}

inline float tan(float x) {
  float n = rint(x * 0.63661975f);
  float r = trig_near(x, n);
  int q = int(n);
  if (abs(x) >= 100000.0f) {
    ulong fraction = trig_fraction(x);
    r = trig_rest(fraction);
    q = trig_quadrant(fraction);
    r = x < 0.0f ? -r : r;
    q = x < 0.0f ? -q : q;
  }
  float s = sin_kernel(r);
  float c = cos_kernel(r);
  float y = (q & 1) != 0 ? -c / s : s / c;
  y = abs(x) < 0.0001f ? x : y;
  return abs(x) < METAL_INFINITE ? y : METAL_NAN;
}

// x where it is small enough to have a fraction, else an even whole number: 0.
inline float turn(float x) {
  float zero = copysign(0.0f, x);
  return abs(x) < 16777216.0f ? x : zero;
}

inline float sinpi_kernel(float r) {
  float u = r * r;
  float p = fma(0.07915864f, u, -0.59898126f);
  p = fma(p, u, 2.5501547f);
  p = fma(p, u, -5.1677127f);
  return fma(r, 3.1415927f, r * fma(p, u, -8.742278e-08f));
}

inline float cospi_kernel(float r) {
  float u = r * r;
  float p = fma(0.09496021f, u, 0.21658854f);
  p = fma(p, u, -1.3342538f);
  p = fma(p, u, 4.0586905f);
  p = fma(p, u, -4.934802f);
  return fma(p, u, 1.0f);
}

inline float sinpi(float x) {
  float t = turn(x);
  float n = rint(2.0f * t);
  float r = fma(n, -0.5f, t);
  int q = int(n);
  float s = sinpi_kernel(r);
  float c = cospi_kernel(r);
  float y = (q & 1) != 0 ? c : s;
  y = (q & 2) != 0 ? -y : y;
  bool even = (q & 1) == 0;
  bool whole = r == 0.0f;
  float zero = copysign(0.0f, x);
  y = even && whole ? zero : y;
  return abs(x) < METAL_INFINITE ? y : METAL_NAN;
}

inline float cospi(float x) {
  float t = turn(x);
  float n = rint(2.0f * t);
  float r = fma(n, -0.5f, t);
  int q = int(n);
  float s = sinpi_kernel(r);
  float c = cospi_kernel(r);
  float y = (q & 1) != 0 ? s : c;
  y = ((q + 1) & 2) != 0 ? -y : y;
  // So that zeros are positive.
  y += 0.0f;
  return abs(x) < METAL_INFINITE ? y : METAL_NAN;
}

inline float tanpi(float x) {
  return sinpi(x) / cospi(x);
}

// (asin(s) - s) / s as a function of z = s * s, for s up to 1/2.
inline float asin_kernel(float z) {
  float p = fma(0.03765876f, z, 0.014336326f);
  p = fma(p, z, 0.03183493f);
  p = fma(p, z, 0.04451369f);
  p = fma(p, z, 0.07500521f);
  p = fma(p, z, 0.1666666f);
  return p * z;
}

inline float asin(float x) {
  float ax = abs(x);
  bool large = ax > 0.5f;
  float rest = fma(ax, -0.5f, 0.5f);
  float z = large ? rest : ax * ax;
  float root = sqrt(z);
  float s = large ? root : ax;
  float p = s * asin_kernel(z);
  // pi / 2 - 2 s, and what that subtraction lost.
  float high = 1.5707964f - 2.0f * s;
  float low = (1.5707964f - high) - 2.0f * s;
  float far = high + (low - fma(2.0f, p, 4.371139e-08f));
  float y = large ? far : s + p;
  y = copysign(y, x);
  return ax <= 1.0f ? y : METAL_NAN;
}

inline float acos(float x) {
  float ax = abs(x);
  bool large = ax > 0.5f;
  float rest = fma(ax, -0.5f, 0.5f);
  float z = large ? rest : ax * ax;
  float root = sqrt(z);
  float s = large ? root : x;
  float p = fma(s, asin_kernel(z), s);
  float near_minus_one = 3.1415927f - fma(2.0f, p, 8.742278e-08f);
  float near_one = x > 0.0f ? 2.0f * p : near_minus_one;
  float y = large ? near_one : 1.5707964f - (p + 4.371139e-08f);
  return ax <= 1.0f ? y : METAL_NAN;
}

// atan(t) for t from 0 to 1.
inline float atan_kernel(float t) {
  float u = t * t;
  float p = fma(-0.0017875476f, u, 0.010887361f);
  p = fma(p, u, -0.031127002f);
  p = fma(p, u, 0.057906546f);
  p = fma(p, u, -0.08400475f);
  p = fma(p, u, 0.10951175f);
  p = fma(p, u, -0.14264052f);
  p = fma(p, u, 0.19998531f);
  p = fma(p, u, -0.333333f);
  return fma(p * u, t, t);
}

inline float atan(float x) {
  float ax = abs(x);
  bool large = ax > 1.0f;
  float inverse = 1.0f / ax;
  float p = atan_kernel(large ? inverse : ax);
  float y = large ? 1.5707964f - (p + 4.371139e-08f) : p;
  return copysign(y, x);
}

inline float atan2(float y, float x) {
  float ax = abs(x);
  float ay = abs(y);
  float larger = max(ax, ay);
  float smaller = min(ax, ay);
  float t = larger == 0.0f ? 0.0f : smaller / larger;
  t = smaller == METAL_INFINITE ? 1.0f : t;
  float p = atan_kernel(t);
  bool steep = ay > ax;
  bool left = (as_type<uint>(x) >> 31) != 0u;
  float up_right = 1.5707964f - (p + 4.371139e-08f);
  float up_left = 1.5707964f + (p - 4.371139e-08f);
  float right = steep ? up_right : p;
  float other = steep ? up_left : 3.1415927f - (p + 8.742278e-08f);
  float angle = copysign(left ? other : right, y);
  float sum = x + y;
  bool ordered_x = x == x;
  bool ordered_y = y == y;
  return ordered_x && ordered_y ? angle : sum;
}

inline float sinh(float x) {
  float ax = abs(x);
  float t = expm1_kernel(min(ax, 9.0f));
  float y = 0.5f * (t + t / (t + 1.0f));
  float large = half_exp(ax);
  y = ax < 9.0f ? y : large;
  y = ax < 0.0001f ? ax : y;
  y = copysign(y, x);
  return x == x ? y : x;
}

inline float cosh(float x) {
  float ax = abs(x);
  float h = half_exp(ax);
  float y = ax < 9.0f ? h + 0.25f / h : h;
  return x == x ? y : x;
}

inline float tanh(float x) {
  float ax = abs(x);
  float t = expm1_kernel(min(2.0f * ax, 20.0f));
  float y = t / (t + 2.0f);
  y = ax < 9.1f ? y : 1.0f;
  y = ax < 0.0001f ? ax : y;
  y = copysign(y, x);
  return x == x ? y : x;
}

inline float asinh(float x) {
  float ax = abs(x);
  float square = ax * ax;
  float y = log1p(ax + square / (1.0f + sqrt(1.0f + square)));
  float large = log(ax) + 0.6931472f;
  y = ax < 1e9f ? y : large;
  return copysign(y, x);
}

inline float acosh(float x) {
  float t = x - 1.0f;
  float y = log1p(t + sqrt(fma(t, t, 2.0f * t)));
  float large = log(x) + 0.6931472f;
  y = x < 1e9f ? y : large;
  return x < 1.0f ? METAL_NAN : y;
}

inline float atanh(float x) {
  float ax = abs(x);
  float y = 0.5f * log1p(2.0f * ax / (1.0f - ax));
  y = ax <= 1.0f ? y : METAL_NAN;
  return copysign(y, x);
}

}  // namespace __detail
}  // namespace metal

#undef METAL_NAN
#undef METAL_INFINITE
