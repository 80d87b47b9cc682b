#pragma once

// Which of a node's lines are written when the same one comes again and again: the first few of a
// window, and at its end how many more there were. While they go on coming, each further window has
// that one line alone. Pure: times come in, counts go out; one owner, one thread.

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stampede::actors {

struct RepeatedLine {
  int level = 0;
  std::string text;
  std::uint64_t more = 0;  // times that it was not written
};

class RepeatedLines {
 public:
  static constexpr std::uint64_t kWritten = 5;      // of the same line in a window
  static constexpr std::int64_t kWindowMs = 5'000;  // from its first one on
  // Different lines that are known at once; one that is longer, or for which there is no room, is
  // written whenever it comes.
  static constexpr std::size_t kLinesMax = 256;
  static constexpr std::size_t kTextMax = 4'096;

  // Whether it is to be written; if not, it is counted. Lines are the same whose level and text
  // are. `now_ms` is of any steady clock.
  [[nodiscard]] bool on_line(std::int64_t now_ms, int level, std::string_view text);

  // The lines whose windows are over and that came more often than they were written: each is told
  // once. Nothing else of them is remembered when they have stopped.
  std::vector<RepeatedLine> pop_over(std::int64_t now_ms);

  // All that were counted so far, whatever the time: the node may be about to end.
  std::vector<RepeatedLine> pop_all();

  // When pop_over() will have something to tell; nothing: no line is held back.
  [[nodiscard]] std::optional<std::int64_t> next_ms() const;

 private:
  struct Seen {
    std::int64_t began_ms = 0;
    std::uint64_t written = 0;
    std::uint64_t more = 0;
  };
  using Key = std::pair<int, std::string>;

  void forget_quiet(std::int64_t now_ms);

  std::map<Key, Seen> seen_;
};

}  // namespace stampede::actors
