#pragma once

// `stampede user …`: built-in accounts, changed in the database itself, with or without running
// nodes; a webapp looks at every log-in anew. Results on stdout, everything else on stderr. Block;
// one thread; stored on return. Passwords come from the terminal, without being shown, or as the
// first line of stdin. Return the process's exit code: 0 done, 1 failure, 2 wrong configuration or
// a password that may not be one, 6 refused (the user or phone is taken, or there is no such user),
// 7 no connection; of a lock also those of admin_client.h: then the account is locked, and what was
// open may go on.

#include <string>

#include "storage/mysql/db_options.h"
#include "tools/ask/tool_options.h"

namespace stampede::tools {

struct UserChange {
  std::string user;
  std::string name{};   // empty: none
  std::string phone{};  // empty: none
};

int run_user_add(const ToolOptions& options, const storage::DbOptions& database,
                 const UserChange& change);
// Sessions that are open go on.
int run_user_password(const ToolOptions& options, const storage::DbOptions& database,
                      const UserChange& change);
// Nobody logs in with it, and then, by the running backend's decision, its open sessions end.
int run_user_lock(const ToolOptions& options, const storage::DbOptions& database,
                  const UserChange& change);
// Those that have ended stay so.
int run_user_unlock(const ToolOptions& options, const storage::DbOptions& database,
                    const UserChange& change);

}  // namespace stampede::tools
