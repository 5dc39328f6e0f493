// JSON and safetensors: round trips, and what must be refused.
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "io/json.h"
#include "io/safetensors.h"
#include "io_check.h"

namespace backpass {
namespace {

std::string round_trip(const std::string& text) { return write_json(parse_json(text)); }

void test_json_values() {
  const std::string text = R"({"a":[1,-2,0.5,1e+300,true,false,null],"b":{},"c":"x\"\\y","d":[]})";
  CHECK(round_trip(text) == text);
  CHECK(round_trip(" [ 1 , 2.0 ] \n") == "[1,2.0]");
  CHECK(round_trip(R"("\u0041\u00e9\u20ac\ud83d\ude00\n\u0000")") == "\"A\u00e9\u20ac\U0001F600\\u000a\\u0000\"");
  CHECK(parse_json("9223372036854775807").as_int() == std::numeric_limits<std::int64_t>::max());
  CHECK(parse_json("-9223372036854775808").as_int() == std::numeric_limits<std::int64_t>::min());
  CHECK(parse_json("1").as_double() == 1.0);
  CHECK(parse_json(text).at("b").as_object().empty());
  CHECK(refuses([&] { parse_json(text).at("z"); }, "\"z\" is missing"));
  CHECK(refuses([] { parse_json("1").as_string(); }, "expected a string, found an integer"));
}

void test_json_doubles() {
  using Limits = std::numeric_limits<double>;
  for (double value :
       {0.0, -0.0, 1.0, 0.1, 1.0 / 3, Limits::max(), Limits::min(), Limits::denorm_min(), 1e22, -12345.0}) {
    const JsonValue back = parse_json(write_json(value));
    CHECK(back.is<double>() && std::memcmp(&value, std::array{back.as_double()}.data(), sizeof value) == 0);
  }
  CHECK(refuses([] { write_json(std::nan("")); }));
  CHECK(refuses([] { write_json(std::numeric_limits<double>::infinity()); }));
  CHECK(refuses([] { write_json("\xff"); }, "UTF-8"));
}

void test_json_refuses() {
  const std::vector<std::string> broken = {"",
                                           " ",
                                           "[",
                                           "]",
                                           "{",
                                           "[1,]",
                                           "[,1]",
                                           "[1 2]",
                                           "{\"a\"}",
                                           "{\"a\":}",
                                           "{\"a\":1,}",
                                           "{a:1}",
                                           "{1:1}",
                                           "01",
                                           "-",
                                           "-01",
                                           "1.",
                                           ".5",
                                           "+1",
                                           "1e",
                                           "1e+",
                                           "0x1",
                                           "nul",
                                           "True",
                                           "NaN",
                                           "Infinity",
                                           "-inf",
                                           "1 1",
                                           "[]]",
                                           "'a'",
                                           "\"a",
                                           "\"\n\"",
                                           "\"\\x\"",
                                           "\"\\u12\"",
                                           "\"\\u12g4\"",
                                           "\"\\u-123\"",
                                           "\"\\ud800\"",
                                           "\"\\udc00\"",
                                           "\"\\ud800\\u0041\"",
                                           "\"\\",
                                           "1e400",
                                           "-1e400",
                                           "9223372036854775808",
                                           "{\"a\":1,\"b\":2,\"a\":3}",
                                           "\"\xff\"",
                                           "\"\xc0\x80\"",
                                           "\"\xed\xa0\x80\"",
                                           "\"\xf4\x90\x80\x80\"",
                                           "\"\xe2\x82",
                                           "\"\x80\"",
                                           "\xef\xbb\xbf[]",
                                           std::string("[]\0", 3)};
  for (const std::string& text : broken) {
    const bool refused = refuses([&] { parse_json(text); }, "position");
    if (!refused) std::printf("accepted: %s\n", text.c_str());
    CHECK(refused);
  }
  const std::string opening(kMaxJsonDepth, '['), closing(kMaxJsonDepth, ']');
  CHECK(round_trip(opening + closing) == opening + closing);
  CHECK(refuses([&] { parse_json("[" + opening + closing + "]"); }, "deep"));
  CHECK(refuses([] { parse_json(std::string(10'000'000, '[')); }, "deep"));
  std::string many = "[0";
  for (int i = 0; i < kMaxJsonValues; ++i) many += ",0";
  CHECK(refuses([&] { parse_json(many + "]"); }, "too many values"));
}

constexpr float kFloats[6] = {1, -2, 3.5f, 0, 5, 6};
constexpr double kDoubles[1] = {0.1};

std::vector<TensorEntry> entries() {
  return {{"0.weight", ElementType::float32, {2, 3}, std::as_bytes(std::span(kFloats))},
          {"empty", ElementType::float32, {0, 4}, {}},
          {"scalar \u20ac", ElementType::float64, {}, std::as_bytes(std::span(kDoubles))}};
}

void test_safetensors_round_trip() {
  const std::string bytes = write_safetensors(entries(), {{"format", "x"}, {"seed", "\"1\""}});
  const SafetensorsFile file = parse_safetensors(bytes_of(bytes));
  CHECK(file.metadata.at("format") == "x" && file.metadata.at("seed") == "\"1\"");
  CHECK(file.tensors.size() == 3);
  const auto offset = reinterpret_cast<const char*>(file.tensors[0].bytes.data()) - bytes.data();
  CHECK(offset % 64 == 0);
  for (std::size_t i = 0; i < file.tensors.size() && i < 3; ++i) {
    const TensorEntry &got = file.tensors[i], expected = entries()[i];
    CHECK(got.name == expected.name && got.type == expected.type && got.shape == expected.shape);
    CHECK(std::equal(got.bytes.begin(), got.bytes.end(), expected.bytes.begin(), expected.bytes.end()));
  }
  for (const ElementType type :
       {ElementType::float16, ElementType::bfloat16, ElementType::int64, ElementType::boolean}) {
    const std::string other =
        write_safetensors({{"a", type, {8 / static_cast<Dim>(size_of(type))}, std::as_bytes(std::span(kDoubles))}});
    CHECK(parse_safetensors(bytes_of(other)).tensors[0].type == type);
  }
  const std::string none = write_safetensors({});
  CHECK(parse_safetensors(bytes_of(none)).tensors.empty());
}

// A file with that header and that many bytes of elements.
std::string file_of(const std::string& header, std::size_t data) {
  std::string bytes(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>((header.size() >> (8 * i)) & 0xff);
  return bytes + header + std::string(data, '\0');
}

std::string tensor(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

void test_safetensors_refuses() {
  const auto refuse = [](const std::string& header, std::size_t data, const std::string& part) {
    const std::string bytes = file_of(header, data);
    return refuses([&] { parse_safetensors(bytes_of(bytes)); }, part);
  };
  const std::string good = tensor("F32", "[2]", "[0,8]");
  CHECK(!refuse("{\"a\":" + good + "}   ", 8, ""));
  CHECK(refuse("{\"a\":" + tensor("C64", "[1]", "[0,8]") + "}", 8, "C64"));
  CHECK(refuse("{\"a\":" + tensor("F32", "[3]", "[0,8]") + "}", 8, "12 bytes"));
  CHECK(refuse("{\"a\":" + tensor("F32", "[-2]", "[0,8]") + "}", 8, "negative"));
  CHECK(refuse("{\"a\":" + tensor("F32", "[4294967296,4294967296]", "[0,8]") + "}", 8, "overflows"));
  CHECK(refuse("{\"a\":" + tensor("F32", "[2.0]", "[0,8]") + "}", 8, "integer"));
  CHECK(refuse("{\"a\":" + tensor("F32", "[2]", "[8,0]") + "}", 8, "order"));
  CHECK(refuse("{\"a\":" + tensor("F32", "[2]", "[-8,0]") + "}", 8, "order"));
  CHECK(refuse("{\"a\":" + tensor("F32", "[2]", "[0,8,8]") + "}", 8, "two"));
  CHECK(refuse("{\"a\":" + good + "}", 7, "ends within"));
  CHECK(refuse("{\"a\":" + good + "}", 9, "no tensor"));
  CHECK(refuse("{\"a\":" + good + ",\"a\":" + good + "}", 8, "duplicate"));
  CHECK(refuse("{\"a\":" + good + ",\"b\":" + good + "}", 8, "overlap"));
  CHECK(refuse("{\"a\":" + good + ",\"b\":" + tensor("F32", "[2]", "[12,20]") + "}", 20, "hole"));
  CHECK(refuse("{\"a\":" + good + ",\"__metadata__\":{\"k\":1}}", 8, "string"));
  CHECK(refuse("{\"a\":1}", 0, "object"));
  CHECK(refuse("[]", 0, "begin"));
  CHECK(refuse("", 0, "begin"));
  CHECK(refuses([] { parse_safetensors(bytes_of(std::string(64, '\xff'))); }, "100 MB"));
  std::vector<TensorEntry> twice = {entries()[0], entries()[0]};
  CHECK(refuses([&] { write_safetensors(twice); }, "taken"));
  twice[1].name = "__metadata__";
  CHECK(refuses([&] { write_safetensors(twice); }, "taken"));
  CHECK(refuses(
      [] {
        write_safetensors({{"a", ElementType::float64, {6}, std::as_bytes(std::span(kFloats))}});
      },
      "fit"));
}

}  // namespace
}  // namespace backpass

int main() {
  using namespace backpass;
  test_json_values();
  test_json_doubles();
  test_json_refuses();
  test_safetensors_round_trip();
  test_safetensors_refuses();
  damage([](auto bytes) { parse_safetensors(bytes); }, write_safetensors(entries(), {{"k", "v"}}));
  std::printf("%s\n", failures == 0 ? "ok" : "FAILED");
  return failures == 0 ? 0 : 1;
}
