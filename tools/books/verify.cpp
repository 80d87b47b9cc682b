#include "tools/books/verify.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "actors/sale/order_book.h"
#include "storage/disk/posix_disk.h"
#include "storage/mysql/sql_advice.h"
#include "tools/ask/admin_client.h"
#include "tools/ask/grouped_digits.h"
#include "tools/books/books_check.h"
#include "tools/books/ledger.h"
#include "tools/log/log_files.h"

namespace stampede::tools {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using storage::Lsn;

constexpr auto kLookEvery = milliseconds(100);
constexpr auto kAskWhyEvery = std::chrono::seconds(1);
constexpr int kReadingsMax = 5;
constexpr auto kReadTimeout = std::chrono::seconds(10);

// The backend's memory, as it reports it.
struct MemoryBooks {
  Lsn lsn = 0;
  std::uint64_t confirmed = 0;
  std::uint64_t items = 0;
  std::uint64_t sold = 0;
  std::string hash;
  std::uint64_t promos = 0;
  std::string promo_hash;
  std::uint64_t held = 0;
  std::string held_hash;
};

// Where the ledger reads on from: the start of the log or, when that is gone, the oldest snapshot,
// so that as much as possible is added up anew.
storage::Result<storage::LogPosition> begin_ledger(storage::Disk& disk, const std::string& dir,
                                                   Ledger& ledger) {
  const auto beginning = log_beginning(disk, dir);
  if (!beginning) return beginning.error();
  if (beginning->is_start()) return beginning->position;
  const auto snapshots = storage::list_snapshots(disk, dir);
  if (!snapshots) return snapshots.error();
  for (auto oldest = snapshots->rbegin(); oldest != snapshots->rend(); ++oldest) {
    auto contents = read_snapshot(disk, dir, oldest->name);
    if (!contents) continue;  // the newest one was found whole a moment ago
    const auto position = contents->header.position;
    ledger.begin_with(std::move(*contents));
    return position;
  }
  return beginning->position;
}

class Verification {
 public:
  Verification(const config::Config& config, std::int64_t wait_ms, const TellWaiting& tell)
      : config_(config), deadline_(steady_clock::now() + milliseconds(wait_ms)), tell_(tell) {}

  VerifyReport run() {
    if (ask_memory() && read_log() && open_database()) judge();
    report_.violation_count = findings_;
    if (report_.exit == kExitDone && findings_ > 0) report_.exit = kExitViolation;
    return std::move(report_);
  }

 private:
  bool ask_memory();
  bool read_log();
  bool read_log_once(std::string& problem);
  bool open_database();
  void judge();
  bool wait_until_stored(BooksWait from);
  void tell_why(const std::string& state, std::string why);
  void ask_why();
  std::optional<BooksDifference> compare();
  void compare_memory();
  void name_parked();
  [[nodiscard]] std::string passed_over() const;
  void take(const Findings& findings);
  bool violation(const std::string& text);
  bool stop(int exit, std::string problem);
  [[nodiscard]] int ms_left() const;

  const config::Config& config_;
  steady_clock::time_point deadline_;
  const TellWaiting& tell_;
  std::string why_;         // it waits; empty: nobody knows a reason
  std::string told_state_;  // of the database: a reason may count the seconds
  steady_clock::time_point asked_why_;
  MemoryBooks memory_;
  std::unique_ptr<Ledger> ledger_;
  std::unique_ptr<storage::Database> database_;
  std::uint64_t findings_ = 0;
  std::vector<storage::ParkedRecord> parked_;
  VerifyReport report_;
};

int Verification::ms_left() const {
  const auto left = std::chrono::duration_cast<milliseconds>(deadline_ - steady_clock::now());
  return static_cast<int>(std::max<std::int64_t>(left.count(), 0));
}

bool Verification::stop(int exit, std::string problem) {
  report_.exit = exit;
  report_.problem = std::move(problem);
  return false;
}

bool Verification::violation(const std::string& text) {
  ++findings_;
  report_.violations.push_back(text);
  return false;
}

void Verification::take(const Findings& findings) {
  findings_ += findings.count();
  for (const auto& text : findings.texts()) report_.violations.push_back(text);
}

// Asked until it answers: a backend that replays its log is about to.
bool Verification::ask_memory() {
  std::string problem;
  do {
    const auto answer =
        ask_admin_or_fail(config_, {{"do", "books"}}, std::max(1000, std::min(ms_left(), 35'000)));
    if (const auto* books = std::get_if<json>(&answer)) {
      const auto lsn = storage::parse_lsn(books->value("lsn", std::string{}));
      if (!lsn) return stop(kExitFailure, "the backend's books have no lsn: " + books->dump());
      memory_ = {*lsn,
                 books->value("confirmed", std::uint64_t{0}),
                 books->value("items", std::uint64_t{0}),
                 books->value("sold", std::uint64_t{0}),
                 books->value("hash", std::string{}),
                 books->value("promos", std::uint64_t{0}),
                 books->value("promo_hash", std::string{}),
                 books->value("held", std::uint64_t{0}),
                 books->value("held_hash", std::string{})};
      report_.lsn = *lsn;
      return true;
    }
    const auto& failure = std::get<AdminFailure>(answer);
    problem = failure.message;
    const bool waits_for_people = failure.code == "not_ready";
    if (failure.exit == kExitNoConnection || waits_for_people) break;
    std::this_thread::sleep_for(kLookEvery);
  } while (ms_left() > 0);
  return stop(kExitNotReady, "no backend gives its books: " + problem);
}

// A log that is being written can look damaged for a moment, while a batch is half there and the
// next one is already vouching for it: only what stays so is true.
bool Verification::read_log() {
  std::string problem;
  for (int reading = 0; reading < kReadingsMax; ++reading) {
    if (reading > 0) std::this_thread::sleep_for(kLookEvery);
    if (read_log_once(problem)) return true;
  }
  return violation(problem);
}

bool Verification::read_log_once(std::string& problem) {
  ledger_ = std::make_unique<Ledger>(memory_.lsn);
  storage::PosixDisk disk;
  const std::string dir = config_.log.dir.string();
  auto from = begin_ledger(disk, dir, *ledger_);
  if (!from) {
    problem = from.error().message;
    return false;
  }
  const auto end = storage::read_log(disk, dir, *ledger_, *from);
  if (!end) {
    problem = end.error().message;
    return false;
  }
  if (ledger_->last_lsn() < memory_.lsn && storage::lsn_counter(memory_.lsn) != 0) {
    problem = config_.log.dir.string() + " ends at lsn " + storage::to_text(ledger_->last_lsn()) +
              ", before the backend's " + storage::to_text(memory_.lsn) +
              ": is log.dir the backend's?";
    return false;
  }
  ledger_->close();
  return true;
}

bool Verification::open_database() {
  const auto password = config::read_password(config_);
  if (const auto* error = std::get_if<config::ConfigError>(&password)) {
    return stop(kExitWrongUse, config::describe(*error));
  }
  storage::DbOptions options;
  options.url = config_.db.url;
  options.password = std::get<std::string>(password);
  options.read_timeout = kReadTimeout;
  ask_why();  // one that hangs is heard of only when this time is over
  for (;;) {
    auto opened = storage::Database::open(options);
    if (opened) {
      database_ = std::make_unique<storage::Database>(std::move(*opened));
      return true;
    }
    const bool away = opened.error().code == storage::Errc::unavailable;
    if (!away) return stop(kExitFailure, opened.error().message);
    if (ms_left() == 0) return stop(kExitTimedOut, "not stored in time: " + opened.error().message);
    tell_why("away", "the database cannot be asked: " + opened.error().message);
    std::this_thread::sleep_for(kLookEvery);
  }
}

void Verification::tell_why(const std::string& state, std::string why) {
  why_ = std::move(why);
  if (state == told_state_) return;
  told_state_ = state;
  if (tell_ && !why_.empty()) tell_(why_);
}

// The backend knows why it stores nothing; the database that is looked at here may be in order.
void Verification::ask_why() {
  if (steady_clock::now() - asked_why_ < kAskWhyEvery) return;
  const auto status = status_or_null(config_);
  asked_why_ = steady_clock::now();
  if (!status.is_object()) return;  // not told in time
  const auto database = status.value("database", json());
  if (!database.is_object() || !database.contains("why")) return tell_why({}, {});
  const auto state = database.value("state", std::string{});
  tell_why(state, "the database is " + state + ": " + database.value("why", std::string{}));
}

// Only looks; what is wrong is told by compare(). False: there is a problem, which was reported.
bool Verification::wait_until_stored(BooksWait from) {
  while (ms_left() > 0) {
    const auto stored = all_stored(*database_, *ledger_, from, memory_.lsn);
    if (stored && *stored) return true;
    if (!stored && !open_database()) return false;
    ask_why();
    std::this_thread::sleep_for(std::min(kLookEvery, milliseconds(ms_left())));
  }
  return read_log();  // what it says is owed has changed since
}

void Verification::compare_memory() {
  std::uint64_t hash = 0;
  for (const auto& [id, item] : ledger_->items()) {
    const auto sold = item.terms.total - item.amount;
    hash += actors::books_hash(id, item.amount, sold);
    report_.start += item.terms.total;
    report_.sold += sold;
    report_.left += item.amount;
  }
  report_.items = ledger_->items().size();
  const auto differ = [&](const char* what, std::uint64_t memory, std::uint64_t log) {
    if (memory == log) return;
    violation(std::string(what) + ": the backend has " + std::to_string(memory) + ", the log " +
              std::to_string(log) + passed_over());
  };
  differ("confirmed orders", memory_.confirmed, ledger_->orders().size());
  differ("items", memory_.items, report_.items);
  differ("units sold", memory_.sold, static_cast<std::uint64_t>(report_.sold));
  if (memory_.hash != std::to_string(hash)) {
    violation("stock: the backend's and the log's items differ (hash " + memory_.hash + " and " +
              std::to_string(hash) + ")" + passed_over());
  }
  std::uint64_t promo_hash = 0;
  for (const auto& [id, promo] : ledger_->promos())
    promo_hash += actors::promo_hash(promo.promo.view(), promo.put_lsn, promo.granted);
  differ("promos", memory_.promos, ledger_->promos().size());
  if (memory_.promo_hash != std::to_string(promo_hash))
    violation("promos: the backend's and the log's differ" + passed_over());
  std::uint64_t held_hash = 0;
  for (const auto& [lsn, held] : ledger_->held())
    held_hash += actors::held_hash(lsn, held.fulfilment);
  differ("orders that need payment", memory_.held, ledger_->held().size());
  if (memory_.held_hash != std::to_string(held_hash))
    violation("payment: the backend's and the log's orders differ in what they became" +
              passed_over());
}

void Verification::name_parked() {
  storage::PosixDisk disk;
  auto parked = storage::list_parked(disk, config_.log.dir.string());
  if (!parked) return void(violation(parked.error().message));
  parked_ = std::move(*parked);
  for (const auto& record : parked_) violation(parked_text(record));
}

// What the backend lacks of the log, and may account for a difference; empty: nothing.
std::string Verification::passed_over() const {
  if (parked_.empty()) return {};
  return "; the backend passed over lsn " + storage::to_text(parked_.front().lsn) +
         (parked_.size() == 1 ? "" : " and " + std::to_string(parked_.size() - 1) + " others") +
         ", parked, which the log and the database have";
}

std::optional<BooksDifference> Verification::compare() {
  auto difference = compare_books(*database_, *ledger_, memory_.lsn);
  if (difference) return std::move(*difference);
  const auto& error = difference.error();
  const bool answered = storage::database_answered(error.sql_number);
  stop(kExitTimedOut,
       (answered ? "the database cannot be read: " : "the database went away: ") + error.message);
  return std::nullopt;
}

void Verification::judge() {
  auto difference = compare();
  if (difference && difference->pending > 0 && ms_left() > 0) {
    if (!wait_until_stored(difference->wait)) return;
    difference = compare();
  }
  if (!difference) return;
  name_parked();
  compare_memory();
  take(ledger_->findings());
  take(difference->findings);
  report_.confirmed = ledger_->orders().size();
  report_.rows = difference->rows;
  report_.lost = difference->lost;
  report_.pending = difference->pending;
  report_.failed = ledger_->failed();
  report_.over_limit = ledger_->over_limit();
  report_.doubled = ledger_->doubled() + difference->strangers;
  report_.oversold = std::max(ledger_->oversold(), difference->oversold);
  if (report_.failed > 0) {
    violation(std::to_string(report_.failed) +
              " commands were refused by the database; see `stampede log verify`");
  }
  const auto uuid = database_->log_uuid();
  if (uuid && (!*uuid || **uuid != ledger_->uuid())) {
    violation("the database belongs to another log (its meta row names another uuid)");
  }
  if (findings_ == 0 && report_.pending > 0) {
    stop(kExitTimedOut, std::to_string(report_.pending) + " commands up to lsn " +
                            storage::to_text(memory_.lsn) + " are not stored yet; " +
                            (why_.empty() ? "nothing is known to be wrong: wait longer (--wait), "
                                            "see `stampede status` for the database"
                                          : why_));
  }
}

void print_line(const char* name, const std::string& text, bool good) {
  std::printf("%-9s %-56s %s\n", name, text.c_str(), good ? "ok" : "VIOLATION");
}

void print_report(const VerifyReport& report) {
  print_line("stock",
             "start " + grouped(report.start) + " = sold " + grouped(report.sold) + " + left " +
                 grouped(report.left),
             report.start == report.sold + report.left);
  print_line("oversold", grouped(report.oversold), report.oversold == 0);
  const bool same = report.confirmed == report.rows;
  print_line("orders",
             "log " + grouped(report.confirmed) + (same ? " = " : " and ") + "database " +
                 grouped(report.rows),
             same && report.lost == 0);
  print_line("lost", grouped(report.lost), report.lost == 0);
  print_line("doubled", grouped(report.doubled) + " request ids with more than one order",
             report.doubled == 0);
  print_line("limits", grouped(report.over_limit) + " orders above limit_per_user",
             report.over_limit == 0);
  print_line("failed", grouped(report.failed) + " commands refused by the database",
             report.failed == 0);
  for (const auto& text : report.violations) std::printf("VIOLATION %s\n", text.c_str());
  if (report.violation_count > report.violations.size()) {
    std::printf("… and %s more\n",
                grouped(report.violation_count - report.violations.size()).c_str());
  }
}

}  // namespace

json VerifyReport::to_json() const {
  json out{{"ok", ok()},         {"lsn", std::to_string(lsn)}, {"confirmed", confirmed},
           {"rows", rows},       {"oversold", oversold},       {"lost", lost},
           {"doubled", doubled}, {"failed", failed},           {"violations", violations}};
  if (!problem.empty()) out["problem"] = problem;
  if (pending > 0) out["pending"] = pending;
  return out;
}

VerifyReport verify_books(const config::Config& config, std::int64_t wait_ms,
                          const TellWaiting& tell) {
  const auto start = steady_clock::now();
  VerifyReport report = Verification(config, wait_ms, tell).run();
  report.seconds = std::chrono::duration<double>(steady_clock::now() - start).count();
  return report;
}

namespace {

constexpr int kTellMaxMs = 1000;

// A supervisor that does not hear it changes nothing of the verdict.
void tell_supervisor(const config::Config& config, const VerifyReport& report) {
  static_cast<void>(ask_admin(
      config, {{"do", "books_told"}, {"violations", report.violation_count}}, kTellMaxMs));
}

}  // namespace

int run_verify(const ToolOptions& options, std::int64_t wait_ms) {
  const VerifyReport report =
      verify_books(options.config, wait_ms, [wait_ms](const std::string& why) {
        std::fprintf(stderr, "stampede verify: %s; waits up to %lld s\n", why.c_str(),
                     static_cast<long long>(wait_ms / 1000));
      });
  if (report.exit == kExitDone || report.exit == kExitViolation)
    tell_supervisor(options.config, report);
  if (options.json) {
    std::printf("%s\n",
                report.to_json().dump(-1, ' ', false, json::error_handler_t::replace).c_str());
  } else if (report.exit == kExitDone || report.exit == kExitViolation) {
    print_report(report);
    std::printf("%s at lsn %s (%.1f s)\n", report.ok() ? "OK" : "VIOLATIONS",
                storage::to_text(report.lsn).c_str(), report.seconds);
  }
  if (!report.problem.empty()) {
    std::fprintf(stderr, "stampede verify: %s\n", report.problem.c_str());
  }
  return report.exit;
}

}  // namespace stampede::tools
