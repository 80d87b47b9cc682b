#pragma once

// What an operator wants to know of a database server before a sale. Reads only. Blocks for a few
// round trips.

#include <string>
#include <string_view>
#include <vector>

#include "storage/mysql/db_options.h"
#include "storage/result.h"

namespace stampede::storage {

struct ServerFacts {
  std::string place;                 // "socket /x/s.sock, database stampede"
  std::string version;               // "10.11.6-MariaDB"
  std::vector<std::string> unsafe;   // settings that let committed rows be lost
  std::vector<std::string> missing;  // rights that a node needs and this user lacks
};

// Errors: invalid, unavailable, as of Database::open; the schema is not looked at.
Result<ServerFacts> read_server_facts(const DbOptions& options);

// Of the rights that a node needs (SELECT, INSERT, UPDATE), those that none of these lines of SHOW
// GRANTS gives on the database, or on all of them. Pure.
std::vector<std::string> missing_rights(const std::vector<std::string>& grants,
                                        std::string_view database);

}  // namespace stampede::storage
