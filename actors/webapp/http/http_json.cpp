#include "actors/webapp/http/http_json.h"

#include <nlohmann/json.hpp>

#include "actors/protocol/sf1.h"

namespace stampede::actors {

namespace {

// Takes one flat object; anything else ends the parse with fault() set.
class OrderSax : public nlohmann::json::json_sax_t {
 public:
  explicit OrderSax(OrderBody& order) : order_(order) {}

  bool null() override { return wrong(); }
  bool boolean(bool) override { return wrong(); }
  bool number_integer(number_integer_t) override { return wrong(); }  // negative
  bool number_float(number_float_t, const string_t&) override { return wrong(); }
  bool binary(binary_t&) override { return wrong(); }
  bool start_array(std::size_t) override { return wrong(); }
  bool end_array() override { return wrong(); }
  bool number_unsigned(number_unsigned_t value) override;
  bool string(string_t& value) override;
  bool start_object(std::size_t) override {
    if (inside_) return wrong();
    inside_ = true;
    return true;
  }
  bool key(string_t& value) override;
  bool end_object() override { return true; }
  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception&) override {
    return fault("", "the body is not JSON in UTF-8");
  }
  bool fault(std::string field, std::string text) {
    if (!fault_) fault_ = BodyFault{std::move(field), std::move(text)};
    return false;
  }
  std::optional<BodyFault> finish();

 private:
  enum Member : unsigned { kId = 1, kItem = 2, kUser = 4, kQty = 8 };
  bool wrong() {
    if (!inside_) return fault("", "the body must be a JSON object");
    return fault(key_, "this member has a value that is not allowed");
  }

  OrderBody& order_;
  bool inside_ = false;
  unsigned seen_ = 0;
  unsigned now_ = 0;  // the member whose value comes next
  std::string key_;
  std::optional<BodyFault> fault_;
};

bool OrderSax::key(string_t& value) {
  key_ = value;
  now_ = value == "id"     ? kId
         : value == "item" ? kItem
         : value == "user" ? kUser
         : value == "qty"  ? kQty
                           : 0U;
  if (now_ == 0) return fault(key_, "unknown member");
  if ((seen_ & now_) != 0) return fault(key_, "this member is there twice");
  seen_ |= now_;
  return true;
}

bool OrderSax::number_unsigned(number_unsigned_t value) {
  if (now_ == kItem && value <= kItemIdMax) {
    order_.item = value;
    return true;
  }
  if (now_ == kQty && value >= 1 && value <= kQtyMax) {
    order_.qty = static_cast<std::uint32_t>(value);
    return true;
  }
  return wrong();
}

bool OrderSax::string(string_t& value) {
  if (now_ == kId && valid_request_id(value)) {
    order_.id = value;
    return true;
  }
  if (now_ == kUser && valid_user(value)) {
    order_.user = value;
    return true;
  }
  return wrong();
}

std::optional<BodyFault> OrderSax::finish() {
  if (!fault_ && (seen_ & kItem) == 0) fault("item", "this member is missing");
  if (!fault_ && (seen_ & kUser) == 0) fault("user", "this member is missing");
  return fault_;
}

void append_number(std::string& out, std::string_view key, std::int64_t value) {
  out.append(",\"").append(key).append("\":").append(std::to_string(value));
}

void append_decimal(std::string& out, std::string_view key, std::uint64_t value) {
  out.append(",\"").append(key).append("\":\"").append(std::to_string(value)).append("\"");
}

void append_word(std::string& out, std::string_view key, std::string_view word) {
  out.append(",\"").append(key).append("\":\"").append(word).append("\"");
}

// One overload for each type a term can have.
void append_member(std::string& out, std::string_view key, std::string_view value) {
  out.append(",\"").append(key).append("\":");
  append_json_text(out, value);
}
void append_member(std::string& out, std::string_view key, std::int64_t value) {
  append_number(out, key, value);
}

void append_row(std::string& out, const ItemRow& row) {
  out.append("{\"item\":").append(std::to_string(row.item));
  each_term(
      [&](const storage::Term& term, const auto& value) {
        if (term.shown) append_member(out, term.name, value);
      },
      row.terms);
  append_number(out, "left", row.left);
  append_decimal(out, "seq", row.seq);
  append_word(out, "state", item_state(row));
  out.push_back('}');
}

}  // namespace

void append_json_text(std::string& out, std::string_view text) {
  static constexpr std::string_view kHex = "0123456789abcdef";
  out.push_back('"');
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (byte < 0x20) {
      out.append("\\u00").push_back(kHex[byte >> 4]);
      out.push_back(kHex[byte & 15]);
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
}

std::optional<BodyFault> parse_order_body(std::string_view body, OrderBody& order) {
  OrderSax sax(order);
  nlohmann::json::sax_parse(body.begin(), body.end(), &sax);
  return sax.finish();
}

std::string queued_json(std::string_view id) {
  std::string out = "{\"id\":";
  append_json_text(out, id);
  return out.append(R"(,"state":"queued"})");
}

std::string answer_json(std::string_view id, const Answer& answer) {
  std::string out = "{\"id\":";
  append_json_text(out, id);
  append_word(out, "state", to_text(answer.state));
  if (answer.state == State::confirmed) append_decimal(out, "order_id", answer.lsn);
  if (answer.state == State::rejected) append_word(out, "reason", storage::to_text(answer.reason));
  append_number(out, "item", static_cast<std::int64_t>(answer.item));
  append_number(out, "qty", answer.qty);
  if (answer.left) append_number(out, "left", *answer.left);
  out.append(answer.stored ? R"(,"stored":true)" : R"(,"stored":false)");
  if (answer.replayed) out.append(R"(,"replayed":true)");
  out.push_back('}');
  return out;
}

std::string items_members(const std::vector<ItemRow>& rows, std::optional<std::uint64_t> next) {
  std::string out = "\"items\":[";
  for (const auto& row : rows) {
    if (&row != &rows.front()) out.push_back(',');
    append_row(out, row);
  }
  out.push_back(']');
  if (next) append_number(out, "next", static_cast<std::int64_t>(*next));
  return out;
}

}  // namespace stampede::actors
