#include "actors/webapp/http/http_json.h"

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

}  // namespace

std::string to_text(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::optional<BodyFault> parse_order_body(std::string_view body, OrderBody& order) {
  // The library takes a NUL for the end of the text.
  if (body.find('\0') != std::string_view::npos) return BodyFault{"", "a NUL is no JSON"};
  OrderSax sax(order);
  nlohmann::json::sax_parse(body.begin(), body.end(), &sax);
  return sax.finish();
}

Json queued_json(std::string_view id) {
  return {{"id", id}, {"state", to_text(State::queued)}};
}

Json answer_json(std::string_view id, const Answer& answer) {
  Json json = {{"id", id}, {"state", to_text(answer.state)}};
  if (answer.state == State::confirmed) json["order_id"] = std::to_string(answer.lsn);
  if (answer.state == State::rejected) json["reason"] = storage::to_text(answer.reason);
  json["item"] = answer.item;
  json["qty"] = answer.qty;
  if (answer.left) json["left"] = *answer.left;
  json["stored"] = answer.stored;
  if (answer.replayed) json["replayed"] = true;
  return json;
}

Json item_json(const HttpItem& item) {
  Json json = {{"item", item.item}};
  each_term(
      [&](const storage::Term& term, const auto& value) {
        if (term.shown) json[std::string(term.name)] = value;
      },
      item.terms);
  json["left"] = item.left;
  json["seq"] = std::to_string(item.seq);
  json["state"] = item_state({item.item, storage::view_of(item.terms), item.left, item.seq});
  return json;
}

}  // namespace stampede::actors
