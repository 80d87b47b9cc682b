#include "storage/snapshot/snapshot_entries.h"

#include <algorithm>
#include <type_traits>

#include "storage/commands/command_arguments.h"
#include "storage/commands/sale_terms.h"

namespace stampede::storage {

std::string_view encode(EntryWriter& out, const SnapshotSummary& e) {
  for (const auto number : {e.items, e.users, e.known, e.rejections, e.owed_orders, e.owed_puts,
                            e.owed_amounts, e.records, e.decisions, e.commands, e.done, e.last_emit,
                            e.max_executed, e.rejections_max}) {
    out.number(number);
  }
  if (out.level() >= FeatureLevel::sale)
    out.number(e.owed_promos).number(e.promos).number(e.decided_at_us);
  const bool sessions = (e.ended_sessions | e.newest_sessions) != 0;
  const bool tickets = sessions || (e.owed_grants | e.grants | e.tickets) != 0;
  if (tickets || (e.owed_updates | e.owed_stock | e.held | e.payments) != 0)
    out.number(e.owed_updates).number(e.owed_stock).number(e.held).number(e.payments);
  if (tickets) out.number(e.owed_grants).number(e.grants).number(e.tickets);
  if (sessions) out.number(e.ended_sessions).number(e.newest_sessions);
  return out.take();
}

bool decode(EntryReader& in, SnapshotSummary& e) {
  for (auto* number : {&e.items, &e.users, &e.known, &e.rejections, &e.owed_orders, &e.owed_puts,
                       &e.owed_amounts, &e.records, &e.decisions, &e.commands, &e.done,
                       &e.last_emit, &e.max_executed, &e.rejections_max}) {
    *number = in.number<std::uint64_t>();
  }
  if (in.level() >= FeatureLevel::sale) {
    e.owed_promos = in.number<std::uint64_t>();
    e.promos = in.number<std::uint64_t>();
    e.decided_at_us = in.number<std::uint64_t>();
    if (in.at_end()) return !in.failed();
    for (auto* number : {&e.owed_updates, &e.owed_stock, &e.held, &e.payments})
      *number = in.number<std::uint64_t>();
    if (in.at_end()) return !in.failed();
    for (auto* number : {&e.owed_grants, &e.grants, &e.tickets})
      *number = in.number<std::uint64_t>();
    if (in.at_end()) return !in.failed();
    for (auto* number : {&e.ended_sessions, &e.newest_sessions})
      *number = in.number<std::uint64_t>();
  }
  return !in.failed() && in.at_end();
}

namespace {

// In the length of an item's name, which is far shorter: terms of its sale follow it.
constexpr std::uint16_t kWithSaleTerms = 0x8000;
static_assert(kItemNameBytesMax < kWithSaleTerms && kAddedTerms == 0);

void write_text(EntryWriter& out, std::string_view text, std::uint16_t flags = 0) {
  out.number(static_cast<std::uint16_t>(text.size() | flags)).text(text);
}

struct TermWriter {
  EntryWriter& out;
  void operator()(const Term&, std::string_view value) { write_text(out, value); }
  template <class Number>
  void operator()(const Term&, const Number& value) {
    out.number(value);
  }
};

struct TermReader {
  EntryReader& in;
  void operator()(const Term&, std::string_view& value) {
    value = in.text(in.number<std::uint16_t>());
  }
  template <class Number>
  void operator()(const Term&, Number& value) {
    value = in.number<Number>();
  }
};

bool within_bounds(const ItemSale& sale) {
  bool good = true;
  const auto fits = [&](const Term& term, std::uint64_t number) {
    good = good && number <= static_cast<std::uint64_t>(term.max);
  };
  each_sale_term(
      [&](const Term& term, const auto& value) {
        if constexpr (std::is_same_v<decltype(value), const std::string_view&>)
          fits(term, value.size());
        else
          fits(term, value);
      },
      sale);
  return good;
}

}  // namespace

std::string_view encode(EntryWriter& out, const SnapshotItem& e) {
  const std::uint32_t sale = sale_terms(e.sale);
  out.number(e.id)
      .number(e.terms.price_cents)
      .number(e.terms.total)
      .number(e.amount)
      .number(e.put_lsn)
      .number(e.lsn)
      .number(e.terms.limit_per_user)
      .number(static_cast<std::uint16_t>(e.terms.max_qty));
  write_text(out, e.terms.name, sale > 0 ? kWithSaleTerms : 0);
  if (sale > 0) out.number(static_cast<std::uint8_t>(sale));
  each_sale_term_of(sale, TermWriter{out}, e.sale);
  return out.take();
}

bool decode(EntryReader& in, SnapshotItem& e) {
  e.id = in.number<std::uint64_t>();
  e.terms = {};
  e.terms.price_cents = in.number<std::int64_t>();
  e.terms.total = in.number<std::int64_t>();
  e.amount = in.number<std::int64_t>();
  e.put_lsn = in.number<Lsn>();
  e.lsn = in.number<Lsn>();
  e.terms.limit_per_user = in.number<std::uint32_t>();
  e.terms.max_qty = in.number<std::uint16_t>();
  const auto size = in.number<std::uint16_t>();
  e.terms.name = in.text(static_cast<std::uint16_t>(size & ~kWithSaleTerms));
  e.sale = {};
  const std::uint32_t sale = (size & kWithSaleTerms) != 0 ? in.number<std::uint8_t>() : 0;
  each_sale_term_of(sale, TermReader{in}, e.sale);
  return !in.failed() && sale <= kSaleTerms && within_bounds(e.sale) && e.amount >= 0 &&
         e.put_lsn <= e.lsn;
}

std::string_view encode(EntryWriter& out, const SnapshotUser& e) {
  return out.number(e.key).number(e.qty).take();
}

bool decode(EntryReader& in, SnapshotUser& e) {
  e.key = in.number<std::uint64_t>();
  e.qty = in.number<std::uint64_t>();
  return !in.failed();
}

namespace {

EntryWriter& write_decision(EntryWriter& out, const KnownDecision& e) {
  return out.number(e.hash[0])
      .number(e.hash[1])
      .number(e.content)
      .number(e.lsn)
      .number(e.item_position)
      .number(e.qty)
      .number(static_cast<std::uint8_t>(e.kind))
      .number(static_cast<std::uint8_t>(e.reason));
}

}  // namespace

std::string_view encode(EntryWriter& out, const KnownDecision& e) {
  return write_decision(out, e).take();
}

bool decode(EntryReader& in, KnownDecision& e) {
  EntryReader one(in.text(kKnownDecisionBytes));
  e.hash[0] = one.number<std::uint64_t>();
  e.hash[1] = one.number<std::uint64_t>();
  e.content = one.number<std::uint64_t>();
  e.lsn = one.number<Lsn>();
  e.item_position = one.number<std::uint32_t>();
  e.qty = one.number<std::uint16_t>();
  const auto kind = one.number<std::uint8_t>();
  const auto reason = one.number<std::uint8_t>();
  e.kind = static_cast<KnownKind>(kind);
  e.reason = static_cast<RejectReason>(reason);
  const bool rejected = kind == static_cast<std::uint8_t>(KnownKind::rejected);
  return !in.failed() && kind >= 1 && kind <= 3 &&
         (rejected ? reason >= 1 && reason <= 2 : reason == 0);
}

std::string_view encode(EntryWriter& out, const KnownRejection& e) {
  write_decision(out, e.decision);
  if (out.level() != FeatureLevel::format_1) out.number(e.user_hash);
  return out.take();
}

bool decode(EntryReader& in, KnownRejection& e) {
  if (!decode(in, e.decision)) return false;
  e.user_hash = in.level() != FeatureLevel::format_1 ? in.number<std::uint64_t>() : 0;
  return !in.failed();
}

namespace {

// The arguments of a command; none of them is what may be nil.
struct ArgumentsWriter {
  EntryWriter& out;
  void operator()(std::string_view, WithinText<const std::string_view> value) {
    write_text(out, value.value);
  }
  void operator()(std::string_view, AsHex<const std::uint64_t> value) { out.number(value.value); }
  template <class Number>
  void operator()(std::string_view, Within<Number> value) {
    out.number(value.value);
  }
};

struct ArgumentsReader {
  EntryReader& in;
  bool& bounded;
  void operator()(std::string_view, WithinText<std::string_view> value) {
    value.value = in.text(in.number<std::uint16_t>());
    bounded = bounded && value.value.size() <= value.max;
  }
  void operator()(std::string_view, AsHex<std::uint64_t> value) {
    value.value = in.number<std::uint64_t>();
  }
  template <class Number>
  void operator()(std::string_view, Within<Number> value) {
    value.value = in.number<Number>();
    bounded = bounded && static_cast<std::int64_t>(value.value) >= value.min &&
              static_cast<std::int64_t>(value.value) <= value.max;
  }
};

}  // namespace

std::string_view encode(EntryWriter& out, const SnapshotPromo& e) {
  each_command_argument(e.put, ArgumentsWriter{out});
  return out.number(e.put_lsn).number(e.last_order_ms).take();
}

bool decode(EntryReader& in, SnapshotPromo& e) {
  bool bounded = true;
  each_command_argument(e.put, ArgumentsReader{in, bounded});
  e.put_lsn = in.number<Lsn>();
  e.last_order_ms = in.number<std::int64_t>();
  return !in.failed() && bounded && e.put_lsn > 0 && e.last_order_ms >= -1;
}

std::string_view encode(EntryWriter& out, const SnapshotHeld& e) {
  return out.number(e.lsn)
      .number(e.user_on_item)
      .number(e.user_in_promo)
      .number(e.unit_price_cents)
      .number(e.promo)
      .number(e.at_ms)
      .number(static_cast<std::uint8_t>(e.fulfilment))
      .number(e.counted)
      .take();
}

bool decode(EntryReader& in, SnapshotHeld& e) {
  e.lsn = in.number<Lsn>();
  e.user_on_item = in.number<std::uint64_t>();
  e.user_in_promo = in.number<std::uint64_t>();
  e.unit_price_cents = in.number<std::int64_t>();
  e.promo = in.number<std::uint64_t>();
  e.at_ms = in.number<std::int64_t>();
  const auto fulfilment = in.number<std::uint8_t>();
  e.fulfilment = static_cast<Fulfilment>(fulfilment);
  e.counted = in.number<std::uint8_t>();
  return !in.failed() && fulfilment >= static_cast<std::uint8_t>(Fulfilment::unpaid) &&
         fulfilment <= static_cast<std::uint8_t>(Fulfilment::refund_due) && e.counted <= 3 &&
         e.unit_price_cents >= 0;
}

std::string_view encode(EntryWriter& out, const SnapshotPayment& e) {
  return out.number(e.hash[0]).number(e.hash[1]).number(e.order).take();
}

bool decode(EntryReader& in, SnapshotPayment& e) {
  e.hash[0] = in.number<std::uint64_t>();
  e.hash[1] = in.number<std::uint64_t>();
  e.order = in.number<Lsn>();
  return !in.failed();
}

std::string_view encode(EntryWriter& out, const SnapshotGrant& e) {
  return out.number(e.promo).number(e.granted).number(e.lsn).take();
}

bool decode(EntryReader& in, SnapshotGrant& e) {
  e.promo = in.number<std::uint64_t>();
  e.granted = in.number<std::uint64_t>();
  e.lsn = in.number<Lsn>();
  return !in.failed() && e.granted > 0 && e.lsn > 0;
}

std::string_view encode(EntryWriter& out, const SnapshotTicket& e) {
  out.number(e.key).number(e.expires_at_ms).number(static_cast<std::uint8_t>(e.id.size()));
  return out.text(e.id).take();
}

bool decode(EntryReader& in, SnapshotTicket& e) {
  e.key = in.number<std::uint64_t>();
  e.expires_at_ms = in.number<std::int64_t>();
  e.id = in.text(in.number<std::uint8_t>());
  return !in.failed() && e.expires_at_ms >= 0 && e.expires_at_ms <= arguments::kTimeMsMax;
}

std::string_view encode(EntryWriter& out, const SnapshotEndedSession& e) {
  return out.number(e.session[0])
      .number(e.session[1])
      .number(e.lsn)
      .number(e.until_ms)
      .number(e.what)
      .take();
}

bool decode(EntryReader& in, SnapshotEndedSession& e) {
  e.session[0] = in.number<std::uint64_t>();
  e.session[1] = in.number<std::uint64_t>();
  e.lsn = in.number<Lsn>();
  e.until_ms = in.number<std::int64_t>();
  e.what = in.number<std::uint8_t>();
  return !in.failed() && e.lsn > 0 && e.until_ms >= 0 && e.until_ms <= arguments::kTimeMsMax &&
         e.what >= 1 && e.what <= 3;
}

std::string_view encode(EntryWriter& out, const SnapshotNewestSession& e) {
  return out.number(e.user)
      .number(e.session[0])
      .number(e.session[1])
      .number(e.lsn)
      .number(e.until_ms)
      .take();
}

bool decode(EntryReader& in, SnapshotNewestSession& e) {
  e.user = in.number<std::uint64_t>();
  e.session[0] = in.number<std::uint64_t>();
  e.session[1] = in.number<std::uint64_t>();
  e.lsn = in.number<Lsn>();
  e.until_ms = in.number<std::int64_t>();
  return !in.failed() && e.lsn > 0 && e.until_ms >= 0 && e.until_ms <= arguments::kTimeMsMax;
}

std::string_view encode(EntryWriter& out, const SnapshotOwed& e) {
  const bool counted = out.level() != FeatureLevel::format_1;
  return out.number(e.item)
      .number(e.lsn)
      .number(e.position)
      .number(counted ? e.tries : std::min(e.tries, 1U))
      .number(e.amount)
      .number(static_cast<std::uint32_t>(e.payload.size()))
      .text(e.payload)
      .take();
}

bool decode(EntryReader& in, SnapshotOwed& e) {
  e.item = in.number<std::uint64_t>();
  e.lsn = in.number<Lsn>();
  e.position = in.number<std::uint32_t>();
  e.tries = in.number<std::uint32_t>();
  e.amount = in.number<std::int64_t>();
  const auto size = in.number<std::uint32_t>();
  e.payload = in.text(size);
  const bool counted = in.level() != FeatureLevel::format_1;
  return !in.failed() && (counted || e.tries <= 1) && size <= kRecordPayloadBytesMax;
}

}  // namespace stampede::storage
