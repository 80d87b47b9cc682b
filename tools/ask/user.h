#pragma once

// `stampede user …`: built-in accounts, changed in the database itself, with or without running
// nodes; a webapp looks at every log-in anew. Results on stdout, everything else on stderr. Block;
// one thread; stored on return. Passwords come from the terminal, without being shown, or as the
// first line of stdin. Return the process's exit code: 0 done, 1 failure, 2 wrong configuration or
// a password that may not be one, 6 refused (the user or phone is taken, or there is no such user),
// 7 no connection.

#include <string>

#include "storage/mysql/db_options.h"

namespace stampede::tools {

struct UserChange {
  std::string user;
  std::string name{};   // empty: none
  std::string phone{};  // empty: none
};

int run_user_add(const storage::DbOptions& database, const UserChange& change, bool json);
// Sessions that are open go on.
int run_user_password(const storage::DbOptions& database, const UserChange& change, bool json);
int run_user_lock(const storage::DbOptions& database, const UserChange& change, bool locked,
                  bool json);

}  // namespace stampede::tools
