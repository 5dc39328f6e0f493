// Bounds and coefficients of the functions in math-inl.h; compiled per instruction set.
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

}  // namespace
}  // namespace backpass::kernels
