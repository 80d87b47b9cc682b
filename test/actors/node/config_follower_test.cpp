#include "actors/node/config_follower.h"

#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>

#include "config/settings/accepted_text.h"
#include "config/settings/config.h"

namespace stampede::actors {
namespace {

namespace fs = std::filesystem;

class AcceptedRun {
 public:
  AcceptedRun() {
    std::string pattern = (fs::temp_directory_path() / "follower_test.XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~AcceptedRun() { fs::remove_all(path_); }
  AcceptedRun(const AcceptedRun&) = delete;
  AcceptedRun& operator=(const AcceptedRun&) = delete;

  // What the supervisor accepts: these variables and no file.
  config::Config accept(const config::Environment& env) const {
    const auto loaded = config::load({.file = {}, .run_dir = path_, .env = env, .flags = {}});
    const auto text = config::accepted_text(std::get<config::Config>(loaded));
    REQUIRE(config::write_durably(config::accepted_file(path_), text).empty());
    return std::get<config::Config>(config::load_accepted(path_));
  }

 private:
  fs::path path_;
};

const config::Environment kLimits{{"STAMPEDE_LIMITS__USER_PER_S", "7"}};
const config::Environment kTickets{{"STAMPEDE_TICKETS__AHEAD_S", "9"}};

TEST_CASE("a text of which nothing concerns the start is taken, and told to the role") {
  const AcceptedRun run;
  std::int64_t told = 0;
  ConfigFollower follower(run.accept({}), "webapp",
                          [&](const config::Config& now) { told = now.limits.user_per_s; });
  const auto before = follower.text();
  const auto next = run.accept(kLimits).accepted;
  CHECK(follower.on_wanted(next));
  CHECK(told == 7);
  CHECK(follower.text() == next);
  CHECK(follower.text() != before);
  CHECK(follower.restart_for().empty());
  CHECK_FALSE(follower.on_wanted(next));  // said again with every message
}

TEST_CASE("a text that this role reads at its start needs a new start") {
  const AcceptedRun run;
  int told = 0;
  ConfigFollower follower(run.accept({}), "backend", [&](const auto&) { ++told; });
  const auto old = follower.text();
  const auto next = run.accept(kTickets).accepted;
  CHECK(follower.on_wanted(next));
  CHECK(follower.restart_for() == next);
  CHECK(follower.text() == old);
  CHECK_FALSE(follower.on_wanted(next));
  CHECK(told == 0);
  // All have gone back meanwhile.
  CHECK(follower.on_wanted(old));
  CHECK(follower.restart_for().empty());
}

TEST_CASE("what another role reads does not concern this one") {
  const AcceptedRun run;
  ConfigFollower follower(run.accept({}), "webapp", nullptr);
  const auto next = run.accept(kTickets).accepted;
  CHECK(follower.on_wanted(next));
  CHECK(follower.text() == next);
}

TEST_CASE("a text that is not there, or not the one that was named, is waited for") {
  const AcceptedRun run;
  ConfigFollower follower(run.accept({}), "webapp", nullptr);
  const auto old = follower.text();
  CHECK_FALSE(follower.on_wanted("0123456789abcdef"));
  CHECK(follower.text() == old);
  CHECK_FALSE(follower.on_wanted(""));
}

TEST_CASE("a node that was started by hand with settings of its own follows none") {
  const AcceptedRun run;
  const auto next = run.accept(kLimits).accepted;
  ConfigFollower follower(config::Config{}, "webapp", nullptr);
  CHECK_FALSE(follower.on_wanted(next));
  CHECK(follower.text().empty());
  CHECK(follower.restart_for().empty());
}

}  // namespace
}  // namespace stampede::actors
