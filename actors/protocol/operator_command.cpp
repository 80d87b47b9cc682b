#include "actors/protocol/operator_command.h"

#include <algorithm>
#include <limits>

namespace stampede::actors {

using nlohmann::json;
using storage::Term;

namespace {

constexpr std::size_t kNameShownMax = 64;  // of a stranger's member
constexpr std::int64_t kNumberMax = std::numeric_limits<std::int64_t>::max();

// What it begins with; in quotes and ASCII where it is no text: answers are read on terminals.
std::string shown_name(const std::string& name) {
  auto begin = name.substr(0, kNameShownMax);
  if (valid_text(begin, kNameShownMax)) return begin;
  return json(begin).dump(-1, ' ', true, json::error_handler_t::replace);
}

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
        members.number(term.name, term.said_min, term.max,
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

const json* CommandMembers::find(std::string_view name) {
  knows(name);
  const auto found = map_.find(name);
  return found == map_.end() || found->is_null() ? nullptr : &*found;
}

void CommandMembers::refuse_others() {
  if (!error_.empty()) return;
  for (const auto& [name, value] : map_.items()) {
    if (std::find(known_.begin(), known_.end(), name) != known_.end()) continue;
    field_ = shown_name(name);
    error_ = field_ + " is no member of this request";
    return;
  }
}

void CommandMembers::fail(std::string_view name, const std::string& what) {
  if (!error_.empty()) return;
  field_ = name;
  error_ = field_ + " must be " + what;
}

namespace {

constexpr std::string_view kClockAccept = "clock_accept";
constexpr std::string_view kSessionsEnd = "sessions_end";

ItemAction item_action(std::string_view what) {
  if (what == "item_put") return ItemAction::add;
  if (what == "item_set") return ItemAction::set;
  if (what == "item_open") return ItemAction::open;
  if (what == "item_close") return ItemAction::close;
  return ItemAction::invalid;
}

PromoAction promo_action(std::string_view what) {
  if (what == "promo_add") return PromoAction::add;
  if (what == "promo_set") return PromoAction::set;
  if (what == "promo_end") return PromoAction::end;
  return PromoAction::invalid;
}

bool is_there(const json& map, std::string_view name) {
  const auto found = map.find(name);
  return found != map.end() && !found->is_null();
}

bool can_be_said(const Term& /*term*/, std::string_view /*value*/) {
  return true;
}
template <class Number>
bool can_be_said(const Term& term, const Number& value) {
  return term.said_min == term.min || static_cast<std::int64_t>(value) >= term.said_min;
}

// Reads the terms that are there, or, if they are not `some`, all; and notes which there are.
struct GivenTerms {
  const json& map;
  TermMembers members;
  std::uint32_t& given;
  bool some;
  std::uint32_t at = 0;
  template <class Value>
  void operator()(const Term& term, Value& value) {
    const auto bit = 1U << at++;
    const bool there = is_there(map, term.name);
    members.members.knows(term.name);
    if (!there && some) return;
    if (there) given |= bit;
    members(term, value);
  }
  void operator()(const Term& term, std::uint64_t& value) {
    auto number = static_cast<std::int64_t>(value);
    (*this)(term, number);
    value = static_cast<std::uint64_t>(number);
  }
};

// A time of a promo that is said as one from now on, or else as what it is.
struct TimeFromNow {
  const Term* term;
  const char* name;
  std::uint32_t bit;  // of PromoRequest::from_now
};
constexpr TimeFromNow kTimesFromNow[] = {
    {&storage::kPromoStartsTerm, "starts_in_ms", PromoRequest::kStartsFromNow},
    {&storage::kPromoEndsTerm, "ends_in_ms", PromoRequest::kEndsFromNow}};

const TimeFromNow* time_from_now(const Term& term) {
  for (const auto& one : kTimesFromNow)
    if (one.term == &term) return &one;
  return nullptr;
}

struct GivenPromoTerms : GivenTerms {
  std::uint32_t& from_now;
  using GivenTerms::operator();
  void operator()(const Term& term, std::int64_t& value) {
    const auto* from = time_from_now(term);
    if (from != nullptr) members.members.knows(from->name), members.members.knows(term.name);
    if (from == nullptr || !is_there(map, from->name)) return GivenTerms::operator()(term, value);
    if (is_there(map, term.name))
      members.members.fail(from->name, "left out beside " + std::string(term.name));
    value = members.members.number(from->name, -storage::kPromoTimeMsMax, storage::kPromoTimeMsMax);
    given |= 1U << at++;
    from_now |= from->bit;
  }
};

void read_promo(const json& map, CommandMembers& members, PromoRequest& promo) {
  promo.put.request_id = members.request_id();
  promo.put.promo =
      static_cast<std::uint64_t>(members.number("promo", 0, static_cast<std::int64_t>(kItemIdMax)));
  if (promo.action == PromoAction::end) return;
  const bool set = promo.action == PromoAction::set;
  each_promo_term(GivenPromoTerms{{map, TermMembers{members}, promo.given, set}, promo.from_now},
                  promo.put);
  if (!set) promo.given = 0;
}

void read_item(const json& map, CommandMembers& members, ItemRequest& item) {
  item.put.request_id = members.request_id();
  item.put.item =
      static_cast<std::uint64_t>(members.number("item", 0, static_cast<std::int64_t>(kItemIdMax)));
  if (item.action == ItemAction::add) {
    each_term(TermMembers{members}, item.put.terms);
    each_sale_term(TermMembers{members}, item.sale);
  } else if (item.action == ItemAction::set) {
    storage::each_settable_term(GivenTerms{map, TermMembers{members}, item.given, true}, item);
  }
}

void read_page(CommandMembers& members, Request& request) {
  constexpr auto kPageMax = static_cast<std::int64_t>(kItemsPageMax);
  request.item = static_cast<std::uint64_t>(
      members.number("from", 0, static_cast<std::int64_t>(kItemIdMax), 0));
  request.qty = static_cast<std::uint32_t>(members.number("limit", 1, kPageMax, kPageMax));
}

void read_bar(CommandMembers& members, Request& request) {
  request.kind = RequestKind::session;
  request.user = members.text("user", kUserBytesMax);
  request.valid_until_ms = members.number("at_ms", 0, kTimeMsMax - kBarKnownMs) + kBarKnownMs;
}

}  // namespace

bool is_operator_command(std::string_view what) {
  return what == "stock_change" || what == "items" || what == "promos" || what == "books" ||
         what == kClockAccept || what == kSessionsEnd || item_action(what) != ItemAction::invalid ||
         promo_action(what) != PromoAction::invalid;
}

OperatorCommand read_operator_command(const json& map) {
  constexpr auto kItemMax = static_cast<std::int64_t>(kItemIdMax);
  OperatorCommand out;
  CommandMembers members(map);
  Request& request = out.request;
  const auto what = members.text("do", kRequestIdBytesMax);
  if (what == "stock_change") {
    request.kind = RequestKind::stock_change;
    request.id = members.request_id();
    request.item = static_cast<std::uint64_t>(members.number("item", 0, kItemMax));
    request.delta = members.number("delta", -kStockMax, kStockMax);
  } else if (what == "items" || what == "promos") {
    request.kind = what == "items" ? RequestKind::items : RequestKind::promos;
    read_page(members, request);
  } else if (what == kSessionsEnd) {
    read_bar(members, request);
  } else if (what == kClockAccept) {
    out.accepts_clock = true;
    request.id = members.request_id();
  } else if (out.item.action = item_action(what); out.item.action != ItemAction::invalid) {
    read_item(map, members, out.item);
  } else if (out.promo.action = promo_action(what); out.promo.action != PromoAction::invalid) {
    read_promo(map, members, out.promo);
  }
  members.refuse_others();
  out.error = members.error();
  out.field = members.field();
  return out;
}

namespace {

void write_promo(json& map, const PromoRequest& promo) {
  map["request_id"] = promo.put.request_id;
  map["promo"] = promo.put.promo;
  if (promo.action == PromoAction::end) return;
  std::uint32_t at = 0;
  each_promo_term(
      [&](const Term& term, const auto& value) {
        const bool given = ((promo.given >> at++) & 1U) != 0;
        if (!given && (promo.action != PromoAction::add || !can_be_said(term, value))) return;
        const auto* from = time_from_now(term);
        const bool from_now = from != nullptr && (promo.from_now & from->bit) != 0;
        map[from_now ? from->name : std::string(term.name)] = value;
      },
      promo.put);
}

void write_item(json& map, const ItemRequest& item) {
  map["request_id"] = item.put.request_id;
  map["item"] = item.put.item;
  const auto write = [&](const Term& term, const auto& value) {
    map[std::string(term.name)] = value;
  };
  if (item.action == ItemAction::add) {
    each_term(write, item.put.terms);
    each_sale_term(write, item.sale);
  } else if (item.action == ItemAction::set) {
    std::uint32_t at = 0;
    storage::each_settable_term(
        [&](const Term& term, const auto& value) {
          if (((item.given >> at++) & 1U) != 0) write(term, value);
        },
        item);
  }
}

}  // namespace

json operator_command_map(std::string_view what, const OperatorCommand& command) {
  const auto& request = command.request;
  json map{{"do", what}};
  if (command.item.action != ItemAction::invalid) {
    write_item(map, command.item);
  } else if (command.promo.action != PromoAction::invalid) {
    write_promo(map, command.promo);
  } else if (command.accepts_clock) {
    map["request_id"] = request.id;
  } else if (request.kind == RequestKind::items || request.kind == RequestKind::promos) {
    map["from"] = request.item;
    map["limit"] = request.qty;
  } else if (request.kind == RequestKind::session) {
    map["user"] = request.user;
    map["at_ms"] = request.valid_until_ms - kBarKnownMs;
  } else if (request.kind != RequestKind::invalid) {
    map["request_id"] = request.id;
    map["item"] = request.item;
  }
  if (request.kind == RequestKind::stock_change) map["delta"] = request.delta;
  return map;
}

}  // namespace stampede::actors
