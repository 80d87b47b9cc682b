#include "actors/supervisor/status_page.h"

#include <utility>

#include "actors/supervisor/supervisor_http.h"

namespace stampede::actors {

HttpReply StatusFace::answer(const HttpRequest& request, const StatusPage& page) const {
  return answer_http(request, page);
}

HttpReply StatusFace::answer(const HttpRequest& request, const MetricsPage& page) const {
  return answer_metrics(request, page, log_dir_);
}

template <class Page, class Ask>
void StatusFace::take(Desk<Page>& desk, Ask ask, HttpCall&& call) {
  if (desk.page && Clock::now() - desk.page_at < kFresh)
    return call.respond(answer(call.request, *desk.page));
  desk.waiting.push_back(std::move(call));
  if (!std::exchange(desk.asked, true)) caf::anon_send(port_, ask, self_);
}

template <class Page>
void StatusFace::take_page(Desk<Page>& desk, Page page) {
  desk.page = std::move(page);
  desk.page_at = Clock::now();
  desk.asked = false;
  for (auto& call : std::exchange(desk.waiting, {})) call.respond(answer(call.request, *desk.page));
}

void StatusFace::on_request(HttpRequest&& request, HttpRespond&& respond) {
  if (is_metrics_target(request.target))
    return take(metrics_, MetricsAskAtom::value, {std::move(request), std::move(respond)});
  take(status_, StatusAskAtom::value, {std::move(request), std::move(respond)});
}

void StatusFace::on_page(StatusPagePtr page) {
  take_page(status_, std::move(page));
}

void StatusFace::on_page(MetricsPagePtr page) {
  take_page(metrics_, std::move(page));
}

}  // namespace stampede::actors
