// Random ops of a recording.
#include "eager/redraw.h"

#include <algorithm>

#include "backpass/eager.h"
#include "base/error.h"
#include "graph/op_row.h"
#include "nn/network_impl.h"

namespace backpass::eager {
namespace {

constexpr std::uint32_t kStreams = 1 << 16;  // of random numbers, for each call of a recording

bool is_random(const Node& node) {
  const ExpandingCallee* callee = node.callee();
  return !node.leaf && (role(node.op()) == Role::generator || (callee && callee->is_random()));
}

Draw draw_of(const Node& node) {
  if (const ExpandingCallee* callee = node.callee(); callee && callee->network()) {
    Network::Impl& net = callee->network()->impl();
    return {net.seed, net.step++, 0};
  }
  const FunctionRun next = next_draw();
  return {next.seed, next.step, 0};
}

bool is_random_or_follows(const Node& node) {
  return is_random(node) || (node.leaf && node.recorded() && node.recorded()->follows);
}

// What has been drawn by now: by ops that run again, else by what has its value.
std::optional<Draw> drawn_by(const Recording& recording, std::uint32_t& streams) {
  std::optional<Draw> drawn, before;
  for (const Node& node : recording.nodes) {
    const Recorded* recorded = node.recorded();
    if (!recorded || !is_random_or_follows(node)) continue;
    const std::optional<Draw>& own = node.leaf ? recorded->follows : recorded->draw;
    if (!own) continue;
    if (!node.leaf && drawn && (drawn->seed != own->seed || drawn->step != own->step))
      fail(
          "backward",
          "random numbers of two calls have been drawn apart, because their values were asked for before: ask for them "
          "after backward, or make the calls without dropout");
    (node.leaf ? before : drawn) = own;
    streams = std::max(streams, own->stream + kStreams);
  }
  return drawn ? drawn : before;
}

// What is drawn later for an op that follows from these shall be of the same seed and step: gradients run all again.
void note_draws(const Recording& recording, const Draw& last) {
  for (const Node& node : recording.nodes) {
    if (node.leaf || !node.recorded()) continue;
    bool follows = is_random(node);
    for (const std::size_t input : recording.inputs_of(node)) {
      const Recorded* from = recording.nodes[input].recorded();
      follows = follows || (from && from->follows);
    }
    if (follows) node.recorded()->follows = last;
  }
}

}  // namespace

Draw draw_for(Recording& recording) {
  if (std::ranges::none_of(recording.nodes, is_random_or_follows)) return {};
  std::uint32_t streams = 0;
  std::optional<Draw> drawn = drawn_by(recording, streams);
  for (const Node& node : recording.nodes) {
    if (!is_random(node) || node.recorded()->draw) continue;
    if (!drawn) drawn = draw_of(node);
    node.recorded()->draw = Draw{drawn->seed, drawn->step, streams};
    streams += kStreams;
  }
  note_draws(recording, {drawn->seed, drawn->step, streams - kStreams});
  return {drawn->seed, drawn->step, 0};
}

}  // namespace backpass::eager
