// exp, log, tanh, erf and the activations made of them, on vectors; compiled per instruction set.
//
// The coefficients interpolate at Chebyshev nodes in 60 digits; their own error is below 0.15 ulp each.
#pragma once

namespace backpass::kernels {
namespace {

template <class T>
struct Constants;

template <>
struct Constants<float> {
  static constexpr float kMagic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to a whole number
  static constexpr float kSplit = 4097.0f;      // 2^12 + 1: halves a mantissa (Veltkamp)
  static constexpr float kExpLow = -104.0f, kExpHigh = 89.0f, kTanhHigh = 10.0f, kErfcHigh = 10.1f, kErfcCentre = 3.0f;
  static constexpr float kMinNormal = 1.17549435e-38f, kNormalize = 8388608.0f, kNormalizeExponent = 23.0f;
  // ln(2) in two parts, the first with so few bits that its multiples are exact.
  static constexpr float kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
  // (exp(r) - 1 - r) / r^2 for |r| <= ln(2) / 2
  static constexpr float kExp[] = {0.5f, 0.16666576266288757f, 0.04166655242443085f, 0.008363292552530766f,
                                   0.0013926326064392924f};
  // (log((1 + s) / (1 - s)) - 2 s) / s^3 in s^2
  static constexpr float kLog[] = {0.6666668653488159f, 0.3998871147632599f, 0.2958305776119232f};
  // erf(x) / x in x^2 for |x| <= 0.75
  static constexpr float kErf[] = {1.1283791065216064f,    -0.3761261999607086f,  0.11283386498689651f,
                                   -0.026835113763809204f, 0.005115332081913948f, -0.0006756479851901531f};
  // exp(x^2) erfc(x) (1 + 2 x) in (x - 3) / (x + 3)
  static constexpr float kErfc[] = {1.2530080080032349f,     -0.13562114536762238f,   -0.04756227880716324f,
                                    0.12964656949043274f,    -0.11927264928817749f,   0.0682935118675232f,
                                    -0.023790234699845314f,  0.0025794347748160362f,  0.001994474558159709f,
                                    -0.0007983391406014562f, -0.00027732690796256065f};
};

template <>
struct Constants<double> {
  static constexpr double kMagic = 6755399441055744.0;  // 1.5 * 2^52
  static constexpr double kSplit = 134217729.0;         // 2^27 + 1
  static constexpr double kExpLow = -746.0, kExpHigh = 710.0, kTanhHigh = 22.0, kErfcHigh = 27.3, kErfcCentre = 3.5;
  static constexpr double kMinNormal = 2.2250738585072014e-308, kNormalize = 4503599627370496.0,
                          kNormalizeExponent = 52.0;
  static constexpr double kLn2High = 6.93147180369123816490e-01, kLn2Low = 1.90821492927058770002e-10;
  static constexpr double kExp[] = {0.5,
                                    0.1666666666666667,
                                    0.04166666666666667,
                                    0.008333333333326025,
                                    0.001388888888888367,
                                    0.00019841269875205077,
                                    2.4801587325822283e-05,
                                    2.75572549134867e-06,
                                    2.7557273295539724e-07,
                                    2.5105419192016337e-08,
                                    2.091483135138041e-09};
  static constexpr double kLog[] = {0.666666666666667,   0.3999999999989765,  0.2857142862681398, 0.22222210998123745,
                                    0.18182899068063552, 0.15331391597986554, 0.14620522556371995};
  static constexpr double kErf[] = {1.1283791670955126,      -0.37612638903183715,    0.11283791670952596,
                                    -0.026866170644428485,   0.005223977615420539,    -0.0008548326188759752,
                                    0.00012055289567541706,  -1.4924196305569617e-05, 1.643068417974155e-06,
                                    -1.5940066854661717e-07, 1.1472499701094691e-08};
  // exp(x^2) erfc(x) (1 + 2 x) in (x - 3.5) / (x + 3.5)
  static constexpr double kErfc[] = {
      1.2423492448711544,      -0.1400091801376192,     -0.01055559633221747,   0.09751909515323375,
      -0.11508959816025748,    0.08798315382572389,     -0.048823325825927806,  0.01909933092877757,
      -0.0042150199375304,     -0.00030226775840242436, 0.0005643846740695942,  -0.00012151304643955156,
      -4.2783586890576956e-05, 2.4262992859747633e-05,  2.3328481631751463e-06, -3.818685378780347e-06,
      -5.3882616483237653e-08, 6.056787643689665e-07,   4.67133791861664e-09,   -9.699961697068286e-08,
      -8.661609308414476e-09,  1.1631559731051983e-08,  2.905786582486166e-09};
};

// Horner's rule.
template <class V, class T, int N>
inline V polynomial(V x, const T (&coefficients)[N]) {
  V y = broadcast(coefficients[N - 1]);
  for (int i = N - 2; i >= 0; --i) y = fma(y, x, broadcast(coefficients[i]));
  return y;
}

// (exp(2 r) - 1 - 2 r) / (2 r^2) for |r| <= ln(2) / 4.
template <class T>
constexpr auto exp_of_twice() {
  struct {
    T c[sizeof(Constants<T>::kExp) / sizeof(T)] = {};
  } result;
  T power = 2;
  for (int i = 0; T & c : result.c) {
    c = power * Constants<T>::kExp[i++];
    power *= 2;
  }
  return result;
}

// x = n ln(2) + r with |r| <= ln(2) / 2; returns exp(r) - 1.
template <class V>
inline V exp_reduced(V x, V& n) {
  using T = typename V::Element;
  using C = Constants<T>;
  const V magic = broadcast(C::kMagic);
  n = fma(x, broadcast(static_cast<T>(1.44269504088896340736)), magic) - magic;
  const V r = fnma(n, broadcast(C::kLn2Low), fnma(n, broadcast(C::kLn2High), x));
  return fma(polynomial(r, C::kExp), r * r, r);
}

template <class V>
inline V exp(V x) {
  using T = typename V::Element;
  using C = Constants<T>;
  V n;
  const V r = exp_reduced(max(broadcast(C::kExpLow), min(broadcast(C::kExpHigh), x)), n);
  // In two steps, because 2^n alone may overflow, or be subnormal, where the product is not.
  const V magic = broadcast(C::kMagic);
  const V half = fma(n, broadcast(static_cast<T>(0.5)), magic) - magic;
  const V scale = pow2(half);
  return fma(r, scale, scale) * pow2(n - half);
}

// e ln(2) + log(1 + f) for 1 + f in [sqrt(1/2), sqrt(2)].
template <class V>
inline V log_reduced(V e, V f) {
  using T = typename V::Element;
  using C = Constants<T>;
  const V half_square = f * f * broadcast(static_cast<T>(0.5));
  const V s = f / (broadcast(static_cast<T>(2)) + f), z = s * s;
  const V tail = s * fma(polynomial(z, C::kLog), z, half_square);
  return fma(e, broadcast(C::kLn2High), f - (half_square - fma(e, broadcast(C::kLn2Low), tail)));
}

template <class V>
inline V log(V x) {
  using T = typename V::Element;
  using C = Constants<T>;
  const V zero = broadcast(static_cast<T>(0)), one = broadcast(static_cast<T>(1));
  const V infinity = broadcast(static_cast<T>(__builtin_inf()));
  const auto small = less(x, broadcast(C::kMinNormal));
  const V normal = select(small, x * broadcast(C::kNormalize), x);
  V e = exponent(normal) - select(small, broadcast(C::kNormalizeExponent), zero);
  V m = mantissa(normal);
  const auto large = less(broadcast(static_cast<T>(1.41421356237309504880)), m);
  e = select(large, e + one, e);
  m = select(large, m * broadcast(static_cast<T>(0.5)), m);
  V y = log_reduced(e, m - one);
  y = select(less(x, infinity), y, x);  // inf and nan stay
  y = select(equal(x, zero), zero - infinity, y);
  return select(less(x, zero), broadcast(static_cast<T>(__builtin_nan(""))), y);
}

// log(1 + u) for u in [0, 1], with no loss for small u.
template <class V>
inline V log1p_unit(V u) {
  using T = typename V::Element;
  const V zero = broadcast(static_cast<T>(0)), one = broadcast(static_cast<T>(1)),
          half = broadcast(static_cast<T>(0.5));
  const auto large = less(broadcast(static_cast<T>(0.41421356237309504880)), u);
  return log_reduced(select(large, one, zero), select(large, (u - one) * half, u));
}

// exp(x) - 1 for x <= 0, which keeps small arguments exact, and 0 above; it is -1 beyond the bound.
template <class V>
inline V expm1_negative(V x) {
  using T = typename V::Element;
  const V zero = broadcast(static_cast<T>(0)), one = broadcast(static_cast<T>(1));
  V n;
  const V r = exp_reduced(max(broadcast(-2 * Constants<T>::kTanhHigh), min(zero, x)), n);
  const V scale = pow2(n);
  return fma(r, scale, scale - one);
}

// e / (e + 1) with e = (exp(2 |x|) - 1) / 2, which keeps small arguments exact. |x| = n ln(2) / 2 + r, where one
// constant is enough: an error of it grows with n, what comes of it in the result shrinks with 2^-n.
template <class V>
inline V tanh(V x) {
  using T = typename V::Element;
  using C = Constants<T>;
  static constexpr auto kExp2 = exp_of_twice<T>();
  const V magic = broadcast(C::kMagic), half = broadcast(static_cast<T>(0.5));
  const V a = min(broadcast(C::kTanhHigh), abs(x));
  const V n = fma(a, broadcast(static_cast<T>(2.88539008177792681472)), magic) - magic;
  const V r = fnma(n, broadcast(static_cast<T>(0.34657359027997265471)), a);
  const V scale = pow2(n);
  const V e = fma(fma(polynomial(r, kExp2.c), r * r, r), scale, fma(scale, half, broadcast(static_cast<T>(-0.5))));
  return copysign(e / (e + broadcast(static_cast<T>(1))), x);
}

// erfc(sqrt(factor) x) for x >= 0, with y = sqrt(factor) x; and exp(-factor x^2) on the way.
template <class V>
inline V erfc_positive(V x, V y, typename V::Element factor, V& gaussian) {
  using T = typename V::Element;
  using C = Constants<T>;
  const V one = broadcast(static_cast<T>(1)), zero = broadcast(static_cast<T>(0));
  x = min(broadcast(static_cast<T>(1.5) * C::kErfcHigh), x);
  y = min(broadcast(C::kErfcHigh), y);
  // x^2 = high^2 + low with high^2 exact: an error in the exponent would be multiplied by x^2.
  const V shifted = x * broadcast(C::kSplit);
  const V high = shifted - (shifted - x);
  const V low = (x - high) * (x + high) * broadcast(factor);
  const V coarse = exp(zero - high * high * broadcast(factor));
  const V tail = fnma(low, fnma(low, broadcast(static_cast<T>(1.0 / 6)), broadcast(static_cast<T>(0.5))), one);
  gaussian = fnma(coarse, low * tail, coarse);
  const V centre = broadcast(C::kErfcCentre);
  const V t = (y - centre) / (y + centre);
  return gaussian * polynomial(t, C::kErfc) / (y + y + one);
}

template <class V>
inline V erf(V x) {
  using T = typename V::Element;
  const V magnitude = abs(x);
  V gaussian;
  const V far = copysign(broadcast(static_cast<T>(1)) - erfc_positive(magnitude, magnitude, 1, gaussian), x);
  const V near = x * polynomial(x * x, Constants<T>::kErf);
  return select(less(magnitude, broadcast(static_cast<T>(0.75))), near, far);
}

template <class V>
inline V sigmoid(V x) {
  using T = typename V::Element;
  const V one = broadcast(static_cast<T>(1)), zero = broadcast(static_cast<T>(0));
  return one / (one + exp(zero - x));
}

// 1 / (1 + exp(-x)) and, without loss where it is small, what lacks to 1.
template <class V>
inline V sigmoid(V x, V& complement) {
  using T = typename V::Element;
  const V one = broadcast(static_cast<T>(1)), zero = broadcast(static_cast<T>(0));
  const V e = exp(zero - abs(x));
  const V large = one / (one + e), small = e * large;
  const auto negative = less(x, zero);
  complement = select(negative, large, small);
  return select(negative, small, large);
}

template <class V>
inline V softplus(V x) {
  using T = typename V::Element;
  const V zero = broadcast(static_cast<T>(0));
  return max(zero, x) + log1p_unit(exp(zero - abs(x)));
}

// The normal distribution function, accurate in both tails, and its density times sqrt(2 pi).
template <class V>
inline V normal_cdf(V x, V& gaussian) {
  using T = typename V::Element;
  const V one = broadcast(static_cast<T>(1)), zero = broadcast(static_cast<T>(0));
  const V magnitude = abs(x), scaled = magnitude * broadcast(static_cast<T>(0.70710678118654752440));
  const V half = broadcast(static_cast<T>(0.5));
  const V tail = half * erfc_positive(magnitude, scaled, static_cast<T>(0.5), gaussian);
  return select(less(x, zero), tail, one - tail);
}

template <class V>
inline V silu(V x) {
  using T = typename V::Element;
  const V one = broadcast(static_cast<T>(1)), zero = broadcast(static_cast<T>(0));
  return x / (one + exp(zero - x));
}

template <class V>
inline V silu_derivative(V x) {
  V complement;
  const V s = sigmoid(x, complement);
  return fma(x * s, complement, s);
}

// tanh(softplus(x)) is n / (n + 2) with e = exp(x) and n = e (e + 2); it is 1 beyond the bound.
template <class V>
inline V mish(V x) {
  using T = typename V::Element;
  const V two = broadcast(static_cast<T>(2));
  const V e = exp(min(broadcast(2 * Constants<T>::kTanhHigh), x)), n = e * (e + two);
  return x * (n / (n + two));
}

template <class V>
inline V mish_derivative(V x) {
  using T = typename V::Element;
  const V one = broadcast(static_cast<T>(1)), two = broadcast(static_cast<T>(2)), four = broadcast(static_cast<T>(4));
  x = min(broadcast(2 * Constants<T>::kTanhHigh), x);
  const V e = exp(x), n = e * (e + two), m = n + two;
  return fma(x * e, four * (one + e) / (m * m), n / m);
}

// u(x) = 2 sqrt(2 / pi) (x + 0.044715 x^3), and u'(x).
template <class V>
inline V gelu_tanh_argument(V x, V& slope) {
  using T = typename V::Element;
  const V scale = broadcast(static_cast<T>(1.59576912160573071176)), square = x * x;
  slope = fma(square, broadcast(static_cast<T>(3 * 0.044715 * 1.59576912160573071176)), scale);
  return x * fma(square, broadcast(static_cast<T>(0.044715 * 1.59576912160573071176)), scale);
}

template <class V>
inline V gelu_tanh(V x) {
  using T = typename V::Element;
  const V one = broadcast(static_cast<T>(1)), zero = broadcast(static_cast<T>(0));
  V slope;
  return x / (one + exp(zero - gelu_tanh_argument(x, slope)));
}

// Beyond the bounds it is 0 or 1, and powers of x would overflow.
template <class V>
inline V gelu_tanh_derivative(V x) {
  using T = typename V::Element;
  const V high = broadcast(static_cast<T>(100)), zero = broadcast(static_cast<T>(0));
  x = max(zero - high, min(high, x));
  V slope, complement;
  const V s = sigmoid(gelu_tanh_argument(x, slope), complement);
  return fma(x * slope * s, complement, s);
}

}  // namespace
}  // namespace backpass::kernels
