#include "tools/ask/operator_list.h"

#include <cstdio>

#include "tools/ask/admin_client.h"
#include "tools/ask/operator_change.h"

namespace stampede::tools {

using nlohmann::json;

namespace {

constexpr int kPage = 500;

// Up to `limit` of them from this id on, and where the next page begins, if there is one.
std::variant<json, AdminFailure> read_page(const ToolOptions& options, const std::string& kind,
                                           const json& from, int limit) {
  return ask_admin_for_operator(options.config,
                                {{"do", kind + "s"}, {"from", from}, {"limit", limit}});
}

}  // namespace

std::variant<json, int> read_all(const ToolOptions& options, const std::string& kind) {
  json all = json::array();
  json from = 0;
  do {
    const auto answer = read_page(options, kind, from, kPage);
    if (const auto* failure = std::get_if<AdminFailure>(&answer))
      return report_failure(options, kind.c_str(), *failure);
    const json& page = std::get<json>(answer);
    for (const json& one : page.value(kind + "s", json::array())) all.push_back(one);
    from = page.value("next", json());
  } while (!from.is_null());
  return all;
}

int show_one(const ToolOptions& options, const std::string& kind, std::uint64_t id,
             const std::function<std::string(const json&)>& described) {
  const auto answer = read_page(options, kind, id, 1);
  if (const auto* failure = std::get_if<AdminFailure>(&answer))
    return report_failure(options, kind.c_str(), *failure);
  const json found = std::get<json>(answer).value(kind + "s", json::array());
  if (found.empty() || found.front().value(kind, id + 1) != id) {
    std::fprintf(stderr, "stampede %s: there is no %s %s\n", kind.c_str(), kind.c_str(),
                 std::to_string(id).c_str());
    return kExitFailure;
  }
  std::printf("%s\n",
              options.json ? found.front().dump().c_str() : described(found.front()).c_str());
  return kExitDone;
}

}  // namespace stampede::tools
