#pragma once

// What a log may hold. Each level holds all that the ones before hold; it stands in the header of
// every segment and snapshot (storage/log_format.md), so that a program refuses as a whole what it
// would read in parts. A level is made once and never changed. Pure.

#include <cstdint>
#include <string>
#include <string_view>

namespace stampede::storage {

enum class FeatureLevel : std::uint16_t {
  format_1 = 0,  // a log of format 1; in format 2 no header says so
  format_2 = 1,  // user hash in REJECT, tries in FAIL, instance in EPOCH, the chain stream_crc
  sale = 2,      // promos, tickets, payment and expiry, revoked tokens
  ha = 3,        // HA, HASH and CONFIG records, logs that go on from another one's
  shards = 4,    // CLAIM records
};
enum class LogFormat : std::uint16_t { one = 1, two = 2 };
constexpr LogFormat format_of(FeatureLevel level) {
  return level == FeatureLevel::format_1 ? LogFormat::one : LogFormat::two;
}

inline constexpr FeatureLevel kFeatureLevelRead = FeatureLevel::shards;    // to dump and to check
inline constexpr FeatureLevel kFeatureLevelKept = FeatureLevel::sale;      // a backend acts on it
inline constexpr FeatureLevel kFeatureLevelMade = FeatureLevel::format_2;  // what tests begin in;
// once a record needs it: a log begins so that the program before this one may go on with it.
inline constexpr FeatureLevel kFeatureLevelFirst = FeatureLevel::format_1;

constexpr std::string_view feature_name(FeatureLevel level) {
  switch (level) {
    case FeatureLevel::format_1:
      return "log format 1";
    case FeatureLevel::format_2:
      return "log format 2";
    case FeatureLevel::sale:
      return "the rules of the sale";
    case FeatureLevel::ha:
      return "high availability";
    case FeatureLevel::shards:
      return "shards";
  }
  return "a feature of a newer program";
}

// "feature level 2 (the rules of the sale)"
inline std::string to_text(FeatureLevel level) {
  return "feature level " + std::to_string(static_cast<std::uint16_t>(level)) + " (" +
         std::string(feature_name(level)) + ")";
}

}  // namespace stampede::storage
