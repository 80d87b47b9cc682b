#include "actors/webapp/core/client_replies.h"

namespace stampede::actors {

void ClientReplies::items(const ClientToken& client, std::string_view id,
                          const std::vector<ItemRow>& rows, std::optional<std::uint64_t> next) {
  Reply reply;
  reply.kind = ReplyKind::items;
  reply.id = id;
  reply.items = &rows;
  reply.next = next;
  output_.reply(client, reply);
}

void ClientReplies::fulfilled(const ClientToken& client, std::string_view id,
                              const Fulfilled& fulfilled) {
  Reply reply;
  reply.kind = ReplyKind::fulfilled;
  reply.id = id;
  reply.fulfilled = &fulfilled;
  output_.reply(client, reply);
}

void ClientReplies::granted(const ClientToken& client, std::string_view id,
                            const Granted& granted) {
  Reply reply;
  reply.kind = ReplyKind::granted;
  reply.id = id;
  reply.granted = &granted;
  output_.reply(client, reply);
}

void ClientReplies::refuse(const ClientToken& client, std::string_view id, Code code,
                           std::string_view field, std::int64_t retry_after_ms) {
  const auto number = static_cast<std::size_t>(code);
  if (client.kind != ClientToken::Kind::internal && number < counters_.refused.size())
    ++counters_.refused[number];
  Reply reply;
  reply.kind = ReplyKind::refused;
  reply.id = id;
  reply.code = info(code).code;  // a number nobody knows reads `internal`
  reply.field = field;
  reply.retry_after_ms = retry_after_ms;
  if (reply.code == Code::overloaded) {
    reply.message = limits_.text(field);
    reply.field = {};
  }
  if (reply.code == Code::draining && field == kOrdersRefused) {
    reply.message = "no orders are taken for now: the operator has stopped the sale; try again";
    reply.field = {};
  }
  output_.reply(client, reply);
}

void ClientReplies::queued(const ClientToken& client, std::string_view id) {
  Reply reply;
  reply.kind = ReplyKind::queued;
  reply.id = id;
  output_.reply(client, reply);
}

void ClientReplies::edge(const ClientToken& client, std::string_view id) {
  ++counters_.edge;
  Reply reply;
  reply.kind = ReplyKind::edge;
  reply.id = id;
  output_.reply(client, reply);
}

// That an item is sold out is decided by the backend alone: said here, it is no more than that.
void ClientReplies::reply_to_fault(const ClientToken& client, std::string_view id,
                                   const Fault& fault) {
  if (fault.code == Code::sold_out) return edge(client, id);
  refuse(client, id, fault.code, fault.field, fault.retry_after_ms);
}

void ClientReplies::session(const ClientToken& client, std::string_view id, std::string_view user,
                            std::int64_t expires_ms) {
  Reply reply;
  reply.kind = ReplyKind::session;
  reply.id = id;
  reply.user = user;
  reply.expires_ms = expires_ms;
  output_.reply(client, reply);
}

void ClientReplies::session_kept(const ClientToken& client) {
  Reply reply;
  reply.kind = ReplyKind::session_kept;
  output_.reply(client, reply);
}

void ClientReplies::pong(const ClientToken& client, std::string_view id, std::string_view state,
                         std::string_view message) {
  Reply reply;
  reply.kind = ReplyKind::pong;
  reply.id = id;
  reply.state = state;
  reply.message = message;
  output_.reply(client, reply);
}

}  // namespace stampede::actors
