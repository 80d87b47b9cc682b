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

ClientToken ClientToken::numbered(Kind kind, std::uint64_t number) {
  ClientToken token;
  token.kind = kind;
  token.size = sizeof number;
  std::memcpy(token.bytes.data(), &number, sizeof number);
  return token;
}

std::uint64_t ClientToken::number() const {
  std::uint64_t value = 0;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

}  // namespace stampede::actors
