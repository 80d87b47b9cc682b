#include "actors/webapp/compat/page_texts.h"

#include <algorithm>
#include <array>
#include <utility>

namespace stampede::actors {

namespace {

struct Row {
  Code code;
  PageCode says;
  std::string_view text;
};

constexpr std::string_view kBusy = "系统繁忙，请稍后再试";

constexpr std::array<Row, 23> kRows{{
    {Code::sold_out, PageCode::sold_out, "商品已售罄"},
    {Code::sold_out_for_now, PageCode::sold_out, "商品暂时售罄，请稍后再试"},
    {Code::limit_reached, PageCode::failed, "已达到每人限购数量"},
    {Code::unknown_item, PageCode::unknown_item, "商品不存在"},
    {Code::overloaded, PageCode::failed, kBusy},
    {Code::replaying, PageCode::failed, kBusy},
    {Code::draining, PageCode::failed, kBusy},
    {Code::no_backend, PageCode::failed, kBusy},
    {Code::log_unavailable, PageCode::failed, kBusy},
    {Code::deadline_passed, PageCode::failed, kBusy},
    {Code::internal, PageCode::failed, kBusy},
    {Code::not_started, PageCode::failed, "活动尚未开始"},
    {Code::ended, PageCode::failed, "活动已结束"},
    {Code::unknown_promo, PageCode::failed, "活动不存在，或不是该商品的活动"},
    {Code::not_allowed, PageCode::failed, "没有权限进行此操作"},
    {Code::closed, PageCode::failed, "商品已停止销售"},
    {Code::promo_only, PageCode::failed, "该商品只在活动期间销售"},
    {Code::unpaid_limit, PageCode::failed, "未付款的商品过多，请先付款或取消"},
    {Code::ticket_required, PageCode::failed, "该活动需要秒杀令牌，本页面不支持领取"},
    {Code::gate_closed, PageCode::failed, "活动名额已满"},
    {Code::rate_limited, PageCode::failed, "请求过于频繁"},
    {Code::not_logged_in, PageCode::not_logged_in, "您还未登录，无法下单"},
    {Code::session_expired, PageCode::not_logged_in, "登录已过期，请重新登录"},
}};

// The name that a form has for it.
std::string_view form_name(std::string_view field) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kNames{
      {{"item", "itemId"},
       {"qty", "amount"},
       {"promo", "promoId"},
       {"user", "token"},
       {"phone", "telphone"}}};
  for (const auto& [ours, theirs] : kNames)
    if (field == ours) return theirs;
  return field;
}

PageText bad_field_text(std::string_view field) {
  if (field.empty()) return {PageCode::bad_field, "请求必须是一个完整的表单"};
  return {PageCode::bad_field, "请求参数有误：" + std::string(form_name(field))};
}

std::string with_seconds(std::string_view text, std::int64_t retry_after_ms) {
  std::string told(text);
  if (retry_after_ms <= 0) return told;
  return told + "，请" + std::to_string((retry_after_ms - 1) / 1000 + 1) + "秒后再试";
}

// A code of a session that is none any more, whichever: the way on is the page to log in.
PageText other_text(Code code) {
  if (info(code).http_status == 401) return {PageCode::not_logged_in, "登录已失效，请重新登录"};
  return {PageCode::failed, "操作失败"};
}

// What is refused like this may have been decided all the same.
bool leaves_open(Code code) {
  switch (code) {
    case Code::deadline_passed:
    case Code::no_backend:
    case Code::replaying:
    case Code::log_unavailable:
    case Code::internal:
      return true;
    default:
      return false;
  }
}

// What is refused like this at once was not decided; at the end of a wait nobody knows.
bool leaves_open_late(Code code) {
  return code == Code::overloaded || code == Code::draining;
}

}  // namespace

PageText refusal_text(Code code, std::string_view field, std::int64_t retry_after_ms) {
  if (code == Code::bad_request) return bad_field_text(field);
  const auto* row =
      std::find_if(kRows.begin(), kRows.end(), [&](const Row& one) { return one.code == code; });
  if (row == kRows.end()) return other_text(code);
  const bool timed = code == Code::not_started || code == Code::rate_limited;
  return {row->says, with_seconds(row->text, timed ? retry_after_ms : 0)};
}

PageText order_refusal_text(Code code, bool waited, std::string_view field,
                            std::int64_t retry_after_ms) {
  if (leaves_open(code) || (waited && leaves_open_late(code)))
    return {PageCode::undecided, "下单结果未知，请稍后再查看，不要重复下单"};
  return refusal_text(code, field, retry_after_ms);
}

PageText login_refusal_text(Code code, std::string_view field, std::int64_t retry_after_ms) {
  if (code == Code::not_logged_in) return {PageCode::login_failed, "手机号或密码错误"};
  auto told = refusal_text(code, field, retry_after_ms);
  if (told.code == PageCode::failed) told.code = PageCode::login_failed;
  return told;
}

PageText no_accounts_text() {
  return {PageCode::login_failed, "此处不提供账号登录，请从商城登录"};
}

}  // namespace stampede::actors
