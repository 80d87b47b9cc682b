// What nodes send each other: envelope, body, control map. First byte: which. Checked: an envelope
// is its bytes; what was read from a body, written and read again, writes the same bytes; a bad
// body says so; control maps stay within their depth.

#include <string>

#include "actors/protocol/control_message.h"
#include "actors/protocol/envelope.h"
#include "actors/protocol/node_messages.h"
#include "test/fuzz/fuzz.h"

namespace {

using namespace stampede;
using namespace stampede::actors;

struct Writer {
  std::string& out;
  ResultWriter results{out};

  void write(const Request& request) { append_request(out, request); }
  void write(const ItemRow& row) { append_item_row(out, row); }
  void write(const EndedSession& session) { append_ended_session(out, session); }
  void write(const Result& result) {
    switch (result.kind) {
      case ResultKind::answer:
        return results.answer(result.answer);
      case ResultKind::error:
        return results.error(result.code, result.field, result.retry_after_ms);
      case ResultKind::items:
        return results.items(result.items, result.next);
      case ResultKind::item_changed:
        FUZZ_CHECK(result.items.size() == 1);
        results.finish();
        return append_item_changed(out, result.changed, result.items.front());
      case ResultKind::fulfilled:
        return results.fulfilled(result.fulfilled);
      case ResultKind::granted:
        return results.granted(result.granted);
      case ResultKind::changes:
        return results.changes(result.changes, result.items);
      case ResultKind::session_kept:
        return results.session_kept(result.session);
      case ResultKind::ended_sessions:
        return results.ended_sessions(result.sessions);
      case ResultKind::more:
      case ResultKind::sale_answer:
      case ResultKind::held_answer:
      case ResultKind::invalid:
        FUZZ_CHECK(false);
    }
  }
};

template <class Entry>
std::size_t rewrite(std::string_view body, std::string& out, bool& bad) {
  BodyReader reader;
  reader.open(body);
  Entry entry;
  std::size_t entries = 0;
  Writer writer{out};
  while (reader.next(entry)) {
    writer.write(entry);
    ++entries;
    FUZZ_CHECK(entries <= body.size() * kBatchOrdersMax);
  }
  writer.results.finish();
  bad = reader.bad();
  FUZZ_CHECK(!reader.next(entry));  // and it stays at its end
  return entries;
}

template <class Entry>
void check_body(std::string_view body) {
  std::string first;
  bool bad = false;
  const auto entries = rewrite<Entry>(body, first, bad);
  std::string second;
  FUZZ_CHECK(rewrite<Entry>(first, second, bad) == entries);
  FUZZ_CHECK(!bad);
  FUZZ_CHECK(first == second);
}

void check_envelope(std::string_view bytes) {
  const auto envelope = transport::decode_envelope(bytes);
  if (!envelope) return;
  FUZZ_CHECK(envelope->kind != transport::EnvelopeKind::invalid);
  FUZZ_CHECK(transport::encode(*envelope) == bytes);
}

std::size_t depth_of(const nlohmann::json& value) {
  std::size_t depth = 0;
  if (!value.is_structured()) return 0;
  for (const auto& inner : value) depth = std::max(depth, depth_of(inner));
  return depth + 1;
}

void check_control(std::string_view bytes) {
  const auto map = unpack_control(bytes);
  if (map.is_discarded()) return;
  FUZZ_CHECK(depth_of(map) <= kControlDepthMax);
  const auto again = unpack_control(pack_control(map));
  FUZZ_CHECK(pack_control(again) == pack_control(map));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  stampede::test::Input input(data, size);
  switch (input.byte() % 6) {
    case 0:
      check_envelope(input.rest());
      break;
    case 1:
      check_body<Request>(input.rest());
      break;
    case 2:
      check_body<Result>(input.rest());
      break;
    case 3:
      check_body<ItemRow>(input.rest());
      break;
    case 5:
      check_body<EndedSession>(input.rest());
      break;
    default:
      check_control(input.rest());
  }
  return 0;
}
