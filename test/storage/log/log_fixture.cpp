#include "test/storage/log/log_fixture.h"

#include <array>
#include <span>

namespace stampede::test {

using storage::RecordType;

std::uint32_t decisions_of(const TestBatch& batch) {
  std::uint32_t decisions = 0;
  for (const auto& record : batch.records) decisions += storage::is_decision(record.type) ? 1 : 0;
  return decisions;
}

storage::Status Recorder::on_batch(const storage::BatchInfo& info) {
  batches.push_back({info.epoch, info.first_lsn, info.wall_ns, {}});
  places.push_back({std::string(info.file), info.offset, info.end - info.position});
  return storage::Done{};
}

storage::Status Recorder::on_record(const storage::BatchInfo&, const storage::RecordView& record) {
  batches.back().records.push_back({record.type, std::string(record.payload)});
  if (storage::is_decision(record.type)) lsns.push_back(record.lsn);
  return storage::Done{};
}

std::string BatchSource::payload(std::size_t bytes) {
  std::string text = "#" + std::to_string(++made_) + " ";
  while (text.size() < bytes) text += static_cast<char>(random_() & 0xff);
  text.resize(bytes);
  return text;
}

TestBatch BatchSource::batch_of(std::vector<TestRecord> records) {
  TestBatch batch{epoch_, next_lsn_, static_cast<std::int64_t>(made_), std::move(records)};
  next_lsn_ += decisions_of(batch);
  return batch;
}

TestBatch BatchSource::next(std::size_t payload_bytes_max) {
  constexpr std::array kTypes = {RecordType::emit,   RecordType::emit, RecordType::emit,
                                 RecordType::reject, RecordType::exec, RecordType::optm,
                                 RecordType::fail};
  constexpr std::array kNewTypes = {RecordType::ha, RecordType::hash, RecordType::config,
                                    RecordType::claim, RecordType::revoke};
  std::vector<TestRecord> records;
  const std::uint64_t count = 1 + below(below(8) == 0 ? 40 : 4);
  for (std::uint64_t i = 0; i < count; ++i) {
    auto type = kTypes[below(kTypes.size())];
    if (const auto other = kNewTypes[below(kNewTypes.size())]; level_of(other) <= level_)
      type = other;
    records.push_back({type, payload(below(payload_bytes_max + 1))});
  }
  return batch_of(std::move(records));
}

TestBatch BatchSource::with_payload(std::size_t bytes) {
  return batch_of({{RecordType::emit, payload(bytes)}});
}

TestBatch BatchSource::seal() {
  return batch_of({{RecordType::seal, ""}});
}

TestBatch BatchSource::takeover() {
  ++epoch_;
  next_lsn_ = storage::make_lsn(epoch_, 1);
  return batch_of({{RecordType::epoch, "takeover"}});
}

void BatchSource::continue_after(const storage::LogChain& chain) {
  epoch_ = chain.epoch;
  next_lsn_ = chain.next_lsn;
}

storage::Status append_batch(storage::LogWriter& writer, const TestBatch& batch,
                             storage::FeatureLevel level) {
  std::array<storage::LogAppend, 3> parts;  // some stay empty
  for (std::size_t i = 0; i < batch.records.size(); ++i) {
    auto& part = parts[i * 2 / batch.records.size()];
    part.add(batch.records[i].type, batch.records[i].payload);
  }
  const std::array<std::string_view, 3> bytes = {parts[0].records, parts[1].records,
                                                 parts[2].records};
  return writer.append(bytes, {.epoch = batch.epoch,
                               .first_lsn = batch.first_lsn,
                               .count = static_cast<std::uint32_t>(batch.records.size()),
                               .wall_ns = batch.wall_ns,
                               .pid = 77,
                               .level = level});
}

storage::Status append_and_sync(storage::LogWriter& writer, const TestBatch& batch,
                                storage::FeatureLevel level) {
  if (auto appended = append_batch(writer, batch, level); !appended) return appended;
  return writer.sync();
}

storage::LogOptions small_segments(std::uint64_t bytes, storage::FeatureLevel level) {
  storage::LogOptions options;
  options.level = level;
  options.segment_bytes = bytes;
  options.start_segment_bytes = bytes;
  return options;
}

}  // namespace stampede::test
