#pragma once

// What may be asked on admin.sock, in one table: who does it, what a request of the supervisor's
// own may have beside `do`, and what the operator's page may ask for. Pure.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace stampede::actors {

enum class AdminDoer : std::uint8_t {
  supervisor,
  backend,  // it is passed on: operator_command.h
  chaos,    // breaks something on purpose: supervisor_chaos.h
};

struct AdminRequest {
  std::string_view name;
  AdminDoer doer = AdminDoer::supervisor;
  bool on_page = false;
  bool of_a_node = false;     // of the supervisor's own: may name one
  std::string_view member{};  // the same: what else it may have
};

inline constexpr bool kOnPage = true;
inline constexpr std::array kAdminRequests = {
    AdminRequest{"status"},
    AdminRequest{"item_put", AdminDoer::backend},
    AdminRequest{"item_set", AdminDoer::backend},
    AdminRequest{"item_open", AdminDoer::backend, kOnPage},
    AdminRequest{"item_close", AdminDoer::backend, kOnPage},
    AdminRequest{"stock_change", AdminDoer::backend},
    AdminRequest{"items", AdminDoer::backend},
    AdminRequest{"promo_add", AdminDoer::backend},
    AdminRequest{"promo_set", AdminDoer::backend},
    AdminRequest{"promo_end", AdminDoer::backend},
    AdminRequest{"promos", AdminDoer::backend},
    AdminRequest{"books", AdminDoer::backend},
    AdminRequest{"clock_accept", AdminDoer::backend, kOnPage},
    AdminRequest{"sessions_end", AdminDoer::backend},
    AdminRequest{"config_reload", AdminDoer::supervisor, !kOnPage, false, "check"},
    AdminRequest{"nodes", AdminDoer::supervisor, !kOnPage, false, "nodes"},
    AdminRequest{"upgrade", AdminDoer::supervisor, !kOnPage, false, "program"},
    AdminRequest{"start", AdminDoer::supervisor, kOnPage, true},
    AdminRequest{"restart", AdminDoer::supervisor, kOnPage, true},
    AdminRequest{"stop", AdminDoer::supervisor, !kOnPage, true},
    AdminRequest{"drain", AdminDoer::supervisor, kOnPage},
    AdminRequest{"undrain", AdminDoer::supervisor, kOnPage},
    AdminRequest{"recoveries"},
    AdminRequest{"ops_login"},
    AdminRequest{"books_told", AdminDoer::supervisor, !kOnPage, false, "violations"},
    AdminRequest{"kill", AdminDoer::chaos, kOnPage},
    AdminRequest{"pause", AdminDoer::chaos, kOnPage},
    AdminRequest{"failpoints", AdminDoer::chaos, kOnPage},
    AdminRequest{"database", AdminDoer::chaos, kOnPage},
    AdminRequest{"undo", AdminDoer::chaos, kOnPage},
};

// Null: there is none of that name.
constexpr const AdminRequest* find_admin_request(std::string_view name) {
  for (const auto& one : kAdminRequests)
    if (one.name == name) return &one;
  return nullptr;
}

// "status, item_put, …"
inline std::string admin_request_names() {
  std::string names;
  for (const auto& one : kAdminRequests) names.append(names.empty() ? "" : ", ").append(one.name);
  return names;
}

}  // namespace stampede::actors
