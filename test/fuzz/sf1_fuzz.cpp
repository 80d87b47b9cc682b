// SF1 requests and arrays of them. Checked: a request that is accepted holds allowed values only,
// and written anew and read again it is the same; a refusal has a code; nothing of an input is left
// for the next one.

#include <nlohmann/json.hpp>
#include <string>

#include "actors/protocol/sf1.h"
#include "test/fuzz/fuzz.h"

namespace {

using namespace stampede::actors;
using nlohmann::json;

std::string text_of(const ClientRequest& request) {
  json map{{"op", static_cast<int>(request.op)},
           {"ack", request.ack},
           {"first", request.first},
           {"one", request.one_item},
           {"item", request.item},
           {"qty", request.qty},
           {"limit", request.limit},
           {"deadline", request.deadline_ms}};
  map["id"] = json::binary({request.id.begin(), request.id.end()});
  map["user"] = json::binary({request.user.begin(), request.user.end()});
  return map.dump();
}

std::string written(const ClientRequest& request) {
  json map = json::object();
  if (!request.id.empty()) map["id"] = std::string(request.id);
  switch (request.op) {
    case ClientOp::order:
      map.update({{"op", "order"},
                  {"item", request.item},
                  {"user", std::string(request.user)},
                  {"qty", request.qty},
                  {"ack", request.ack},
                  {"first", request.first},
                  {"deadline_ms", request.deadline_ms}});
      break;
    case ClientOp::get:
      map["op"] = "get";
      break;
    case ClientOp::items:
      map["op"] = "items";
      map[request.one_item ? "item" : "from"] = request.item;
      if (!request.one_item) map["limit"] = request.limit;
      break;
    case ClientOp::ping:
      map["op"] = "ping";
      break;
    case ClientOp::pay:
      map.update({{"op", "pay"},
                  {"order", std::string(request.order)},
                  {"amount_cents", request.amount_cents}});
      break;
    case ClientOp::cancel:
      map.update({{"op", "cancel"}, {"order", std::string(request.order)}});
      if (!request.user.empty()) map["user"] = std::string(request.user);
      break;
    case ClientOp::ticket:
      map.update({{"op", "ticket"}, {"promo", request.promo}, {"user", std::string(request.user)}});
      break;
    case ClientOp::changes:  // no client can ask these
    case ClientOp::ended_sessions:
    case ClientOp::keep_session:
    case ClientOp::end_session:
    case ClientOp::auth:  // where there are sessions alone
    case ClientOp::invalid:
      FUZZ_CHECK(false);
  }
  std::string bytes;
  json::to_msgpack(map, bytes);
  return bytes;
}

void check_values(const ClientRequest& request) {
  FUZZ_CHECK(request.id.empty() || valid_request_id(request.id));
  FUZZ_CHECK(request.item <= kItemIdMax);
  if (request.op == ClientOp::order) {
    FUZZ_CHECK(valid_user(request.user));
    FUZZ_CHECK(request.qty >= 1 && request.qty <= kQtyMax);
    FUZZ_CHECK(request.deadline_ms >= 0 && request.deadline_ms <= kDeadlineMaxMs);
  }
  if (request.op == ClientOp::get) FUZZ_CHECK(!request.id.empty());
  if (request.op == ClientOp::items)
    FUZZ_CHECK(request.one_item || (request.limit >= 1 && request.limit <= kItemsPageMax));
}

// What a walk through an array's entries saw, as text.
std::string walked(Sf1Decoder& decoder, std::string_view frame) {
  if (!decoder.open_batch(frame)) return "refused";
  std::string seen;
  const std::size_t entries = decoder.unread();
  FUZZ_CHECK(entries <= frame.size());  // a declared count costs nothing
  for (std::size_t i = 0; i < entries; ++i) {
    FUZZ_CHECK(decoder.unread() == entries - i && decoder.bytes_left() <= frame.size());
    const auto entry = decoder.next_entry();
    if (entry == Sf1Decoder::Entry::damaged) return seen + "damaged";
    if (entry == Sf1Decoder::Entry::order) {
      FUZZ_CHECK(decoder.request().op == ClientOp::order);
      check_values(decoder.request());
      seen += text_of(decoder.request());
    } else {
      FUZZ_CHECK(decoder.refusal().code != Code::none);
      seen += "refused ";
    }
  }
  FUZZ_CHECK(decoder.unread() == 0);
  return seen;
}

void check_batch(Sf1Decoder& decoder, std::string_view frame) {
  const std::string first = walked(decoder, frame);
  Sf1Decoder other;
  FUZZ_CHECK(walked(other, frame) == first);
}

void check_map(Sf1Decoder& decoder, std::string_view frame) {
  if (decoder.decode(frame)) {
    FUZZ_CHECK(frame.size() <= kSf1MapBytesMax);
    const ClientRequest request = decoder.request();
    check_values(request);
    Sf1Decoder other;
    const std::string again = written(request);
    FUZZ_CHECK(other.decode(again));
    // What an op has no use for is not written; the rest comes back.
    if (request.op == ClientOp::order) FUZZ_CHECK(text_of(other.request()) == text_of(request));
    FUZZ_CHECK(other.request().op == request.op && other.request().id == request.id);
    return;
  }
  FUZZ_CHECK(decoder.refusal().code != Code::none);
  const auto id = decoder.refusal().id;
  FUZZ_CHECK(id.empty() || valid_request_id(id));
  std::string answer;
  append_sf1_error(answer, id, decoder.refusal().code, decoder.refusal().field);
  FUZZ_CHECK(!json::from_msgpack(answer, true, false).is_discarded());
}

const std::string& honest_frame() {
  static const std::string frame = [] {
    ClientRequest request;
    request.op = ClientOp::order;
    request.id = "r-1";
    request.item = 1;
    request.user = "ann";
    return written(request);
  }();
  return frame;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Sf1Decoder decoder;
  const std::string_view frame(reinterpret_cast<const char*>(data), size);
  if (Sf1Decoder::is_batch(frame))
    check_batch(decoder, frame);
  else
    check_map(decoder, frame);
  FUZZ_CHECK(decoder.decode(honest_frame()));
  FUZZ_CHECK(decoder.request().id == "r-1" && decoder.request().qty == 1);
  FUZZ_CHECK(decoder.request().user == "ann" && !decoder.request().ack);
  return 0;
}
