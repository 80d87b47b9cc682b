#pragma once

// A WebappCore with everything it says recorded, and a small vocabulary to talk to it.

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "actors/webapp/core/webapp_core.h"

namespace stampede::actors {

struct SentBatch {
  std::uint64_t number;
  std::uint32_t count;
  std::string body;
};

struct SeenReply {
  ClientToken client;
  ReplyKind kind;
  std::string id;
  Answer answer;
  Code code;
  std::string field;
  std::size_t items;
  std::string state;
  std::int64_t retry_after_ms;
  std::string user;  // of a session
  std::string message;
};

struct SeenArray {
  ClientToken client;
  std::uint32_t entries;  // as declared
  std::vector<SeenReply> replies;
};

class WebappFixture : private WebappOutput {
 public:
  static constexpr std::uint64_t kInstance = 77;
  static constexpr std::int64_t kMs = 1000;

  explicit WebappFixture(WebappSettings settings = {})
      : core(with_instance(settings), *this, [this] {
          ++minted;
          return std::array<std::uint64_t, 2>{minted, 0xabcdef};
        }) {}

  // --- clients ---
  static ClientToken dealer(std::string_view name = "c1") {
    return ClientToken::router(ClientToken::Kind::dealer, name);
  }
  static ClientToken http(std::uint64_t number) {
    return ClientToken::numbered(ClientToken::Kind::http, number);
  }
  static ClientAsk order(std::string_view id, ClientToken client = dealer()) {
    ClientAsk ask{client, {}};
    ask.request.op = ClientOp::order;
    ask.request.id = id;
    ask.request.item = 1;
    ask.request.user = "ann";
    return ask;
  }
  static ClientAsk http_order(std::string_view id, WaitMode mode, std::uint64_t number = 1) {
    auto ask = order(id, http(number));
    ask.mode = mode;
    return ask;
  }
  static ClientAsk get(std::string_view id, ClientToken client = dealer()) {
    ClientAsk ask{client, {}};
    ask.request.op = ClientOp::get;
    ask.request.id = id;
    return ask;
  }
  // False: it waits for its token.
  bool take(const ClientAsk& ask) { return core.on_request(ask, now); }
  // A frame as a client sends it: one map or an array of maps.
  bool take_frame(const nlohmann::json& frame, ClientToken client = dealer()) {
    const auto packed = nlohmann::json::to_msgpack(frame);
    return take_bytes({reinterpret_cast<const char*>(packed.data()), packed.size()}, client);
  }
  bool take_bytes(std::string_view frame, ClientToken client = dealer()) {
    Sf1Decoder decoder(nullptr, core.desk() != nullptr && core.desk()->sessions());
    if (decoder.open_batch(frame)) return core.on_orders(client, decoder, now);
    core.on_malformed(client, decoder.refusal(), now);
    return true;
  }
  void round() { core.end_of_round(now); }
  void take_and_send(const ClientAsk& ask) {
    take(ask);
    round();
  }
  void pass(std::int64_t ms) {
    for (const auto end = now + ms * kMs; now < end;) {
      now = std::min(end, now + 5 * kMs);
      if (hello_ && now - hello_us_ >= 1000 * kMs) say_hello();
      core.on_tick(now);
      round();
    }
  }

  // --- broker and backend ---
  void hello(std::uint64_t broker = 1, std::uint64_t epoch = 1, Phase phase = Phase::serving,
             std::uint64_t window = 0, Standstill standstill = Standstill::none) {
    hello_ = Hello{broker, epoch, window, phase, 0, standstill};
    say_hello();
    round();
  }
  void broker_falls_silent() { hello_.reset(); }
  void result(std::uint64_t number, const std::string& body, std::uint64_t epoch = 1,
              std::uint64_t sender = kInstance) {
    core.on_result(BatchHead{sender, number, epoch}, body, now);
  }
  void refuse(std::uint64_t number, Code code) {
    core.on_refusal(BatchHead{kInstance, number, 1}, code, now);
  }
  static std::string confirmed(Lsn lsn = 5) {
    Answer answer;
    answer.state = State::confirmed;
    answer.lsn = lsn;
    answer.item = 1;
    answer.qty = 1;
    std::string body;
    append_answer(body, answer);
    return body;
  }
  static std::string sold_out() {
    Answer answer;
    answer.state = State::rejected;
    answer.reason = RejectReason::sold_out;
    answer.item = answer.qty = 1;
    std::string body;
    append_answer(body, answer);
    return body;
  }
  static std::string error(Code code, std::string_view field = {}) {
    std::string body;
    append_error(body, code, field);
    return body;
  }

  // --- what was said ---
  std::vector<SeenReply> replies() { return std::exchange(replies_, {}); }
  std::vector<SeenArray> arrays() { return std::exchange(arrays_, {}); }
  SeenArray only_array() {
    auto all = arrays();
    REQUIRE(all.size() == 1);
    CHECK(all.front().entries == all.front().replies.size());
    return all.front();
  }
  SeenReply only_reply() {
    auto all = replies();
    REQUIRE(all.size() == 1);
    return all.front();
  }
  std::vector<std::string> ids_of(const SentBatch& batch) {
    std::vector<std::string> ids;
    BodyReader reader;
    reader.open(batch.body);
    for (Request request; reader.next(request);) ids.emplace_back(request.id);
    CHECK_FALSE(reader.bad());
    CHECK(ids.size() == batch.count);
    return ids;
  }

  std::vector<SentBatch> sent;
  bool broker_full = false;
  std::uint64_t minted = 0;
  std::int64_t now = 1'000'000;
  WebappCore core;

 private:
  static WebappSettings with_instance(WebappSettings settings) {
    settings.instance = kInstance;
    return settings;
  }
  bool send_work(std::uint64_t number, std::uint32_t count, std::string_view body) override {
    if (broker_full) return false;
    sent.push_back({number, count, std::string(body)});
    return true;
  }
  void reply(const ClientToken& client, const Reply& reply) override {
    if (open_) CHECK(client == open_->client);
    (open_ ? open_->replies : replies_)
        .push_back({client, reply.kind, std::string(reply.id),
                    reply.answer != nullptr ? *reply.answer : Answer{}, reply.code,
                    std::string(reply.field), reply.items != nullptr ? reply.items->size() : 0,
                    std::string(reply.state), reply.retry_after_ms, std::string(reply.user),
                    std::string(reply.message)});
  }
  void open_array(const ClientToken& client, std::uint32_t entries) override {
    CHECK_FALSE(open_);
    open_ = SeenArray{client, entries, {}};
  }
  void close_array(const ClientToken& client) override {
    REQUIRE(open_);
    CHECK(open_->client == client);
    arrays_.push_back(*open_);
    open_.reset();
  }
  void drop_array() override { open_.reset(); }
  void say_hello() {  // the broker repeats its hello every second
    hello_us_ = now;
    core.on_hello(*hello_, now);
  }
  std::vector<SeenReply> replies_;
  std::vector<SeenArray> arrays_;
  std::optional<SeenArray> open_;
  std::optional<Hello> hello_;
  std::int64_t hello_us_ = 0;
};

}  // namespace stampede::actors
