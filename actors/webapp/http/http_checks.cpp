#include "actors/webapp/http/http_checks.h"

#include <algorithm>
#include <array>

#include "actors/http/http_fields.h"
#include "actors/http/http_head.h"
#include "actors/webapp/http/http_replies.h"

namespace stampede::actors {

namespace {

// Anything that is surely something else than JSON or a form. curl -d sends a form's type with any
// body.
bool is_known_other(std::string_view type) {
  static constexpr std::array<std::string_view, 15> kOthers{"multipart/",
                                                            "text/xml",
                                                            "text/html",
                                                            "text/csv",
                                                            "image/",
                                                            "audio/",
                                                            "video/",
                                                            "font/",
                                                            "application/xml",
                                                            "application/cbor",
                                                            "application/msgpack",
                                                            "application/x-msgpack",
                                                            "application/pdf",
                                                            "application/zip",
                                                            "application/gzip"};
  return type.ends_with("+xml") ||
         std::any_of(kOthers.begin(), kOthers.end(),
                     [&](std::string_view other) { return type.starts_with(other); });
}

}  // namespace

HttpReply bad_field(std::string_view field, std::string_view detail) {
  return code_problem(Code::bad_request, {}, field, detail);
}

HttpReply unsupported(std::string_view title, std::string_view field) {
  return problem(415, "bad_request", title, field);
}

std::optional<HttpReply> wrong_coding(const HttpRequest& request) {
  for (const auto coding : list_members(request.head, "content-encoding"))
    if (!same_name(coding, "identity"))
      return unsupported("bodies are taken as they are, not compressed", "Content-Encoding");
  if (request.header_count("content-type") > 1)
    return bad_field("Content-Type", "this header is there twice");
  return std::nullopt;
}

bool is_json(const HttpRequest& request) {
  const auto said = request.header("content-type");
  const auto type = parse_media_type(said);
  if (request.header_count("origin") > 0) return type && type->name == "application/json";
  if (type) return !is_known_other(type->name);
  return said.find('/') == std::string_view::npos;  // a bare word; else a type that is none
}

}  // namespace stampede::actors
