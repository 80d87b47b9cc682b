#include "tools/ask/flag_names.h"

#include <doctest/doctest.h>

#include <string_view>

using stampede::tools::in_flags;

TEST_CASE("a refusal names flags where the protocol names members") {
  CHECK(
      in_flags("bad_request: ends_at_ms must be behind starts_at_ms and behind what it has sold") ==
      "bad_request: --ends must be behind --starts and behind what it has sold");
  CHECK(in_flags("starts_in_ms must be a whole number, ends_in_ms, too") ==
        "--starts must be a whole number, --ends, too");
  CHECK(in_flags("(limit_per_user)\nhold_low_s") == "(--limit-per-user)\n--hold-low-s");
  CHECK(in_flags("price_cents, max_qty, image_url") == "--price-cents, --max-qty, --image-url");
  CHECK(in_flags("promo_only has a value that is not allowed").starts_with("--sale has"));
}

TEST_CASE("what is no member, or a word of its own, stays") {
  for (const std::string_view text :
       {"", "_", "an item with this id exists and differs", "unknown_item: none",
        "limits.hold_s is reached", "my_hold_s"})
    CHECK(in_flags(text) == text);
}
