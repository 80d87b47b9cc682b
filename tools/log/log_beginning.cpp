#include "tools/log/log_beginning.h"

#include <utility>

#include "storage/commands/sale_terms.h"

namespace stampede::tools {

namespace {

using storage::Errc;
using storage::Error;
using storage::SnapshotSection;

std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58'476d'1ce4'e5b9;
  x = (x ^ (x >> 27)) * 0x94d0'49bb'1331'11eb;
  return x ^ (x >> 31);
}

std::uint64_t content_of(const storage::RequestHash& id, std::uint64_t content) {
  return mix(mix(id[0]) ^ id[1]) ^ content;
}

bool take_grant(const storage::SnapshotGrant& grant, SnapshotContents& out) {
  for (auto& row : out.promos) {
    if (row.promo.put.promo != grant.promo) continue;
    row.granted = grant.granted;
    row.lsn = grant.lsn;
    return true;
  }
  return false;
}

bool take(const storage::SnapshotBlock& block, SnapshotContents& out) {
  storage::EntryReader in(block.entries, block.level);
  for (std::uint32_t i = 0; i < block.count; ++i) {
    storage::SnapshotItem item;
    storage::SnapshotUser user;
    storage::KnownDecision known;
    if (block.section == SnapshotSection::items) {
      if (!decode(in, item)) return false;
      out.items.push_back(
          {item.id, copy_of(item.terms), item.amount, item.put_lsn, item.lsn, copy_of(item.sale)});
    } else if (block.section == SnapshotSection::promos) {
      storage::SnapshotPromo promo;
      if (!decode(in, promo)) return false;
      out.promos.push_back({storage::OwnedPromo(promo.put), promo.put_lsn});
    } else if (block.section == SnapshotSection::grants) {
      storage::SnapshotGrant grant;
      if (!decode(in, grant) || !take_grant(grant, out)) return false;
    } else if (block.section == SnapshotSection::tickets) {
      storage::SnapshotTicket ticket;
      if (!decode(in, ticket) || !out.tickets.load(ticket)) return false;
    } else if (block.section == SnapshotSection::held) {
      storage::SnapshotHeld held;
      if (!decode(in, held)) return false;
      out.held.push_back(held);
    } else if (block.section == SnapshotSection::payments) {
      storage::SnapshotPayment payment;
      if (!decode(in, payment)) return false;
      out.payments.push_back(payment);
    } else if (block.section == SnapshotSection::users) {
      if (!decode(in, user)) return false;
      out.users.push_back(user);
    } else {
      if (!decode(in, known)) return false;
      if (known.kind != storage::KnownKind::confirmed) continue;
      out.orders.push_back({known.lsn, content_of(known.hash, known.content), known.hash[0],
                            known.item_position, known.qty});
    }
  }
  return in.at_end();
}

bool take_block(const storage::SnapshotBlock& block, SnapshotContents& out) {
  storage::EntryReader in(block.entries, block.level);
  storage::SnapshotSummary summary;
  switch (block.section) {
    case SnapshotSection::summary:
      if (!decode(in, summary)) return false;
      out.owed.load(summary);
      return true;
    case SnapshotSection::items:
    case SnapshotSection::users:
    case SnapshotSection::known:
    case SnapshotSection::promos:
    case SnapshotSection::held:
    case SnapshotSection::payments:
    case SnapshotSection::grants:
    case SnapshotSection::tickets:
      return take(block, out);
    case SnapshotSection::owed_orders:
    case SnapshotSection::owed_puts:
    case SnapshotSection::owed_amounts:
    case SnapshotSection::owed_promos:
    case SnapshotSection::owed_updates:
    case SnapshotSection::owed_stock:
    case SnapshotSection::owed_grants:
      return out.owed.load(block);
    default:
      return true;
  }
}

}  // namespace

std::uint64_t remembered_content(const actors::RequestHasher& hasher,
                                 const storage::StoredOrder& order) {
  return content_of(hasher.id(order.request_id),
                    hasher.order_content(order.item, order.user, order.qty, order.promo));
}

storage::Result<LogBeginning> log_beginning(storage::Disk& disk, const std::string& dir) {
  const auto numbers = storage::segment_numbers(disk, dir);
  if (!numbers) return numbers.error();
  LogBeginning beginning;
  if (numbers->empty() || numbers->front() == 1) return beginning;
  const auto snapshots = storage::list_snapshots(disk, dir);
  if (!snapshots) return snapshots.error();
  for (const auto& snapshot : *snapshots) {
    const auto facts = storage::check_snapshot(disk, dir, snapshot.name);
    if (!facts && facts.error().code == Errc::version) return facts.error();
    if (!facts) continue;  // damaged, or removed meanwhile by a backend that made a newer one
    auto oldest = storage::oldest_position(disk, dir, facts->header.position);
    if (!oldest) return oldest.error();
    beginning.position = *oldest;
    beginning.snapshot = snapshot.name;
    break;
  }
  return beginning;
}

bool begins_later_now(storage::Disk& disk, const std::string& dir, LogBeginning& beginning) {
  const auto now = log_beginning(disk, dir);
  if (!now || now->position.seg_no <= beginning.position.seg_no) return false;
  beginning = *now;
  return true;
}

storage::Result<SnapshotContents> read_snapshot(storage::Disk& disk, const std::string& dir,
                                                const std::string& name) {
  auto reader = storage::SnapshotReader::open(disk, dir, name);
  if (!reader) return reader.error();
  SnapshotContents contents;
  contents.header = reader->header();
  storage::SnapshotBlock block;
  while (true) {
    const auto more = reader->next(block);
    if (!more) return more.error();
    if (!*more) return contents;
    if (!take_block(block, contents)) {
      return Error{Errc::corrupt, "snapshot " + storage::path_in(dir, name) +
                                      ": its entries make "
                                      "no sense"};
    }
  }
}

}  // namespace stampede::tools
