#pragma once

// A backend's whole life on some disk, without CAF, sockets and clock: the real core, log writer,
// recovery and lane batches, a database in memory, and random clients. Deterministic for one seed
// and one disk.

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "actors/backend/recovery/recovery.h"
#include "storage/log/log_writer.h"
#include "storage/mysql/command_sql.h"
#include "storage/mysql/database.h"

namespace stampede::test {

inline const std::string kLogDir = "/log";
inline constexpr actors::LogUuid kLogUuid = {9, 8, 7, 6, 5, 4, 3, 2, 1};

// What the database has, as contract §6 writes it.
struct MemoryTables {
  struct Order {
    std::string request_id;
    std::uint64_t item = 0;
    std::string user;
    std::uint32_t qty = 0;
    std::int64_t unit_price_cents = 0;
    std::int64_t decided_at_us = 0;
  };
  struct Item {
    std::int64_t amount = 0;
    storage::Lsn put_lsn = 0;
    storage::Lsn lsn = 0;
  };
  std::map<storage::Lsn, Order> orders;
  std::map<std::uint64_t, Item> items;
  std::map<std::uint64_t, storage::PromoRow> promos;
};

class RandomBackend {
 public:
  struct Options {
    std::uint64_t segment_bytes = 16u << 10;
    std::uint64_t rejections_max = 20;
    unsigned fail_percent = 0;  // of rows, that the database refuses
    bool promos = false;        // of the first items, and orders in them
    bool sessions = false;      // that are opened, and end
    std::string dir = kLogDir;
  };

  RandomBackend(storage::Disk& disk, std::uint64_t seed, Options options)
      : disk_(disk), random_(seed), options_(options) {}

  // A new process: recovers what is there, or begins a log. False: the disk failed.
  bool start();
  // One round: some requests, some lanes. False: the disk failed; the process is gone.
  bool round();
  // Rounds without requests until nothing is owed but what the database refuses.
  bool drain();
  void end_process();

  [[nodiscard]] const actors::BackendCore& core() const { return *core_; }
  [[nodiscard]] const actors::BackendLimits& limits() const { return limits_; }
  [[nodiscard]] const storage::Error& error() const { return *error_; }
  [[nodiscard]] std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
  [[nodiscard]] const std::string& used_snapshot() const { return used_snapshot_; }

  MemoryTables tables;
  std::map<std::string, storage::Lsn> confirmed;  // by request id, as answered
  std::vector<storage::ParkedRecord> parked;      // passed over by the next start
  std::int64_t now_us = 1'700'000'000'000'000;

 private:
  bool gone_with(const storage::Error& error);
  void ask();
  std::string request();
  void change_promo();
  void change_session();
  bool write_all();
  void take_results();
  void run_lanes(bool all);
  void finish_lane(std::size_t index);

  storage::Disk& disk_;
  std::mt19937_64 random_;
  Options options_;
  actors::BackendLimits limits_;
  std::unique_ptr<actors::BackendCore> core_;
  std::optional<storage::LogWriter> writer_;
  std::optional<storage::Error> error_;
  std::string used_snapshot_;
  actors::Effects effects_;
  std::vector<actors::LaneWork> lanes_;  // at work
  std::map<std::uint64_t, std::vector<std::string>>
      asked_;  // request ids of a batch, "" = no order
  std::uint64_t epoch_ = 0;
  std::uint64_t next_batch_ = 1;
  std::uint64_t next_id_ = 1;
};

}  // namespace stampede::test
