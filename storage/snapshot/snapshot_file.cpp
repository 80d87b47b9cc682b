#include "storage/snapshot/snapshot_file.h"

#include <sodium.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "config/faults/failpoint.h"
#include "config/process/invariant.h"
#include "storage/log/crc32c.h"

namespace stampede::storage {
namespace {

constexpr std::string_view kMagic = "STSNAPSH";
constexpr std::string_view kPrefix = "snapshot-";
constexpr std::string_view kTmpSuffix = ".tmp";
constexpr std::size_t kNumberDigits = 16;
constexpr std::size_t kNameBytes = kPrefix.size() + 2 * kNumberDigits + 1;
constexpr std::size_t kWindowBytes = 4u << 20;
static_assert(kWindowBytes >= kSnapshotBlockHeaderBytes + kSnapshotBlockBytesMax);
static_assert(std::tuple_size_v<SnapshotHash> >= crypto_generichash_BYTES_MIN);

constexpr std::size_t kAtBlockCrc = kSnapshotBlockHeaderBytes - 4;
constexpr std::size_t kAtHeaderCrc = kSnapshotHeaderBytes - 4;
constexpr std::size_t kSnapshotHeaderUsed = 112;  // in format 2

Error pretended(const std::string& path) {
  return {Errc::io, "failpoint in_snapshot at " + path};
}

bool of_format_1(const LogPosition& position) {
  return position.level == FeatureLevel::format_1;
}

std::string_view view_of(const LogUuid& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// What the header says of the place in the log; the part of it that the content hash covers.
std::string encode_position(const LogPosition& position) {
  EntryWriter out;
  out.text(view_of(position.uuid))
      .number(position.seg_no)
      .number(position.base)
      .number(position.chain.next_batch)
      .number(position.chain.epoch)
      .number(position.chain.next_lsn)
      .number(position.last_lsn)
      .number(position.chain.last_crc)
      .number(std::uint32_t{0});
  return std::string(out.take());
}

std::string encode_header(const SnapshotHeader& header) {
  EntryWriter out;
  out.text(kMagic)
      .number(static_cast<std::uint16_t>(format_of(header.position.level)))
      .number(static_cast<std::uint16_t>(header.position.level))
      .number(kSnapshotHeaderBytes)
      .text(encode_position(header.position))
      .number(header.created_ns);
  if (!of_format_1(header.position)) out.text(view_of(header.position.hash_key));
  std::string bytes(out.take());
  bytes.resize(kAtHeaderCrc, '\0');
  const auto crc = crc32c(bytes);
  return bytes.append(reinterpret_cast<const char*>(&crc), sizeof crc);
}

// What format 2 says more than format 1.
Status decode_format_2(EntryReader& in, LogPosition& position) {
  if (position.level > kFeatureLevelKept)
    return Error{Errc::version, "a snapshot of " + to_text(position.level) +
                                    ", a backend of this program has " +
                                    to_text(kFeatureLevelKept) + "; use the newer program"};
  const auto key = in.text(position.hash_key.size());
  std::copy(key.begin(), key.end(), position.hash_key.begin());
  const auto rest = in.rest().substr(0, kAtHeaderCrc - kSnapshotHeaderUsed);
  if (of_format_1(position) || !all_zero(rest))
    return Error{Errc::corrupt, "its header makes no sense"};
  return Done{};
}

// The header of `bytes`, or what is wrong with it.
Result<SnapshotHeader> decode_header_of_snapshot(std::string_view bytes) {
  if (bytes.size() < kSnapshotHeaderBytes) return Error{Errc::corrupt, "its header is cut short"};
  EntryReader crc(bytes.substr(kAtHeaderCrc));
  if (crc32c(bytes.substr(0, kAtHeaderCrc)) != crc.number<std::uint32_t>()) {
    return Error{Errc::corrupt, "its header's checksum does not match"};
  }
  EntryReader in(bytes);
  if (in.text(kMagic.size()) != kMagic) return Error{Errc::corrupt, "it is no snapshot"};
  const auto major = in.number<std::uint16_t>();
  if (major != 1 && major != 2) {
    return Error{Errc::version, "snapshot format " + std::to_string(major) +
                                    ", this program reads 1 and 2; use the newer program"};
  }
  const auto minor = in.number<std::uint16_t>();
  if (in.number<std::uint32_t>() != kSnapshotHeaderBytes) {
    return Error{Errc::corrupt, "its header's length is wrong"};
  }
  SnapshotHeader header;
  LogPosition& position = header.position;
  const auto uuid = in.text(position.uuid.size());
  std::copy(uuid.begin(), uuid.end(), position.uuid.begin());
  position.hash_key = position.uuid;
  position.level = major == 1 ? FeatureLevel::format_1 : FeatureLevel{minor};
  position.seg_no = in.number<std::uint64_t>();
  position.base = in.number<std::uint64_t>();
  position.chain.next_batch = in.number<std::uint64_t>();
  position.chain.epoch = in.number<std::uint64_t>();
  position.chain.next_lsn = in.number<Lsn>();
  position.last_lsn = in.number<Lsn>();
  position.chain.last_crc = in.number<std::uint32_t>();
  in.number<std::uint32_t>();
  header.created_ns = in.number<std::int64_t>();
  if (major == 1) return header;
  if (auto decoded = decode_format_2(in, position); !decoded) return decoded.error();
  return header;
}

std::optional<SnapshotEntry> parse_name(const FileEntry& file) {
  const std::string_view name = file.name;
  if (name.size() != kNameBytes || !name.starts_with(kPrefix)) return std::nullopt;
  const auto numbers = name.substr(kPrefix.size());
  if (numbers[kNumberDigits] != '-') return std::nullopt;
  const auto lsn = parse_hex16(numbers.substr(0, kNumberDigits));
  const auto seg_no = parse_hex16(numbers.substr(kNumberDigits + 1));
  if (!lsn || !seg_no) return std::nullopt;
  return SnapshotEntry{file.name, *lsn, *seg_no, file.bytes};
}

// A snapshot that cannot be finished gives its room back at once: the log may need it.
Status give_up(Disk& disk, const std::string& tmp, std::unique_ptr<AppendFile>& file,
               const Error& error) {
  file.reset();
  if (auto removed = disk.remove(tmp); !removed) {
    return Error{error.code, error.message + "; " + removed.error().message};
  }
  return error;
}

// The header of a block without its checksum, then its entries.
std::uint32_t block_crc(std::string_view header, std::string_view entries) {
  return crc32c(entries, crc32c(header.substr(0, kAtBlockCrc)));
}

}  // namespace

std::string snapshot_name(const LogPosition& position) {
  char name[kNameBytes + 1];
  std::snprintf(name, sizeof name, "snapshot-%016llx-%016llx",
                static_cast<unsigned long long>(position.last_lsn),
                static_cast<unsigned long long>(position.seg_no));
  return name;
}

bool looks_like_snapshot(std::string_view name) {
  return name.starts_with(kPrefix);
}

Result<std::vector<SnapshotEntry>> list_snapshots(Disk& disk, const std::string& dir) {
  auto files = disk.list(dir);
  if (!files) return files.error();
  std::vector<SnapshotEntry> snapshots;
  for (const auto& file : *files) {
    if (auto entry = parse_name(file)) snapshots.push_back(std::move(*entry));
  }
  std::sort(snapshots.begin(), snapshots.end(),
            [](const auto& a, const auto& b) { return a.seg_no > b.seg_no; });
  return snapshots;
}

// --- hashing and writing ------------------------------------------------------------------------

struct SnapshotHasher::State {
  crypto_generichash_state hash;
  void update(std::string_view bytes) {
    crypto_generichash_update(&hash, reinterpret_cast<const unsigned char*>(bytes.data()),
                              bytes.size());
  }
};

SnapshotHasher::SnapshotHasher(const LogPosition& position)
    : SnapshotSink(position.level), state_(std::make_unique<State>()) {
  crypto_generichash_init(&state_->hash, nullptr, 0, std::tuple_size_v<SnapshotHash>);
  state_->update(encode_position(position));
  if (!of_format_1(position)) state_->update(view_of(position.hash_key));
}

SnapshotHasher::~SnapshotHasher() = default;
SnapshotHasher::SnapshotHasher(SnapshotHasher&&) noexcept = default;

void SnapshotHasher::add(SnapshotSection section, std::string_view entry) {
  STAMPEDE_ASSERT(section >= section_, "a snapshot's sections ascend");
  STAMPEDE_ASSERT(entry.size() <= kSnapshotBlockBytesMax - kSnapshotBlockBytes,
                  "a snapshot's entry fits its block");
  if (section != section_) close_block();
  section_ = section;
  entries_ += entry;
  ++count_;
  if (entries_.size() >= kSnapshotBlockBytes) close_block();
}

void SnapshotHasher::close_block() {
  if (count_ == 0) return;
  add_block({section_, count_, entries_});
  entries_.clear();
  count_ = 0;
}

void SnapshotHasher::add_block(const SnapshotBlock& cut) {
  EntryWriter head;
  state_->update(head.number(static_cast<std::uint32_t>(cut.section)).number(cut.count).take());
  state_->update(cut.entries);
  block(cut);
}

SnapshotHash SnapshotHasher::finish() {
  close_block();
  SnapshotHash hash;
  crypto_generichash_final(&state_->hash, hash.data(), hash.size());
  return hash;
}

SnapshotWriter::SnapshotWriter(Disk& disk, std::string dir, const SnapshotHeader& header)
    : SnapshotHasher(header.position),
      disk_(disk),
      dir_(std::move(dir)),
      name_(snapshot_name(header.position)) {
  const std::string tmp = path_in(dir_, name_ + std::string(kTmpSuffix));
  if (config::failpoint("in_snapshot")) {
    status_ = pretended(tmp);
    return;
  }
  if (status_ = disk_.remove(tmp); !status_) return;
  auto file = disk_.create_zeroed(tmp, 0);
  if (!file) {
    status_ = file.error();
    return;
  }
  file_ = std::move(*file);
  write(encode_header(header));
}

void SnapshotWriter::block(const SnapshotBlock& block) {
  EntryWriter head;
  const bool ends = block.section == SnapshotSection::end;
  const auto section = static_cast<std::uint32_t>(block.section);
  frame_ = head.number(ends && level() == FeatureLevel::format_1 ? kEndOfFormat1 : section)
               .number(block.count)
               .number(static_cast<std::uint32_t>(block.entries.size()))
               .number(blocks_++)
               .number(std::uint32_t{0})
               .take();
  const auto crc = block_crc(frame_, block.entries);
  frame_.append(reinterpret_cast<const char*>(&crc), sizeof crc);
  frame_ += block.entries;
  write(frame_);
}

void SnapshotWriter::write(std::string_view bytes) {
  if (!status_) return;
  const bool pretend = config::failpoint("in_snapshot");
  auto written =
      pretend ? Status(pretended(path_in(dir_, name_))) : file_->write_at(offset_, bytes);
  if (!written) {
    status_ =
        give_up(disk_, path_in(dir_, name_ + std::string(kTmpSuffix)), file_, written.error());
    return;
  }
  offset_ += bytes.size();
}

Result<SnapshotHash> SnapshotWriter::install() {
  const SnapshotHash hash = finish();
  block({SnapshotSection::end, 1, {reinterpret_cast<const char*>(hash.data()), hash.size()}});
  if (!status_) return status_.error();
  if (auto named = sync_and_rename(); !named) {
    return give_up(disk_, path_in(dir_, name_ + std::string(kTmpSuffix)), file_, named.error())
        .error();
  }
  return hash;
}

Status SnapshotWriter::sync_and_rename() {
  const std::string path = path_in(dir_, name_);
  if (config::failpoint("in_snapshot")) return pretended(path);
  if (auto synced = file_->sync(); !synced) return synced;
  if (config::failpoint("in_snapshot")) return pretended(path);
  if (auto renamed = disk_.rename(path + std::string(kTmpSuffix), path); !renamed) return renamed;
  if (config::failpoint("in_snapshot")) return pretended(path);
  if (auto synced = disk_.sync_dir(dir_); !synced) return synced;
  if (config::failpoint("in_snapshot")) return pretended(path);
  return Done{};
}

// --- reading ------------------------------------------------------------------------------------

Error SnapshotReader::damaged(std::string_view what) const {
  return {Errc::corrupt, "snapshot damaged: " + path_ + " at offset " + std::to_string(offset_) +
                             ": " + std::string(what)};
}

Result<SnapshotReader> SnapshotReader::open(Disk& disk, const std::string& dir,
                                            const std::string& name) {
  SnapshotReader reader(disk, path_in(dir, name));
  if (auto filled = reader.fill(kSnapshotHeaderBytes); !filled) return filled.error();
  auto header = decode_header_of_snapshot(reader.window_);
  if (!header && header.error().code == Errc::corrupt) {
    return reader.damaged(header.error().message);
  }
  if (!header) return Error{header.error().code, reader.path_ + ": " + header.error().message};
  reader.header_ = *header;
  if (snapshot_name(header->position) != name) {
    return reader.damaged("the file's name and its header disagree");
  }
  reader.used_ = reader.offset_ = kSnapshotHeaderBytes;
  return reader;
}

// Makes the window begin at offset_ and hold `bytes`, if the file has so many.
Status SnapshotReader::fill(std::size_t bytes) {
  if (window_.size() - used_ >= bytes) return Done{};
  used_ = 0;
  return disk_->read(path_, offset_, kWindowBytes, window_);
}

Result<bool> SnapshotReader::next(SnapshotBlock& block) {
  if (auto filled = fill(kSnapshotBlockHeaderBytes); !filled) return filled.error();
  auto rest = std::string_view(window_).substr(used_);
  if (rest.size() < kSnapshotBlockHeaderBytes) return damaged("it ends without its last block");
  EntryReader in(rest);
  const auto section = in.number<std::uint32_t>();
  block.count = in.number<std::uint32_t>();
  const auto len = in.number<std::uint32_t>();
  const auto number = in.number<std::uint32_t>();
  const auto zero = in.number<std::uint32_t>();
  const auto crc = in.number<std::uint32_t>();
  if (len > kSnapshotBlockBytesMax) return damaged("a block's length is out of bounds");
  if (auto filled = fill(kSnapshotBlockHeaderBytes + len); !filled) return filled.error();
  rest = std::string_view(window_).substr(used_);
  if (rest.size() < kSnapshotBlockHeaderBytes + len) return damaged("a block is cut short");
  block.entries = rest.substr(kSnapshotBlockHeaderBytes, len);
  if (block_crc(rest, block.entries) != crc) return damaged("a block's checksum does not match");
  if (number != blocks_ || zero != 0) return damaged("a block is out of order");
  block.level = header_.position.level;
  const bool ends =
      section == (of_format_1(header_.position) ? kEndOfFormat1
                                                : static_cast<std::uint32_t>(SnapshotSection::end));
  block.section = ends ? SnapshotSection::end : static_cast<SnapshotSection>(section);
  if (section == 0 || (section > kSnapshotSectionLast && !ends) || block.section < last_) {
    return damaged("a block's section is out of order");
  }
  last_ = block.section;
  ++blocks_;
  used_ += kSnapshotBlockHeaderBytes + len;
  offset_ += kSnapshotBlockHeaderBytes + len;
  return block.section == SnapshotSection::end ? end(block) : Result<bool>(true);
}

Result<bool> SnapshotReader::end(const SnapshotBlock& block) {
  if (block.entries.size() != hash_.size()) return damaged("its content hash is cut short");
  std::copy(block.entries.begin(), block.entries.end(), hash_.begin());
  if (auto filled = fill(1); !filled) return filled.error();
  if (used_ < window_.size()) return damaged("bytes follow its end");
  return false;
}

Result<SnapshotFacts> check_snapshot(Disk& disk, const std::string& dir, const std::string& name) {
  auto reader = SnapshotReader::open(disk, dir, name);
  if (!reader) return reader.error();
  SnapshotHasher hasher(reader->header().position);
  SnapshotBlock block;
  while (true) {
    auto more = reader->next(block);
    if (!more) return more.error();
    if (!*more) break;
    hasher.add_block(block);
  }
  if (hasher.finish() != reader->hash()) {
    return Error{Errc::corrupt, "snapshot damaged: " + path_in(dir, name) +
                                    ": its contents do not give the hash it carries"};
  }
  return SnapshotFacts{reader->header(), reader->hash()};
}

}  // namespace stampede::storage
