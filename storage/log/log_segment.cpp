#include "storage/log/log_segment.h"

#include <cstdio>
#include <cstring>

#include "config/faults/failpoint.h"
#include "config/process/invariant.h"
#include "storage/log/byte_fields.h"
#include "storage/log/crc32c.h"

namespace stampede::storage {
namespace {

constexpr std::string_view kMagic = "FSORDLOG";
constexpr std::string_view kSegmentSuffix = ".seg";
constexpr std::size_t kNameDigits = 16;
constexpr std::size_t kNameBytes = 2 * kNameDigits + 1 + kSegmentSuffix.size();

// Offsets in a segment header; log_format.md.
enum : std::size_t {
  kHeadAtMajor = 8,
  kHeadAtMinor = 10,
  kHeadAtHeaderLen = 12,
  kHeadAtUuid = 16,
  kHeadAtNodeUuid = 32,
  kHeadAtEpoch = 48,
  kHeadAtSegNo = 56,
  kHeadAtFirstBatch = 64,
  kHeadAtFirstLsn = 72,
  kHeadAtLastCrc = 80,
  kHeadAtFlags = 84,
  kHeadAtPrevEnd = 88,
  kHeadAtCreated = 96,
  // Format 2:
  kHeadAtHashKey = 104,
  kHeadAtParentUuid = 120,
  kHeadAtParentBatch = 136,
  kHeadAtParentLsn = 144,
  kHeadAtRest = 152,
  kHeadAtCrc = kSegmentHeaderBytes - 4,
};

// What format 2 says more than format 1.
Status decode_format_2(std::string_view bytes, std::uint16_t minor, SegmentHeader& header) {
  header.level = FeatureLevel{minor};
  if (header.level > kFeatureLevelRead)
    return Error{Errc::version, "log format 2 with feature level " + std::to_string(minor) +
                                    ", this program knows " + to_text(kFeatureLevelRead) +
                                    "; use the newer program"};
  header.hash_key = get<HashKey>(bytes, kHeadAtHashKey);
  header.parent = {.uuid = get<LogUuid>(bytes, kHeadAtParentUuid),
                   .batch = get<std::uint64_t>(bytes, kHeadAtParentBatch),
                   .lsn = get<Lsn>(bytes, kHeadAtParentLsn)};
  const bool fork = header.parent != LogParent{};
  if (minor == 0 || header.hash_key == HashKey{} || get<std::uint32_t>(bytes, kHeadAtFlags) != 0 ||
      !all_zero(bytes.substr(kHeadAtRest, kHeadAtCrc - kHeadAtRest)) ||
      (fork && (header.level < FeatureLevel::ha || header.parent.uuid == LogUuid{})))
    return Error{Errc::corrupt, "a segment header of format 2 that makes no sense"};
  return Done{};
}

void put_hex16(char* digits, std::uint64_t number) {
  for (int i = 15; i >= 0; --i, number >>= 4) digits[i] = "0123456789abcdef"[number & 0xF];
}

}  // namespace

std::string to_text(const LogUuid& uuid) {
  std::string text;
  for (const auto byte : uuid) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", byte);
    text += digits;
  }
  return text;
}

std::string encode_header(const SegmentHeader& header) {
  std::string bytes(kSegmentHeaderBytes, '\0');
  std::memcpy(bytes.data(), kMagic.data(), kMagic.size());
  put(bytes, kHeadAtMajor, format_of(header.level));
  put(bytes, kHeadAtMinor, header.level);
  put(bytes, kHeadAtHeaderLen, kSegmentHeaderBytes);
  put(bytes, kHeadAtUuid, header.uuid);
  put(bytes, kHeadAtNodeUuid, header.node_uuid);
  put(bytes, kHeadAtEpoch, header.chain.epoch);
  put(bytes, kHeadAtSegNo, header.seg_no);
  put(bytes, kHeadAtFirstBatch, header.chain.next_batch);
  put(bytes, kHeadAtFirstLsn, header.chain.next_lsn);
  put(bytes, kHeadAtLastCrc, header.chain.last_crc);
  put(bytes, kHeadAtPrevEnd, header.prev_end);
  put(bytes, kHeadAtCreated, header.created_ns);
  if (header.level != FeatureLevel::format_1) {
    put(bytes, kHeadAtHashKey, header.hash_key);
    put(bytes, kHeadAtParentUuid, header.parent.uuid);
    put(bytes, kHeadAtParentBatch, header.parent.batch);
    put(bytes, kHeadAtParentLsn, header.parent.lsn);
  }
  put(bytes, kHeadAtCrc, crc32c(std::string_view(bytes).substr(0, kHeadAtCrc)));
  return bytes;
}

Result<SegmentHeader> decode_header(std::string_view bytes) {
  if (bytes.size() < kSegmentHeaderBytes) return Error{Errc::corrupt, "segment header cut short"};
  // The CRC comes first: a damaged version number must not look like a newer program's log. Every
  // version keeps the CRC in this place.
  if (crc32c(bytes.substr(0, kHeadAtCrc)) != get<std::uint32_t>(bytes, kHeadAtCrc)) {
    return Error{Errc::corrupt, "segment header checksum does not match"};
  }
  if (bytes.substr(0, kMagic.size()) != kMagic) return Error{Errc::corrupt, "no log segment"};
  const auto major = get<std::uint16_t>(bytes, kHeadAtMajor);
  if (major != 1 && major != 2) {
    return Error{Errc::version, "log format " + std::to_string(major) +
                                    ", this program reads 1 and 2; use the newer program"};
  }
  if (get<std::uint32_t>(bytes, kHeadAtHeaderLen) != kSegmentHeaderBytes) {
    return Error{Errc::corrupt, "segment header length is wrong"};
  }
  SegmentHeader header{.level = FeatureLevel::format_1,
                       .uuid = get<LogUuid>(bytes, kHeadAtUuid),
                       .node_uuid = get<LogUuid>(bytes, kHeadAtNodeUuid),
                       .hash_key = get<LogUuid>(bytes, kHeadAtUuid),
                       .parent = {},
                       .seg_no = get<std::uint64_t>(bytes, kHeadAtSegNo),
                       .chain = {.next_batch = get<std::uint64_t>(bytes, kHeadAtFirstBatch),
                                 .last_crc = get<std::uint32_t>(bytes, kHeadAtLastCrc),
                                 .epoch = get<std::uint64_t>(bytes, kHeadAtEpoch),
                                 .next_lsn = get<Lsn>(bytes, kHeadAtFirstLsn)},
                       .prev_end = get<std::uint64_t>(bytes, kHeadAtPrevEnd),
                       .created_ns = get<std::int64_t>(bytes, kHeadAtCreated)};
  if (major == 1) return header;
  const auto minor = get<std::uint16_t>(bytes, kHeadAtMinor);
  if (auto decoded = decode_format_2(bytes, minor, header); !decoded) return decoded.error();
  return header;
}

std::string segment_name(std::uint64_t seg_no, std::uint64_t first_batch) {
  std::string name(kNameBytes, '-');
  put_hex16(name.data(), seg_no);
  put_hex16(name.data() + kNameDigits + 1, first_batch);
  kSegmentSuffix.copy(name.data() + 2 * kNameDigits + 1, kSegmentSuffix.size());
  return name;
}

bool looks_like_segment(std::string_view name) {
  return name.ends_with(kSegmentSuffix);
}

std::optional<std::uint64_t> parse_hex16(std::string_view digits) {
  if (digits.size() != kNameDigits) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : digits) {
    const bool letter = c >= 'a' && c <= 'f';
    if (!letter && (c < '0' || c > '9')) return std::nullopt;
    value = value << 4 | static_cast<std::uint64_t>(letter ? c - 'a' + 10 : c - '0');
  }
  return value;
}

std::optional<SegmentName> parse_segment_name(std::string_view name) {
  if (name.size() != kNameBytes || !looks_like_segment(name) || name[kNameDigits] != '-') {
    return std::nullopt;
  }
  const auto seg_no = parse_hex16(name.substr(0, kNameDigits));
  const auto first_batch = parse_hex16(name.substr(kNameDigits + 1, kNameDigits));
  if (!seg_no || !first_batch) return std::nullopt;
  return SegmentName{*seg_no, *first_batch};
}

std::string path_in(const std::string& dir, std::string_view name) {
  return dir + "/" + std::string(name);
}

Result<LogLock> LogLock::take(Disk& disk, const std::string& dir) {
  if (auto made = disk.make_dir(dir); !made) return made.error();
  auto directory = disk.lock(dir);
  if (!directory) return directory.error();
  auto file = disk.lock(path_in(dir, kLockName));
  if (!file) return file.error();
  return LogLock(std::move(*directory), std::move(*file));
}

Status SegmentMaker::look_at_room() const {
  const auto free = disk_->free_bytes(dir_);
  if (!free) return free.error();
  if (*free >= segment_bytes_ + kept_free()) return Done{};
  return Error{Errc::full, "no room for a segment of " + std::to_string(segment_bytes_) +
                               " bytes and what is kept free: " + std::to_string(*free) +
                               " bytes are left in " + dir_ + "; make room on this disk"};
}

Result<SpareSegment> SegmentMaker::make() const {
  // Two names, so that a spare that a crash left half-filled is never taken for a full one.
  const std::string tmp = path_in(dir_, kSpareTmpName);
  const std::string ready = path_in(dir_, kSpareName);
  for (const auto& leftover : {tmp, ready}) {
    if (auto removed = disk_->remove(leftover); !removed) return removed.error();
  }
  if (auto room = look_at_room(); !room) return room.error();
  config::failpoint("spare_create");
  auto file = disk_->create_zeroed(tmp, segment_bytes_);
  if (!file) return file.error();
  config::failpoint("spare_zeroed");
  if (auto synced = (*file)->sync(); !synced) return synced.error();
  config::failpoint("spare_synced");
  if (auto renamed = disk_->rename(tmp, ready); !renamed) return renamed.error();
  config::failpoint("spare_renamed");
  return SpareSegment{std::move(*file), std::string(kSpareName), segment_bytes_};
}

Status install_segment(Disk& disk, const std::string& dir, SpareSegment& made,
                       std::string_view start, const std::string& name) {
  STAMPEDE_ASSERT(start.size() >= kSegmentHeaderBytes, "a segment starts with its header");
  STAMPEDE_ASSERT(start.size() <= made.bytes, "a segment's start fits the segment");
  config::failpoint("rotate_header");
  if (auto written = made.file->write_at(0, start); !written) return written;
  config::failpoint("rotate_sync");
  if (auto synced = made.file->sync(); !synced) return synced;
  config::failpoint("rotate_rename");
  if (auto renamed = disk.rename(path_in(dir, made.name), path_in(dir, name)); !renamed) {
    return renamed;
  }
  made.name = name;
  if (config::failpoint("in_rotate")) return Error{Errc::io, "failpoint in_rotate in " + dir};
  if (auto synced = disk.sync_dir(dir); !synced) return synced;
  config::failpoint("rotate_done");
  return Done{};
}

}  // namespace stampede::storage
