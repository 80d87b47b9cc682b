// A line that comes again and again.

#include "actors/node/core/repeated_lines.h"

#include <doctest/doctest.h>

#include <string>

namespace stampede::actors {
namespace {

constexpr int kInfo = 2;
constexpr auto kWindow = RepeatedLines::kWindowMs;

// How many of `times` the same lines at one moment are written.
std::uint64_t written(RepeatedLines& lines, std::int64_t now, std::uint64_t times,
                      const std::string& text = "again", int level = kInfo) {
  std::uint64_t count = 0;
  for (std::uint64_t i = 0; i < times; ++i) count += lines.on_line(now, level, text) ? 1 : 0;
  return count;
}

TEST_CASE("a few are written, the rest are counted and told once when the window is over") {
  RepeatedLines lines;
  CHECK(written(lines, 1'000, 100) == RepeatedLines::kWritten);
  CHECK(lines.next_ms() == 1'000 + kWindow);
  CHECK(lines.pop_over(999 + kWindow).empty());
  const auto told = lines.pop_over(1'000 + kWindow);
  REQUIRE(told.size() == 1);
  CHECK(told[0].text == "again");
  CHECK(told[0].level == kInfo);
  CHECK(told[0].more == 100 - RepeatedLines::kWritten);
  CHECK_FALSE(lines.next_ms());
  CHECK(lines.pop_over(9'000 + kWindow).empty());
}

TEST_CASE("while it goes on it is only counted; when it has stopped it is written again") {
  RepeatedLines lines;
  written(lines, 0, 6);
  lines.pop_over(kWindow);
  CHECK(written(lines, kWindow + 1, 7) == 0);
  const auto told = lines.pop_over(2 * kWindow + 1);
  REQUIRE(told.size() == 1);
  CHECK(told[0].more == 7);
  CHECK(written(lines, 4 * kWindow, 1) == 1);
}

TEST_CASE("a slow line is always written") {
  RepeatedLines lines;
  for (std::int64_t now = 0; now < 60'000; now += 1'001) CHECK(written(lines, now, 1) == 1);
  CHECK(lines.pop_all().empty());
}

TEST_CASE("another text, another level, another line") {
  RepeatedLines lines;
  written(lines, 0, 6);
  CHECK(written(lines, 0, 1, "agaim") == 1);
  CHECK(written(lines, 0, 1, "again", kInfo + 1) == 1);
}

TEST_CASE("no line is lost: what is written and what is told are all") {
  RepeatedLines lines;
  std::uint64_t seen = 0;
  std::uint64_t said = 0;
  for (std::int64_t now = 0; now < 40'000; now += 37) {
    for (int which = 0; which < 3; ++which, ++said)
      seen += written(lines, now, 1, std::to_string(which));
    for (const auto& told : lines.pop_over(now)) seen += told.more;
  }
  for (const auto& told : lines.pop_all()) seen += told.more;
  CHECK(seen == said);
}

TEST_CASE("what there is no room for is written") {
  RepeatedLines lines;
  for (std::size_t i = 0; i < RepeatedLines::kLinesMax; ++i)
    written(lines, 0, 6, std::to_string(i));
  CHECK(written(lines, 1, 50, "one more") == 50);
  CHECK(written(lines, 1, 50, std::string(RepeatedLines::kTextMax + 1, 'x')) == 50);
  CHECK(lines.pop_over(kWindow).size() == RepeatedLines::kLinesMax);
  CHECK(written(lines, 2 * kWindow, 50, "one more") == RepeatedLines::kWritten);
}

}  // namespace
}  // namespace stampede::actors
