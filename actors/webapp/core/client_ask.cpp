#include "actors/webapp/core/client_ask.h"

#include <algorithm>
#include <cstring>

#include "config/process/invariant.h"

namespace stampede::actors {

ClientToken ClientToken::router(Kind kind, std::string_view identity) {
  STAMPEDE_ASSERT(identity.size() <= kIdentityBytesMax, "an identity must fit a token");
  ClientToken token;
  token.kind = kind;
  token.size = static_cast<std::uint8_t>(identity.size());
  std::copy(identity.begin(), identity.end(), token.bytes.begin());
  return token;
}

ClientToken ClientToken::numbered(Kind kind, std::uint64_t number, std::uint64_t connection) {
  static_assert(sizeof number + sizeof connection <= kIdentityBytesMax);
  ClientToken token;
  token.kind = kind;
  token.size = sizeof number + sizeof connection;
  std::memcpy(token.bytes.data(), &number, sizeof number);
  std::memcpy(token.bytes.data() + sizeof number, &connection, sizeof connection);
  return token;
}

std::uint64_t ClientToken::number() const {
  std::uint64_t value = 0;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

std::uint64_t ClientToken::connection() const {
  std::uint64_t value = 0;
  std::memcpy(&value, bytes.data() + sizeof value, sizeof value);
  return value;
}

}  // namespace stampede::actors
