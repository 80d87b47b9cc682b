#include "actors/sale/promo_rules.h"

#include <algorithm>

#include "actors/sale/limits.h"
#include "actors/sale/term_bounds.h"
#include "storage/commands/promo_terms.h"

namespace stampede::actors {

namespace {

using storage::PromoPut;
using storage::Term;

PromoDecision refused(Code code, std::string field) {
  PromoDecision decision;
  decision.error = code;
  decision.field = std::move(field);
  return decision;
}

// The gate that a promo has where it says none: promos of before are kept as they were put.
PromoPut with_gate(PromoPut put) {
  if (put.gate_factor == 0) put.gate_factor = storage::kGateFactorDefault;
  return put;
}

bool say_the_same(const PromoPut& one, const PromoPut& other) {
  return same_terms(with_gate(one), with_gate(other));
}

// The promo as it is, with what the request says of it.
PromoPut with_given(const PromoPut& now, const PromoRequest& request) {
  PromoPut put = now;
  std::uint32_t at = 0;
  each_promo_term(
      [&](const Term&, auto& to, const auto& from) {
        if (((request.given >> at++) & 1U) != 0) to = from;
      },
      put, request.put);
  return put;
}

// At the earliest when it has sold nothing later; one that has not begun never will.
PromoPut ended(const PromoTable::Promo& promo, std::int64_t now_ms) {
  auto put = promo.terms();
  put.ends_at_ms =
      std::min(put.ends_at_ms, std::max({now_ms, put.starts_at_ms, promo.last_order_ms + 1}));
  return put;
}

// A window may only be changed where nothing was decided by it.
PromoDecision judge_window(const PromoTable& promos, const PromoTable::Promo* before,
                           const PromoPut& put, std::int64_t now_ms) {
  const bool begun = before != nullptr && before->put.starts_at_ms <= now_ms;
  if (begun && put.starts_at_ms != before->put.starts_at_ms)
    return refused(Code::bad_request, "starts_at_ms");
  if (put.ends_at_ms <= put.starts_at_ms) return refused(Code::bad_request, "ends_at_ms");
  if (before != nullptr && put.ends_at_ms <= before->last_order_ms)
    return refused(Code::bad_request, "ends_at_ms");
  if (const auto* other = promos.overlapping(put))
    return refused(Code::bad_request, "promo " + std::to_string(other->put.promo));
  return {};
}

PromoDecision judge_add(const PromoTable& promos, const PromoRequest& request,
                        std::int64_t now_ms) {
  const auto* there = promos.find(request.put.promo);
  PromoDecision decision;
  if (there != nullptr) {
    if (!say_the_same(there->terms(), request.put)) return refused(Code::bad_request, "promo");
  } else {
    if (promos.full()) return refused(Code::overloaded, std::string(limit::kPromos));
    decision = judge_window(promos, nullptr, request.put, now_ms);
    decision.changed = decision.error == Code::none;
  }
  decision.put = with_gate(request.put);
  return decision;
}

PromoDecision judge_set(const PromoTable& promos, const PromoTable::Promo& there,
                        const PromoRequest& request, std::int64_t now_ms) {
  const auto put = with_given(there.terms(), request);
  if (put.item != there.put.item) return refused(Code::bad_request, "item");
  const bool moved =
      put.starts_at_ms != there.put.starts_at_ms || put.ends_at_ms != there.put.ends_at_ms;
  const bool fixed = there.put.starts_at_ms <= now_ms || there.granted > 0;
  if (put.ticket != there.put.ticket && fixed) return refused(Code::bad_request, "ticket");
  auto decision = moved ? judge_window(promos, &there, put, now_ms) : PromoDecision{};
  decision.put = put;
  return decision;
}

PromoRequest with_moments(PromoRequest request, std::int64_t now_ms) {
  if ((request.from_now & PromoRequest::kStartsFromNow) != 0) request.put.starts_at_ms += now_ms;
  if ((request.from_now & PromoRequest::kEndsFromNow) != 0) request.put.ends_at_ms += now_ms;
  return request;
}

}  // namespace

bool gate_holds(const PromoTable& promos, const PromoPut& put, std::int64_t total) {
  const auto* there = promos.find(put.promo);
  const bool same = there == nullptr || gate_of(there->put, 1) == gate_of(put, 1);
  return same || there->granted <= gate_of(put, total);
}

PromoDecision judge_promo(const PromoTable& promos, const PromoRequest& asked,
                          std::int64_t now_ms) {
  const auto request = with_moments(asked, now_ms);
  if (request.put.promo > kItemIdMax) return refused(Code::bad_request, "promo");
  PromoDecision decision;
  if (request.action == PromoAction::add) {
    decision = judge_add(promos, request, now_ms);
  } else {
    const auto* there = promos.find(request.put.promo);
    if (there == nullptr) return refused(Code::unknown_promo, "promo");
    if (request.action == PromoAction::end)
      decision.put = ended(*there, now_ms);
    else
      decision = judge_set(promos, *there, request, now_ms);
    decision.changed = decision.error == Code::none && !say_the_same(decision.put, there->terms());
  }
  std::string_view wrong;
  each_promo_term(TermBounds{wrong}, decision.put);
  if (decision.error == Code::none && !wrong.empty())
    return refused(Code::bad_request, std::string(wrong));
  return decision;
}

}  // namespace stampede::actors
