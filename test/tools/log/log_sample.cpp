#include "test/tools/log/log_sample.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>
#include <stdexcept>
#include <vector>

#include "storage/commands/command.h"
#include "storage/disk/posix_disk.h"
#include "storage/log/log_segment.h"
#include "storage/log/log_writer.h"

namespace stampede::test {
namespace {

using namespace storage;

constexpr std::uint64_t kItems = 5;
constexpr std::int64_t kStock = 1'000'000;

void must(const Status& status) {
  if (!status) throw std::runtime_error(status.error().message);
}

class Writer {
 public:
  Writer(const std::string& dir, std::uint64_t seed) : random_(seed), dir_(dir) {
    LogOptions options;
    options.segment_bytes = 64 << 10;
    options.start_segment_bytes = 64 << 10;
    auto lock = LogLock::take(disk_, dir);
    if (!lock) throw std::runtime_error(lock.error().message);
    auto made = LogWriter::create(disk_, dir, {1, 2, 3}, options);
    if (!made) throw std::runtime_error(made.error().message);
    writer_.emplace(std::move(*made));
  }

  SampleLog write(std::uint64_t decisions) {
    take_over(1);
    for (std::uint64_t item = 1; item <= kItems; ++item) put_item(item);
    while (done_ < decisions) {
      for (std::uint64_t n = 1 + below(40); n > 0; --n) decide();
      if (below(3) == 0) outcomes();
      flush();
      if (epoch_ == 1 && done_ > decisions / 2) take_over(2);
    }
    payload_.clear();
    encode_seal(payload_);
    append_.add(RecordType::seal, payload_);
    flush();
    return sample_;
  }

 private:
  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }

  void take_over(std::uint64_t epoch) {
    flush();
    epoch_ = epoch;
    next_ = make_lsn(epoch, 1);
    first_ = next_;
    payload_.clear();
    encode_epoch(payload_, epoch, wall_ns_);
    append_.add(RecordType::epoch, payload_);
  }

  Lsn add(RecordType type) {
    append_.add(type, payload_);
    ++done_;
    return next_++;
  }

  void put_item(std::uint64_t item) {
    payload_.clear();
    const std::string id = "put-" + std::to_string(++ids_);
    encode_item_set(payload_,
                    {id, item, "Ph\xc3\xb6ne /EOL/ \"x\"", 19900, kStock, 0, 5, ids_ << 50},
                    {item, left_[item] = kStock});
    open_puts_[item].push_back(next_);
    open_amounts_[item].push_back(next_);
    add(RecordType::emit);
    sample_.items = kItems;
  }

  void decide() {
    const std::uint64_t item = 1 + below(kItems);
    payload_.clear();
    if (below(10) == 0) {
      encode_rejection(payload_,
                       {{random_(), random_()},
                        random_(),
                        item,
                        1 + unsigned(below(5)),
                        below(2) == 0 ? RejectReason::sold_out : RejectReason::limit_reached});
      add(RecordType::reject);
      ++sample_.rejections;
      return;
    }
    if (below(200) == 0) return put_item(item);
    const std::string id = "request-" + std::to_string(++ids_);
    const std::string user =
        below(9) == 0 ? "zo\xc3\xab \"\\/" : "user-" + std::to_string(below(99));
    encode_order_set(payload_, {id, item, user, 1, 19900, wall_ns_ / 1000}, {item, --left_[item]});
    open_amounts_[item].push_back(next_);
    open_orders_.push_back(next_);
    add(RecordType::emit);
    ++sample_.orders;
  }

  // What a lane would report: orders as ranges, of each item the newest amount, the others left
  // out.
  void outcomes() {
    const auto lane = static_cast<std::uint32_t>(below(2));
    Outcome exec{lane, CommandKind::order_insert, 0, {}};
    Outcome fail = exec;
    for (const Lsn lsn : open_orders_) {
      if (below(300) == 0) {
        fail.numbers.insert(fail.numbers.end(), {lsn, 1406});
      } else if (!exec.numbers.empty() && exec.numbers.back() + 1 == lsn) {
        exec.numbers.back() = lsn;
      } else {
        exec.numbers.insert(exec.numbers.end(), {lsn, lsn});
      }
    }
    open_orders_.clear();
    add_outcome(RecordType::exec, exec);
    add_outcome(RecordType::fail, fail);
    item_outcomes(lane, CommandKind::item_put, 0, open_puts_);
    item_outcomes(lane, CommandKind::item_amount_update, 1, open_amounts_);
  }

  using OpenItems = std::map<std::uint64_t, std::vector<Lsn>>;
  void item_outcomes(std::uint32_t lane, CommandKind kind, std::uint32_t position,
                     OpenItems& open) {
    Outcome optm{lane, kind, position, {}};
    Outcome exec = optm;
    for (auto& [item, lsns] : open) {
      if (lsns.empty() || below(4) == 0) continue;
      if (lsns.size() > 1) optm.numbers.insert(optm.numbers.end(), {item, lsns[0], lsns.back()});
      exec.numbers.insert(exec.numbers.end(), {lsns.back(), lsns.back()});
      lsns.clear();
    }
    add_outcome(RecordType::optm, optm);
    add_outcome(RecordType::exec, exec);
  }

  void add_outcome(RecordType type, const Outcome& outcome) {
    if (outcome.numbers.empty()) return;
    payload_.clear();
    encode_outcome(payload_, outcome);
    append_.add(type, payload_);
  }

  void flush() {
    if (append_.count == 0) return;
    const std::string_view records = append_.records;
    must(writer_->append({&records, 1}, {epoch_, first_, append_.count, wall_ns_, 2210}));
    must(writer_->sync());
    append_ = {};
    first_ = next_;
    wall_ns_ += 1'000'000 + static_cast<std::int64_t>(below(1000)) * 1000;
  }

  std::mt19937_64 random_;
  PosixDisk disk_;
  std::string dir_;
  std::optional<LogWriter> writer_;
  SampleLog sample_;
  std::uint64_t epoch_ = 1;
  Lsn next_ = 0;
  Lsn first_ = 0;
  LogAppend append_;
  std::string payload_;
  std::int64_t wall_ns_ = 1'795'257'721'203'118'000;
  std::uint64_t ids_ = 0;
  std::uint64_t done_ = 0;
  std::map<std::uint64_t, std::int64_t> left_;
  std::vector<Lsn> open_orders_;
  OpenItems open_puts_;
  OpenItems open_amounts_;
};

}  // namespace

TemporaryDir::TemporaryDir() {
  std::string pattern = (std::filesystem::temp_directory_path() / "stampede-log-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary directory");
  dir_ = pattern;
}

TemporaryDir::~TemporaryDir() {
  std::error_code ignored;
  std::filesystem::remove_all(dir_, ignored);
}

SampleLog write_sample_log(const std::string& dir, std::uint64_t seed, std::uint64_t decisions) {
  return Writer(dir, seed).write(decisions);
}

tools::ToolOptions options_for(const std::string& log_dir, bool json) {
  tools::ToolOptions options;
  options.config.log.dir = log_dir;
  options.config.run_dir = log_dir + "-run";  // does not exist: the default password is none
  options.config.db.password_file = options.config.run_dir / "db.password";
  options.json = json;
  return options;
}

}  // namespace stampede::test
