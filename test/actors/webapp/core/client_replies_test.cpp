// What clients are told, in which order inside an array, and what is counted of it.

#include "actors/webapp/core/client_replies.h"

#include <doctest/doctest.h>

#include <string>

using namespace stampede::actors;

namespace {

constexpr auto kDealer = ClientToken::Kind::dealer;

// Writes down what is said, one word a call.
struct Said : ReplyOutput {
  void reply(const ClientToken& client, const Reply& reply) override {
    text += std::string(client.identity()) + ':' + std::string(reply.id) + '=';
    switch (reply.kind) {
      case ReplyKind::answer:
        text += to_text(reply.answer->state);
        break;
      case ReplyKind::refused:
        text += std::string(info(reply.code).text) + '(' + std::string(reply.field) + ')';
        break;
      case ReplyKind::items:
        text += std::to_string(reply.items->size()) + " rows, next " +
                std::to_string(reply.next.value_or(0));
        break;
      case ReplyKind::queued:
        text += "queued";
        break;
      default:
        text += reply.state;
    }
    text += ' ';
  }
  void open_array(const ClientToken&, std::uint32_t entries) override {
    text += '[' + std::to_string(entries) + ' ';
  }
  void close_array(const ClientToken&) override { text += ']'; }
  void drop_array() override { text += '!'; }

  std::string text;
};

ClientToken client() {
  return ClientToken::router(kDealer, "c");
}

Answer decided(State state, RejectReason reason = RejectReason::invalid) {
  Answer answer;
  answer.state = state;
  answer.reason = reason;
  return answer;
}

// w a x b, of which w and x were refused at the door.
Waiter array_of_four(WaitingBatch& batch) {
  auto array = batch.begin_array(client());
  Request order;
  order.kind = RequestKind::order;
  batch.append_fault(array, 0, {Code::bad_request, "w", "qty"});
  order.id = "a";
  batch.append_order(array, order, 0);
  batch.append_fault(array, 2, {Code::overloaded, "x", {}});
  order.id = "b";
  batch.append_order(array, order, 0);
  return array;
}

}  // namespace

TEST_CASE("each reply says what it is for, to whom and under which id") {
  Said said;
  ClientReplies replies(said);
  replies.answer(client(), "a", decided(State::confirmed));
  replies.queued(client(), "q");
  replies.refuse(client(), "r", Code::bad_request, "qty");
  replies.items(client(), "i", std::vector<ItemRow>(2), 7);
  replies.pong(client(), "p", "ready");
  CHECK(said.text == "c:a=confirmed c:q=queued c:r=bad_request(qty) c:i=2 rows, next 7 c:p=ready ");
}

TEST_CASE("refusals are counted by code, those to the webapp itself are not") {
  Said said;
  ClientReplies replies(said);
  const auto counted = [&](Code code) {
    return replies.counters().refused[static_cast<std::size_t>(code)];
  };
  replies.refuse(client(), "a", Code::overloaded);
  replies.refuse(client(), "b", Code::overloaded);
  replies.refuse(ClientToken::numbered(ClientToken::Kind::internal, 1), {}, Code::overloaded);
  CHECK(counted(Code::overloaded) == 2);
  CHECK(counted(Code::internal) == 0);
}

TEST_CASE("a code nobody knows reads internal") {
  Said said;
  ClientReplies replies(said);
  replies.refuse(client(), "a", static_cast<Code>(999));
  CHECK(said.text == "c:a=internal() ");
}

TEST_CASE("decisions are counted by what they say") {
  Said said;
  ClientReplies replies(said);
  replies.count(decided(State::confirmed));
  replies.count(decided(State::rejected, RejectReason::sold_out));
  replies.count(decided(State::rejected, RejectReason::sold_out));
  replies.count(decided(State::rejected, RejectReason::limit_reached));
  CHECK(replies.counters().confirmed == 1);
  CHECK(replies.counters().sold_out == 2);
  CHECK(replies.counters().limit_reached == 1);
  CHECK(said.text.empty());
}

TEST_CASE("an array answers every entry in its place") {
  Said said;
  ClientReplies replies(said);
  WaitingBatch batch;
  array_of_four(batch);  // another client's, before ours
  const auto array = array_of_four(batch);
  CHECK(replies.array(batch, array, [&](std::size_t position) {
    replies.answer(array.client, batch.requests().id_at(position), decided(State::confirmed));
    return true;
  }));
  CHECK(said.text == "[4 c:w=bad_request(qty) c:a=confirmed c:x=overloaded() c:b=confirmed ]");
}

TEST_CASE("an array that cannot be completed is dropped") {
  Said said;
  ClientReplies replies(said);
  WaitingBatch batch;
  const auto array = array_of_four(batch);
  int answered = 0;
  CHECK_FALSE(replies.array(batch, array, [&](std::size_t) { return ++answered < 2; }));
  CHECK(said.text == "[4 c:w=bad_request(qty) c:x=overloaded() !");
}
