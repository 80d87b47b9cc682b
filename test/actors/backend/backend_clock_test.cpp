// The sale's clock on the machine's own clocks, and what it leaves to the next process.

#include "actors/backend/backend_clock.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "config/process/wall_clock.h"

using namespace stampede;
using namespace stampede::actors;
using nlohmann::json;

namespace {

constexpr std::int64_t kHour = 3'600'000'000;

struct ClockFile {
  std::filesystem::path file =
      std::filesystem::temp_directory_path() / ("stampede-clock-" + std::to_string(::getpid()));
  BackendStatus status;

  ClockFile() { std::filesystem::remove(file); }
  ~ClockFile() { std::filesystem::remove(file); }
  [[nodiscard]] json read() const {
    std::ifstream in(file);
    return json::parse(in);
  }
  void write(const std::string& text) const { std::ofstream(file) << text; }
  void shift(std::int64_t us) const {
    auto kept = read();
    kept["offset_us"] = kept["offset_us"].get<std::int64_t>() + us;
    write(kept.dump());
  }
  [[nodiscard]] static bool is_now(std::int64_t us) {
    return std::abs(us - config::wall_us()) < 1'000'000;
  }
};

}  // namespace

TEST_CASE("both clocks are read at one moment") {
  const auto one = config::both_clocks();
  const auto other = config::both_clocks();
  CHECK(other.steady_us >= one.steady_us);
  const auto apart = (other.wall_us - other.steady_us) - (one.wall_us - one.steady_us);
  CHECK(std::abs(apart) < 1000);
}

TEST_CASE("a first process goes by the wall clock and says so") {
  ClockFile at;
  BackendClock clock(at.file, at.status);
  CHECK(ClockFile::is_now(clock.now_us()));
  CHECK(at.status.clock_ahead_us.load() == 0);
  CHECK(at.read()["accepted"] == "");
  CHECK(clock.accept("a") == json{{"ok", true}, {"changed", false}, {"stepped_s", 0.0}});
}

TEST_CASE("a process that follows goes on by the clock that was left, until that is accepted") {
  ClockFile at;
  BackendClock(at.file, at.status);
  at.shift(-kHour);  // as if the wall clock had stepped
  {
    BackendClock clock(at.file, at.status);
    CHECK(ClockFile::is_now(clock.now_us() + kHour));
    CHECK(std::abs(at.status.clock_ahead_us.load() - kHour) < 1'000'000);
    const auto answer = clock.accept("a");
    CHECK(answer["changed"] == true);
    CHECK(std::abs(answer["stepped_s"].get<double>() - 3600) < 1);
    CHECK(at.status.clock_ahead_us.load() == 0);
    CHECK(ClockFile::is_now(clock.now_us()));
  }
  BackendClock clock(at.file, at.status);
  CHECK(ClockFile::is_now(clock.now_us()));
  CHECK(clock.accept("a")["changed"] == true);  // of the process before
  CHECK(clock.accept("b")["changed"] == false);
}

TEST_CASE("what another boot left, or what cannot be read, is not believed") {
  ClockFile at;
  BackendClock(at.file, at.status);
  at.shift(-kHour);
  auto other = at.read();
  other["boot"] = "00000000-0000-0000-0000-000000000000";
  auto half = at.read();
  half.erase("stepped_us");
  auto odd = at.read();
  odd["offset_us"] = "1";
  for (const auto& text : {other.dump(), half.dump(), odd.dump(), std::string("{"), std::string(),
                           std::string("[]"), at.read().dump().substr(0, 20)}) {
    CAPTURE(text);
    at.write(text);
    BackendClock clock(at.file, at.status);
    CHECK(ClockFile::is_now(clock.now_us()));
    CHECK(at.status.clock_ahead_us.load() == 0);
  }
}

TEST_CASE("a directory that cannot be written costs the memory, not the sale") {
  ClockFile at;
  BackendClock clock(at.file / "nowhere", at.status);
  clock.look();
  CHECK(ClockFile::is_now(clock.now_us()));
}
