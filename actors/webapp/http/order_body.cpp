#include "actors/webapp/http/order_body.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace stampede::actors {

namespace {

constexpr std::string_view kNotAllowed = "this member has a value that is not allowed";
constexpr std::string_view kTwice = "this member is there twice";
constexpr std::string_view kMissing = "this member is missing";
constexpr std::string_view kUnknown = "unknown member";

// Its bytes are looked at by whoever knows the keys.
bool valid_token(std::string_view token) {
  return !token.empty() && token.size() <= kSf1TokenBytesMax;
}

// The members of one order, in whatever order they come. The first fault counts.
class OrderMembers {
 public:
  enum Member : unsigned {
    kId = 1,
    kItem = 2,
    kUser = 4,
    kQty = 8,
    kPromo = 16,
    kValidUntil = 32,
    kTicket = 64,
    kToken = 128
  };

  explicit OrderMembers(Sessions sessions) : sessions_(sessions) {}

  bool key(std::string& name);
  bool number(std::uint64_t value);
  bool text(std::string& value);
  bool wrong() { return fault(kNotAllowed); }
  bool finish();  // false: there is a fault

  [[nodiscard]] HttpOrder& order() { return order_; }
  [[nodiscard]] std::string& field() { return field_; }
  [[nodiscard]] std::string_view fault_text() const { return fault_; }
  [[nodiscard]] bool id_at_fault() const { return id_at_fault_; }

 private:
  bool fault(std::string_view text) {
    if (now_ == kId) id_at_fault_ = true;
    if (fault_.empty()) fault_ = text, field_ = key_;
    return false;
  }
  bool missing(std::string_view name) {
    now_ = 0;
    key_ = name;
    return fault(kMissing);
  }

  Sessions sessions_;
  HttpOrder order_;
  unsigned seen_ = 0;
  unsigned now_ = 0;  // the member whose value comes next
  bool id_at_fault_ = false;
  std::string key_;
  std::string field_;
  std::string_view fault_;
};

bool OrderMembers::key(std::string& name) {
  key_ = name;
  now_ = key_ == "id"               ? kId
         : key_ == "item"           ? kItem
         : key_ == "user"           ? kUser
         : key_ == "qty"            ? kQty
         : key_ == "promo"          ? kPromo
         : key_ == "valid_until_ms" ? kValidUntil
         : key_ == "ticket"         ? kTicket
         : key_ == "token"          ? kToken
                                    : 0U;
  if (now_ == 0) return fault(kUnknown);
  if ((seen_ & now_) != 0) return fault(kTwice);
  seen_ |= now_;
  return true;
}

bool OrderMembers::number(std::uint64_t value) {
  if (now_ == kItem && value <= kItemIdMax) {
    order_.item = value;
    return true;
  }
  if (now_ == kQty && value >= 1 && value <= kQtyMax) {
    order_.qty = static_cast<std::uint32_t>(value);
    return true;
  }
  if (now_ == kPromo && value <= kItemIdMax) {
    order_.promo = value;
    return true;
  }
  if (now_ == kValidUntil && value >= 1 && value <= std::uint64_t{kTimeMsMax}) {
    order_.valid_until_ms = static_cast<std::int64_t>(value);
    return true;
  }
  return wrong();
}

bool OrderMembers::text(std::string& value) {
  if (now_ == kId && valid_request_id(value)) {
    order_.id = value;
    return true;
  }
  if (now_ == kUser && valid_user(value)) {
    order_.user = value;
    return true;
  }
  if (now_ == kTicket && !value.empty()) {
    order_.ticket = value;
    return true;
  }
  if (now_ == kToken && (sessions_ == Sessions::no || valid_token(value))) {
    order_.session = std::move(value);
    return true;
  }
  return wrong();
}

bool OrderMembers::finish() {
  if (fault_.empty() && (seen_ & kItem) == 0) missing("item");
  if (fault_.empty() && (seen_ & kUser) == 0 && sessions_ == Sessions::no) missing("user");
  if (fault_.empty() && (seen_ & (kTicket | kPromo)) == kTicket) missing("promo");
  return fault_.empty();
}

using Sax = nlohmann::json::json_sax_t;

constexpr std::string_view kNoJson = "the body is not JSON in UTF-8";
static_assert(kSf1BatchOrdersMax == 1000);
constexpr std::string_view kTooMany = "an array holds at most 1000 orders";
constexpr std::string_view kNoOrder = "the body must be a JSON object, or an array of them";

// What both kinds of body make of a value: it is a member's, or it stands where none may stand.
class BodySax : public Sax {
 public:
  bool null() override { return wrong(); }
  bool boolean(bool) override { return wrong(); }
  bool number_integer(number_integer_t) override { return wrong(); }  // negative
  bool number_float(number_float_t, const string_t&) override { return wrong(); }
  bool binary(binary_t&) override { return wrong(); }
  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception&) override {
    return refuse(Code::bad_request, "", kNoJson);
  }
  std::optional<BodyFault> fault;

 protected:
  virtual bool wrong() = 0;
  bool refuse(Code code, std::string_view field, std::string_view text) {
    if (!fault) fault = BodyFault{code, std::string(field), std::string(text)};
    return false;
  }
};

// Takes one flat object; anything else ends the parse with a fault.
class OrderSax final : public BodySax {
 public:
  OrderSax(HttpOrder& order, Sessions sessions) : order_(order), members_(sessions) {}

  bool start_array(std::size_t) override { return wrong(); }
  bool end_array() override { return wrong(); }
  bool number_unsigned(number_unsigned_t value) override {
    return inside_ ? members_.number(value) || tell() : wrong();
  }
  bool string(string_t& value) override {
    return inside_ ? members_.text(value) || tell() : wrong();
  }
  bool start_object(std::size_t) override {
    if (inside_) return wrong();
    return inside_ = true;
  }
  bool key(string_t& name) override { return members_.key(name) || tell(); }
  bool end_object() override {
    if (!members_.finish()) return tell();
    order_ = std::move(members_.order());
    return true;
  }

 private:
  bool wrong() override {
    if (!inside_) return refuse(Code::bad_request, "", kNoOrder);
    members_.wrong();
    return tell();
  }
  bool tell() { return refuse(Code::bad_request, members_.field(), members_.fault_text()); }

  HttpOrder& order_;
  OrderMembers members_;
  bool inside_ = false;
};

// Takes one flat object of an `id` and a `token`, which may be missing, and one member more.
class ActSax : public BodySax {
 public:
  ActSax(std::string& id, std::string& session, std::string_view member, bool may_lack = false)
      : id_(id), session_(session), member_(member), may_lack_(may_lack) {}

  bool start_array(std::size_t) override { return wrong(); }
  bool end_array() override { return wrong(); }
  bool number_unsigned(number_unsigned_t value) override {
    return (key_ == member_ && number(value)) || wrong();
  }
  bool string(string_t& value) override {
    if (key_ == member_) return text(value) || wrong();
    if (key_ == kToken && valid_token(value)) {
      session_ = std::move(value);
      return true;
    }
    if (key_ != kId || !valid_request_id(value)) return wrong();
    id_ = std::move(value);
    return true;
  }
  bool start_object(std::size_t) override {
    if (inside_) return wrong();
    return inside_ = true;
  }
  bool key(string_t& name) override {
    key_ = name;
    if (key_ != kId && key_ != member_ && key_ != kToken)
      return refuse(Code::bad_request, key_, kUnknown);
    auto& seen = key_ == kId ? id_seen_ : key_ == member_ ? member_seen_ : token_seen_;
    if (seen) return refuse(Code::bad_request, key_, kTwice);
    return seen = true;
  }
  bool end_object() override {
    return member_seen_ || may_lack_ || refuse(Code::bad_request, member_, kMissing);
  }

 protected:
  // The further member's value; false: it is not allowed.
  virtual bool number(std::uint64_t) { return false; }
  virtual bool text(std::string&) { return false; }

 private:
  static constexpr std::string_view kId = "id";
  static constexpr std::string_view kToken = "token";
  bool wrong() override {
    if (!inside_) return refuse(Code::bad_request, "", "the body must be a JSON object");
    return refuse(Code::bad_request, key_, kNotAllowed);
  }

  std::string& id_;
  std::string& session_;
  std::string_view member_;
  bool may_lack_;
  std::string key_;
  bool inside_ = false;
  bool id_seen_ = false;
  bool member_seen_ = false;
  bool token_seen_ = false;
};

class PaymentSax final : public ActSax {
 public:
  explicit PaymentSax(HttpPayment& payment)
      : ActSax(payment.id, payment.session, "amount_cents"), payment_(payment) {}

 private:
  bool number(std::uint64_t value) override {
    payment_.amount_cents = static_cast<std::int64_t>(value);
    return value <= std::uint64_t{kAmountCentsMax};
  }

  HttpPayment& payment_;
};

class TicketSax final : public ActSax {
 public:
  TicketSax(HttpTicketAsk& ask, Sessions sessions)
      : ActSax(ask.id, ask.session, "user", sessions == Sessions::needed), ask_(ask) {}

 private:
  bool text(std::string& value) override {
    ask_.user = std::move(value);
    return valid_user(ask_.user);
  }

  HttpTicketAsk& ask_;
};

// Takes an array of flat objects. A fault in one does not end the parse: what follows in it is
// looked at for its id.
class OrdersSax final : public BodySax {
 public:
  OrdersSax(OrdersBody& body, Sessions sessions)
      : body_(body), sessions_(sessions), members_(sessions) {}

  bool start_array(std::size_t) override {
    if (depth_ == 0) return ++depth_ != 0;
    return open_nested();
  }
  bool start_object(std::size_t) override {
    if (depth_ != 1) return open_nested();
    if (count() == kSf1BatchOrdersMax) return refuse(Code::too_large, "", kTooMany);
    members_ = OrderMembers(sessions_);
    return ++depth_ != 0;
  }
  bool end_array() override {
    if (--depth_ > 0 || count() > 0) return true;
    return refuse(Code::bad_request, "", "an array must hold an order");
  }
  bool end_object() override {
    if (--depth_ > 1) return true;
    if (members_.finish()) {
      body_.orders.push_back(std::move(members_.order()));
    } else {
      members_.field().resize(std::min(members_.field().size(), OrderFault::kFieldBytesMax));
      body_.faults.push_back({count(), std::move(members_.order().id), std::move(members_.field()),
                              members_.fault_text(), std::move(members_.order().user)});
    }
    return true;
  }
  bool key(string_t& name) override { return depth_ > 2 || members_.key(name) || go_on(); }
  bool number_unsigned(number_unsigned_t value) override {
    return depth_ == 2 ? members_.number(value) || go_on() : wrong();
  }
  bool string(string_t& value) override {
    return depth_ == 2 ? members_.text(value) || go_on() : wrong();
  }

 private:
  [[nodiscard]] std::uint32_t count() const {
    return static_cast<std::uint32_t>(body_.orders.size() + body_.faults.size());
  }
  [[nodiscard]] std::string here() const {
    return "the order at place " + std::to_string(count()) + " (the first is 0) ";
  }
  bool wrong() override {
    if (depth_ == 0) return refuse(Code::bad_request, "", kNoOrder);
    if (depth_ > 2) return true;  // inside a value that is wrong already
    if (depth_ == 1) return refuse(Code::bad_request, "", here() + "is no JSON object");
    return members_.wrong() || go_on();
  }
  bool open_nested() {
    if (!wrong()) return false;
    return ++depth_ != 0;
  }
  // Of an order whose id is not known nobody could say which it was.
  bool go_on() {
    if (!members_.id_at_fault()) return true;
    return refuse(Code::bad_request, "id", here() + "has an id that is not allowed");
  }

  OrdersBody& body_;
  Sessions sessions_;
  OrderMembers members_;
  unsigned depth_ = 0;  // 1: in the array, 2: in an order
};

std::optional<BodyFault> parse(std::string_view body, BodySax& sax) {
  // The library takes a NUL for the end of the text.
  if (body.find('\0') != std::string_view::npos)
    return BodyFault{Code::bad_request, "", "a NUL is no JSON"};
  nlohmann::json::sax_parse(body.begin(), body.end(), &sax);
  return std::move(sax.fault);
}

}  // namespace

std::optional<BodyFault> parse_order_body(std::string_view body, HttpOrder& order,
                                          Sessions sessions) {
  OrderSax sax(order, sessions);
  return parse(body, sax);
}

std::optional<BodyFault> parse_payment_body(std::string_view body, HttpPayment& payment) {
  PaymentSax sax(payment);
  return parse(body, sax);
}

std::optional<BodyFault> parse_ticket_body(std::string_view body, HttpTicketAsk& ask,
                                           Sessions sessions) {
  TicketSax sax(ask, sessions);
  return parse(body, sax);
}

std::string user_in(std::string_view body) {
  const auto json = nlohmann::json::parse(body.begin(), body.end(), nullptr, false);
  const auto user = json.is_object() ? json.find("user") : json.end();
  if (user == json.end() || !user->is_string()) return {};
  const auto& text = user->get_ref<const std::string&>();
  return valid_user(text) ? text : std::string{};
}

bool is_array(std::string_view body) {
  if (body.starts_with("\xEF\xBB\xBF")) body.remove_prefix(3);  // as the library does
  const auto first = body.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && body[first] == '[';
}

std::optional<BodyFault> parse_orders_body(std::string_view body, OrdersBody& orders,
                                           Sessions sessions) {
  OrdersSax sax(orders, sessions);
  return parse(body, sax);
}

}  // namespace stampede::actors
