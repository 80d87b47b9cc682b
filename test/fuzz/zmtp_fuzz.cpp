// What a peer sends over a connection: which rules and how it is cut into reads, then the bytes.
// Checked: however it is cut the verdict and the bytes passed on are the same; what is kept stays
// within its bound; after a handshake that passed no claimed id and no time-to-live is left.

#include <algorithm>
#include <iterator>
#include <string>

#include "test/fuzz/fuzz.h"
#include "transport/zmtp/peer_stream.h"

namespace {

using namespace stampede::transport;

constexpr StreamRules kRules[] = {
    {.frame_bytes_max = 1 << 16, .message_bytes_max = 1 << 17},
    {.frame_bytes_max = 256, .message_bytes_max = 4096, .topics_max = 8},
    {.frame_bytes_max = 1 << 16, .message_bytes_max = 1 << 17, .curve = true},
    {.frame_bytes_max = 1 << 16, .message_bytes_max = 1 << 17, .reads_none = true},
};

struct Result {
  StreamFault fault = StreamFault::none;
  std::string bytes;
  std::uint32_t messages = 0;
  bool ready = false;
};

Result read(std::string_view input, const StreamRules& rules, std::size_t piece) {
  Result result{StreamFault::none, std::string(input)};
  PeerStream stream;
  PeerStream::Heard heard;
  heard.pings_left = 2;
  for (std::size_t i = 0; i < input.size() && result.fault == StreamFault::none; i += piece) {
    auto* const next = reinterpret_cast<unsigned char*>(result.bytes.data()) + i;
    result.fault = stream.take(next, std::min(piece, input.size() - i), rules, heard);
    const bool bounded = stream.unfinished() <= rules.message_bytes_max;
    FUZZ_CHECK(bounded || result.fault != StreamFault::none);
  }
  result.messages = heard.messages;
  result.ready = stream.ready();
  return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  stampede::test::Input input(data, size);
  const auto& rules = kRules[input.byte() % std::size(kRules)];
  const std::size_t piece = 1 + input.byte();
  const auto bytes = input.rest();
  const auto whole = read(bytes, rules, bytes.size() + 1);
  const auto cut = read(bytes, rules, piece);
  FUZZ_CHECK(whole.fault == cut.fault && whole.ready == cut.ready);
  if (whole.fault != StreamFault::none) return 0;
  FUZZ_CHECK(whole.bytes == cut.bytes && whole.messages == cut.messages);
  FUZZ_CHECK(whole.bytes.size() == bytes.size());
  return 0;
}
