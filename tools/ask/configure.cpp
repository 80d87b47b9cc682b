#include "tools/ask/configure.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>
#include <variant>
#include <vector>

#include "config/process/exit_codes.h"
#include "config/settings/accepted_text.h"
#include "config/settings/file_edit.h"
#include "config/settings/key_changes.h"
#include "config/settings/running_nodes.h"
#include "config/settings/sources.h"
#include "tools/ask/admin_client.h"
#include "tools/ask/failure_report.h"

namespace stampede::tools {

namespace {

using config::Config;
using config::ConfigError;
using config::Key;
using config::KeyChange;
using nlohmann::json;

constexpr std::chrono::seconds kHearsOfNodes{15};
constexpr std::chrono::milliseconds kSuccessorPause{200};

int complain(bool as_json, int code, const std::string& message, const json& changes = nullptr) {
  json report = failure_report(code, message);
  if (changes.is_array()) report["changes"] = changes;
  if (as_json)
    std::printf("%s\n", report.dump(-1, ' ', false, json::error_handler_t::replace).c_str());
  std::fprintf(stderr, "stampede config: %s\n", message.c_str());
  return code;
}

int complain(bool as_json, const ConfigError& error) {
  return complain(as_json, kExitWrongUse, config::describe(error));
}

void print(const json& report) {
  std::printf("%s\n", report.dump(-1, ' ', false, json::error_handler_t::replace).c_str());
}

json typed(const config::Value& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag;
  if (const auto* number = std::get_if<std::int64_t>(&value)) return *number;
  return std::get<std::string>(value);
}

json listed(const std::vector<KeyChange>& changes) {
  json list = json::array();
  for (const auto& one : changes)
    list.push_back({{"key", one.key},
                    {"before", one.before},
                    {"after", one.after},
                    {"class", config::describe(one.change)}});
  return list;
}

const char* what_it_needs(const config::Change& change) {
  switch (change.needs) {
    case config::ChangeClass::live:
      return "counts at once";
    case config::ChangeClass::node:
      return "these nodes start again";
    case config::ChangeClass::system:
      break;
  }
  return "needs a stop and a start of the system";
}

void print_changes(const std::vector<KeyChange>& changes) {
  for (const auto& one : changes)
    std::printf("%-34s %s -> %s   (%s: %s)\n", one.key.c_str(), one.before.c_str(),
                one.after.c_str(), config::describe(one.change).c_str(), what_it_needs(one.change));
}

// --- the system ----------------------------------------------------------------------------------

// What a system runs with; empty: none runs there, or it has accepted nothing yet.
std::optional<std::variant<Config, ConfigError>> running(const config::LoadOptions& load) {
  const auto run_dir = config::run_directory(load);
  std::error_code error;
  const bool accepted = std::filesystem::exists(config::accepted_file(run_dir), error);
  if (!accepted || !config::a_node_runs(run_dir)) return std::nullopt;
  return config::load_accepted(run_dir);
}

// A run directory that somebody names and that is not there has no configuration to speak of: not
// the defaults. With a file it may be one to come. Empty: it is there.
std::string missing_place(const config::LoadOptions& load) {
  const auto run_dir = config::run_directory(load);
  const bool named = !load.run_dir.empty() || load.env.contains("STAMPEDE_RUN_DIR");
  std::error_code error;
  if (!named || !config::asked_file(load).empty() || std::filesystem::is_directory(run_dir, error))
    return {};
  return run_dir.string() + ": there is no such run directory; name another one with --run-dir";
}

// What counts: of a running system what it has accepted, else what a start would accept.
std::variant<Config, ConfigError> in_force(const config::LoadOptions& load) {
  if (auto accepted = running(load)) return *std::move(accepted);
  return config::load(load);
}

// What would be accepted now. `now` of a running system; null: of a start.
std::variant<Config, ConfigError> to_be_accepted(const config::LoadOptions& load,
                                                 const Config* now) {
  auto anew = now == nullptr ? config::load(load) : config::load_anew(*now);
  const auto* read = std::get_if<Config>(&anew);
  if (read == nullptr) return anew;
  const auto fault = load.fault_of_start ? load.fault_of_start(*read) : std::string();
  if (!fault.empty()) return ConfigError{read->origin.string(), 0, 0, "", fault};
  return anew;
}

json ask_reload(const config::LoadOptions& load, bool check) {
  Config only_place;
  only_place.run_dir = config::run_directory(load);
  const auto answer =
      ask_admin_for_operator(only_place, {{"do", "config_reload"}, {"check", check}});
  if (const auto* failure = std::get_if<AdminFailure>(&answer))
    return {{"error", failure->message}, {"exit", failure->exit}, {"code", failure->code}};
  return std::get<json>(answer);
}

std::string name_of_file(const Config& config) {
  return config.origin.empty() ? "there is no file; what is given" : config.origin.string();
}

}  // namespace

// --- looking -------------------------------------------------------------------------------------

std::string file_note(const Config& now) {
  if (now.accepted.empty()) return {};  // nothing runs: the file is what was read
  const auto anew = config::load_anew(now);
  if (const auto* error = std::get_if<ConfigError>(&anew))
    return config::describe(*error) + "; the system goes on with what it has accepted";
  const auto differing = config::changes(now, std::get<Config>(anew)).size();
  if (differing == 0) return {};
  return name_of_file(now) + " differs from what the system runs with in " +
         std::to_string(differing) + (differing == 1 ? " key" : " keys");
}

int run_config_check(const config::LoadOptions& load, bool as_json) {
  if (const auto fault = missing_place(load); !fault.empty())
    return complain(as_json, kExitWrongUse, fault);
  const auto accepted = running(load);
  if (accepted && std::holds_alternative<ConfigError>(*accepted))
    return complain(as_json, std::get<ConfigError>(*accepted));
  const auto* now = accepted ? &std::get<Config>(*accepted) : nullptr;
  const auto anew = to_be_accepted(load, now);
  if (const auto* error = std::get_if<ConfigError>(&anew)) return complain(as_json, *error);
  if (now != nullptr) {
    const auto answer = ask_reload(load, true);
    const int exit = answer.value("exit", kExitDone);
    if (exit == kExitWrongUse) return complain(as_json, exit, answer.value("error", ""));
  }
  const auto& config = std::get<Config>(anew);
  const auto differences =
      now == nullptr ? std::vector<KeyChange>{} : config::changes(*now, config);
  if (as_json) {
    print({{"ok", true}, {"file", config.origin.string()}, {"changes", listed(differences)}});
    return kExitDone;
  }
  std::printf("%s is right\n", name_of_file(config).c_str());
  print_changes(differences);
  return kExitDone;
}

int run_config_diff(const config::LoadOptions& load, bool as_json) {
  if (const auto fault = missing_place(load); !fault.empty())
    return complain(as_json, kExitWrongUse, fault);
  const auto accepted = running(load);
  if (accepted && std::holds_alternative<ConfigError>(*accepted))
    return complain(as_json, std::get<ConfigError>(*accepted));
  const auto* now = accepted ? &std::get<Config>(*accepted) : nullptr;
  const auto anew = to_be_accepted(load, now);
  if (const auto* error = std::get_if<ConfigError>(&anew)) return complain(as_json, *error);
  const auto differences =
      now == nullptr ? std::vector<KeyChange>{} : config::changes(*now, std::get<Config>(anew));
  if (as_json) {
    print({{"running", now != nullptr}, {"changes", listed(differences)}});
  } else if (now == nullptr) {
    std::printf("nothing runs here: the next start accepts the file as it is then\n");
  } else if (differences.empty()) {
    std::printf("no difference\n");
  } else {
    print_changes(differences);
  }
  return kExitDone;
}

int run_config_get(const config::LoadOptions& load, bool as_json, const std::string& name) {
  const auto* key = config::find_key(name);
  if (key == nullptr)
    return complain(as_json, kExitWrongUse,
                    name + ": " + config::unknown_key_message(name.substr(0, name.find('.'))));
  if (const auto fault = missing_place(load); !fault.empty())
    return complain(as_json, kExitWrongUse, fault);
  const auto found = in_force(load);
  if (const auto* error = std::get_if<ConfigError>(&found)) return complain(as_json, *error);
  const auto& config = std::get<Config>(found);
  const auto value = key->get(config);
  if (as_json)
    print({{"key", name},
           {"value", typed(value)},
           {"origin", config::origin_word(*key, config)},
           {"class", config::describe(key->change)}});
  else
    std::printf("%s\n", config::to_text(value).c_str());
  return kExitDone;
}

namespace {

// Where a key that is not at its default comes from, as somebody would look for it.
std::string origin_text(const Key& key, const Config& config) {
  const std::string word = config::origin_word(key, config);
  if (word == "file") return "file " + config.origin.string();
  return word == "environment" ? "environment " + key.env() : word;
}

json show_as_json(const Config& config, bool is_running) {
  json list = json::array();
  for (const auto& key : config::keys())
    list.push_back({{"key", key.name},
                    {"value", typed(key.get(config))},
                    {"origin", config::origin_word(key, config)},
                    {"class", config::describe(key.change)}});
  return {{"running", is_running}, {"file", config.origin.string()}, {"keys", list}};
}

}  // namespace

int run_config_show(const config::LoadOptions& load, bool as_json, bool origin) {
  if (const auto fault = missing_place(load); !fault.empty())
    return complain(as_json, kExitWrongUse, fault);
  const bool is_running = running(load).has_value();
  const auto found = in_force(load);
  if (const auto* error = std::get_if<ConfigError>(&found)) return complain(as_json, *error);
  const auto& config = std::get<Config>(found);
  if (as_json) {
    print(show_as_json(config, is_running));
    return kExitDone;
  }
  for (const auto& key : config::keys()) {
    const auto line = key.name + " = " + config::in_toml(key.get(config));
    if (origin)
      std::printf("%-60s %s\n", line.c_str(), origin_text(key, config).c_str());
    else
      std::printf("%s\n", line.c_str());
  }
  return kExitDone;
}

// --- changing ------------------------------------------------------------------------------------

namespace {

int tell_reload(const json& answer, bool as_json) {
  if (answer.contains("error"))
    return complain(as_json, answer.value("exit", kExitFailure), answer.value("error", ""),
                    answer.value("changes", json()));
  if (as_json) {
    print(answer);
    return kExitDone;
  }
  const auto changes = answer.value("changes", json::array());
  for (const auto& one : changes)
    std::printf("%-34s %s -> %s\n", one.value("key", "").c_str(), one.value("before", "").c_str(),
                one.value("after", "").c_str());
  std::printf("%s\n", changes.empty() ? "nothing changed: the system runs with this already"
                                      : "accepted: every node runs with it");
  return kExitDone;
}

// One `config set`, step by step; each step returns the exit code when it is the last.
class KeySetting {
 public:
  KeySetting(const config::LoadOptions& load, bool as_json, const Key& key)
      : load_(load), json_(as_json), key_(key) {}

  std::optional<int> read_value(const std::string& text) {
    const auto value = config::value_of_text(key_, text);
    if (const auto* wrong = std::get_if<config::WrongValue>(&value))
      return fail(kExitWrongUse, key_.name + ": " + wrong->why);
    value_ = std::get<config::Value>(value);
    Config alone;
    if (const auto wrong = config::apply_value(key_, value_, alone))
      return fail(kExitWrongUse, key_.name + ": " + *wrong);
    return std::nullopt;
  }

  // The system must run with what the file says, and the file must be what decides.
  std::optional<int> look_at_system() {
    const auto accepted = running(load_);
    runs_ = accepted.has_value();
    const auto found = runs_ ? *accepted : config::load(load_);
    if (const auto* error = std::get_if<ConfigError>(&found)) return complain(json_, *error);
    now_ = std::get<Config>(found);
    if (runs_ && key_.change.needs == config::ChangeClass::system)
      return fail(kExitRefused, key_.name +
                                    ": a running system keeps this; stop it first "
                                    "(scripts/stop_all.sh)");
    const std::string origin = config::origin_word(key_, now_);
    if (origin != "file" && origin != "default")
      return fail(kExitRefused, key_.name + " is set by the " + origin +
                                    " with which the system was started, which the file does "
                                    "not change");
    return runs_ ? look_at_file() : std::nullopt;
  }

  std::optional<int> write_file() {
    file_ = now_.origin.empty() ? now_.run_dir / "stampede.toml" : now_.origin;
    std::error_code error;
    const auto real = std::filesystem::canonical(file_, error);
    if (!error) file_ = real;
    if (const auto wrong = no_hand_on_file(); !wrong.empty()) return fail(kExitRefused, wrong);
    before_ = config::text_of(file_);
    const auto made = config::with_value(before_, key_, value_);
    if (!made.fault.empty()) return fail(kExitRefused, made.fault);
    if (const auto wrong = judge(made.text)) return complain(json_, *wrong);
    const auto fault = config::write_over(file_, made.text);
    return fault.empty() ? std::nullopt : std::optional(fail(kExitFailure, fault));
  }

  int reload() {
    if (!runs_) {
      if (json_)
        print({{"ok", true}, {"running", false}, {"file", file_.string()}});
      else
        std::printf("written to %s; the next start accepts it\n", file_.c_str());
      return kExitDone;
    }
    auto answer = ask_reload(load_, false);
    if (answer.value("exit", kExitDone) == kExitFailure) answer = ask_successor();
    const int exit = answer.value("exit", kExitDone);
    const bool unknown = exit == kExitTimedOut || exit == kExitFailure || exit == kExitNoConnection;
    if (unknown) answer["error"] = answer.value("error", "") + ". " + how_to_go_on();
    if (exit != kExitDone && !unknown) {
      const auto fault = config::write_over(file_, before_);
      if (!fault.empty()) std::fprintf(stderr, "stampede config: %s\n", fault.c_str());
    }
    return tell_reload(answer, json_);
  }

 private:
  // A supervisor that ended meanwhile has gone back to the text before. The next one must hear of
  // its nodes first; the one that ends may still take a connection, and close it.
  [[nodiscard]] json ask_successor() const {
    using std::chrono::steady_clock;
    const auto until = steady_clock::now() + kHearsOfNodes;
    for (;;) {
      auto answer = ask_reload(load_, false);
      const auto code = answer.value("code", "");
      const bool later =
          code == "not_ready" || code == "busy" || answer.value("exit", kExitDone) == kExitFailure;
      if (!later || steady_clock::now() >= until) return answer;
      std::this_thread::sleep_for(kSuccessorPause);
    }
  }

  // A service's file is root's, and its system belongs to the service's user.
  [[nodiscard]] std::string no_hand_on_file() const {
    const auto directory = file_.parent_path();
    if (::access(directory.c_str(), W_OK) == 0 || errno == ENOENT) return {};
    return "this user may not write in " + directory.string() + ": who may changes " + key_.name +
           " in " + file_.string() + ", then this user calls stampede config check" +
           (runs_ ? " and stampede config reload" : "; the next start accepts it");
  }

  // The file is changed, and nobody said that it counts.
  [[nodiscard]] std::string how_to_go_on() const {
    return file_.string() + " says " + key_.name + " = " + config::in_toml(value_) +
           ", whether it counts is not known: stampede config diff tells it, stampede config "
           "reload "
           "accepts the file, stampede config set " +
           key_.name + " " + shown(key_.get(now_)) + " takes it back";
  }

  static std::string shown(const config::Value& value) {
    const auto text = config::to_text(value);
    return text.empty() ? "''" : text;
  }

  int fail(int code, const std::string& message) const {
    return complain(json_, code, message + ". Nothing was changed");
  }

  std::optional<int> look_at_file() {
    const auto anew = config::load_anew(now_);
    if (const auto* error = std::get_if<ConfigError>(&anew))
      return fail(kExitWrongUse, config::describe(*error));
    const auto differences = config::changes(now_, std::get<Config>(anew));
    // A pending value of the key itself is what this one replaces: so it is taken back, too.
    const auto other = std::find_if(differences.begin(), differences.end(),
                                    [&](const KeyChange& one) { return one.key != key_.name; });
    if (other == differences.end()) return std::nullopt;
    const auto value = shown(config::find_key(other->key)->get(now_));
    return fail(kExitRefused, "the file and what the system runs with differ already in " +
                                  other->key +
                                  " (see: stampede config diff): stampede config reload accepts "
                                  "the file, stampede config set " +
                                  other->key + " " + value + " takes that back");
  }

  // What the keys are worth together with the new one.
  [[nodiscard]] std::optional<ConfigError> judge(const std::string& text) const {
    const auto draft = std::filesystem::path(file_.string() + ".judged");
    const auto fault = config::write_durably(draft, text);
    if (!fault.empty()) return ConfigError{file_.string(), 0, 0, "", fault};
    auto load = load_;
    load.file = draft;
    auto now = now_;
    now.origin = draft;
    const auto judged = runs_ ? config::load_anew(now) : config::load(load);
    std::error_code ignored;
    std::filesystem::remove(draft, ignored);
    const auto* error = std::get_if<ConfigError>(&judged);
    if (error == nullptr) return std::nullopt;
    auto named = *error;
    named.file = file_.string();
    return named;
  }

  const config::LoadOptions& load_;
  bool json_;
  const Key& key_;
  config::Value value_;
  bool runs_ = false;
  Config now_;
  std::filesystem::path file_;
  std::string before_;
};

}  // namespace

int run_config_reload(const config::LoadOptions& load, bool as_json) {
  return tell_reload(ask_reload(load, false), as_json);
}

int run_config_set(const config::LoadOptions& load, bool as_json, const std::string& name,
                   const std::string& value) {
  const auto* key = config::find_key(name);
  if (key == nullptr)
    return complain(as_json, kExitWrongUse,
                    name + ": " + config::unknown_key_message(name.substr(0, name.find('.'))));
  KeySetting setting(load, as_json, *key);
  if (const auto code = setting.read_value(value)) return *code;
  if (const auto code = setting.look_at_system()) return *code;
  if (const auto code = setting.write_file()) return *code;
  return setting.reload();
}

}  // namespace stampede::tools
