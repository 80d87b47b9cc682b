// Any msgpack value. Checked: the limits hold; the tokens form one value, each container ending
// where its last element ends; every text lies inside the input.

#include <algorithm>

#include "storage/msgpack/msgpack_tokens.h"
#include "test/fuzz/fuzz.h"

namespace {

using namespace stampede::storage;
using Type = Token::Type;

// Walks the value at `at`; returns the index behind it.
std::size_t walk(const std::vector<Token>& tokens, std::size_t at, std::string_view input,
                 std::size_t depth) {
  FUZZ_CHECK(at < tokens.size());
  const Token& token = tokens[at];
  std::size_t next = at + 1;
  if (token.type == Type::array || token.type == Type::map) {
    FUZZ_CHECK(depth > 0);
    const std::size_t values = token.type == Type::map ? token.size * 2ULL : token.size;
    for (std::size_t i = 0; i < values; ++i) next = walk(tokens, next, input, depth - 1);
  } else if (!token.text.empty()) {
    FUZZ_CHECK(token.text.data() >= input.data());
    FUZZ_CHECK(token.text.data() + token.text.size() <= input.data() + input.size());
  }
  FUZZ_CHECK(token.end == next);
  return next;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  stampede::test::Input input(data, size);
  const TokenLimits limits{input.byte() % 8U, 1 + input.word() % 5000U};
  const auto bytes = input.rest();
  TokenReader reader(limits);
  std::size_t offset = 0;
  const auto outcome = reader.parse(bytes, offset);
  if (outcome != ParseOutcome::ok) {
    FUZZ_CHECK(offset == 0 && reader.tokens().empty());
    return 0;
  }
  FUZZ_CHECK(offset > 0 && offset <= bytes.size());
  FUZZ_CHECK(reader.tokens().size() <= limits.tokens_max);
  FUZZ_CHECK(walk(reader.tokens(), 0, bytes, limits.depth_max) == reader.tokens().size());
  return 0;
}
