#pragma once

// Which items are sold out, as a webapp knows by itself, and how recent that is: what lets it turn
// away orders that nobody has asked before, without the backend. Never a decision: a mark that is
// out of date costs sales until it is refreshed, never more.
//
// Marks come from news and from rejections, which may be lost, late or out of order; and from the
// backend's answers to *what changed behind this lsn*, asked every refresh_us, which put all of it
// right. A mark stays until a newer lsn, a new epoch or such an answer says otherwise. What is
// older than the last answer is not believed: that answer knew it. One that no answer has confirmed
// for kRefreshesMissedMax times refresh_us is not used.
//
// Who was told that an item is sold out is told when it is back, whatever became of the mark
// meanwhile: where nothing says so by itself (a new epoch, a gap), the item is to be asked for, see
// doubt().
//
// Owned by WebappCore; pure, one thread; microseconds of one monotonic clock. Bounds: items_max
// marks, of which the one not used for longest goes; of kToldMax items it is known that they were
// told as sold out, and those that are told beyond hang on their marks.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_map>
#include <vector>

#include "actors/memory/recent_table.h"
#include "actors/sale/request.h"

namespace stampede::actors {

struct StockNotice {  // an item sold out (left is 0) or came back
  std::uint64_t item = 0;
  Lsn seq = 0;
  std::int64_t left = 0;
};

class NoticeOutput {
 public:
  virtual ~NoticeOutput() = default;
  // Of what this webapp has just learnt.
  virtual void notice(const StockNotice&) {}
};

class EdgeStock {
 public:
  static constexpr std::int64_t kRefreshesMissedMax = 5;
  static constexpr std::size_t kToldMax = 100'000;  // 60 bytes each

  // `refresh_us` or `items_max` 0: nothing is ever asked, and nothing known.
  EdgeStock(NoticeOutput& output, std::int64_t refresh_us, std::size_t items_max)
      : output_(output), refresh_us_(items_max == 0 ? 0 : refresh_us), marks_(items_max) {}

  // --- asking: one question at a time
  [[nodiscard]] bool due(std::int64_t now_us) const {
    return refresh_us_ > 0 && !asking_ && now_us >= next_us_;
  }
  [[nodiscard]] bool asking() const { return asking_; }
  [[nodiscard]] std::int64_t patience_us() const { return kRefreshesMissedMax * refresh_us_; }
  Lsn ask(std::int64_t now_us);  // a question is open: what changed behind this lsn?
  void on_changes(const ItemChanges& changes, const std::vector<ItemRow>& rows);
  void not_answered() { asking_ = false; }
  void begin_anew();  // another backend decides now: what was known is not believed any more

  // --- what is heard meanwhile
  void on_row(const ItemRow& row) {
    if (known_) take(row.item, row.seq, row.left);
  }
  // An order of the item was rejected at `lsn`, for nothing was left.
  void on_nothing_left(std::uint64_t item, Lsn lsn) {
    if (known_) take(item, lsn, 0);
  }

  // An item of which this webapp has said that it is sold out, and does not know whether it still
  // is: to be asked for, what comes is for on_row(). Nothing: there is none.
  [[nodiscard]] std::optional<std::uint64_t> doubt();
  void doubt_again(std::uint64_t item);  // it was not answered: behind the next answer

  // --- what is known
  [[nodiscard]] bool any() const { return !marks_.empty(); }
  [[nodiscard]] std::size_t marks() const { return marks_.size(); }
  [[nodiscard]] bool on() const { return refresh_us_ != 0; }  // false: it knows nothing, ever
  [[nodiscard]] bool marked(std::uint64_t item) const { return marks_.find(item) != nullptr; }
  [[nodiscard]] bool sold_out(std::uint64_t item, std::int64_t now_us);

  // Whether what an answer has told is recent enough to be used.
  [[nodiscard]] bool recent(std::int64_t now_us) const {
    return known_ && now_us - as_of_us_ <= kRefreshesMissedMax * refresh_us_;
  }

 private:
  void take(std::uint64_t item, Lsn seq, std::int64_t left);
  void mark(std::uint64_t item, Lsn seq);
  void doubt_all();
  void come_back(std::uint64_t item, Lsn seq, std::int64_t left);

  NoticeOutput& output_;
  std::int64_t refresh_us_;
  RecentTable<std::uint64_t, Lsn> marks_;  // by item: what it is known from
  struct Told {
    Lsn seq = 0;  // when it was sold out
    bool doubted = false;
  };
  std::unordered_map<std::uint64_t, Told> told_;  // by item: sold out, and not that it is back
  std::deque<std::uint64_t> doubts_;              // of these; some are none any more
  std::vector<std::uint64_t> later_;              // likewise, that were not answered
  Lsn upto_ = 0;                                  // what lies before it an answer has told
  std::int64_t as_of_us_ = 0;                     // when it was asked for what is known, all of it
  bool known_ = false;                            // there was an answer, and as_of_us_ is its
  bool asking_ = false;
  std::int64_t asked_us_ = 0;
  std::int64_t next_us_ = 0;  // a multiple of refresh_us_: all webapps ask at one moment
};

}  // namespace stampede::actors
