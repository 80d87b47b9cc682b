#include "actors/webapp/compat/page_answers.h"

#include <chrono>

namespace stampede::actors {

namespace {

namespace chr = std::chrono;

constexpr std::uint64_t kExactMax = (std::uint64_t{1} << 53) - 1;  // Number.MAX_SAFE_INTEGER
constexpr chr::hours kChinaTime{8};

PageJson exact(std::uint64_t number) {
  if (number > kExactMax) return std::to_string(number);
  return number;
}

std::string two_digits(std::int64_t number) {
  return (number < 10 ? "0" : "") + std::to_string(number);
}

PageJson yuan(std::int64_t cents) {
  if (cents < 0 || static_cast<std::uint64_t>(cents) > kExactMax)
    return std::to_string(cents / 100) + "." + two_digits(cents < 0 ? 0 : cents % 100);
  return static_cast<double>(cents) / 100;
}

// As the pages count them.
int status_number(PromoState state) {
  switch (state) {
    case PromoState::coming:
      return 1;
    case PromoState::running:
      return 2;
    case PromoState::ended:
      break;
  }
  return 3;
}

void add_promo(PageJson& data, const OwnedItemRow& item) {
  data["promoStatus"] = item.promo ? status_number(item.promo->state) : 0;
  data["promoPrice"] = item.promo ? yuan(item.promo->price_cents) : PageJson();
  data["promoId"] = item.promo ? exact(item.promo->promo) : PageJson();
  data["startDate"] = item.promo ? PageJson(page_date(item.promo->starts_at_ms)) : PageJson();
}

PageText rejection_text(const Answer& answer) {
  if (answer.reason == RejectReason::limit_reached) return refusal_text(Code::limit_reached);
  if (answer.left.value_or(0) > 0) return {PageCode::sold_out, "库存不足"};
  return refusal_text(Code::sold_out);
}

}  // namespace

std::string page_body(const PageText& says, const PageJson& data) {
  const PageJson body = {{"code", static_cast<int>(says.code)}, {"msg", says.text}, {"data", data}};
  return body.dump(-1, ' ', false, PageJson::error_handler_t::replace);
}

std::string page_item(const OwnedItemRow& item) {
  PageJson data = {{"id", exact(item.item)},
                   {"title", item.terms.name},
                   {"description", item.sale.description},
                   {"price", yuan(item.terms.price_cents)},
                   {"stock", item.left},
                   {"sales", sold(item.terms.total, item.left)},
                   {"imgUrl", item.sale.image_url}};
  add_promo(data, item);
  return page_body({PageCode::done, "成功"}, data);
}

std::string page_decision(const Answer& answer, std::string_view id) {
  if (answer.state != State::confirmed) return page_body(rejection_text(answer));
  PageJson data = {{"id", std::to_string(answer.lsn)},
                   {"requestId", id},
                   {"itemId", exact(answer.item)},
                   {"amount", answer.qty},
                   {"promoId", answer.promo == kNoNumber ? PageJson() : exact(answer.promo)},
                   {"itemPrice", yuan(answer.unit_price_cents)}};
  if (answer.fulfilment != storage::Fulfilment::unpaid)
    return page_body({PageCode::done, "下单成功"}, data);
  data["payBy"] = page_date(answer.at_ms);
  return page_body({PageCode::done, "下单成功，请按时付款"}, data);
}

std::string page_session(std::string_view token) {
  return page_body({PageCode::logged_in, "登录成功"}, token);
}

std::string page_date(std::int64_t ms) {
  const auto at =
      chr::ceil<chr::seconds>(chr::sys_time<chr::milliseconds>{chr::milliseconds{ms}}) + kChinaTime;
  const auto midnight = chr::floor<chr::days>(at);
  const chr::year_month_day date{midnight};
  const chr::hh_mm_ss time{at - midnight};
  return std::to_string(static_cast<int>(date.year())) + "-" +
         two_digits(static_cast<unsigned>(date.month())) + "-" +
         two_digits(static_cast<unsigned>(date.day())) + " " + two_digits(time.hours().count()) +
         ":" + two_digits(time.minutes().count()) + ":" + two_digits(time.seconds().count()) +
         " GMT+0800";
}

}  // namespace stampede::actors
