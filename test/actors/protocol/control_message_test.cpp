#include "actors/protocol/control_message.h"

#include <doctest/doctest.h>

namespace stampede::actors {
namespace {

using nlohmann::json;

std::string nested(std::size_t depth, char open) {
  std::string bytes;
  for (std::size_t i = 0; i < depth; ++i) bytes += open == '[' ? "\x91" : "\x81\xa1k";
  return bytes + '\x01';
}

TEST_CASE("a control map comes back as it went") {
  const json map = {{"node", "webapp-1"}, {"lag_s", 0.5}, {"replies", {{{"number", 1}}}}};
  CHECK(unpack_control(pack_control(map)) == map);
}

TEST_CASE("what is no msgpack, cut, or followed by more is discarded") {
  const auto whole = pack_control({{"a", 1}});
  CHECK(unpack_control("").is_discarded());
  CHECK(unpack_control("\xc1").is_discarded());
  CHECK(unpack_control(whole.substr(0, whole.size() - 1)).is_discarded());
  CHECK(unpack_control(whole + whole).is_discarded());
  CHECK(unpack_control("\xdd\xff\xff\xff\xff").is_discarded());
}

TEST_CASE("two megabytes of opened containers end no process") {
  for (const char open : {'[', '{'}) {
    CHECK_FALSE(unpack_control(nested(kControlDepthMax, open)).is_discarded());
    CHECK(unpack_control(nested(kControlDepthMax + 1, open)).is_discarded());
    CHECK(unpack_control(nested(700'000, open)).is_discarded());
  }
}

}  // namespace
}  // namespace stampede::actors
