#pragma once

// A msgpack value from a stranger, flattened into a list of tokens: no allocation from declared
// lengths, bounded depth and count, only nil, bool, int, str, bin, array and map. For the messages
// between the nodes that are neither orders nor answers (actors/protocol/node_messages_reader);
// msgpack_cursor reads those, commands and SF1. Built on msgpack-c's visitor.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace stampede::storage {

struct Token {
  enum class Type : std::uint8_t {
    nil,
    boolean,
    unsigned_int,
    negative_int,
    str,
    bin,
    array,
    map,
    // Of msgpack_cursor alone:
    float64,  // `number` has its bits
    foreign,  // float32 or ext, passed over
  };
  Type type = Type::nil;
  std::uint32_t size = 0;    // array: elements; map: pairs
  std::uint32_t end = 0;     // index of the token after this value (skips nested values)
  std::uint64_t number = 0;  // unsigned_int; boolean 0/1; negative_int as two's complement
  std::string_view text;     // str, bin: points into the parsed bytes
};

struct TokenLimits {
  std::size_t depth_max = 4;  // nested containers
  std::size_t tokens_max = 4096;
};

enum class ParseOutcome { ok, truncated, malformed, unsupported_type, too_deep, too_many };

// Thread-compatible; reuse one object to reuse its memory.
class TokenReader {
 public:
  explicit TokenReader(TokenLimits limits = {}) : limits_(limits) {}

  // Parses one value that starts at bytes[offset]; on ok moves offset behind it. Tokens are valid
  // until the next call. Whether trailing bytes are allowed is the caller's business.
  ParseOutcome parse(std::string_view bytes, std::size_t& offset);

  [[nodiscard]] const std::vector<Token>& tokens() const { return tokens_; }

 private:
  TokenLimits limits_;
  std::vector<Token> tokens_;
};

}  // namespace stampede::storage
