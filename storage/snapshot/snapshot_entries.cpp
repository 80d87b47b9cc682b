#include "storage/snapshot/snapshot_entries.h"

namespace stampede::storage {

std::string_view encode(EntryWriter& out, const SnapshotSummary& e) {
  for (const auto number : {e.items, e.users, e.known, e.rejections, e.owed_orders, e.owed_puts,
                            e.owed_amounts, e.records, e.decisions, e.commands, e.done, e.last_emit,
                            e.max_executed, e.rejections_max}) {
    out.number(number);
  }
  return out.take();
}

bool decode(EntryReader& in, SnapshotSummary& e) {
  for (auto* number : {&e.items, &e.users, &e.known, &e.rejections, &e.owed_orders, &e.owed_puts,
                       &e.owed_amounts, &e.records, &e.decisions, &e.commands, &e.done,
                       &e.last_emit, &e.max_executed, &e.rejections_max}) {
    *number = in.number<std::uint64_t>();
  }
  return !in.failed() && in.at_end();
}

std::string_view encode(EntryWriter& out, const SnapshotItem& e) {
  return out.number(e.id)
      .number(e.price_cents)
      .number(e.total)
      .number(e.amount)
      .number(e.put_lsn)
      .number(e.lsn)
      .number(e.limit_per_user)
      .number(e.max_qty)
      .number(static_cast<std::uint16_t>(e.name.size()))
      .text(e.name)
      .take();
}

bool decode(EntryReader& in, SnapshotItem& e) {
  e.id = in.number<std::uint64_t>();
  e.price_cents = in.number<std::int64_t>();
  e.total = in.number<std::int64_t>();
  e.amount = in.number<std::int64_t>();
  e.put_lsn = in.number<Lsn>();
  e.lsn = in.number<Lsn>();
  e.limit_per_user = in.number<std::uint32_t>();
  e.max_qty = in.number<std::uint16_t>();
  const auto size = in.number<std::uint16_t>();
  e.name = in.text(size);
  return !in.failed() && e.amount >= 0 && e.put_lsn <= e.lsn;
}

std::string_view encode(EntryWriter& out, const SnapshotUser& e) {
  return out.number(e.key).number(e.qty).take();
}

bool decode(EntryReader& in, SnapshotUser& e) {
  e.key = in.number<std::uint64_t>();
  e.qty = in.number<std::uint64_t>();
  return !in.failed();
}

std::string_view encode(EntryWriter& out, const KnownDecision& e) {
  return out.number(e.hash[0])
      .number(e.hash[1])
      .number(e.content)
      .number(e.lsn)
      .number(e.item_position)
      .number(e.qty)
      .number(static_cast<std::uint8_t>(e.kind))
      .number(static_cast<std::uint8_t>(e.reason))
      .take();
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

std::string_view encode(EntryWriter& out, const SnapshotOwed& e) {
  return out.number(e.item)
      .number(e.lsn)
      .number(e.position)
      .number(std::uint32_t{e.failed})
      .number(e.amount)
      .number(static_cast<std::uint32_t>(e.payload.size()))
      .text(e.payload)
      .take();
}

bool decode(EntryReader& in, SnapshotOwed& e) {
  e.item = in.number<std::uint64_t>();
  e.lsn = in.number<Lsn>();
  e.position = in.number<std::uint32_t>();
  const auto failed = in.number<std::uint32_t>();
  e.failed = failed == 1;
  e.amount = in.number<std::int64_t>();
  const auto size = in.number<std::uint32_t>();
  e.payload = in.text(size);
  return !in.failed() && failed <= 1 && size <= kRecordPayloadBytesMax;
}

}  // namespace stampede::storage
