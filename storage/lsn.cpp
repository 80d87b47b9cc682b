#include "storage/lsn.h"

#include <charconv>

namespace stampede::storage {

namespace {

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::string to_text(Lsn lsn) {
  return std::to_string(lsn_epoch(lsn)) + "." + std::to_string(lsn_counter(lsn));
}

std::optional<Lsn> parse_lsn(std::string_view text) {
  const auto dot = text.find('.');
  if (dot == std::string_view::npos) return parse_number(text);
  const auto epoch = parse_number(text.substr(0, dot));
  const auto counter = parse_number(text.substr(dot + 1));
  if (!epoch || !counter || *epoch > kEpochMax || *counter > kLsnCounterMask) return std::nullopt;
  return make_lsn(*epoch, *counter);
}

}  // namespace stampede::storage
