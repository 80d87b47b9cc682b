#include "actors/supervisor/core/admin_requests.h"

#include <doctest/doctest.h>

#include <set>

#include "actors/protocol/operator_command.h"

using namespace stampede::actors;

TEST_CASE("what is passed on is what a backend takes, and each name is there once") {
  std::set<std::string_view> names;
  for (const auto& one : kAdminRequests) {
    CAPTURE(one.name);
    CHECK(names.insert(one.name).second);
    CHECK((one.doer == AdminDoer::backend) == is_operator_command(one.name));
    CHECK(find_admin_request(one.name) == &one);
    CHECK(admin_request_names().find(one.name) != std::string::npos);
  }
  CHECK(find_admin_request("") == nullptr);
  CHECK(find_admin_request("item") == nullptr);
}
