#include "actors/supervisor/status_page.h"

#include <utility>

#include "actors/supervisor/supervisor_http.h"

namespace stampede::actors {

void StatusFace::on_request(HttpRequest&& request, HttpRespond&& respond) {
  if (page_ && Clock::now() - page_at_ < kFresh) return respond(answer_http(request, *page_));
  waiting_.push_back({std::move(request), std::move(respond)});
  if (!std::exchange(asked_, true)) caf::anon_send(port_, StatusAskAtom::value, self_);
}

void StatusFace::on_page(StatusPagePtr page) {
  page_ = std::move(page);
  page_at_ = Clock::now();
  asked_ = false;
  for (auto& call : std::exchange(waiting_, {})) call.respond(answer_http(call.request, *page_));
}

}  // namespace stampede::actors
