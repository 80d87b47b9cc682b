// Payloads of log records of both formats. First byte: which kind. Checked: what was decoded,
// encoded and decoded again, encodes to the same bytes; a payload is taken for one kind only as its
// bytes allow.

#include <string>
#include <vector>

#include "storage/commands/command.h"
#include "test/fuzz/fuzz.h"

namespace {

using namespace stampede::storage;

void check_set(std::string_view payload) {
  CommandDecoder decoder;
  std::vector<Command> set;
  if (!decoder.command_set(payload, set)) return;
  FUZZ_CHECK(!set.empty());
  for (const Command& command : set) {
    FUZZ_CHECK(command.kind != CommandKind::invalid);
    FUZZ_CHECK(command.kind <= CommandKind::item_put || command.sale != nullptr);
    FUZZ_CHECK(command.level >= level_of(command.kind));
    (void)command.item(), (void)command.key();
  }
  std::string first;
  encode_command_set(first, set);
  std::vector<Command> again;
  FUZZ_CHECK(decoder.command_set(first, again));
  FUZZ_CHECK(again.size() == set.size());
  std::string second;
  encode_command_set(second, again);
  FUZZ_CHECK(first == second);
}

void check_rejection(std::string_view payload) {
  CommandDecoder decoder;
  Rejection rejection;
  if (!decoder.rejection(payload, rejection)) return;
  FUZZ_CHECK(rejection.reason != RejectReason::invalid);
  std::string first;
  encode_rejection(first, rejection);
  Rejection again;
  FUZZ_CHECK(decoder.rejection(first, again));
  std::string second;
  encode_rejection(second, again);
  FUZZ_CHECK(first == second && again.request_hash == rejection.request_hash);
}

void check_outcome(std::string_view payload) {
  CommandDecoder decoder;
  Outcome outcome;
  if (!decoder.outcome(payload, outcome)) return;
  FUZZ_CHECK(outcome.kind != CommandKind::invalid && outcome.numbers.size() <= payload.size());
  std::string first;
  encode_outcome(first, outcome);
  Outcome again;
  FUZZ_CHECK(decoder.outcome(first, again));
  FUZZ_CHECK(again.numbers == outcome.numbers && again.lane == outcome.lane);
  FUZZ_CHECK(again.position == outcome.position && again.kind == outcome.kind);
  FUZZ_CHECK(again.tries == outcome.tries);
  FUZZ_CHECK(outcome.tries.empty() || outcome.tries.size() * 2 == outcome.numbers.size());
}

// What was read lies within its bounds: it can be written, and is then read as the same.
template <class Record>
void check_control(std::string_view payload) {
  CommandDecoder decoder;
  Record record;
  if (!decoder.control(payload, record)) return;
  std::string first;
  encode_control(first, record);
  Record again;
  FUZZ_CHECK(decoder.control(first, again));
  std::string second;
  encode_control(second, again);
  FUZZ_CHECK(first == second);
}

void check_epoch(std::string_view payload) {
  CommandDecoder decoder;
  const auto epoch = decoder.epoch(payload);
  if (!epoch) return;
  std::string again;
  encode_epoch(again, *epoch, 0);
  FUZZ_CHECK(decoder.epoch(again) == epoch);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  stampede::test::Input input(data, size);
  switch (input.byte() % 9) {
    case 0:
      check_set(input.rest());
      break;
    case 1:
      check_rejection(input.rest());
      break;
    case 2:
      check_outcome(input.rest());
      break;
    case 4:
      check_control<HaRecord>(input.rest());
      break;
    case 5:
      check_control<HashRecord>(input.rest());
      break;
    case 6:
      check_control<ConfigRecord>(input.rest());
      break;
    case 7:
      check_control<ClaimRecord>(input.rest());
      break;
    case 8:
      check_control<RevokeRecord>(input.rest());
      break;
    default:
      check_epoch(input.rest());
  }
  return 0;
}
