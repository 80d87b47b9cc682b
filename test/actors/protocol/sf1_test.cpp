// Every rule of the client protocol, from the table in test/vectors/sf1.json, and a storm of
// damaged frames.

#include "actors/protocol/sf1.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

using namespace stampede::actors;
using nlohmann::json;

namespace {

std::string unhex(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return bytes;
}

const json& vectors() {
  static const json all = [] {
    std::ifstream file(SF1_VECTORS);
    REQUIRE_MESSAGE(file, "cannot read ", SF1_VECTORS);
    return json::parse(file).at("vectors");
  }();
  return all;
}

std::string op_text(ClientOp op) {
  switch (op) {
    case ClientOp::order:
      return "order";
    case ClientOp::get:
      return "get";
    case ClientOp::items:
      return "items";
    case ClientOp::ping:
      return "ping";
    case ClientOp::pay:
      return "pay";
    case ClientOp::cancel:
      return "cancel";
    case ClientOp::ticket:
      return "ticket";
    case ClientOp::auth:
      return "auth";
    case ClientOp::changes:  // no client can ask these over SF1
    case ClientOp::ended_sessions:
    case ClientOp::keep_session:
    case ClientOp::end_session:
    case ClientOp::invalid:
      break;
  }
  return "invalid";
}

void check_understood(const ClientRequest& request, const json& expect) {
  CHECK(op_text(request.op) == expect.at("op").get<std::string>());
  CHECK(request.id == expect.at("id").get<std::string>());
  if (request.op == ClientOp::order) {
    CHECK(request.item == expect.at("item").get<std::uint64_t>());
    CHECK(request.user == expect.at("user").get<std::string>());
    CHECK(request.qty == expect.at("qty").get<std::uint32_t>());
    CHECK(request.deadline_ms == expect.at("deadline_ms").get<std::int64_t>());
    CHECK(request.ack == expect.at("ack").get<bool>());
    CHECK(request.first == expect.value("first", false));
    CHECK(request.promo == expect.value("promo", kNoNumber));
    CHECK(request.valid_until_ms == expect.value("valid_until_ms", std::int64_t{0}));
    CHECK(request.ticket_ms == (expect.contains("ticket") ? kForeignTicket : kNoTicket));
  }
  if (request.op == ClientOp::ticket) {
    CHECK(request.promo == expect.at("promo").get<std::uint64_t>());
    CHECK(request.user == expect.at("user").get<std::string>());
  }
  if (request.op == ClientOp::pay || request.op == ClientOp::cancel) {
    CHECK(request.order == expect.at("order").get<std::string>());
    CHECK(request.amount_cents == expect.value("amount_cents", std::int64_t{0}));
    CHECK(request.user == expect.value("user", ""));
  }
  if (request.op == ClientOp::items) {
    CHECK(request.one_item == expect.at("one").get<bool>());
    CHECK(request.item == expect.at("item").get<std::uint64_t>());
    CHECK(request.limit == expect.at("limit").get<std::uint32_t>());
  }
}

void check_refused(const Refusal& refusal, const json& expect) {
  CHECK(info(refusal.code).text == expect.at("code").get<std::string>());
  CHECK(refusal.id == expect.value("id", ""));
  CHECK(refusal.field == expect.value("field", ""));
}

json answer_vector(const std::string& name) {
  for (const auto& entry : vectors())
    if (entry.at("name") == name && entry.at("kind") == "answer") return entry;
  FAIL("no vector called ", name);
  return {};
}

// Members may stand in any order; numbers and texts may not differ.
void check_encoded(const std::string& bytes, const std::string& name) {
  INFO(name);
  const auto vector = answer_vector(name);
  CHECK(json::from_msgpack(bytes) == vector.at("decoded"));
  CHECK(json::from_msgpack(unhex(vector.at("hex"))) == vector.at("decoded"));
}

Answer confirmed() {
  Answer answer;
  answer.state = State::confirmed;
  answer.lsn = stampede::storage::make_lsn(1, 187402);
  answer.item = 1;
  answer.qty = 2;
  return answer;
}

unsigned seed() {
  const char* given = std::getenv("STAMPEDE_TEST_SEED");
  const auto value = given != nullptr ? static_cast<unsigned>(std::strtoul(given, nullptr, 10))
                                      : std::random_device{}();
  std::printf("sf1: STAMPEDE_TEST_SEED=%u\n", value);
  return value;
}

}  // namespace

TEST_CASE("every request vector is understood or refused as it says") {
  Sf1Decoder decoder;  // one object for all: no request may leave traces in the next
  for (const auto& entry : vectors()) {
    if (entry.at("kind") != "request") continue;
    INFO(entry.at("name").get<std::string>());
    const auto frame = unhex(entry.at("hex"));
    const auto& expect = entry.at("expect");
    const bool understood = decoder.decode(frame);
    CHECK(understood == expect.contains("op"));
    if (understood && expect.contains("op")) check_understood(decoder.request(), expect);
    if (!understood && expect.contains("code")) check_refused(decoder.refusal(), expect);
  }
}

TEST_CASE("the ticket of an order is read by who can") {
  const TicketSigner signer(TicketKey{1});
  Sf1Decoder decoder(&signer);
  const auto frame_of = [&](json order, std::string_view ticket) {
    order["ticket"] = ticket;
    const auto bytes = json::to_msgpack(order);
    return std::string(bytes.begin(), bytes.end());
  };
  const auto text = signer.text({"r-1", 7, 1, "ann", 1767225660000});
  json order{{"op", "order"}, {"item", 1}, {"user", "ann"}, {"promo", 7}};
  auto frame = frame_of(order, text);
  REQUIRE(decoder.decode(frame));
  CHECK(decoder.request().id == "r-1");  // it has none of its own
  CHECK(decoder.request().ticket_ms == 1767225660000);
  order["id"] = "r-2";
  frame = frame_of(order, text);
  REQUIRE(decoder.decode(frame));
  CHECK(decoder.request().id == "r-2");
  CHECK(decoder.request().ticket_ms == kForeignTicket);
  order.erase("id");
  order["user"] = "bob";
  frame = frame_of(order, text);
  REQUIRE(decoder.decode(frame));
  CHECK(decoder.request().id.empty());
  CHECK(decoder.request().ticket_ms == kForeignTicket);
  order.erase("promo");  // it would buy outside of the promo
  frame = frame_of(order, text);
  CHECK_FALSE(decoder.decode(frame));
  CHECK((decoder.refusal().code == Code::bad_request && decoder.refusal().field == "promo"));
  order["promo"] = 7;
  // Of an array each for itself.
  order["user"] = "ann";
  const auto bytes = json::to_msgpack(json::array({order, json::parse(R"({"op":"order","item":1,
      "user":"ann","promo":7,"id":"r-3"})")}));
  frame = std::string(bytes.begin(), bytes.end());
  REQUIRE(decoder.open_batch(frame));
  REQUIRE(decoder.next_entry() == Sf1Decoder::Entry::order);
  CHECK(decoder.request().ticket_ms == kNoTicket);
  REQUIRE(decoder.next_entry() == Sf1Decoder::Entry::order);
  CHECK(decoder.request().ticket_ms == kNoTicket);
}

TEST_CASE("a ticket is asked for ahead wherever it is thought to be, and read all the same") {
  KnownTickets known({1, 2});
  const TicketSigner signer(TicketKey{1}, &known);
  Sf1Decoder decoder(&signer);
  const auto frame_of = [](const json& order) {
    const auto bytes = json::to_msgpack(order);
    return std::string(bytes.begin(), bytes.end());
  };
  json order{{"op", "order"}, {"id", "r-1"}, {"item", 1}, {"promo", 7}, {"user", "ann"}};
  const auto plain = frame_of(order);
  order["ticket"] = signer.text({"r-1", 7, 1, "ann", 1767225660000});
  const auto frame = frame_of(order);
  order["ticket"] = 5;
  const auto number = frame_of(order);
  // Before any, and behind each kind: of frames of every length.
  for (const auto& before : {std::string(), plain, frame, number}) {
    static_cast<void>(decoder.decode(before));
    for (std::size_t size = 0; size <= frame.size(); ++size)
      decoder.prefetch(frame.substr(0, size));
    decoder.prefetch(frame);
    REQUIRE(decoder.decode(frame));
    CHECK(decoder.request().ticket_ms == 1767225660000);
  }
}

TEST_CASE("every batch vector is understood entry by entry, or refused whole") {
  Sf1Decoder decoder;
  for (const auto& vector : vectors()) {
    if (vector.at("kind") != "batch") continue;
    INFO(vector.at("name").get<std::string>());
    const auto frame = unhex(vector.at("hex"));
    const auto& expect = vector.at("expect");
    REQUIRE((expect.is_object() || Sf1Decoder::is_batch(frame)));
    CHECK_FALSE(decoder.decode(frame));  // it is never taken for a single request
    bool whole = decoder.open_batch(frame);
    std::size_t read = 0;
    while (whole && decoder.unread() > 0) {
      const auto entry = decoder.next_entry();
      whole = entry != Sf1Decoder::Entry::damaged;
      if (!whole || expect.is_object()) continue;
      REQUIRE(read < expect.size());
      const auto& wanted = expect[read++];
      REQUIRE((entry == Sf1Decoder::Entry::order) == wanted.contains("op"));
      if (wanted.contains("op")) check_understood(decoder.request(), wanted);
      if (wanted.contains("code")) check_refused(decoder.refusal(), wanted);
    }
    CHECK(whole == expect.is_array());
    if (expect.is_array()) CHECK(read == expect.size());
    if (expect.is_object() && !whole) check_refused(decoder.refusal(), expect);
  }
}

TEST_CASE("a float64 is a number where it is a whole one below 2^53") {
  const auto item_of = [](double number) -> std::optional<std::uint64_t> {
    auto frame = unhex("84a26f70a56f72646572a26964a161a475736572a3616e6ea46974656dcb");
    const auto bits = __builtin_bswap64(std::bit_cast<std::uint64_t>(number));
    frame.append(reinterpret_cast<const char*>(&bits), sizeof bits);
    Sf1Decoder decoder;
    if (decoder.decode(frame)) return decoder.request().item;
    CHECK(decoder.refusal().code == Code::bad_request);
    CHECK(decoder.refusal().field == "item");
    CHECK(decoder.refusal().id == "a");
    return std::nullopt;
  };
  CHECK(item_of(5'000'000'000.0) == 5'000'000'000);
  CHECK(item_of(9'007'199'254'740'991.0) == 9'007'199'254'740'991);
  for (const double number :
       {9'007'199'254'740'992.0, 4'294'967'296.5, -4'294'967'297.0, 1e300,
        std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()})
    CHECK(item_of(number) == std::nullopt);
}

TEST_CASE("a batch of 1000 orders and 256 KiB is read and a larger one is too large") {
  Sf1Decoder decoder;
  const auto order = unhex("83a26f70a56f72646572a46974656d01a475736572a3616e6e");
  const auto batch_of = [&](std::size_t orders) {
    std::string frame = "\xdc";
    frame += static_cast<char>(orders >> 8);
    frame += static_cast<char>(orders & 255);
    for (; orders > 0; --orders) frame += order;
    return frame;
  };
  const auto read_all = [&](const std::string& frame) {
    if (!decoder.open_batch(frame)) return false;
    while (decoder.unread() > 0)
      if (decoder.next_entry() == Sf1Decoder::Entry::damaged) return false;
    return true;
  };
  CHECK(read_all(batch_of(1000)));
  CHECK_FALSE(read_all(batch_of(1001)));
  CHECK(decoder.refusal().code == Code::too_large);
  // The message names the bound that such a batch passed: it is no map over 64 KiB.
  CHECK(info(Code::too_large).message.find("1000 orders") != std::string_view::npos);

  // Five orders with an unknown member that fills the frame up; then one byte more.
  const auto filled = [&](std::size_t size) {
    std::string frame = "\x95";
    for (int left = 5; left > 0; --left) {
      const auto text = (size - frame.size()) / static_cast<std::size_t>(left) - order.size() - 5;
      frame += unhex("84") + order.substr(1) + "\xa1x\xda";
      frame += static_cast<char>(text >> 8);
      frame += static_cast<char>(text & 255);
      frame += std::string(text, 'x');
    }
    REQUIRE(frame.size() == size);
    return frame;
  };
  CHECK(read_all(filled(kSf1BatchBytesMax)));
  CHECK_FALSE(read_all(filled(kSf1BatchBytesMax + 1)));
  CHECK(decoder.refusal().code == Code::too_large);
  CHECK(decoder.refusal().id.empty());
}

TEST_CASE("an entry above 64 KiB is too large in its place and the others go on") {
  const auto order = unhex("84a26f70a56f72646572a26964a3722d31a46974656d01a475736572a3616e6e");
  const auto entry_of = [&](std::size_t size) {
    const auto text = size - order.size() - 5;
    return unhex("85") + order.substr(1) + "\xa1x\xda" + static_cast<char>(text >> 8) +
           static_cast<char>(text & 255) + std::string(text, 'x');
  };
  Sf1Decoder decoder;
  const auto frame = "\x93" + entry_of(kSf1MapBytesMax) + entry_of(kSf1MapBytesMax + 1) + order;
  REQUIRE(decoder.open_batch(frame));
  CHECK(decoder.next_entry() == Sf1Decoder::Entry::order);
  CHECK(decoder.next_entry() == Sf1Decoder::Entry::refused);
  CHECK(decoder.refusal().code == Code::too_large);
  CHECK(decoder.refusal().id == "r-1");
  CHECK(decoder.next_entry() == Sf1Decoder::Entry::order);
  CHECK(decoder.unread() == 0);
}

TEST_CASE("a map up to 64 KiB is read and a larger one is too large") {
  Sf1Decoder decoder;
  const auto frame_of = [](std::size_t size) {
    const std::string head = unhex("82a26f70a470696e67a170") + unhex("da");
    const std::size_t text = size - head.size() - 2;
    return head + static_cast<char>(text >> 8) + static_cast<char>(text & 255) +
           std::string(text, 'x');
  };
  CHECK(decoder.decode(frame_of(kSf1MapBytesMax)));
  CHECK_FALSE(decoder.decode(frame_of(kSf1MapBytesMax + 1)));
  CHECK(decoder.refusal().code == Code::too_large);
  CHECK(decoder.refusal().id.empty());
}

TEST_CASE("a map full of tiny values is read within the size limit") {
  Sf1Decoder decoder;
  std::string frame = unhex("82a26f70a470696e67a170") + unhex("dc") + unhex("fde8");
  frame.append(0xfde8, '\xc0');
  REQUIRE(frame.size() <= kSf1MapBytesMax);
  CHECK(decoder.decode(frame));
}

TEST_CASE("an array is the same in a string and in a buffer") {
  std::string text;
  stampede::storage::ByteBuffer buffer;
  const auto append = [&](auto& out) {
    append_sf1_array(out, 3);
    append_sf1_answer(out, "r-1", confirmed());
    append_sf1_error(out, "r-2", Code::bad_request, "qty");
    append_sf1_error(out, "", Code::overloaded, "");
  };
  append(text), append(buffer);
  CHECK(buffer.view() == text);
}

TEST_CASE("answers are encoded as their vectors say") {
  std::string out;
  const auto encoded = [&](auto&& append) {
    out.clear();
    append();
    return out;
  };
  auto answer = confirmed();
  answer.left = 98;
  check_encoded(encoded([&] { append_sf1_answer(out, "r-1", answer); }), "confirmed");
  answer = confirmed();
  answer.stored = answer.replayed = true;
  check_encoded(encoded([&] { append_sf1_answer(out, "r-1", answer); }),
                "confirmed, replayed and stored");
  answer = confirmed();
  answer.left = 98;
  answer.unit_price_cents = 999;
  answer.promo = 7;
  check_encoded(encoded([&] { append_sf1_answer(out, "r-1", answer); }), "confirmed in a promo");
  answer = confirmed();
  answer.item = 7;
  answer.left = 598;
  answer.unit_price_cents = 500;
  answer.promo = 7;
  answer.fulfilment = stampede::storage::Fulfilment::unpaid;
  answer.at_ms = 1767225600000;
  answer.lsn = 2199023255553;
  check_encoded(encoded([&] { append_sf1_answer(out, "r-1", answer); }), "confirmed, to be paid");
  const Fulfilled paid{"r-1", 2199023255553, stampede::storage::Fulfilment::paid, 1767225600000};
  check_encoded(encoded([&] { append_sf1_fulfilled(out, "p-1", paid); }), "paid");
  const Granted granted{"t-1", 7, 1, "ann", 1767225660000};
  check_encoded(encoded([&] { append_sf1_granted(out, "t-1", granted, "t1.x.y"); }), "ticket");
  check_encoded(encoded([&] { append_sf1_granted(out, "t-2", granted, "t1.x.y"); }),
                "ticket, an older one");
  answer = confirmed();
  answer.state = State::rejected;
  answer.reason = RejectReason::sold_out;
  answer.left = 0;
  check_encoded(encoded([&] { append_sf1_answer(out, "r-1", answer); }), "rejected");
  check_encoded(encoded([&] { append_sf1_queued(out, "r-1"); }), "queued");
  check_encoded(encoded([&] { append_sf1_edge(out, "r-1"); }), "sold out, by a webapp's own word");
  check_encoded(encoded([&] { append_sf1_error(out, "r-1", Code::overloaded, ""); }),
                "error with advice");
  check_encoded(encoded([&] { append_sf1_error(out, "r-1", Code::bad_request, "qty"); }),
                "error with field");
  check_encoded(encoded([&] { append_sf1_error(out, "r-1", Code::not_started, "", {}, 1500); }),
                "error that says when");
  check_encoded(encoded([&] { append_sf1_error(out, "", Code::bad_protocol, ""); }),
                "error without id");
  check_encoded(encoded([&] {
                  append_sf1_array(out, 3);
                  answer = confirmed();
                  answer.left = 98;
                  append_sf1_answer(out, "r-1", answer);
                  append_sf1_error(out, "r-1", Code::bad_request, "qty");
                  answer = confirmed();
                  answer.state = State::rejected;
                  answer.reason = RejectReason::sold_out;
                  answer.left = 0;
                  append_sf1_answer(out, "r-1", answer);
                }),
                "batch of answers");
  check_encoded(encoded([&] { append_sf1_pong(out, "p", "ready"); }), "pong");
}

TEST_CASE("what is said of items is encoded as its vectors say") {
  std::string out;
  const auto encoded = [&](auto&& append) {
    out.clear();
    append();
    return out;
  };
  const ItemRow row{1, {"lamp", 1999, 100, 0, 5}, 98, confirmed().lsn};
  check_encoded(encoded([&] { append_sf1_items(out, "", {row}, 2, 1767225600000); }), "items");
  auto offered = row;
  offered.promo = {7, "half price", 999, 1767225600000, 1767225660000, PromoState::running};
  check_encoded(encoded([&] { append_sf1_items(out, "", {offered}, {}, 1767225600001); }),
                "items with a promo");
  auto ruled = row;
  ruled.sale = {.description = "a lamp",
                .image_url = "https://shop.example/1.png",
                .promo_only = 1,
                .closed = 1};
  check_encoded(encoded([&] { append_sf1_items(out, "", {ruled}, {}, 1767225600002); }),
                "items, one with rules");
  auto gone = row;
  gone.left = 0;
  check_encoded(encoded([&] { append_sf1_news(out, gone, 1795257721203); }), "news");
}

TEST_CASE("an order id above 2^53 keeps every digit") {
  auto answer = confirmed();
  answer.lsn = stampede::storage::make_lsn((1u << 23) - 1, (std::uint64_t{1} << 40) - 1);
  std::string out;
  append_sf1_answer(out, "r", answer);
  CHECK(json::from_msgpack(out).at("order_id") == "9223372036854775807");
}

namespace {

std::string damaged(std::string frame, std::mt19937& random) {
  const auto pick = [&](std::size_t below) { return random() % below; };
  for (auto changes = pick(4); changes-- > 0 && !frame.empty();) {
    const auto at = pick(frame.size());
    switch (pick(4)) {
      case 0:
        frame[at] = static_cast<char>(random());
        break;
      case 1:
        frame[at] = static_cast<char>(frame[at] ^ (1 << pick(8)));
        break;
      case 2:
        frame.erase(at, 1 + pick(3));
        break;
      default:
        frame.insert(at, 1 + pick(3), static_cast<char>(random()));
    }
  }
  return frame;
}

std::vector<std::string> frames_of(const std::string& kind) {
  std::vector<std::string> frames;
  for (const auto& entry : vectors())
    if (entry.at("kind") == kind) frames.push_back(unhex(entry.at("hex")));
  return frames;
}

void require_in_bounds(const ClientRequest& request) {
  REQUIRE((request.id.empty() || valid_request_id(request.id)));
  REQUIRE((request.op != ClientOp::order || valid_user(request.user)));
  REQUIRE(request.item <= kItemIdMax);
  REQUIRE(request.qty >= 1);
  REQUIRE(request.qty <= kQtyMax);
  REQUIRE(request.limit <= kItemsPageMax);
  REQUIRE(request.deadline_ms <= kDeadlineMaxMs);
}

}  // namespace

TEST_CASE("damaged frames are refused or understood within the bounds, never worse") {
  std::mt19937 random(seed());
  const auto frames = frames_of("request");
  Sf1Decoder decoder;
  std::size_t understood = 0;
  for (int round = 0; round < 200'000; ++round) {
    const auto frame = damaged(frames[random() % frames.size()], random);
    if (!decoder.decode(frame)) {
      CHECK(decoder.refusal().code != Code::none);
      continue;
    }
    ++understood;
    require_in_bounds(decoder.request());
  }
  CHECK(understood > 0);
}

namespace {

// One member of a map, key and value. Among them what is unknown, of a wrong type, or too large.
std::string any_member(std::mt19937& random) {
  const std::vector<std::string> keys{"op",  "id",   "item",  "user", "qty", "token", "deadline_ms",
                                      "ack", "from", "limit", "x",    "",    "first"};
  const std::vector<json> values{"order", "r-1",
                                 1,       70'000,
                                 0,       5'000'000'000,
                                 -1,      "",
                                 true,    json::array({1, "a"}),
                                 nullptr, std::string(40, 'u')};
  std::string member;
  json::to_msgpack(keys[random() % keys.size()], member);
  json::to_msgpack(values[random() % values.size()], member);
  return member;
}

void require_same(const Sf1Decoder& one, const Sf1Decoder& other, bool understood) {
  if (!understood) {
    REQUIRE(one.refusal().code == other.refusal().code);
    REQUIRE(one.refusal().id == other.refusal().id);
    REQUIRE(one.refusal().field == other.refusal().field);
    return;
  }
  const auto &a = one.request(), &b = other.request();
  REQUIRE((a.op == b.op && a.ack == b.ack && a.first == b.first && a.one_item == b.one_item &&
           a.id == b.id));
  REQUIRE((a.item == b.item && a.user == b.user && a.qty == b.qty));
  REQUIRE((a.limit == b.limit && a.deadline_ms == b.deadline_ms));
}

}  // namespace

TEST_CASE("a map is understood as it would be alone, whatever keys the maps before it had") {
  std::mt19937 random(seed());
  Sf1Decoder used;
  std::size_t understood = 0;
  for (int round = 0; round < 100'000; ++round) {
    std::vector<std::string> members;
    for (const auto* hex : {"a26f70a56f72646572", "a26964a3722d31", "a46974656d01",
                            "a475736572a3616e6e", "a371747902"})
      if (random() % 16 != 0) members.push_back(unhex(hex));
    for (auto more = random() % 3; more > 0; --more) members.push_back(any_member(random));
    if (random() % 4 != 0) std::shuffle(members.begin(), members.end(), random);
    std::string frame(1, static_cast<char>(0x80 + members.size()));
    for (const auto& member : members) frame += member;
    if (random() % 4 == 0) frame = damaged(frame, random);
    Sf1Decoder fresh;
    const bool taken = fresh.decode(frame);
    REQUIRE(used.decode(frame) == taken);
    require_same(used, fresh, taken);
    if (taken) ++understood;
  }
  CHECK(understood > 10'000);
}

TEST_CASE("an order is the same in every order of its keys") {
  std::vector<std::string> members{unhex("a26f70a56f72646572"), unhex("a26964a3722d31"),
                                   unhex("a46974656d01"), unhex("a475736572a3616e6e"),
                                   unhex("ab646561646c696e655f6d73cd0bb8")};
  std::sort(members.begin(), members.end());
  Sf1Decoder decoder;
  do {
    std::string frame = "\x85";
    for (const auto& member : members) frame += member;
    for (int twice = 0; twice < 2; ++twice) {  // a key that is expected, and one that is not
      REQUIRE(decoder.decode(frame));
      const auto& request = decoder.request();
      REQUIRE((request.op == ClientOp::order && request.id == "r-1" && request.item == 1));
      REQUIRE((request.user == "ann" && request.deadline_ms == 3000));
    }
  } while (std::next_permutation(members.begin(), members.end()));
}

// An entry of a batch must be judged as the same map in a frame of its own.
TEST_CASE("damaged batches are refused whole, or each entry as it would be alone") {
  std::mt19937 random(seed());
  const auto batches = frames_of("batch");
  const auto maps = frames_of("request");
  Sf1Decoder decoder, alone;
  std::size_t orders = 0, refused = 0, whole = 0;
  for (int round = 0; round < 100'000; ++round) {
    std::string frame;
    if (random() % 2 == 0) {
      frame = damaged(batches[random() % batches.size()], random);
    } else {
      const auto entries = random() % 6;
      frame = static_cast<char>(0x90 + entries);
      for (std::size_t i = 0; i < entries; ++i)
        frame += damaged(maps[random() % maps.size()], random);
    }
    if (!decoder.open_batch(frame)) continue;
    bool damage = false;
    while (!damage && decoder.unread() > 0) {
      const auto begin = frame.size() - decoder.bytes_left();
      const auto entry = decoder.next_entry();
      damage = entry == Sf1Decoder::Entry::damaged;
      if (damage) continue;
      const auto map =
          std::string_view(frame).substr(begin, frame.size() - decoder.bytes_left() - begin);
      const bool taken = alone.decode(map) && alone.request().op == ClientOp::order;
      REQUIRE(taken == (entry == Sf1Decoder::Entry::order));
      if (!taken) {
        ++refused;
        REQUIRE(decoder.refusal().code != Code::bad_protocol);
        if (alone.request().op == ClientOp::order)
          REQUIRE(decoder.refusal().field == alone.refusal().field);
        continue;
      }
      ++orders;
      require_in_bounds(decoder.request());
      REQUIRE(decoder.request().id == alone.request().id);
      REQUIRE(decoder.request().user == alone.request().user);
      REQUIRE(decoder.request().item == alone.request().item);
    }
    if (!damage) ++whole;
  }
  CHECK(orders > 0);
  CHECK(refused > 0);
  CHECK(whole > 0);
}

namespace {

std::string packed(const json& map) {
  const auto bytes = json::to_msgpack(map);
  return {bytes.begin(), bytes.end()};
}

}  // namespace

TEST_CASE("a token stands beside the request, and none is that of a map before") {
  Sf1Decoder decoder(nullptr, true);
  const json order{{"op", "order"}, {"id", "a"}, {"item", 1}};
  auto with = order;
  with["token"] = "one";
  const auto first = packed(with);
  REQUIRE(decoder.decode(first));
  CHECK(decoder.token() == "one");
  CHECK(decoder.request().user.empty());
  const auto second = packed(order);
  REQUIRE(decoder.decode(second));
  CHECK(decoder.token().empty());
  with["token"] = nullptr;
  const auto third = packed(with);
  REQUIRE(decoder.decode(third));
  CHECK(decoder.token().empty());
  with["token"] = json::binary({'t', 'w', 'o'});
  const auto fourth = packed(json::array({with, order}));
  REQUIRE(decoder.open_batch(fourth));
  REQUIRE(decoder.next_entry() == Sf1Decoder::Entry::order);
  CHECK(decoder.token() == "two");
  REQUIRE(decoder.next_entry() == Sf1Decoder::Entry::order);
  CHECK(decoder.token().empty());
}

TEST_CASE("a token that can be none is refused where it is looked at, and only there") {
  Sf1Decoder asks(nullptr, true), asks_not;
  const json order{{"op", "order"}, {"id", "a"}, {"item", 1}, {"user", "ann"}};
  for (const json& token : {json(""), json(std::string(kSf1TokenBytesMax + 1, 't'))}) {
    auto with = order;
    with["token"] = token;
    const auto frame = packed(with);
    CHECK(asks_not.decode(frame));
    CHECK_FALSE(asks.decode(frame));
    CHECK((asks.refusal().code == Code::bad_request && asks.refusal().field == "token"));
  }
  auto with = order;
  with["token"] = 7;
  const auto frame = packed(with);
  CHECK_FALSE(asks.decode(frame));
  CHECK_FALSE(asks_not.decode(frame));
}

TEST_CASE("who buys is left out, and a connection logs in, where there are sessions alone") {
  Sf1Decoder asks(nullptr, true), asks_not;
  const auto order = packed({{"op", "order"}, {"id", "a"}, {"item", 1}});
  CHECK(asks.decode(order));
  CHECK_FALSE(asks_not.decode(order));
  CHECK(asks_not.refusal().field == "user");
  const auto log_in = packed({{"op", "auth"}, {"token", "t"}});
  REQUIRE(asks.decode(log_in));
  CHECK((asks.request().op == ClientOp::auth && asks.token() == "t"));
  CHECK_FALSE(asks_not.decode(log_in));
  CHECK(asks_not.refusal().code == Code::unknown_op);
  for (const json& without :
       {json{{"op", "auth"}, {"id", "a"}}, json{{"op", "auth"}, {"token", nullptr}}}) {
    const auto frame = packed(without);
    CHECK_FALSE(asks.decode(frame));
    CHECK(asks.refusal().field == "token");
  }
  std::string answer;
  append_sf1_session(answer, "a", "ann", 1767225600000);
  CHECK(json::from_msgpack(answer) ==
        json{{"id", "a"}, {"user", "ann"}, {"expires_at", 1767225600000}});
}
