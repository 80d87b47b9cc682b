#include "actors/supervisor/supervisor_config.h"

#include <utility>

#include "actors/auth/key_files.h"
#include "actors/node/node_log.h"
#include "config/faults/failpoint.h"
#include "config/process/exit_codes.h"
#include "config/process/wall_clock.h"
#include "config/settings/accepted_text.h"

namespace stampede::actors {

namespace {

using nlohmann::json;

json as_json(const std::vector<config::KeyChange>& changes) {
  json list = json::array();
  for (const auto& one : changes)
    list.push_back({{"key", one.key},
                    {"before", one.before},
                    {"after", one.after},
                    {"class", config::describe(one.change)}});
  return list;
}

std::string nothing_changed(const std::string& why) {
  return why + ". Nothing was changed";
}

bool needs_stop(const config::KeyChange& change) {
  return change.change.needs == config::ChangeClass::system;
}

}  // namespace

SupervisorConfig::SupervisorConfig(NodeRuntime& own, const SupervisedNodes& nodes, Acts acts)
    : own_(own), nodes_(nodes), acts_(std::move(acts)), now_(own.config()) {}

// --- what lies on the disk -----------------------------------------------------------------------

void SupervisorConfig::start() {
  const auto accepted = config::accepted_file(now_.run_dir);
  const auto earlier = config::earlier_file(now_.run_dir);
  std::error_code error;
  const bool unfinished = std::filesystem::exists(earlier, error);
  if (now_.accepted.empty()) {
    config::note_contents(now_);
    text_ = config::accepted_text(now_);
    now_.accepted = config::text_id(text_);
    auto fault = config::write_durably(accepted, text_);
    if (fault.empty() && unfinished) fault = config::move_durably(earlier, {});
    if (!fault.empty()) own_.fail(kExitFailure, fault);
    return;
  }
  if (unfinished) {
    log_warning(
        "a reload was not over when the last supervisor ended: the earlier configuration "
        "counts again");
    const auto fault = config::move_durably(earlier, accepted);
    if (!fault.empty()) own_.fail(kExitFailure, fault);
  }
  text_ = config::text_of(accepted);
  if (config::text_id(text_) != now_.accepted)
    own_.fail(kExitFailure, accepted.string() + " was changed while this supervisor started");
}

void SupervisorConfig::finish() {
  std::error_code ignored;
  std::filesystem::remove(config::accepted_file(now_.run_dir), ignored);
  std::filesystem::remove(config::earlier_file(now_.run_dir), ignored);
}

void SupervisorConfig::keep_on_disk() {
  std::error_code error;
  if (!std::filesystem::exists(config::accepted_file(now_.run_dir), error)) put_text_back();
}

// Whatever stands there instead of the accepted text, or nothing: it is what nodes and tools read.
void SupervisorConfig::put_text_back() const {
  const auto file = config::accepted_file(now_.run_dir);
  if (text_.empty() || config::text_of(file) == text_) return;
  const auto fault = config::write_durably(file, text_);
  log_warning(fault.empty() ? file.string() + " was not what was accepted, and is again" : fault);
}

// The earlier text first: from then on a successor goes back.
std::string SupervisorConfig::write_both(const std::string& text) {
  const auto earlier = config::earlier_file(now_.run_dir);
  auto fault = config::write_durably(earlier, text_);
  config::failpoint("reload_earlier");
  if (fault.empty()) fault = config::write_durably(config::accepted_file(now_.run_dir), text);
  config::failpoint("reload_accepted");
  return fault;
}

// --- a reload ------------------------------------------------------------------------------------

void SupervisorConfig::reload(Ms now, bool check, const Respond& respond) {
  if (acts_.stopping())
    return respond(refusal("draining", "the system is being stopped; start it again afterwards",
                           kExitNotReady));
  if (reloading())
    return respond(refusal("busy", "another reload is at work; ask again", kExitNotReady));
  auto loaded = config::load_anew(now_);
  if (const auto* error = std::get_if<config::ConfigError>(&loaded))
    return respond(refusal("bad_config", nothing_changed(config::describe(*error)), kExitWrongUse));
  auto& anew = std::get<config::Config>(loaded);
  if (const auto fault = fault_beside_keys(anew); !fault.empty())
    return respond(refusal("bad_config", nothing_changed(fault), kExitWrongUse));
  auto changes = config::changes(now_, anew);
  if (const auto named = refused_changes(changes); !named.empty()) {
    auto refused = refusal("needs_stop", nothing_changed(named), kExitRefused);
    refused["changes"] = as_json(changes);
    return respond(refused);
  }
  if (!check) put_text_back();
  if (check || anew.accepted == now_.accepted)
    return respond({{"ok", true}, {"changes", as_json(changes)}, {"accepted", now_.accepted}});
  if (const auto busy = still_on_the_way(nodes_now()); !busy.empty())
    return respond(refusal("not_ready", nothing_changed(busy + "; ask again when it is ready"),
                           kExitNotReady));
  begin(now, std::move(anew), std::move(changes), respond);
}

// The files that keys name, as the nodes will read them.
std::string SupervisorConfig::fault_beside_keys(const config::Config& anew) const {
  auto fault = fault_of_keys(anew);
  if (!fault.empty() || !anew.auth.required() || !now_.auth.required()) return fault;
  const auto keys = read_token_keys(anew);
  const auto* wrong = std::get_if<std::string>(&keys);
  return wrong == nullptr ? std::string{} : *wrong;
}

std::string SupervisorConfig::refused_changes(const std::vector<config::KeyChange>& changes) const {
  std::string named;
  for (const auto& one : changes) {
    if (needs_stop(one)) named += (named.empty() ? "" : ", ") + one.key;
  }
  if (named.empty()) return {};
  return named +
         ": a running system keeps this; take it back, or stop the system and start it "
         "again (scripts/stop_all.sh, scripts/start_all.sh)";
}

void SupervisorConfig::begin(Ms now, config::Config anew, std::vector<config::KeyChange> changes,
                             Respond respond) {
  if (anew.auth.mode != now_.auth.mode) {
    if (const auto fault = prepare_key_files(anew, config::wall_ms()); !fault.empty()) {
      prepare_keys(now_);
      return respond(refusal("bad_config", nothing_changed(fault), kExitWrongUse));
    }
  }
  auto text = config::accepted_text(anew);
  before_ = now_;
  text_before_ = text_;
  changes_ = std::move(changes);
  why_back_.clear();
  respond_ = std::move(respond);
  if (const auto fault = write_both(text); !fault.empty()) return go_back(now, fault);
  log_info("accepting configuration " + anew.accepted + " instead of " + now_.accepted);
  rollout_.begin(now);
  use(now, std::move(anew), std::move(text));
  config::failpoint("reload_told");
}

// Every node is told at once, and who waits or was started by hand with settings of its own for
// what changes begins anew.
void SupervisorConfig::use(Ms now, config::Config config, std::string text) {
  now_ = std::move(config);
  text_ = std::move(text);
  set_limits(widest(restart_options(before_.supervisor), restart_options(now_.supervisor)));
  const unsigned roles = config::restarted_roles(changes_);
  for (const auto& node : nodes_) {
    if (!node->policy().wanted()) continue;
    if (!alive(node->policy().state())) node->policy().want_running(now);
    const bool by_hand = node->instance() != 0 && node->text().empty();
    if (by_hand && (config::role_bit(node->role()) & roles) != 0)
      node->kill("its configuration changed");
    acts_.send_wanted(*node);
  }
  acts_.use(now_);
}

void SupervisorConfig::set_limits(const RestartOptions& options) {
  for (const auto& node : nodes_) node->policy().set_options(options);
}

void SupervisorConfig::on_report(Ms now, SupervisedNode& node) {
  if (node.text_to_restart_for() != now_.accepted || !node.process()) return;
  if (!node.policy().wanted()) return;
  node.policy().want_running(now);
  node.kill("its configuration changed");
}

std::vector<ConfiguredNode> SupervisorConfig::nodes_now() const {
  std::vector<ConfiguredNode> all;
  for (const auto& node : nodes_) {
    if (!node->policy().wanted()) continue;
    const auto ended = node->last_exit();
    const bool by_hand = node->instance() != 0 && node->text().empty();
    all.push_back({node->id(), node->policy().state(), by_hand || node->text() == now_.accepted,
                   ended.is_string() ? ended.get<std::string>() : std::string{}});
  }
  return all;
}

void SupervisorConfig::on_timer(Ms now) {
  if (!reloading()) return;
  if (acts_.stopping() && rollout_.stage() == ConfigRollout::Stage::forward)
    return go_back(now, "the system is being stopped");
  using Step = ConfigRollout::Step;
  switch (rollout_.look(now, nodes_now())) {
    case Step::wait:
      return;
    case Step::finished:
      return finish_forward(now);
    case Step::go_back:
      return go_back(now, laggards(nodes_now()));
    case Step::gone_back:
      return finish_back();
  }
}

void SupervisorConfig::finish_forward(Ms now) {
  config::failpoint("reload_done");
  const auto fault = config::move_durably(config::earlier_file(now_.run_dir), {});
  if (!fault.empty()) return go_back(now, fault);  // as a successor would
  rollout_.end();
  set_limits(restart_options(now_.supervisor));
  log_info("configuration " + now_.accepted + " is accepted");
  answer({{"ok", true}, {"changes", as_json(changes_)}, {"accepted", now_.accepted}});
}

// Where the earlier file cannot take its place again it is written anew, and stays: a successor
// goes back, too.
void SupervisorConfig::go_back(Ms now, const std::string& why) {
  log_warning("the configuration is not accepted: " + why + "; going back");
  const auto accepted = config::accepted_file(now_.run_dir);
  const auto fault = config::move_durably(config::earlier_file(now_.run_dir), accepted);
  if (!fault.empty()) log_warning(fault + "; " + config::write_durably(accepted, text_before_));
  why_back_ = why;
  if (now_.auth.mode != before_.auth.mode) prepare_keys(before_);
  rollout_.go_back(now);
  auto old = std::exchange(before_, now_);  // whose limits count, too, until all have gone back
  use(now, std::move(old), text_before_);
}

void SupervisorConfig::finish_back() {
  auto left = laggards(nodes_now());
  rollout_.end();
  set_limits(restart_options(now_.supervisor));
  const auto all = left.empty() ? std::string("every node runs with the old configuration again")
                                : "the old configuration counts again, but " + left;
  auto refused = refusal("went_back", why_back_ + "; " + all, kExitNotReady);
  refused["changes"] = as_json(changes_);
  answer(refused);
}

void SupervisorConfig::prepare_keys(const config::Config& config) const {
  const auto fault = prepare_key_files(config, config::wall_ms());
  if (!fault.empty()) log_warning(fault);
}

void SupervisorConfig::answer(const json& answer) {
  const Respond respond = std::exchange(respond_, nullptr);
  if (respond) respond(answer);
}

}  // namespace stampede::actors
