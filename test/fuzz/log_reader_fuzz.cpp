// A whole log directory in memory. Input: one byte of flags, then files:
//   seg_no u8 | first_batch u8 | size in 4 KiB u8 | length u16 | bytes
// seg_no 0 names a file that is no segment. A segment's bytes are the first 128 of its header, the
// header's CRC, then what stands behind the header. Flag 1 repairs the header's CRC, flag 2 the
// CRCs of the batches and their chain, so that a change gets past them.
// Checked: reading changes nothing and gives the same again; the counts fit; what can be read can
// be resumed, and then holds the same records.

#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "storage/log/crc32c.h"
#include "storage/log/log_reader.h"
#include "storage/log/log_writer.h"
#include "test/fuzz/fuzz.h"
#include "test/support/forgetful_disk.h"

namespace {

using namespace stampede::storage;
using stampede::test::ForgetfulDisk;

constexpr std::size_t kHeaderBytes = 128;
constexpr std::size_t kHeaderCrcAt = kSegmentHeaderBytes - 4;
constexpr std::size_t kFileBytesMax = 64 * 1024;
constexpr std::size_t kFilesMax = 8;
const std::string kDir = "/log";

struct Seen final : LogVisitor {
  Status on_batch(const BatchInfo& info) override {
    ++batches;
    text += "batch " + std::to_string(info.batch_no) + '\n';
    return Done{};
  }
  Status on_record(const BatchInfo&, const RecordView& record) override {
    ++records;
    FUZZ_CHECK(record.type != RecordType::invalid);
    FUZZ_CHECK(is_decision(record.type) == (record.lsn != 0));
    text += std::to_string(static_cast<int>(record.type)) + ' ' + std::to_string(record.lsn) + ' ';
    text += record.payload;
    text += '\n';
    return Done{};
  }
  std::uint64_t batches = 0;
  std::uint64_t records = 0;
  std::string text;
};

void put(std::string& bytes, std::size_t at, std::uint32_t value) {
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

std::uint32_t get(const std::string& bytes, std::size_t at) {
  std::uint32_t value = 0;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

void repair_header(std::string& file) {
  put(file, kHeaderCrcAt, crc32c(std::string_view(file).substr(0, kHeaderCrcAt)));
}

// Offsets in a batch: storage/log_format.md.
void repair_batches(std::string& file, std::uint32_t& last_crc) {
  std::size_t at = kSegmentHeaderBytes;
  while (at + kBatchHeaderBytes <= file.size() &&
         (get(file, at) == kBatchMagic || get(file, at) == kBatchMagic2)) {
    const std::size_t len = get(file, at + 4);
    if (len < kBatchHeaderBytes || len % kFrameAlign != 0 || len > file.size() - at) return;
    const auto bytes = std::string_view(file).substr(at, len);
    put(file, at + 8, 0);
    put(file, at + 12, last_crc);
    if (get(file, at) == kBatchMagic) {
      last_crc = crc32c(bytes);
      put(file, at + 8, last_crc);
    } else {
      for (const std::size_t from : {24U, 16U, 32U, 48U})  // the last is a number of 4 bytes
        last_crc = crc32c(bytes.substr(from, from == 48 ? 4 : 8), last_crc);
      last_crc = crc32c(bytes.substr(kBatchHeaderBytes), last_crc);
      put(file, at + 68, last_crc);
      put(file, at + 8, crc32c(bytes.substr(0, kBatchHeaderBytes)));
    }
    at += len;
  }
}

void link_header(std::string& file, std::uint32_t last_crc) {
  repair_header(file);
  auto header = decode_header(std::string_view(file).substr(0, kSegmentHeaderBytes));
  if (!header) return;
  header->chain.last_crc = last_crc;
  file.replace(0, kSegmentHeaderBytes, encode_header(*header));
}

std::string other_name(unsigned which) {
  static const std::array<std::string, 6> names{std::string(kSpareName),
                                                std::string(kSpareTmpName),
                                                std::string(kSegmentTmpName),
                                                std::string(kLockName),
                                                "junk.seg",
                                                "readme"};
  return names[which % names.size()];
}

void make_files(stampede::test::Input& input, ForgetfulDisk& disk) {
  const unsigned flags = input.byte();
  std::uint32_t last_crc = 0;
  for (std::size_t files = 0; !input.empty() && files < kFilesMax; ++files) {
    const unsigned seg_no = input.byte();
    const unsigned first_batch = input.byte();
    const std::size_t size = std::min<std::size_t>(input.byte() * 4096U, kFileBytesMax);
    const auto bytes = input.take(std::min<std::size_t>(input.word(), kFileBytesMax));
    std::string file(bytes.substr(0, kHeaderBytes));
    if (bytes.size() > kHeaderBytes + 4) {
      file.resize(kHeaderCrcAt);
      file += bytes.substr(kHeaderBytes);
    }
    if (file.size() < size) file.resize(size);
    if (seg_no != 0 && file.size() >= kSegmentHeaderBytes) {
      if ((flags & 1U) != 0) repair_header(file);
      if ((flags & 2U) != 0) {
        link_header(file, last_crc);
        repair_batches(file, last_crc);
      }
    }
    const auto name = seg_no == 0 ? other_name(first_batch) : segment_name(seg_no, first_batch);
    disk.overwrite(path_in(kDir, name), file);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  stampede::test::Input input(data, size);
  ForgetfulDisk disk(1);
  make_files(input, disk);
  const auto before = disk.contents();
  Seen first;
  const auto end = read_log(disk, kDir, first);
  FUZZ_CHECK(disk.changes() == 0 && disk.contents() == before);
  if (!end) {
    FUZZ_CHECK(!end.error().message.empty());
    return 0;
  }
  FUZZ_CHECK(first.batches == end->batches && first.records <= end->records);
  if (end->tail == LogTail::empty) return 0;
  LogOptions options;
  options.segment_bytes = options.start_segment_bytes = kSegmentBytesMin;
  const auto writer = LogWriter::resume(disk, kDir, *end, options);
  FUZZ_CHECK(static_cast<bool>(writer));
  for (const auto& [path, bytes] : before)  // what was there stays, but for leftovers of a start
    if (path.ends_with(".seg")) FUZZ_CHECK(disk.bytes_of(path) == bytes);
  Seen second;
  const auto again = read_log(disk, kDir, second);
  FUZZ_CHECK(static_cast<bool>(again));
  FUZZ_CHECK(again->tail == LogTail::clean && again->last_lsn == end->last_lsn);
  FUZZ_CHECK(second.text == first.text && again->records == end->records);
  return 0;
}
