#include "storage/log/crc32c.h"

#include <doctest/doctest.h>

#include <random>
#include <string>

#include "test/support/random_run.h"

namespace stampede::storage {

TEST_CASE("crc32c gives the published check values") {
  CHECK(crc32c("") == 0);
  CHECK(crc32c("123456789") == 0xe3069283);
  CHECK(crc32c(std::string(32, '\0')) == 0x8a9136aa);  // RFC 3720, B.4
  CHECK(crc32c(std::string(32, '\xff')) == 0x62a8ab43);
}

TEST_CASE("crc32c can be continued piece by piece") {
  const std::string text = "123456789";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    CHECK(crc32c(text.substr(cut), crc32c(text.substr(0, cut))) == 0xe3069283);
  }
}

TEST_CASE("the fast crc32c and the table agree on random buffers") {
  const std::uint64_t seed = test::seed_of_run();
  INFO("STAMPEDE_TEST_SEED=" << seed);
  std::mt19937_64 random(seed);
  std::string buffer(4096 + 64, '\0');
  for (auto& c : buffer) c = static_cast<char>(random() & 0xff);
  for (std::uint64_t round = 0; round < test::rounds_of_run(100'000); ++round) {
    const std::size_t from = random() % 64;  // every alignment
    const std::size_t bytes = random() % (round % 16 == 0 ? 4096 : 128);
    const auto so_far = static_cast<std::uint32_t>(random());
    buffer[random() % buffer.size()] = static_cast<char>(random() & 0xff);
    const auto piece = std::string_view(buffer).substr(from, bytes);
    REQUIRE(crc32c(piece, so_far) == crc32c_table(piece, so_far));
  }
}

}  // namespace stampede::storage
