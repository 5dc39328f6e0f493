// Running recordings.
#include "eager/run.h"

#include <algorithm>
#include <bit>

#include "backpass/eager.h"
#include "eager/cache.h"
#include "eager/hooked.h"
#include "eager/redraw.h"
#include "nn/in_use.h"
#include "nn/network_impl.h"

namespace backpass::eager {
namespace {

void (*around_run)(const std::function<void()>&) = [](const std::function<void()>& run) { run(); };

// Everybody in whose homes a recording reads or writes.
std::vector<Users*> users_of(const Recording& recording) {
  std::vector<Users*> users;
  for (const Node& node : recording.nodes)
    if (const ExpandingCallee* callee = node.callee(); callee && callee->network())
      for (Users* home : callee->network()->impl().users)
        if (std::ranges::find(users, home) == users.end()) users.push_back(home);
  return users;
}

Array number_array(std::uint64_t bits, DType dtype) {
  Array number(dtype, {});
  const double value = std::bit_cast<double>(bits);
  if (dtype == DType::float64)
    number.values<double>()[0] = value;
  else if (dtype == DType::float32)
    number.values<float>()[0] = static_cast<float>(value);
  else
    number.values<std::int32_t>()[0] = static_cast<std::int32_t>(value);
  return number;
}

// Held while the plan runs: another thread may give a tensor other values meanwhile.
std::vector<Array> arguments(const Compiled& compiled, const Recording& recording, const GradientWish* wish) {
  std::vector<Array> all;
  for (const std::size_t i : compiled.inputs) all.push_back(recording.nodes[i].recorded()->value);
  for (const std::size_t r : compiled.seeds) all.push_back(wish->seeds[r].op().recorded->value);
  if (!compiled.lifted) return all;
  const std::vector<Tensor>& given = compiled.function.graph().inputs();
  for (const std::uint64_t bits : recording.numbers) all.push_back(number_array(bits, given[all.size()].dtype()));
  return all;
}

}  // namespace

void set_around_run(void (*around)(const std::function<void()>&)) { around_run = around; }

Results run(Recording& recording, const GradientWish* wish) {
  if (wish) wish->add_to(recording.key);
  const Draw draw = draw_for(recording);
  const std::shared_ptr<const Compiled> compiled = find_compiled(recording, wish);
  const std::vector<Array> held = arguments(*compiled, recording, wish);
  const std::vector<ArrayView> inputs(held.begin(), held.end());
  const std::vector<Users*> users = users_of(recording);
  const InUse used(users, compiled->writes() ? Use::changes : Use::reads);
  Places places(*compiled, recording);
  const HookedRun hooks(recording);
  around_run([&] { compiled->function.run(inputs, compiled->leaves, places.all(), {draw.seed, draw.step}); });
  return places.take();
}

}  // namespace backpass::eager
