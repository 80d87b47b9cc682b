#include "actors/backend/core/open_answers.h"

namespace stampede::actors {

void OpenAnswers::release(Lsn durable, std::uint64_t epoch, Effects& effects) {
  for (; !open_.empty() && open_.front().need <= durable; open_.pop_front()) {
    auto& answer = open_.front().answer;
    if (auto* control = std::get_if<ControlAnswer>(&answer)) {
      effects.controls.push_back(std::move(*control));
    } else if (auto* promo = std::get_if<PromoAnswer>(&answer)) {
      effects.promos.push_back(std::move(*promo));
    } else if (auto* books = std::get_if<BooksAnswer>(&answer)) {
      effects.books.push_back(*books);
    } else {
      auto& result = std::get<ResultMessage>(answer);
      stamp(result.envelope, epoch);
      effects.results.push_back(std::move(result));
    }
  }
}

void OpenAnswers::stamp(transport::Envelope& envelope, std::uint64_t epoch) {
  const bool known = envelope.broker == broker_;
  // The broker stamped its total after this batch: work lost on the way gives its credit back.
  if (known) answered_ = std::max(answered_ + envelope.count, envelope.counter);
  envelope.epoch = epoch;
  envelope.counter = known ? answered_ : 0;
}

}  // namespace stampede::actors
