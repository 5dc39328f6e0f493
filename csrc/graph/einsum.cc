// Einstein's summation: reading the subscripts, and the order of pairs.
#include <algorithm>
#include <map>

#include "backpass/products.h"
#include "backpass/shape_ops.h"
#include "base/error.h"
#include "graph/contract.h"

namespace backpass {
namespace {

// Axes that "..." stands for have the letters 1 to 8, the last axis the last of them.
constexpr char kFirstOfEllipsis = '1';
constexpr const char* kEllipsis = "...";

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

struct Subscripts {
  std::vector<std::string> operands;
  std::string output;
  bool has_output = false;
};

Subscripts parse(std::string text) {
  std::erase(text, ' ');
  Subscripts result;
  const std::size_t arrow = text.find("->");
  if (arrow != std::string::npos) {
    result.has_output = true;
    result.output = text.substr(arrow + 2);
    text.erase(arrow);
  }
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    result.operands.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return result;
}

// Letters for all axes, `count` of them for "...", of `most` that there may be.
std::string without_ellipsis(const std::string& whole, const std::string& axes, std::size_t count, std::size_t most) {
  std::string result = axes;
  if (const std::size_t at = axes.find(kEllipsis); at != std::string::npos) {
    std::string named;
    for (std::size_t i = most - count; i < most; ++i) named += static_cast<char>(kFirstOfEllipsis + i);
    result.replace(at, 3, named);
  }
  for (char c : result)
    if (!is_letter(c) && (c < kFirstOfEllipsis || c >= static_cast<char>(kFirstOfEllipsis + most)))
      fail("einsum", "takes letters, commas, \"->\" and one \"...\" per operand, got \"", whole, '"');
  return result;
}

std::size_t ellipsis_rank(const std::string& whole, const std::string& axes, const Tensor& x) {
  const std::size_t rank = x.shape().size();
  const bool open = axes.find(kEllipsis) != std::string::npos;
  const std::size_t letters = axes.size() - (open ? 3 : 0);
  if (open ? letters > rank : letters != rank)
    fail("einsum", "\"", axes, "\" of \"", whole, "\" does not name the axes of ", to_string(x.shape()));
  return rank - letters;
}

// Axes that an operand has twice, once.
Named without_twins(Named t) {
  for (std::size_t i = 0; i < t.axes.size();) {
    const char c = t.axes[i];
    const std::size_t j = t.axes.find(c, i + 1);
    if (j == std::string::npos) {
      ++i;
      continue;
    }
    if (t.x.shape()[i] != t.x.shape()[j]) fail("einsum", "axes ", c, " differ in ", to_string(t.x.shape()));
    t.x = diagonal(t.x, 0, static_cast<Dim>(i), static_cast<Dim>(j));  // which is last
    t.axes.erase(j, 1);
    t.axes.erase(i, 1);
    t.axes += c;
    i = 0;
  }
  return t;
}

// An axis of one element beside a longer one of that letter is no axis.
Named without_ones(const Named& t, const std::map<char, Dim>& sizes) {
  Named result{t.x, ""};
  Shape shape;
  for (char c : t.axes)
    if (t.size(c) == sizes.at(c)) {
      result.axes += c;
      shape.push_back(t.size(c));
    }
  result.x = reshape(t.x, shape);
  return result;
}

double elements(const std::string& axes, const std::map<char, Dim>& sizes) {
  constexpr double kSomeRows = 64;  // of a batch
  double count = 1;
  for (char c : axes) count *= sizes.at(c) == kBatch ? kSomeRows : static_cast<double>(sizes.at(c));
  return count;
}

// What all but two terms, and the output, still need.
std::string needed(const std::vector<Named>& terms, std::size_t a, std::size_t b, const std::string& output) {
  if (terms.size() == 2) return output;
  std::string kept = output;
  for (std::size_t i = 0; i < terms.size(); ++i)
    if (i != a && i != b) kept += terms[i].axes;
  std::string result;  // of the two, each once
  for (const std::string* axes : {&terms[a].axes, &terms[b].axes})
    for (char c : *axes)
      if (kept.find(c) != std::string::npos && result.find(c) == std::string::npos) result += c;
  return result;
}

// The pair whose product is smallest beside what it replaces.
std::pair<std::size_t, std::size_t> next_pair(const std::vector<Named>& terms, const std::string& output,
                                              const std::map<char, Dim>& sizes) {
  std::pair<std::size_t, std::size_t> best{0, 1};
  double least = 0;
  for (std::size_t a = 0; a < terms.size(); ++a)
    for (std::size_t b = a + 1; b < terms.size(); ++b) {
      const double grows = elements(needed(terms, a, b, output), sizes) - elements(terms[a].axes, sizes) -
                           elements(terms[b].axes, sizes);
      if ((a == 0 && b == 1) || grows < least) {
        best = {a, b};
        least = grows;
      }
    }
  return best;
}

std::string implicit_output(const std::string& all) {
  std::map<char, int> times;
  for (char c : all) ++times[c];
  std::string result;
  for (const auto& [axis, count] : times)  // digits of "..." first
    if (count == 1 || !is_letter(axis)) result += axis;
  return result;
}

void check_output(const std::string& whole, const std::string& output, const std::map<char, Dim>& sizes) {
  for (std::size_t i = 0; i < output.size(); ++i) {
    if (!sizes.count(output[i])) fail("einsum", "no operand of \"", whole, "\" has axis ", output[i]);
    if (output.find(output[i], i + 1) != std::string::npos)
      fail("einsum", "the output of \"", whole, "\" names ", output[i], " twice");
  }
}

std::map<char, Dim> sizes_of(const std::vector<Named>& terms) {
  std::map<char, Dim> sizes;
  for (const Named& t : terms)
    for (char c : t.axes) {
      Dim& size = sizes.emplace(c, 1).first->second;
      if (size != 1 && t.size(c) != 1 && size != t.size(c))
        fail("einsum", "axis ", is_letter(c) ? std::string(1, c) : kEllipsis, " has sizes ", size, " and ", t.size(c));
      if (t.size(c) != 1) size = t.size(c);
    }
  return sizes;
}

}  // namespace

Tensor einsum(const std::string& subscripts, const std::vector<Tensor>& operands, Precision precision) {
  Subscripts parsed = parse(subscripts);
  if (parsed.operands.size() != operands.size())
    fail("einsum", "\"", subscripts, "\" names ", parsed.operands.size(), " operands, got ", operands.size());
  std::size_t most = 0;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    if (!operands[i]) fail("einsum", "got an empty tensor");
    most = std::max(most, ellipsis_rank(subscripts, parsed.operands[i], operands[i]));
  }
  std::vector<Named> terms;
  std::string all;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    const std::size_t count = ellipsis_rank(subscripts, parsed.operands[i], operands[i]);
    terms.push_back({operands[i], without_ellipsis(subscripts, parsed.operands[i], count, most)});
    all += terms.back().axes;
  }
  const std::string output =
      parsed.has_output ? without_ellipsis(subscripts, parsed.output, most, most) : implicit_output(all);
  for (Named& t : terms) t = without_twins(t);
  const std::map<char, Dim> sizes = sizes_of(terms);
  check_output(subscripts, output, sizes);
  for (std::size_t i = 0; i < terms.size(); ++i) {
    std::string kept = output;
    for (std::size_t j = 0; j < terms.size(); ++j)
      if (j != i) kept += terms[j].axes;
    terms[i] = summed(terms.size() > 1 ? without_ones(terms[i], sizes) : terms[i], kept);
  }
  while (terms.size() > 1) {
    const auto [a, b] = next_pair(terms, output, sizes);
    const std::string kept = needed(terms, a, b, output);
    const Named left = summed(terms[a], kept + terms[b].axes), right = summed(terms[b], kept + terms[a].axes);
    terms[a] = contract(left, right, kept, precision);
    terms.erase(terms.begin() + static_cast<std::ptrdiff_t>(b));
  }
  return ordered(summed(terms[0], output), output).x;
}

}  // namespace backpass
