// Writing and reading where a fit is.
#include "io/checkpoint_json.h"

#include <limits>
#include <utility>

#include "base/error.h"
#include "io/graph_json.h"

namespace backpass {
namespace {

JsonArray numbers_to_json(const std::vector<double>& values) {
  JsonArray json;
  for (const double value : values) json.push_back(number_to_json(value));
  return json;
}

std::vector<double> numbers_from_json(const JsonValue& json) {
  std::vector<double> values;
  for (const JsonValue& value : json.as_array()) values.push_back(number_from_json(value));
  return values;
}

std::uint64_t read_count(const JsonValue& json, const char* key) {
  const std::int64_t value = json.at(key).as_int();
  if (value < 0) fail("checkpoint", key, " must not be negative, got ", value);
  return static_cast<std::uint64_t>(value);
}

// Moved in: what stands in braces is copied.
JsonArray pair_of(JsonValue first, JsonValue second) {
  JsonArray pair;
  pair.push_back(std::move(first));
  pair.push_back(std::move(second));
  return pair;
}

JsonArray history_to_json(const History& history) {
  JsonArray columns;
  for (const auto& [name, values] : history.columns) {
    columns.emplace_back(pair_of(name, numbers_to_json(values)));
  }
  return columns;
}

// Numbers for each epoch: there may be many.
History read_history(JsonReader& reader) {
  History history;
  reader.array([&] {
    std::pair<std::string, std::vector<double>> column;
    int parts = 0;
    reader.array([&] {
      if (++parts == 1)
        column.first = reader.string();
      else
        column.second = read_numbers(reader);
    });
    if (parts != 2) fail("checkpoint", "a column of the history must be a name and numbers");
    history.columns.push_back(std::move(column));
  });
  return history;
}

void check_epochs(const History& history, int epochs) {
  for (const auto& [name, values] : history.columns)
    if (values.size() != static_cast<std::size_t>(epochs)) fail("checkpoint", "the history does not fit the epoch");
}

JsonObject fit_to_json(const FitState& fit) {
  JsonArray settings;  // names repeat
  for (const auto& [name, value] : fit.settings) settings.emplace_back(pair_of(name, value));
  JsonObject json;
  json.emplace_back("epoch", fit.epoch);
  json.emplace_back("batch", fit.batch);
  json.emplace_back("rows", fit.rows);
  json.emplace_back("loss_sums", numbers_to_json(fit.losses.sums));
  json.emplace_back("loss_weights", numbers_to_json(fit.losses.weights));
  json.emplace_back("penalty_sum", number_to_json(fit.penalty_sum));
  json.emplace_back("added_sum", number_to_json(fit.added_sum));
  json.emplace_back("learning_rate", number_to_json(fit.learning_rate));
  if (fit.initial_rate) json.emplace_back("initial_learning_rate", number_to_json(*fit.initial_rate));
  json.emplace_back("order", fit.order);
  json.emplace_back("own_steps", fit.own_steps);
  json.emplace_back("own_epochs", fit.own_epochs);
  json.emplace_back("stopped", fit.stopped);
  json.emplace_back("history", history_to_json(fit.history));
  json.emplace_back("settings", std::move(settings));
  return json;
}

// Files from before there were weights have sums over rows: of the loss, and of each of several outputs.
LossSums losses_from_json(const JsonValue& json, Dim rows) {
  if (json.find("loss_weights"))
    return {numbers_from_json(json.at("loss_sums")), numbers_from_json(json.at("loss_weights"))};
  LossSums losses{numbers_from_json(json.at("head_sums"))};
  if (rows > 0 && losses.sums.empty()) losses.sums = {number_from_json(json.at("loss_sum"))};
  losses.weights.assign(losses.sums.size(), static_cast<double>(rows));
  return losses;
}

FitState fit_from_json(const JsonValue& json, History history) {
  FitState fit;
  const std::uint64_t epoch = read_count(json, "epoch");
  if (epoch > static_cast<std::uint64_t>(std::numeric_limits<int>::max())) fail("checkpoint", "epoch is too large");
  fit.epoch = static_cast<int>(epoch);
  fit.batch = static_cast<Dim>(read_count(json, "batch"));
  fit.rows = static_cast<Dim>(read_count(json, "rows"));
  if (fit.batch > fit.rows) fail("checkpoint", "has more batches than rows");
  fit.losses = losses_from_json(json, fit.rows);
  if (const JsonValue* sum = json.find("penalty_sum")) fit.penalty_sum = number_from_json(*sum);  // of older files none
  if (const JsonValue* sum = json.find("added_sum")) fit.added_sum = number_from_json(*sum);      // likewise
  fit.learning_rate = number_from_json(json.at("learning_rate"));
  if (const JsonValue* rate = json.find("initial_learning_rate")) fit.initial_rate = number_from_json(*rate);
  fit.order = read_count(json, "order");
  fit.own_steps = read_count(json, "own_steps");
  fit.own_epochs = read_count(json, "own_epochs");
  fit.stopped = json.at("stopped").as_bool();
  check_epochs(history, fit.epoch);
  fit.history = std::move(history);
  for (const JsonValue& setting : json.at("settings").as_array()) {
    const JsonArray& pair = setting.as_array();
    if (pair.size() != 2) fail("checkpoint", "a setting must be a name and a value");
    fit.settings.emplace_back(pair[0].as_string(), pair[1].as_string());
  }
  return fit;
}

std::string to_text(const Attribute& attribute) {
  return std::visit(
      []<class T>(const T& value) -> std::string {
        if constexpr (std::is_same_v<T, double>) return write_json(number_to_json(value));
        if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, std::int64_t> || std::is_same_v<T, std::string>)
          return write_json(value);
        return "...";
      },
      attribute);
}

}  // namespace

JsonValue checkpoint_to_json(const CheckpointState& state) {
  JsonObject optimizer, network, json;
  optimizer.reserve(5), network.reserve(2), json.reserve(3);
  optimizer.emplace_back("type", state.optimizer.type);
  optimizer.emplace_back("settings", state.settings);
  optimizer.emplace_back("steps", state.optimizer.steps);
  optimizer.emplace_back("epochs", state.optimizer.epochs);
  optimizer.emplace_back("learning_rate", number_to_json(state.optimizer.learning_rate));
  network.emplace_back("step", state.step);
  network.emplace_back("epoch", state.epoch);
  json.emplace_back("fit", fit_to_json(state.fit));
  json.emplace_back("optimizer", std::move(optimizer));
  json.emplace_back("network", std::move(network));
  return json;
}

CheckpointState read_checkpoint_state(std::string_view text) {
  JsonReader reader(text);
  JsonObject members, fit;
  History history;
  const auto read_fit = [&](const std::string& key) {
    if (key == "history")
      history = read_history(reader);
    else
      fit.emplace_back(key, reader.value());
  };
  reader.object([&](const std::string& key) {
    if (key == "fit")
      reader.object(read_fit);
    else
      members.emplace_back(key, reader.value());
  });
  reader.end();
  const JsonValue json = std::move(members);
  const JsonValue &optimizer = json.at("optimizer"), &network = json.at("network");
  CheckpointState state;
  state.fit = fit_from_json(std::move(fit), std::move(history));
  state.settings = optimizer.at("settings").as_string();
  state.optimizer.type = optimizer.at("type").as_string();
  state.optimizer.steps = optimizer.at("steps").as_int();
  state.optimizer.epochs = optimizer.at("epochs").as_int();
  state.optimizer.learning_rate = number_from_json(optimizer.at("learning_rate"));
  state.step = read_count(network, "step");
  state.epoch = read_count(network, "epoch");
  return state;
}

std::string optimizer_settings(const Optimizer& optimizer) {
  std::string text = optimizer.type();
  for (const auto& [name, value] : optimizer.attributes())
    if (name != "learning_rate") text += " " + name + "=" + to_text(value);
  return text;
}

}  // namespace backpass
