#include "tools/bench/stored_rows.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>
#include <variant>

#include "tools/ask/admin_client.h"

namespace stampede::tools {
namespace {

using std::chrono::milliseconds;

constexpr int kBooksMs = 5000;
constexpr auto kLookEvery = milliseconds(20);
constexpr auto kNothingNewFor = std::chrono::seconds(1);  // then the run's rows are counted
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

// The backend counts orders that are confirmed and not stored yet, too.
std::optional<std::uint64_t> StoredRowsWatch::orders_so_far() {
  const auto answer = ask_admin_or_fail(config_, {{"do", "books"}}, kBooksMs);
  const auto* books = std::get_if<nlohmann::json>(&answer);
  if (books != nullptr && books->contains("confirmed")) {
    return books->value("confirmed", std::uint64_t{0});
  }
  const auto count = database_->order_count();
  if (!count) return std::nullopt;
  return *count;
}

std::string StoredRowsWatch::open() {
  std::string problem;
  if (!connect(problem)) return problem;
  const auto before = orders_so_far();
  if (!before) return "neither the backend nor the database says how many orders there are";
  rows_before_ = *before;
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

// The rows of this run, by their ids; 0 when the database is away.
std::uint64_t StoredRowsWatch::count_exactly(const LoadResult& load, const std::string& id_prefix) {
  std::string problem;
  if (load.confirmed == 0) return 0;
  if (id_prefix.empty()) return count_rows(load).value_or(0);
  if (database_ == nullptr && !connect(problem)) return 0;
  std::uint64_t rows = 0;
  const auto read = database_->each_order(load.first_order_id - 1, load.last_order_id,
                                          [&](const storage::StoredOrder& order) {
                                            rows += order.request_id.starts_with(id_prefix) ? 1 : 0;
                                          });
  if (read) return rows;
  database_.reset();
  return 0;
}

// A count of all rows is cheap and tells when to look; only the run's own rows decide, since other
// orders may come meanwhile, and those of an earlier run of this name were there before.
StoredRows StoredRowsWatch::wait(const LoadResult& load, const std::string& id_prefix) {
  StoredRows stored;
  std::uint64_t seen = 0;
  auto last_new = Clock::now();
  auto look_closely = last_new + kNothingNewFor;
  stored.all = load.confirmed == 0;
  while (!stored.all && Clock::now() < last_new + kGiveUpAfter) {
    const auto asked = Clock::now();
    const auto rows = count_rows(load);
    if (rows && *rows > seen) {
      last_new = Clock::now();
      if (seen < load.confirmed && *rows >= load.confirmed) look_closely = last_new;
      seen = *rows;
    }
    if (rows && Clock::now() >= look_closely) {
      stored.rows = count_exactly(load, id_prefix);
      stored.all = stored.rows >= load.confirmed;
      look_closely = Clock::now() + kNothingNewFor;
    }
    if (!stored.all) {
      std::this_thread::sleep_for(
          std::max<Clock::duration>(kLookEvery, 4 * (Clock::now() - asked)));
    }
  }
  stored.seconds = load.confirmed == 0
                       ? load.seconds
                       : std::chrono::duration<double>(last_new - load.start).count();
  stored.after_last_answer = std::max(0.0, stored.seconds - load.seconds);
  if (!stored.all) {
    stored.problem = std::to_string(load.confirmed - stored.rows) +
                     " confirmed orders have no row and none came for a while";
  }
  return stored;
}

}  // namespace stampede::tools
