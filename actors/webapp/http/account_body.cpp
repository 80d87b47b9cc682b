#include "actors/webapp/http/account_body.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

namespace stampede::actors {

namespace {

BodyFault fault_of(std::string_view field, std::string_view text) {
  return {Code::bad_request, std::string(field), std::string(text)};
}

BodyFault fault_of(const AccountFault& fault) {
  return fault_of(fault.field, fault.text);
}

struct TextMember {
  std::string_view name;
  std::string* value;
  bool needed = true;
  bool seen = false;
};

// The members of one body, in whatever order they come. The first fault counts.
class TextMembers {
 public:
  explicit TextMembers(std::vector<TextMember> members) : members_(std::move(members)) {}

  [[nodiscard]] bool has(std::string_view name) const {
    return std::any_of(members_.begin(), members_.end(),
                       [&](const TextMember& one) { return one.name == name; });
  }
  // Null, and a fault: there may be no such member, or not once more.
  std::string* open(std::string_view name) {
    const auto found = std::find_if(members_.begin(), members_.end(),
                                    [&](const TextMember& one) { return one.name == name; });
    if (found == members_.end()) return refuse(name, "unknown member");
    if (found->seen) return refuse(name, "this member is there twice");
    found->seen = true;
    return found->value;
  }
  std::string* refuse(std::string_view name, std::string_view text) {
    if (!fault_) fault_ = fault_of(name, text);
    return nullptr;
  }
  std::optional<BodyFault> finish() {
    for (const auto& one : members_)
      if (one.needed && !one.seen) refuse(one.name, "this member is missing");
    return std::move(fault_);
  }

 private:
  std::vector<TextMember> members_;
  std::optional<BodyFault> fault_;
};

// Takes one flat object of texts; anything else ends the parse with a fault.
class TextSax final : public nlohmann::json::json_sax_t {
 public:
  explicit TextSax(TextMembers& members) : members_(members) {}

  bool null() override { return wrong(); }
  bool boolean(bool) override { return wrong(); }
  bool number_integer(number_integer_t) override { return wrong(); }
  bool number_unsigned(number_unsigned_t) override { return wrong(); }
  bool number_float(number_float_t, const string_t&) override { return wrong(); }
  bool binary(binary_t&) override { return wrong(); }
  bool start_array(std::size_t) override { return wrong(); }
  bool end_array() override { return wrong(); }
  bool end_object() override { return true; }
  bool start_object(std::size_t) override {
    if (inside_) return wrong();
    return inside_ = true;
  }
  bool key(string_t& name) override {
    key_ = name;
    value_ = members_.open(name);
    return value_ != nullptr;
  }
  bool string(string_t& value) override {
    if (value_ == nullptr) return wrong();
    *value_ = std::move(value);
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception&) override {
    return members_.refuse("", "the body is not JSON in UTF-8") != nullptr;
  }

 private:
  bool wrong() {
    if (!inside_) return members_.refuse("", "the body must be a JSON object") != nullptr;
    return members_.refuse(key_, "this member must be a text") != nullptr;
  }

  TextMembers& members_;
  bool inside_ = false;
  std::string key_;
  std::string* value_ = nullptr;
};

std::optional<BodyFault> read_json(std::string_view body, TextMembers&& members) {
  // The library takes a NUL for the end of the text.
  if (body.find('\0') != std::string_view::npos) return fault_of("", "a NUL is no JSON");
  TextSax sax(members);
  nlohmann::json::sax_parse(body.begin(), body.end(), &sax);
  return members.finish();
}

std::optional<BodyFault> read_form(const Form& form, TextMembers&& members) {
  for (const auto& pair : form.pairs) {
    if (!members.has(pair.name)) continue;  // a page's own
    auto* value = members.open(pair.name);
    if (value == nullptr) break;
    *value = pair.value;
  }
  return members.finish();
}

TextMembers members_of(NewAccount& account) {
  return TextMembers({{"user", &account.user},
                      {"password", &account.password},
                      {"name", &account.name, false},
                      {"phone", &account.phone, false}});
}

TextMembers members_of(LoginBody& login) {
  return TextMembers({{"user", &login.user}, {"password", &login.password}});
}

std::optional<BodyFault> judged(std::optional<BodyFault> fault, const NewAccount& account) {
  if (fault) return fault;
  const auto wrong = account_fault(account);
  return wrong ? std::optional(fault_of(*wrong)) : std::nullopt;
}

std::optional<BodyFault> judged(std::optional<BodyFault> fault, const LoginBody& login) {
  if (fault) return fault;
  const auto wrong = login_fault(login.user, false, login.password);
  return wrong ? std::optional(fault_of(*wrong)) : std::nullopt;
}

}  // namespace

std::optional<BodyFault> parse_account_body(std::string_view body, NewAccount& account) {
  return judged(read_json(body, members_of(account)), account);
}

std::optional<BodyFault> parse_account_form(const Form& form, NewAccount& account) {
  return judged(read_form(form, members_of(account)), account);
}

std::optional<BodyFault> parse_login_body(std::string_view body, LoginBody& login) {
  return judged(read_json(body, members_of(login)), login);
}

std::optional<BodyFault> parse_login_form(const Form& form, LoginBody& login) {
  return judged(read_form(form, members_of(login)), login);
}

}  // namespace stampede::actors
