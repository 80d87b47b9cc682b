#include "actors/protocol/operator_command.h"

#include <limits>

namespace stampede::actors {

using nlohmann::json;
using storage::Term;

namespace {

constexpr std::int64_t kNumberMax = std::numeric_limits<std::int64_t>::max();

std::string range_text(std::int64_t min, std::int64_t max) {
  if (max == kNumberMax) return "a whole number from " + std::to_string(min) + " on";
  return "a whole number from " + std::to_string(min) + " to " + std::to_string(max);
}

// The value of a number that is whole and has a place in std::int64_t.
std::optional<std::int64_t> whole(const json& value) {
  if (!value.is_number_integer()) return std::nullopt;
  const bool above = value.is_number_unsigned() &&
                     value.get<std::uint64_t>() > static_cast<std::uint64_t>(kNumberMax);
  return above ? std::nullopt : std::optional(value.get<std::int64_t>());
}

// Reads each term of an item.
struct TermMembers {
  CommandMembers& members;
  void operator()(const Term& term, std::string_view& value) const {
    value = members.text(term.name, static_cast<std::size_t>(term.max), term.required);
  }
  template <class Number>
  void operator()(const Term& term, Number& value) const {
    value = static_cast<Number>(
        members.number(term.name, term.min, term.max,
                       term.required ? std::nullopt : std::optional(term.otherwise)));
  }
};

}  // namespace

std::string_view CommandMembers::text(std::string_view name, std::size_t bytes_max, bool required) {
  const json* value = find(name);
  if (value == nullptr && !required) return {};
  if (value == nullptr || !value->is_string()) return fail(name, "a text"), std::string_view{};
  const std::string_view text = value->get_ref<const std::string&>();
  if (valid_text(text, bytes_max) || (text.empty() && !required)) return text;
  fail(name, "1 to " + std::to_string(bytes_max) + " bytes of UTF-8 without control characters");
  return {};
}

std::int64_t CommandMembers::number(std::string_view name, std::int64_t min, std::int64_t max,
                                    std::optional<std::int64_t> otherwise) {
  const json* value = find(name);
  if (value == nullptr && otherwise) return *otherwise;
  const auto number = value == nullptr ? std::nullopt : whole(*value);
  if (number && *number >= min && *number <= max) return *number;
  fail(name, range_text(min, max));
  return otherwise.value_or(min);
}

std::string_view CommandMembers::request_id() {
  const auto id = text("request_id", kRequestIdBytesMax);
  if (valid_request_id(id) || !error_.empty()) return id;
  fail("request_id", "1 to " + std::to_string(kRequestIdBytesMax) + " letters, digits, - or _");
  return {};
}

bool CommandMembers::flag(std::string_view name) {
  const json* value = find(name);
  if (value == nullptr) return false;
  if (value->is_boolean()) return value->get<bool>();
  fail(name, "true or false");
  return false;
}

const json* CommandMembers::find(std::string_view name) const {
  const auto found = map_.find(name);
  return found == map_.end() || found->is_null() ? nullptr : &*found;
}

void CommandMembers::fail(std::string_view name, const std::string& what) {
  if (!error_.empty()) return;
  field_ = name;
  error_ = field_ + " must be " + what;
}

bool is_operator_command(std::string_view what) {
  return what == "item_put" || what == "stock_change" || what == "items" || what == "books";
}

OperatorCommand read_operator_command(const json& map) {
  constexpr auto kItemMax = static_cast<std::int64_t>(kItemIdMax);
  constexpr auto kPageMax = static_cast<std::int64_t>(kItemsPageMax);
  OperatorCommand out;
  CommandMembers members(map);
  Request& request = out.request;
  const auto what = members.text("do", kRequestIdBytesMax);
  if (what == "item_put" || what == "stock_change") {
    request.id = members.request_id();
    request.item = static_cast<std::uint64_t>(members.number("item", 0, kItemMax));
  }
  if (what == "item_put") {
    request.kind = RequestKind::item_put;
    each_term(TermMembers{members}, request.terms);
  } else if (what == "stock_change") {
    request.kind = RequestKind::stock_change;
    request.delta = members.number("delta", -kStockMax, kStockMax);
  } else if (what == "items") {
    request.kind = RequestKind::items;
    request.item = static_cast<std::uint64_t>(members.number("from", 0, kItemMax, 0));
    request.qty = static_cast<std::uint32_t>(members.number("limit", 1, kPageMax, kPageMax));
  }
  out.error = members.error();
  out.field = members.field();
  return out;
}

json operator_command_map(std::string_view what, const Request& request) {
  json map{{"do", what}};
  if (request.kind == RequestKind::items) {
    map["from"] = request.item;
    map["limit"] = request.qty;
  } else if (request.kind != RequestKind::invalid) {
    map["request_id"] = request.id;
    map["item"] = request.item;
  }
  if (request.kind == RequestKind::stock_change) map["delta"] = request.delta;
  if (request.kind == RequestKind::item_put) {
    each_term([&](const Term& term, const auto& value) { map[std::string(term.name)] = value; },
              request.terms);
  }
  return map;
}

}  // namespace stampede::actors
