#pragma once

// Where the database is and how long to wait for it. Pure: no I/O; thread-safe by value.

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/result.h"

namespace stampede::storage {

class SqlConnector;

struct DbOptions {
  std::string url;       // mysql://user@host:port/db or mysql://user@localhost/db?socket=/abs/path
  std::string password;  // already read from db.password_file; never part of the url
  int lanes = 2;         // writers, numbered from kFirstLane; each has a row in `lane`

  // A lane must notice a dead server, but must not take a slow one for dead. The lock wait stays
  // below the read timeout, so that a lock is told apart (1205) from a lost connection (2013).
  std::chrono::seconds connect_timeout{2};
  std::chrono::seconds read_timeout{30};
  std::chrono::seconds write_timeout{30};
  std::chrono::seconds lock_wait_timeout{10};

  // Hears after each connecting, in its thread, which settings of the server let a committed row be
  // lost in a crash (durability.h); none: all are safe.
  std::function<void(const std::vector<std::string>& unsafe)> on_durability;

  SqlConnector* connector = nullptr;  // who makes the sessions; null: the MySQL client library
};

inline constexpr int kFirstLane = 1;  // lane-1 … lane-<lanes>, in the table and in `chaos kill`

// The parts of a url. Percent escapes (%2F) are decoded in user, database and socket.
struct DbAddress {
  std::string user;
  std::string host;        // without brackets for IPv6; unused when `socket` is set
  std::uint16_t port = 0;  // 3306 when the url names none
  std::string database;
  std::string socket;  // absolute path of a unix socket, or empty

  [[nodiscard]] std::string to_text() const;  // "socket /x/s.sock" or "host db1 port 3306"
};

// Errors: invalid, naming the part that is wrong and an example that works.
Result<DbAddress> parse_db_url(std::string_view url);

}  // namespace stampede::storage
