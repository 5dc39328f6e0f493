// Recurrent layers: parameters, layers and directions around the walk through time.
#include "backpass/recurrent_layers.h"

#include <cmath>

#include "backpass/layers.h"
#include "base/error.h"
#include "graph/lengths.h"
#include "graph/recurrent.h"
#include "nn/attributes.h"

namespace backpass {
namespace {

constexpr const char* kHidden = "how many states a layer has";
constexpr const char* kBiases = "whether there are biases";
constexpr const char* kInputsInit = "how the weights of inputs start";
constexpr const char* kRecurrentInit = "how the weights of states start";
constexpr const char* kBiasesInit = "how the biases start";
constexpr const char* kReset = "whether the reset gate is applied behind the product with the states";
constexpr const char* kNonlinearity = "what is applied in each step";

Fields fields_of(RecurrentSettings& s) {
  return {{"hidden_size", &s.hidden_size, kHidden, kCount},
          {"num_layers", &s.num_layers, "how many layers stand one above the other", kCount},
          {"bidirectional", &s.bidirectional, "whether a second one in each layer begins at the end"},
          {"dropout", &s.dropout, "how likely an element between two layers is dropped", kBelowOne},
          {"bias", &s.bias, kBiases},
          {"return_sequences", &s.return_sequences, "whether there is an output for each step"},
          {"return_state", &s.return_state, "whether the final states are given too"},
          {"go_backwards", &s.go_backwards, "whether the first direction begins at the end"},
          {"weight_init", &s.weight_init, kInputsInit},
          {"recurrent_init", &s.recurrent_init, kRecurrentInit},
          {"bias_init", &s.bias_init, kBiasesInit}};
}

Fields fields_of(CellSettings& s) {
  return {{"hidden_size", &s.hidden_size, kHidden, kCount},
          {"bias", &s.bias, kBiases},
          {"weight_init", &s.weight_init, kInputsInit},
          {"recurrent_init", &s.recurrent_init, kRecurrentInit},
          {"bias_init", &s.bias_init, kBiasesInit}};
}

Fields with(Fields fields, Field more) {
  fields.push_back(std::move(more));
  return fields;
}

Field nonlinearity_field(std::string& value) {
  return {"nonlinearity", &value, kNonlinearity, std::vector<std::string>{"tanh", "relu"}};
}

// Uniform within 1 / sqrt(H), of rows of so many elements.
Initializer start(const Initializer& given, Dim row, Dim hidden) {
  if (!given.name.empty() || given.fill) return given;
  return {"lecun_uniform", std::sqrt(static_cast<double>(row) / (3 * static_cast<double>(hidden)))};
}

struct States {
  Tensor h, c;
};

// One direction of one layer, over x (batch, steps, in): h and c after each step.
template <class Settings>
States walk(LayerContext& context, const Settings& s, const Recurrent& settings, const std::string& suffix,
            const Tensor& x, const States& first, const Tensor& lengths) {
  const Dim hidden = s.hidden_size, gates = gates_of(settings.cell) * hidden, in = x.shape()[2];
  const Tensor weight_ih = context.parameter("weight_ih" + suffix, {gates, in}, start(s.weight_init, in, hidden));
  const Tensor weight_hh =
      context.parameter("weight_hh" + suffix, {gates, hidden}, start(s.recurrent_init, hidden, hidden));
  Tensor sum, bias = constant(0.0, {gates}, x.dtype());
  if (s.bias) {
    const Tensor bias_ih = context.parameter("bias_ih" + suffix, {gates}, start(s.bias_init, gates, hidden));
    const Tensor bias_hh = context.parameter("bias_hh" + suffix, {gates}, start(s.bias_init, gates, hidden));
    const bool apart = settings.cell == Cell::gru;  // else only their sum counts
    sum = apart ? bias_ih : bias_ih + bias_hh;
    if (apart) bias = bias_hh;
  }
  // Behind the sum, which joins it as a bias then.
  const Tensor product = matmul(x, weight_ih, false, true), z = sum ? product + sum : product;
  const RecurrentInputs inputs{z, weight_hh, bias, first.h, first.c, lengths};
  const bool lstm = settings.cell == Cell::lstm;
  return {recurrent(settings, RecurrentPart::states, inputs),
          lstm ? recurrent(settings, RecurrentPart::more, inputs) : Tensor()};
}

// What a layer is called with: x, first states or none, lengths or none.
struct Given {
  Tensor x, h, c, lengths;
};

Given given(const std::string& who, const std::vector<Tensor>& xs, std::size_t rank, Dim states, Dim hidden,
            bool lstm) {
  const char* form = rank == 3 ? "(batch, steps, features)" : "(batch, features)";
  std::vector<Tensor> rest = xs;
  Given result;
  if (rank == 3 && rest.size() > 1 && rest.back().dtype() == DType::int32) {
    result.lengths = rest.back();
    rest.pop_back();
  }
  const std::size_t all = lstm ? 3 : 2;
  if (rest.size() != 1 && rest.size() != all)
    fail(who, "takes x, or x and ", lstm ? "two first states, h and c" : "the first states", ", got ", rest.size(),
         rest.size() == 1 ? " input" : " inputs", " that are no lengths");
  result.x = rest[0];
  const Shape& shape = result.x.shape();
  if (result.x.dtype() == DType::int32 || shape.size() != rank)
    fail(who, "takes numbers ", form, ", got ", name(result.x.dtype()), ' ', to_string(shape));
  if (rank == 3 && (shape[1] < 1 || shape[1] == kBatch)) fail(who, "needs one step at least, got ", to_string(shape));
  if (result.lengths && result.lengths.shape() != Shape{shape[0]})
    fail(who, "lengths must be one integer for each row, ", to_string({shape[0]}), ", got ",
         to_string(result.lengths.shape()));
  const auto state = [&](std::size_t i) {
    const Shape wanted = rank == 3 ? Shape{shape[0], states, hidden} : Shape{shape[0], hidden};
    if (i >= rest.size()) return constant(0.0, wanted, result.x.dtype());
    if (rank == 3 && states == 1 && rest[i].shape() == Shape{shape[0], hidden}) return reshape(rest[i], wanted);
    if (rest[i].shape() != wanted || rest[i].dtype() != result.x.dtype())
      fail(who, "first states must be ", name(result.x.dtype()), ' ', to_string(wanted), ", got ",
           name(rest[i].dtype()), ' ', to_string(rest[i].shape()));
    return rest[i];
  };
  result.h = state(1);
  if (lstm) result.c = state(2);
  return result;
}

// (batch, width) of (batch, count, width); of a constant, one.
Tensor row_at(const Tensor& x, Dim at) {
  const Shape shape = {x.shape()[0], x.shape()[2]};
  if (x.op().kind == OpKind::constant) return constant(x.op().alpha, shape, x.dtype());
  return reshape(slice(x, 1, at, at + 1), shape);
}

// (batch, all elements of a row).
Tensor flat(const Tensor& x) {
  return reshape(x, {x.shape()[0], element_count(Shape(x.shape().begin() + 1, x.shape().end()))});
}

Tensor built(LayerContext& context, const std::string& who, const RecurrentSettings& s, Cell cell,
             const std::vector<Tensor>& xs) {
  const Dim directions = s.bidirectional ? 2 : 1, hidden = s.hidden_size;
  const Given in = given(who, xs, 3, s.num_layers * directions, hidden, cell == Cell::lstm);
  const Dim steps = in.x.shape()[1];
  const Tensor mask = in.lengths ? expand_dims(within_lengths(in.lengths, steps, in.x.dtype()), -1) : Tensor();
  std::vector<Tensor> last_h, last_c;
  Tensor y = in.x;
  for (Dim layer = 0; layer < s.num_layers; ++layer) {
    if (layer > 0 && s.dropout > 0) y = dropout(y, s.dropout);
    std::vector<Tensor> outputs;
    for (Dim direction = 0; direction < directions; ++direction) {
      const bool reverse = (direction == 1) != s.go_backwards;
      const Dim at = layer * directions + direction;
      const States first{row_at(in.h, at), in.c ? row_at(in.c, at) : Tensor()};
      const std::string suffix = "_l" + std::to_string(layer) + (direction == 1 ? "_reverse" : "");
      const States states = walk(context, s, {cell, reverse}, suffix, y, first, in.lengths);
      const Dim end = reverse ? 0 : steps - 1;
      last_h.push_back(slice(states.h, 1, end, end + 1));
      if (states.c) last_c.push_back(slice(states.c, 1, end, end + 1));
      outputs.push_back(mask ? states.h * mask : states.h);
    }
    y = directions == 1 ? outputs[0] : concat(outputs, 2);
  }
  if (!s.return_sequences) y = flat(concat({last_h.end() - directions, last_h.end()}, 1));
  if (!s.return_state) return y;
  std::vector<Tensor> all{flat(y), flat(concat(last_h, 1))};
  if (!last_c.empty()) all.push_back(flat(concat(last_c, 1)));
  return concat(all, 1);
}

Tensor built(LayerContext& context, const std::string& who, const CellSettings& s, Cell cell,
             const std::vector<Tensor>& xs) {
  const Given in = given(who, xs, 2, 1, s.hidden_size, cell == Cell::lstm);
  const Shape& shape = in.x.shape();
  const States made = walk(context, s, {cell, false}, "", reshape(in.x, {shape[0], 1, shape[1]}), {in.h, in.c}, {});
  return made.c ? concat({flat(made.h), flat(made.c)}, 1) : flat(made.h);
}

Cell plain(const std::string& nonlinearity) { return nonlinearity == "relu" ? Cell::relu : Cell::tanh; }
Cell gated(bool reset_after) { return reset_after ? Cell::gru : Cell::gru_before; }

}  // namespace

Fields RNN::fields() { return with(fields_of(*this), nonlinearity_field(nonlinearity)); }
Fields LSTM::fields() { return fields_of(*this); }
Fields GRU::fields() { return with(fields_of(*this), {"reset_after", &reset_after, kReset}); }
Fields RNNCell::fields() { return with(fields_of(*this), nonlinearity_field(nonlinearity)); }
Fields LSTMCell::fields() { return fields_of(*this); }
Fields GRUCell::fields() { return with(fields_of(*this), {"reset_after", &reset_after, kReset}); }

Tensor RNN::build(LayerContext& context, const std::vector<Tensor>& xs) const {
  return built(context, type(), *this, plain(nonlinearity), xs);
}
Tensor LSTM::build(LayerContext& context, const std::vector<Tensor>& xs) const {
  return built(context, type(), *this, Cell::lstm, xs);
}
Tensor GRU::build(LayerContext& context, const std::vector<Tensor>& xs) const {
  return built(context, type(), *this, gated(reset_after), xs);
}
Tensor RNNCell::build(LayerContext& context, const std::vector<Tensor>& xs) const {
  return built(context, type(), *this, plain(nonlinearity), xs);
}
Tensor LSTMCell::build(LayerContext& context, const std::vector<Tensor>& xs) const {
  return built(context, type(), *this, Cell::lstm, xs);
}
Tensor GRUCell::build(LayerContext& context, const std::vector<Tensor>& xs) const {
  return built(context, type(), *this, gated(reset_after), xs);
}

std::vector<Tensor> with_states(const Layer& layer, const std::vector<Tensor>& xs, const std::string& name) {
  const std::string type = layer.type();
  const Attributes settings = layer.attributes();
  const bool cell = type == "LSTMCell";
  if (!cell && !get(settings, "return_state", false)) fail(type, "gives no states: set return_state");
  const Tensor all = layer.call(xs, name);
  const Dim hidden = get<Dim>(settings, "hidden_size", 0), batch = all.shape()[0];
  const auto part = [&](Dim begin, Dim end) { return slice(all, 1, begin, end); };
  if (cell) return {part(0, hidden), part(hidden, 2 * hidden)};
  const Dim directions = get(settings, "bidirectional", false) ? 2 : 1;
  const Dim count = get<Dim>(settings, "num_layers", 1) * directions, states = count * hidden;
  const Dim kinds = type == "LSTM" ? 2 : 1, output = all.shape()[1] - kinds * states;
  std::vector<Tensor> result{part(0, output)};
  if (get(settings, "return_sequences", true)) {
    const Dim width = directions * hidden;
    result[0] = reshape(result[0], {batch, output / width, width});
  }
  for (Dim kind = 0; kind < kinds; ++kind)
    result.push_back(reshape(part(output + kind * states, output + (kind + 1) * states), {batch, count, hidden}));
  return result;
}

}  // namespace backpass
