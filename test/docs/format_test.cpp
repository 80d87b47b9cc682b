// The byte layouts of log_format.md and snapshot_format.md against the bytes that are written.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "storage/commands/command_arguments.h"
#include "storage/log/log_format.h"
#include "storage/log/log_segment.h"
#include "storage/snapshot/snapshot_format.h"
#include "test/docs/markdown_table.h"

namespace stampede::test {
namespace {

using namespace storage;

const std::string kLog = "storage/log_format.md";
const std::string kSnapshot = "storage/snapshot_format.md";

struct Field {
  std::size_t at, bytes;
  std::string what;
};

// A table of offsets without a gap; the last field may be open ("…").
std::vector<Field> layout_of(const std::string& path, std::string_view head, std::size_t total) {
  std::vector<Field> fields;
  std::size_t next = 0;
  for (const auto& row : table_of(path, head)) {
    const bool open = row[1] == "…";
    fields.push_back({std::stoul(row[0]), open ? 0 : std::stoul(row[1]), row[2]});
    CAPTURE(row[2]);
    CHECK(fields.back().at == next);
    next += fields.back().bytes;
  }
  CHECK(next == total);
  return fields;
}

// The little-endian number where the document says that it is.
std::uint64_t number_at(const std::string& bytes, const std::vector<Field>& fields,
                        std::string_view what) {
  for (const auto& field : fields) {
    if (!field.what.starts_with(what)) continue;
    std::uint64_t number = 0;
    std::memcpy(&number, bytes.data() + field.at, std::min<std::size_t>(field.bytes, 8));
    return number;
  }
  FAIL("no field " << what);
  return 0;
}

}  // namespace

TEST_CASE("a segment's header is as documented") {
  SegmentHeader header;
  header.uuid.fill(0x21);
  header.node_uuid.fill(0x22);
  header.hash_key.fill(0x23);
  header.parent = {.uuid = {}, .batch = 108, .lsn = 109};
  header.parent.uuid.fill(0x24);
  header.seg_no = 101;
  header.chain = {.next_batch = 102, .last_crc = 103, .epoch = 104, .next_lsn = 105};
  header.prev_end = 106;
  header.created_ns = 107;
  const auto bytes = encode_header(header);
  const auto fields = layout_of(kLog, "| at | bytes | segment header", kSegmentHeaderBytes);
  const auto at = [&](std::string_view what) { return number_at(bytes, fields, what); };
  CHECK(at("format major") == 2);
  CHECK(at("format minor") == static_cast<std::uint64_t>(kFeatureLevelMade));
  CHECK(at("header length") == kSegmentHeaderBytes);
  CHECK(at("uuid of the log") == 0x2121212121212121);
  CHECK(at("uuid of the node") == 0x2222222222222222);
  CHECK(at("seg_no") == 101);
  CHECK(at("first_batch") == 102);
  CHECK(at("CRC of the last batch") == 103);
  CHECK(at("epoch of the last batch") == 104);
  CHECK(at("the next lsn") == 105);
  CHECK(at("prev_end") == 106);
  CHECK(at("creation time") == 107);
  CHECK(at("hash key") == 0x2323232323232323);
  CHECK(at("uuid of the parent") == 0x2424242424242424);
  CHECK(at("number of the last batch that both have") == 108);
  CHECK(at("lsn of the last decision that both have") == 109);
}

TEST_CASE("a batch's header is as documented") {
  std::string frame(kBatchHeaderBytes, '\0');
  append_record(frame, RecordType::emit, "abc");
  const auto crc =
      finish_frame(frame, {.epoch = 201, .first_lsn = 202, .count = 1, .wall_ns = 203, .pid = 204},
                   {.batch_no = 205, .prev_crc = 206, .durable_pos = 207});
  const auto fields = layout_of(kLog, "| at | bytes | batch header", kBatchHeaderBytes);
  const auto at = [&](std::string_view what) { return number_at(frame, fields, what); };
  CHECK(at("length of the whole batch") == frame.size());
  CHECK(at("stream_crc") == crc);
  CHECK(at("epoch") == 201);
  CHECK(at("first lsn") == 202);
  CHECK(at("number of records") == 1);
  CHECK(at("wall clock") == 203);
  CHECK(at("pid") == 204);
  CHECK(at("batch number") == 205);
  CHECK(at("CRC of the batch before") == 206);
  CHECK(at("durable_pos") == 207);
}

TEST_CASE("records are as documented: header, types, and who takes an lsn") {
  layout_of(kLog, "## Record", kRecordHeaderBytes);
  const std::vector<std::pair<RecordType, std::string>> words{
      {RecordType::emit, "EMIT"},     {RecordType::exec, "EXEC"},
      {RecordType::fail, "FAIL"},     {RecordType::optm, "OPTM"},
      {RecordType::seal, "SEAL"},     {RecordType::checkpoint, "CKPT"},
      {RecordType::epoch, "EPOCH"},   {RecordType::reject, "REJECT"},
      {RecordType::ha, "HA:"},        {RecordType::hash, "HASH"},
      {RecordType::config, "CONFIG"}, {RecordType::claim, "CLAIM"},
      {RecordType::revoke, "REVOKE"}};
  CHECK(words.size() == kRecordTypeLast);
  const auto rows = table_of(kLog, "| type | name |");
  for (const auto& [type, word] : words) {
    const auto number = std::to_string(static_cast<int>(type));
    CAPTURE(word);
    bool found = false;
    for (const auto& row : rows) {
      if ((", " + row[0] + ",").find(", " + number + ",") == std::string::npos) continue;
      found = true;
      CHECK(row[1].find(word) != std::string::npos);
      CHECK((row[2] == "yes") == is_decision(type));
      if (level_of(type) == FeatureLevel::format_1) continue;
      const auto level = std::to_string(static_cast<unsigned>(level_of(type)));
      CHECK(row[1].find("level " + level) != std::string::npos);
    }
    CHECK(found);
  }
  CHECK(rows.back()[0] == std::to_string(kRecordTypeIgnorable) + " … 255");
}

TEST_CASE("commands have the arguments that are documented") {
  const std::vector<std::pair<CommandKind, std::string>> kinds{
      {CommandKind::order_insert, "OrderInsert"},
      {CommandKind::item_amount_update, "ItemAmountUpdate"},
      {CommandKind::item_put, "ItemPut"},
      {CommandKind::promo_put, "PromoPut"},
      {CommandKind::ticket_grant, "TicketGrant"},
      {CommandKind::order_update, "OrderUpdate"},
      {CommandKind::stock_change, "StockChange"}};
  const auto rows = table_of(kLog, "| kind | command |");
  REQUIRE(rows.size() == kinds.size());
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    const auto& [kind, name] = kinds[i];
    CHECK(rows[i][0] == std::to_string(static_cast<int>(kind)));
    Command command;
    command.kind = kind;
    std::string written = "[" + rows[i][0];
    const auto add = [&](std::string_view argument, const auto&) { (written += ", ") += argument; };
    each_argument(command, add);
    const SaleArguments sale;
    with_sale_command(kind, sale, [&](const auto& some) { each_bounded_argument(some, add); });
    with_sale_array(kind, sale, [&](const auto&) { written += ", sale"; });
    CHECK(rows[i][1].starts_with(written + ", id] " + name));
  }
}

TEST_CASE("a snapshot's headers and sections are as documented") {
  layout_of(kSnapshot, "| at | bytes | header", kSnapshotHeaderBytes);
  layout_of(kSnapshot, "| at | bytes | block", kSnapshotBlockHeaderBytes);
  const auto sections = table_of(kSnapshot, "## Sections");
  REQUIRE(sections.size() == kSnapshotSectionLast);
  for (std::size_t i = 0; i < sections.size(); ++i)
    CHECK(sections[i][0].starts_with(std::to_string(i + 1) + " "));
}

}  // namespace stampede::test
