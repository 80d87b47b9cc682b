#pragma once

// The grammar of header values (RFC 9110 5.6): lists over several lines, tokens, quoted strings,
// parameters, blanks where they may be, names in any case. Pure. What does not follow it is left
// out member by member, or the value as a whole is nothing.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace stampede::actors {

bool is_token(std::string_view text);

// The members of the list that all lines of this name make together, without blanks around them;
// commas in quoted strings do not divide. `head` holds header lines, each ended by CRLF.
std::vector<std::string_view> list_members(std::string_view head, std::string_view name);

// Whether one of them is this token, in any case.
bool list_has(std::string_view head, std::string_view name, std::string_view token);

struct FieldParameter {
  std::string name;   // in lower case
  std::string value;  // without quotes; empty when there is none
};

// "text/plain; charset=UTF-8", "form-data; name=\"a\"", "wait = 2": what comes first, as a
// parameter, then the others. Nothing when it breaks off or goes on with something else.
std::optional<std::vector<FieldParameter>> parse_parameters(std::string_view text);

struct MediaType {
  std::string name;  // "text/plain", in lower case
  std::vector<FieldParameter> parameters;
  [[nodiscard]] const std::string* parameter(std::string_view name) const;
};
std::optional<MediaType> parse_media_type(std::string_view text);

// One name and value of a query or a form, decoded.
struct QueryPair {
  std::string name;
  std::string value;
};
// "a=1&b=x%20y", cut first and then decoded. Nothing when an encoding is broken anywhere.
std::optional<std::vector<QueryPair>> parse_query(std::string_view text);

struct SoleValue {
  int times = 0;                     // how often the name is there
  std::optional<std::string> value;  // when once
};
SoleValue sole_value(const std::vector<QueryPair>& pairs, std::string_view name);

// A decimal number without sign, below 2^63.
std::optional<std::uint64_t> parse_number(std::string_view text);

}  // namespace stampede::actors
