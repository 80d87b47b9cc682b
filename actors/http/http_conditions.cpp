#include "actors/http/http_conditions.h"

#include <algorithm>
#include <utility>

#include "actors/http/http_fields.h"
#include "actors/http/http_head.h"

namespace stampede::actors {

HttpReply other_method(const HttpRequest& request, std::string_view allowed) {
  HttpReply reply;
  reply.status = 204;
  if (request.method != "OPTIONS")
    reply = problem(405, "unknown_op", "this path does not take that method");
  reply.headers.emplace_back("Allow", allowed);
  return reply;
}

bool match_holds(std::string_view head, std::string_view etag) {
  bool asked = false;
  for_each_header(head, [&](std::string_view name, std::string_view) {
    asked = asked || same_name(name, "if-match");
    return true;
  });
  if (!asked) return true;
  const auto said = list_members(head, "if-match");
  return std::any_of(said.begin(), said.end(), [&](std::string_view one) {
    return one == "*" || (!etag.empty() && one == etag);
  });
}

bool client_has(std::string_view head, std::string_view etag) {
  const auto said = list_members(head, "if-none-match");
  return std::any_of(said.begin(), said.end(), [&](std::string_view one) {
    if (one.starts_with("W/")) one.remove_prefix(2);
    return one == "*" || one == etag;
  });
}

HttpReply match_failed() {
  return problem(412, "bad_request", "it is not what If-Match names; nothing was done", "If-Match");
}

std::optional<HttpReply> refuse_method(const HttpRequest& request, std::string_view method,
                                       std::string_view allowed) {
  if (request.method != method) return other_method(request, allowed);
  if (!match_holds(request.head, {})) return match_failed();
  return std::nullopt;
}

bool performs(const HttpRequest& request, std::string_view method, std::string_view allowed,
              HttpRespond& respond) {
  auto refused = refuse_method(request, method, allowed);
  if (refused) respond(std::move(*refused));
  return !refused;
}

}  // namespace stampede::actors
