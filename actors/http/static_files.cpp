#include "actors/http/static_files.h"

#include <utility>

#include "actors/http/http_conditions.h"
#include "actors/http/http_fields.h"
#include "actors/http/http_head.h"

namespace stampede::actors {

namespace {

constexpr std::string_view kMayBeKept = "public, max-age=31536000, immutable";
constexpr std::string_view kAskAgain = "no-cache";

// Pictures of what is sold may be anywhere; everything else is ours.
constexpr const char* kContentPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' https: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

// "0", "0.0", "0.000": the client will not have it.
bool is_zero(std::string_view weight) {
  return !weight.empty() && weight.find_first_not_of("0.") == std::string_view::npos;
}

// Other bytes need another one (RFC 9110 8.8.3.3).
std::string gzip_etag(std::string_view etag) {
  return std::string(etag.substr(0, etag.size() - 1)) + "-gzip\"";
}

void forbid_what_is_not_ours(HttpReply& reply) {
  for (const auto& [name, value] : std::initializer_list<std::pair<const char*, const char*>>{
           {"Content-Security-Policy", kContentPolicy},
           {"X-Content-Type-Options", "nosniff"},
           {"Referrer-Policy", "no-referrer"},
           {"Cross-Origin-Opener-Policy", "same-origin"}})
    reply.headers.emplace_back(name, value);
}

}  // namespace

bool takes_gzip(std::string_view head) {
  std::optional<bool> named;  // what is said of gzip itself goes before what is said of the rest
  bool any = false;
  for (const auto member : list_members(head, "accept-encoding")) {
    const auto coding = parse_parameters(member);
    if (!coding) continue;
    bool wanted = true;
    for (const auto& parameter : *coding)
      if (parameter.name == "q" && is_zero(parameter.value)) wanted = false;
    if (coding->front().name == "gzip" || coding->front().name == "x-gzip") named = wanted;
    if (coding->front().name == "*") any = wanted;
  }
  return named.value_or(any);
}

StaticFiles::StaticFiles(std::span<const StaticFile> files) {
  for (const auto& file : files)
    files_.emplace(file.path, File{file, std::make_shared<const std::string>(file.plain),
                                   std::make_shared<const std::string>(file.gzip)});
}

std::optional<HttpReply> StaticFiles::answer(const HttpRequest& request) const {
  const auto found = files_.find(request.target);
  if (found == files_.end()) return std::nullopt;
  if (request.method == "GET") return reply_of(found->second, request);
  return other_method(request, kReads);
}

HttpReply StaticFiles::reply_of(const File& file, const HttpRequest& request) {
  HttpReply reply;
  reply.cache_control = file.about.hashed ? kMayBeKept : kAskAgain;
  const bool compressed = takes_gzip(request.head);
  const auto etag = compressed ? gzip_etag(file.about.etag) : std::string(file.about.etag);
  if (!match_holds(request.head, etag)) return match_failed();
  reply.headers.emplace_back("ETag", etag);
  reply.headers.emplace_back("Vary", "Accept-Encoding");
  if (client_has(request.head, etag)) {
    reply.status = 304;
    return reply;
  }
  if (compressed) reply.headers.emplace_back("Content-Encoding", "gzip");
  reply.content_type = file.about.type;
  reply.shared_body = compressed ? file.gzip : file.plain;
  forbid_what_is_not_ours(reply);
  return reply;
}

}  // namespace stampede::actors
