#include "config/faults/failpoint.h"

#include <signal.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstdlib>
#include <map>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "config/faults/failpoint_names.h"

namespace stampede::config {

namespace detail {
std::atomic<bool> failpoints_armed{false};
}

namespace {

constexpr auto kSlowPass = std::chrono::milliseconds(100);

enum class Action { kill, exit, abort, stop, throw_error, eio, on, hang, slow };

// For the whole process, not for the thread that passes.
bool halts_process(Action action) {
  return action == Action::kill || action == Action::exit || action == Action::abort ||
         action == Action::stop;
}

bool lasts(Action action) {
  return action == Action::on || action == Action::slow;
}

struct Point {
  Action action;
  unsigned long left;  // passes until it fires; 0 = has fired
};

std::mutex points_mutex;
std::map<std::string, Point, std::less<>> points;

std::optional<Action> parse_action(std::string_view text) {
  if (text == "kill") return Action::kill;
  if (text == "exit") return Action::exit;
  if (text == "abort") return Action::abort;
  if (text == "stop") return Action::stop;
  if (text == "throw") return Action::throw_error;
  if (text == "eio") return Action::eio;
  if (text == "on") return Action::on;
  if (text == "hang") return Action::hang;
  if (text == "slow") return Action::slow;
  return std::nullopt;
}

struct Armed {
  std::string name;
  Point point;
};

// One of a list of points; or what is wrong with it.
std::string read_one(std::string_view text, std::vector<Armed>& read) {
  const auto equals = text.find('=');
  if (equals == std::string_view::npos) return "'" + std::string(text) + "' has no '='";
  auto action_text = text.substr(equals + 1);
  unsigned long nth = 1;
  if (const auto at = action_text.find('@'); at != std::string_view::npos) {
    const auto number = action_text.substr(at + 1);
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), nth);
    if (error != std::errc{} || end != number.data() + number.size() || nth == 0)
      return "'" + std::string(number) + "' is not a number from 1";
    action_text = action_text.substr(0, at);
  }
  const auto action = parse_action(action_text);
  if (!action)
    return "'" + std::string(action_text) +
           "' is none of kill exit abort stop throw eio on hang slow";
  read.push_back({std::string(text.substr(0, equals)), Point{*action, nth}});
  return {};
}

std::string read_all(std::string_view text, std::vector<Armed>& read) {
  while (!text.empty()) {
    const auto semicolon = text.find(';');
    const auto one = text.substr(0, semicolon);
    if (!one.empty())
      if (auto error = read_one(one, read); !error.empty()) return error;
    if (semicolon == std::string_view::npos) break;
    text.remove_prefix(semicolon + 1);
  }
  return {};
}

bool fire(Action action, std::string_view name) {
  switch (action) {
    case Action::kill:
      ::kill(::getpid(), SIGKILL);
      ::pause();
      break;
    case Action::exit:
      ::_exit(1);
    case Action::abort:
      std::abort();
    case Action::stop:
      ::kill(::getpid(), SIGSTOP);
      break;
    case Action::throw_error:
      throw std::runtime_error("failpoint " + std::string(name));
    case Action::hang:
      while (true) ::pause();
    case Action::slow:
      std::this_thread::sleep_for(kSlowPass);
      break;
    case Action::eio:
    case Action::on:
      return true;
  }
  return false;
}

}  // namespace

bool detail::pass_failpoint(std::string_view name) {
  Action action{};
  {
    const std::lock_guard lock(points_mutex);
    const auto it = points.find(name);
    if (it == points.end() || it->second.left == 0) return false;
    action = it->second.action;
    const bool stays = lasts(action) && it->second.left == 1;
    if (!stays && --it->second.left != 0) return false;
    // Under the lock: no other thread passes a point between this one's turn and the end.
    if (halts_process(action)) return fire(action, name);
  }
  return fire(action, name);
}

bool failpoint_armed(std::string_view name) {
  const std::lock_guard lock(points_mutex);
  const auto it = points.find(name);
  return it != points.end() && it->second.left > 0;
}

void disarm_failpoints() {
  const std::lock_guard lock(points_mutex);
  points.clear();
  detail::failpoints_armed.store(false, std::memory_order_relaxed);
}

std::string wrong_failpoints(std::string_view text) {
  std::vector<Armed> read;
  if (auto error = read_all(text, read); !error.empty()) return error;
  for (const auto& one : read)
    if (!is_failpoint(one.name)) return "there is no point " + one.name;
  return {};
}

std::string arm_failpoints(std::string_view text) {
  std::vector<Armed> read;
  if (auto error = read_all(text, read); !error.empty()) return error;
  const std::lock_guard lock(points_mutex);
  for (auto& one : read) points.insert_or_assign(std::move(one.name), one.point);
  detail::failpoints_armed.store(!points.empty(), std::memory_order_relaxed);
  return {};
}

}  // namespace stampede::config
