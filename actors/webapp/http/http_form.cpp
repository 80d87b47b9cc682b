#include "actors/webapp/http/http_form.h"

#include <algorithm>
#include <array>

#include "actors/http/http_head.h"

namespace stampede::actors {

namespace {

constexpr std::size_t kBoundaryMax = 70;  // RFC 2046 5.1.1
constexpr std::string_view kLineEnd = "\r\n";

// The name that the header lines of a part give it. Nothing: it is no part of a form, or is encoded
// in a way that is not read.
std::optional<std::string> part_name(std::string_view lines) {
  std::optional<std::string> name;
  int dispositions = 0;
  bool readable = true;
  for_each_header(lines, [&](std::string_view key, std::string_view value) {
    if (same_name(key, "content-transfer-encoding"))
      readable &=
          same_name(value, "7bit") || same_name(value, "8bit") || same_name(value, "binary");
    if (!same_name(key, "content-disposition")) return true;
    ++dispositions;
    const auto parameters = parse_parameters(value);
    if (!parameters || parameters->front().name != "form-data") return true;
    for (const auto& one : *parameters) {
      if (one.name != "name") continue;
      readable &= !name;
      name = one.value;
    }
    return true;
  });
  return readable && dispositions == 1 ? name : std::nullopt;
}

// Cuts the body at its delimiters.
class Multipart {
 public:
  Multipart(std::string_view body, std::string_view boundary)
      : delimiter_("\r\n--" + std::string(boundary)), rest_(body) {}

  // False: it does not follow the grammar.
  bool read(std::vector<QueryPair>& pairs) {
    const auto first = std::string_view(delimiter_).substr(kLineEnd.size());
    if (!rest_.starts_with(first)) return false;
    rest_.remove_prefix(first.size());
    while (!rest_.starts_with("--"))
      if (!end_line() || !read_part(pairs)) return false;
    rest_.remove_prefix(2);
    return rest_.empty() || (end_line() && rest_.empty());
  }

 private:
  bool end_line() {  // blanks and CRLF behind a delimiter
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t"), rest_.size()));
    if (!rest_.starts_with(kLineEnd)) return false;
    rest_.remove_prefix(kLineEnd.size());
    return true;
  }

  bool read_part(std::vector<QueryPair>& pairs) {
    const auto end = rest_.find(delimiter_);
    if (end == std::string_view::npos) return false;
    const auto part = rest_.substr(0, end);
    const auto blank = part.find("\r\n\r\n");
    if (blank == std::string_view::npos) return false;
    auto name = part_name(part.substr(0, blank + kLineEnd.size()));
    if (!name) return false;
    pairs.push_back({std::move(*name), std::string(part.substr(blank + 2 * kLineEnd.size()))});
    rest_.remove_prefix(end + delimiter_.size());
    return true;
  }

  std::string delimiter_;
  std::string_view rest_;
};

Form malformed() {
  return {FormFault::malformed, {}};
}

Form parse_multipart(const MediaType& type, std::string_view body) {
  const auto* boundary = type.parameter("boundary");
  if (boundary == nullptr || boundary->empty() || boundary->size() > kBoundaryMax ||
      boundary->back() == ' ' || boundary->find_first_of("\r\n") != std::string::npos)
    return malformed();
  Form form;
  return Multipart(body, *boundary).read(form.pairs) ? form : malformed();
}

bool says_nothing(std::string_view type) {
  static constexpr std::array<std::string_view, 3> kNothing{
      "application/x-www-form-urlencoded", "text/plain", "application/octet-stream"};
  return std::find(kNothing.begin(), kNothing.end(), type) != kNothing.end();
}

}  // namespace

Form parse_form(std::string_view content_type, std::string_view body) {
  const auto type = parse_media_type(content_type);
  if (!type && !content_type.empty()) return {FormFault::other_type, {}};
  if (type && type->name == "multipart/form-data") return parse_multipart(*type, body);
  if (type && !says_nothing(type->name)) return {FormFault::other_type, {}};
  auto pairs = parse_query(body);
  return pairs ? Form{FormFault::none, std::move(*pairs)} : malformed();
}

}  // namespace stampede::actors
