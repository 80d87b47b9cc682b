#include "tools/stored_rows.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <variant>

namespace stampede::tools {
namespace {

using std::chrono::milliseconds;

constexpr auto kLookEvery = milliseconds(20);
constexpr auto kNothingNewFor = std::chrono::seconds(1);  // then the rows are counted one by one
constexpr auto kGiveUpAfter = std::chrono::seconds(60);   // without a new row

}  // namespace

StoredRowsWatch::StoredRowsWatch(const config::Config& config) : config_(config) {}

bool StoredRowsWatch::connect(std::string& problem) {
  const auto password = config::read_password(config_);
  if (const auto* error = std::get_if<config::ConfigError>(&password)) {
    problem = config::describe(*error);
    return false;
  }
  storage::DbOptions options;
  options.url = config_.db.url;
  options.password = std::get<std::string>(password);
  auto opened = storage::Database::open(options);
  if (!opened) {
    problem = opened.error().message;
    return false;
  }
  database_ = std::make_unique<storage::Database>(std::move(*opened));
  return true;
}

std::string StoredRowsWatch::open() {
  std::string problem;
  if (!connect(problem)) return problem;
  const auto count = database_->order_count();
  if (!count) return count.error().message;
  rows_before_ = *count;
  return {};
}

// Rows that came since open(); nothing when the database is away. Counting reads an index of the
// whole table, so it is left until a lane has come as far as the last order.
std::optional<std::uint64_t> StoredRowsWatch::count_rows(const LoadResult& load) {
  std::string problem;
  if (database_ == nullptr && !connect(problem)) return std::nullopt;
  const auto furthest = database_->witness();
  if (furthest && *furthest < load.last_order_id) return 0;
  const auto count = database_->order_count();
  if (furthest && count) return *count - std::min(*count, rows_before_);
  database_.reset();
  return std::nullopt;
}

std::optional<std::uint64_t> StoredRowsWatch::count_exactly(const LoadResult& load,
                                                            const std::string& id_prefix) {
  std::string problem;
  if (load.confirmed == 0) return 0;
  if (database_ == nullptr && !connect(problem)) return std::nullopt;
  std::uint64_t rows = 0;
  const auto read = database_->each_order(load.first_order_id - 1, load.last_order_id,
                                          [&](const storage::StoredOrder& order) {
                                            rows += order.request_id.starts_with(id_prefix) ? 1 : 0;
                                          });
  if (read) return rows;
  database_.reset();
  return std::nullopt;
}

StoredRows StoredRowsWatch::wait(const LoadResult& load, const std::string& id_prefix) {
  const auto seconds_since_start = [&](Clock::time_point when) {
    return std::chrono::duration<double>(when - load.start).count();
  };
  std::uint64_t seen = 0;
  auto last_new = Clock::now();
  bool all = load.confirmed == 0;
  while (!all && Clock::now() < last_new + kGiveUpAfter) {
    const auto rows = count_rows(load);
    if (rows && *rows > seen) {
      seen = *rows;
      last_new = Clock::now();
    }
    all = seen >= load.confirmed;
    // Orders of an earlier run with the same name had their rows before.
    if (!all && rows && Clock::now() > last_new + kNothingNewFor) {
      all = count_exactly(load, id_prefix).value_or(0) >= load.confirmed;
    }
    if (!all) std::this_thread::sleep_for(kLookEvery);
  }
  StoredRows stored;
  stored.rows = count_exactly(load, id_prefix).value_or(0);
  stored.all = stored.rows >= load.confirmed;
  stored.seconds = load.confirmed == 0 ? load.seconds : seconds_since_start(last_new);
  stored.after_last_answer = std::max(0.0, stored.seconds - load.seconds);
  if (!stored.all) {
    stored.problem = std::to_string(load.confirmed - stored.rows) +
                     " confirmed orders have no row and none came for a while";
  }
  return stored;
}

}  // namespace stampede::tools
