#pragma once

// What the peers do with MariaDB: the contract's own tables, filled with rows of exactly the size
// that `stampede bench` brings about. One thread per session; every call blocks and throws
// std::runtime_error when the server refuses.

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "storage/mysql/mysql_session.h"

namespace stampede::bench {

struct PeerOrder {
  std::uint64_t number = 0;  // from 1; the primary key and the request id follow from it
  std::uint64_t user = 0;
  std::uint64_t item = 0;
  std::uint64_t qty = 1;
};

inline constexpr std::size_t kRowsOfBatch = 5000;

std::unique_ptr<storage::MysqlSession> open_session(const std::string& url,
                                                    storage::MysqlSession::Commit commit);

// Orders of one transaction: the text of a multi-row INSERT, and the units sold of each item.
class OrderBatch {
 public:
  explicit OrderBatch(storage::MysqlSession& session);
  void add(const PeerOrder& order);
  // The INSERT alone, as one statement.
  void insert();
  // INSERT, the items' stock and COMMIT, for a session that commits explicitly.
  void store();

 private:
  void take_stock();
  storage::MysqlSession& session_;
  std::size_t empty_;
  std::map<std::uint64_t, std::uint64_t> sold_;
};

// "b1-peerrows-0000000007" and "u000000007": as long as those of `stampede bench`.
std::string request_id_of(std::uint64_t order);
std::string user_name_of(std::uint64_t user);

// Empties both tables and puts items 0 … items-1 with `amount` units each.
void prepare_tables(const std::string& db_url, std::uint64_t items, std::uint64_t amount);

std::uint64_t rows_of(const std::string& db_url);

// Is every order a row, and is exactly that much stock gone? `stock` is what there was of all
// items.
bool books_agree(const std::string& db_url, std::uint64_t orders, std::uint64_t stock);

}  // namespace stampede::bench
