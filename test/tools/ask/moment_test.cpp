#include "tools/ask/moment.h"

#include <doctest/doctest.h>

#include "storage/commands/promo_terms.h"

using stampede::tools::Moment;
using stampede::tools::moment_text;
using stampede::tools::parse_moment;

TEST_CASE("moments of RFC 3339, with zones and fractions") {
  CHECK(parse_moment("1970-01-01T00:00:00Z") == Moment{0});
  CHECK(parse_moment("2026-11-29T20:00:00+08:00") == Moment{1'795'953'600'000});
  CHECK(parse_moment("2026-11-29T12:00:00Z") == Moment{1'795'953'600'000});
  CHECK(parse_moment("2026-11-29t12:00:00z") == Moment{1'795'953'600'000});
  CHECK(parse_moment("2026-11-29 06:30:00-05:30") == Moment{1'795'953'600'000});
  CHECK(parse_moment("2026-11-29T12:00:00.25Z") == Moment{1'795'953'600'250});
  CHECK(parse_moment("2026-11-29T12:00:00.2509999Z") == Moment{1'795'953'600'250});
  CHECK(parse_moment("2024-02-29T00:00:00Z") == Moment{1'709'164'800'000});
  CHECK(parse_moment("2016-12-31T23:59:60Z") == Moment{1'483'228'800'000});
  CHECK(parse_moment("9999-12-31T23:59:59.999Z") == Moment{stampede::storage::kPromoTimeMsMax});
}

TEST_CASE("now, and times from now") {
  CHECK(parse_moment("now") == Moment{0, true});
  CHECK(parse_moment("+5m") == Moment{300'000, true});
  CHECK(parse_moment("+90s") == Moment{90'000, true});
  CHECK(parse_moment("-1h") == Moment{-3'600'000, true});
  CHECK(parse_moment("+2d") == Moment{172'800'000, true});
  CHECK(parse_moment("+0s") == Moment{0, true});
}

TEST_CASE("what is no moment") {
  for (const auto* text : {"",
                           "+",
                           "+5",
                           "5m",
                           "+m",
                           "+5x",
                           "+-5m",
                           "+ 5m",
                           "+5.5m",
                           "+9999999999d",
                           "noon",
                           "NOW",
                           "2026-11-29",
                           "2026-11-29T12:00:00",
                           "2026-11-29T12:00Z",
                           "2026-13-01T00:00:00Z",
                           "2026-00-10T00:00:00Z",
                           "2026-02-30T00:00:00Z",
                           "2025-02-29T00:00:00Z",
                           "2026-11-29T24:00:00Z",
                           "2026-11-29T12:60:00Z",
                           "2026-11-29T12:00:61Z",
                           "2026-11-29T12:00:00.Z",
                           "2026-11-29T12:00:00+0800",
                           "2026-11-29T12:00:00+24:00",
                           "2026-11-29T12:00:00Z ",
                           " 2026-11-29T12:00:00Z",
                           "26-11-29T12:00:00Z",
                           "1969-12-31T23:59:59Z",
                           "9999-12-31T23:59:59-01:00",
                           "10000-01-01T00:00:00Z",
                           "2026-11-29T12:00:00Z\n",
                           "١"})
    CHECK_MESSAGE(!parse_moment(text), text);
}

TEST_CASE("moments as text read back as themselves") {
  CHECK(moment_text(0) == "1970-01-01T00:00:00Z");
  CHECK(moment_text(1'795'953'600'250) == "2026-11-29T12:00:00.250Z");
  for (const std::int64_t ms :
       {std::int64_t{1}, std::int64_t{86'399'999}, std::int64_t{1'709'164'800'000},
        stampede::storage::kPromoTimeMsMax})
    CHECK(parse_moment(moment_text(ms)) == Moment{ms});
}

TEST_CASE("a time that lies behind is a duration, a moment, or one from now") {
  using stampede::tools::parse_past_ms;
  CHECK(parse_past_ms("10m", 1'000'000'000) == 1'000'000'000 - 600'000);
  CHECK(parse_past_ms("now", 1'000'000'000) == 1'000'000'000);
  CHECK_FALSE(parse_past_ms("-1h", 1'000'000'000));  // 1h says it
  CHECK_FALSE(parse_past_ms("+1h", 1'000'000'000));
  CHECK(parse_past_ms("1970-01-01T00:00:01Z", 5) == 1'000);
  CHECK_FALSE(parse_past_ms("yesterday", 5));
}
