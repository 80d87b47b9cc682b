#pragma once

// What a node and the tools ask the database outside the lanes: whose it is, how far it is, who may
// write, what it holds. SQL stays inside.

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "storage/commands/batch_rows.h"
#include "storage/commands/item_terms.h"
#include "storage/commands/promo_terms.h"
#include "storage/commands/sale_terms.h"
#include "storage/lsn.h"
#include "storage/mysql/db_options.h"
#include "storage/result.h"

namespace stampede::storage {

class SqlSession;

using LogUuid = std::array<std::uint8_t, 16>;

struct ItemRow {
  std::uint64_t id = 0;
  OwnedItemTerms terms;
  std::int64_t amount = 0;
  Lsn put_lsn = 0;
  Lsn lsn = 0;
  OwnedItemSale sale{};
};

struct StoredOrder {
  Lsn order_id = 0;
  std::string request_id;
  std::uint64_t item = 0;
  std::uint32_t qty = 0;
  std::string user;
  std::int64_t unit_price_cents = 0;
  std::uint64_t promo = kNoNumber;
  std::string fulfilment{};
  Lsn lsn = 0;  // of its newest OrderUpdate; 0: none
  std::int64_t pay_by_ms = 0;
  std::string payment_id{};          // empty: NULL
  std::int64_t fulfilled_at_us = 0;  // 0: NULL
};

struct PromoRow {
  OwnedPromo promo;  // the columns of each_promo_term()
  Lsn put_lsn = 0;
  std::uint64_t granted = 0;  // tickets
  Lsn lsn = 0;                // of the newest TicketGrant
};

// What mends a database that lacks what the log calls executed.
inline constexpr const char* kHowToRewrite =
    "Run `scripts/stop_all.sh --keep-db`, then `stampede log replay --all`, then "
    "`scripts/start_all.sh`: the replay writes all of it again, but overwrites no row of other "
    "content: after a forced downgrade empty the tables orders, item, promo and stock_change first";

// Half a database may be in the middle of a restore, which fills table by table: it is waited for.
inline constexpr const char* kHowToMendHalf =
    "if the database is being restored, wait for its end; else rows were lost or removed: run"
    " `scripts/stop_all.sh --keep-db`, then `stampede log replay --all`, which writes all of it "
    "again, then `scripts/start_all.sh`";

// How a row that should be there and is not is told (ER_KEY_NOT_FOUND): the server has answered.
inline constexpr unsigned kErrnumNoRow = 1032;

struct LaneRow {
  int lane = 0;
  std::uint64_t epoch = 0;
  Lsn applied_lsn = 0;
  std::uint64_t batches = 0;
  std::uint64_t owner = 0;  // which start of `epoch`; 0: nobody
  std::int64_t place = 0;   // LaneOwner::place
};

// Who writes the lanes, beside the epoch: what two copies of a log do not share.
struct LaneOwner {
  std::uint64_t start = 0;  // a number of the start that minted the epoch; 0: nobody
  std::int64_t place = 0;   // when its log directory was made (Disk::place); 0: not known
};

// Of what it is known which row was committed last.
enum class LastKind : std::uint8_t { order, update, amount, promo, stock, grant };
inline constexpr std::size_t kLastKinds = 6;

// What a lane has committed last: has a row, and one that is no older.
struct LaneLast {
  struct Row {
    std::uint64_t key = 0;
    Lsn lsn = 0;  // of a row that never changes: its key. 0: not known
  };
  Row& operator[](LastKind kind) { return rows[static_cast<std::size_t>(kind)]; }
  const Row& operator[](LastKind kind) const { return rows[static_cast<std::size_t>(kind)]; }

  std::array<Row, kLastKinds> rows{};
  // The lowest that are known to have had a row, of any lane. 0: none is.
  Lsn oldest_order = 0;
  Lsn oldest_stock = 0;
};

// What a lane's row must say, and which rows must be there, for its writer to go on.
struct LaneFence {
  std::uint64_t epoch = 0;
  std::uint64_t owner = 0;    // see Database::claim
  std::uint64_t batches = 0;  // as this session has seen it last
  LaneLast last;              // what was committed last, in this life or one before it
};

// One session. Thread-compatible: one thread. Every call blocks for a round trip, at most about
// read_timeout. Errors of every call: unavailable (the server is away or said something transient;
// open a new Database and try again). Writes are durable on return.
class Database {
 public:
  // Connects and checks. unavailable: cannot connect; invalid: url unreadable, access denied, no
  // such database, or sql_mode without STRICT_ALL_TABLES; version: the schema is not this
  // program's (says `stampede migrate up` or names the newer version).
  static Result<Database> open(const DbOptions& options);
  ~Database();
  Database(Database&&) noexcept;
  Database& operator=(Database&&) noexcept;

  // Which log this database belongs to; nullopt: none yet.
  Result<std::optional<LogUuid>> log_uuid();

  // Called now and then while a call goes on that takes as long as there are items.
  using Progress = std::function<void()>;

  // Makes the database this log's, once. The same uuid again changes nothing; another one ->
  // corrupt (log and database do not fit: 65). Guards left by an earlier log (lsns of items and
  // promos, lane epochs) start from zero in the same transaction: they name positions of no log any
  // more.
  Status adopt(const LogUuid& uuid, std::int64_t now_us, const Progress& progress = {});

  // The highest lsn any lane has ever committed, 0 for none. A log that ends before it is lost.
  Result<Lsn> witness();

  // Makes `epoch` and `owner` the owner of every lane row, after adding the missing rows
  // kFirstLane … lanes. A lane that has committed nothing gets the highest witness of all: what it
  // stores first may be old. A row with a higher epoch, or of another start in the same one ->
  // fenced, nothing changed. An older writer's open transaction is waited for; its next one finds
  // itself fenced. Which places may follow each other is the caller's to judge.
  Status claim(std::uint64_t epoch, int lanes, const LaneOwner& owner = {});

  // Lifts the witness of every lane: whoever wrote up to `lsn` wrote for all of them.
  Status witness_all(Lsn lsn);

  Result<std::vector<LaneRow>> lanes();  // by lane
  // By id. corrupt: a number of a row is none.
  Result<std::vector<ItemRow>> items(const Progress& progress = {});
  // By id; without those whose PromoPut has not come yet.
  Result<std::vector<PromoRow>> promos();
  Result<std::uint64_t> order_count();

  // Calls on_order for every order with after < order_id <= up_to, by order_id. Reads in pages:
  // memory stays small however many there are.
  Status each_order(Lsn after, Lsn up_to, const std::function<void(const StoredOrder&)>& on_order);

  // The same of the StockChanges, by lsn. A reason that is none comes as 0.
  Status each_stock_change(Lsn after, Lsn up_to,
                           const std::function<void(const StockChangeRow&)>& on_row);

  // Of these orders, those that have a row, and its lsn. One round trip.
  Result<std::map<Lsn, Lsn>> orders_among(const std::set<Lsn>& order_ids);
  // The same of StockChanges, which have none but their own.
  Result<std::set<Lsn>> stock_among(const std::set<Lsn>& lsns);
  // 0: there is none.
  Result<Lsn> lowest_order();
  Result<Lsn> highest_order();
  Result<Lsn> lowest_stock();
  Result<std::uint64_t> highest_item();
  // How many there are, below this one.
  Result<std::uint64_t> orders_below(Lsn order);
  Result<std::uint64_t> stock_below(Lsn lsn);
  Result<std::uint64_t> items_below(std::uint64_t item);
  struct ItemGuards {
    Lsn put_lsn = 0;
    Lsn lsn = 0;
  };
  // Of these items, those that have a row. One round trip.
  Result<std::map<std::uint64_t, ItemGuards>> guards_among(const std::set<std::uint64_t>& items);

  // What is wrong with each of these orders, updates and StockChanges that has no row, or one of
  // other content; empty: all are there as given, or newer. A round trip for each kind.
  Result<std::vector<std::string>> differing_orders(const LaneBatch& batch);

  // Between the two, all reads see the database as it was at begin_snapshot.
  Status begin_snapshot();
  Status end_snapshot();

 private:
  explicit Database(std::unique_ptr<SqlSession> session);
  std::unique_ptr<SqlSession> session_;
};

}  // namespace stampede::storage
