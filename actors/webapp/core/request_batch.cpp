#include "actors/webapp/core/request_batch.h"

namespace stampede::actors {

std::string_view RequestBatch::entry(std::size_t position) const {
  const auto begin = begins_[position];
  const auto end = position + 1 < begins_.size() ? begins_[position + 1] : body_.size();
  return body_.view().substr(begin, end - begin);
}

void RequestBatch::append_copy(const RequestBatch& from, std::size_t position) {
  begin_entry(kAnswerBytes);
  body_.append(from.entry(position));
}

void RequestBatch::cut_back(const End& end) {
  body_.cut_back(end.body);
  begins_.resize(end.count);
  answer_bytes_ = end.answer_bytes;
}

void RequestBatch::clear() {
  body_.clear();
  begins_.clear();
  answer_bytes_ = 0;
}

}  // namespace stampede::actors
